"""Why a training parts: a mistake made on torch's side too, with which the two run alike."""

from __future__ import annotations

from compare.cases.training import Training
from compare.check import check_training
from compare.explain import Explained, Explanation, look
from compare.judge.cause import Cause
from compare.judge.locate import FAULTS, Place
from compare.judge.verdict import Verdict


def explain_training(training: Training, seed: int = 0, device: str = "cpu") -> Explanation:
    """The step and array where `training` parts, and the mistakes that keep it together.

    A mistake is believed when the run, with it on torch's side too, is `same` up to and with
    the step that parted.
    """
    from compare.run.suspects_update import mistakes

    verdict = check_training(training, seed, device)
    if verdict.verdict not in FAULTS:
        return Explanation(training.name, verdict)
    static = look(training)
    settings = [(one.path, one.name, one.torch, one.jax) for one in static]
    parted = step_of(verdict)
    causes = []
    for one in mistakes(training, settings):
        alike = check_training(one.made(training, parted + 1), seed, device)
        if alike.verdict == "same":
            causes.append(
                Cause(
                    one.name,
                    one.source,
                    one.says,
                    one.change,
                    before=gap_of(verdict),
                    after=max((f.gap for f in alike.findings), default=0.0),
                    arrays=alike.compared,
                    confidence=f"made on torch's side too, step {parted} and those before it "
                    f"are the same ({alike.compared} arrays)",
                )
            )
    known = () if causes else (f"it parts at {verdict.says}",)
    found = Explained(Place("", True, verdict), tuple(causes), known)
    return Explanation(training.name, verdict, tuple(static), (found,))


def step_of(verdict: Verdict) -> int:
    """The step at which a run parted: "step 3/loss: ..." is 3."""
    word = verdict.says.removeprefix("step ").partition("/")[0]
    return int(word) if word.isdigit() else int(verdict.facts.get("steps", 1)) - 1


def gap_of(verdict: Verdict) -> float:
    return verdict.worst.gap if verdict.worst else 0.0
