"""Why a training parts: a mistake made on torch's side too, with which the two run alike."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from compare.cases.training import Training
from compare.check import check_training
from compare.explain import SECONDS, Explained, Explanation, look
from compare.judge.cause import Cause
from compare.judge.locate import FAULTS, Place
from compare.judge.trajectory import Step
from compare.judge.verdict import Verdict

if TYPE_CHECKING:
    from compare.run.suspects_update import Mistake


def explain_training(training: Training, seed: int = 0, device: str = "cpu") -> Explanation:
    """The step and array where `training` parts, and the mistakes that keep it together.

    A mistake is believed when the run, with it on torch's side too, is `same` up to and with
    the step that parted.
    """
    from compare.run.suspects_update import mistakes

    steps: list[Step] = []
    verdict = check_training(training, seed, device, steps.append)
    if verdict.verdict not in FAULTS:
        return Explanation(training.name, verdict)
    static = look(training)
    settings = [(one.path, one.name, one.torch, one.jax) for one in static]
    parted = step_of(verdict)
    others, known = elsewhere(training, verdict, steps[-1], seed, device)
    tried = [*mistakes(training, settings), *others]

    def causes_among(some: Iterable[Mistake]) -> list[Cause]:
        asked = (believed(one, training, verdict, parted, seed, device) for one in some)
        return [cause for cause in asked if cause]

    causes = causes_among(tried) or causes_among(pairs(tried, training))
    said = () if causes else (f"it parts at {verdict.says}", *known)
    found = Explained(Place("", True, verdict), tuple(causes), said)
    return Explanation(training.name, verdict, tuple(static), (found,))


def pairs(tried: Sequence[Mistake], training: Training) -> Iterator[Mistake]:
    """Two mistakes at once, while there is time to try them."""
    deadline = time.perf_counter() + SECONDS
    for one, other in itertools.combinations(tried, 2):
        both = one.and_also(other, training)
        if both is not None and time.perf_counter() < deadline:
            yield both


def elsewhere(
    training: Training, verdict: Verdict, last: Step, seed: int, device: str
) -> tuple[list[Mistake], list[str]]:
    """What the first array to part suggests beside the update, and what is known besides.

    Buffers that part first may have been left behind; a loss, under the same parameters, may be
    that of another batch.
    """
    from compare.run import suspects_training as suspects

    array = verdict.says.partition(":")[0].partition("/")[2]
    if array.startswith("buffer/"):
        return list(suspects.buffers(training)), []
    if array != "loss":
        return [], []
    loss = last.losses["jax float64"]
    taken = suspects.batches_taken(training, last.number, loss, seed, device)
    known = [
        f"its loss at step {last.number} is torch's on the batch of step {t}" for t in taken
    ]
    return [suspects.swapped(last.number, other) for other in taken], known


def believed(
    mistake: Mistake, training: Training, verdict: Verdict, parted: int, seed: int, device: str
) -> Cause | None:
    """The mistake as a cause, if the run is `same` with it on torch's side too."""
    through = max(parted, mistake.last)
    alike = check_training(mistake.made(training, through + 1), seed, device)
    if alike.verdict != "same":
        return None
    return Cause(
        mistake.name,
        mistake.source,
        mistake.says,
        mistake.change,
        before=gap_of(verdict),
        after=max((f.gap for f in alike.findings), default=0.0),
        arrays=alike.compared,
        confidence=f"made on torch's side too, step {through} and those before it "
        f"are the same ({alike.compared} arrays)",
    )


def step_of(verdict: Verdict) -> int:
    """The step at which a run parted: "step 3/loss: ..." is 3."""
    word = verdict.says.removeprefix("step ").partition("/")[0]
    return int(word) if word.isdigit() else int(verdict.facts.get("steps", 1)) - 1


def gap_of(verdict: Verdict) -> float:
    return verdict.worst.gap if verdict.worst else 0.0
