"""The straight line: cases -> givens -> a Record per side and precision -> Verdicts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence

from compare.cases.case import Case, Study
from compare.cases.training import Training
from compare.judge.agree import judge
from compare.judge.trajectory import Step, judge_run
from compare.judge.verdict import Verdict
from compare.run import target
from compare.run.batches import Batches, dataset
from compare.run.draw import Givens, givens
from compare.run.record import PRECISIONS, Record, failed
from compare.run.start import one_ulp_off, start


def check(
    cases: Sequence[Case], seed: int = 0, device: str = "cpu", quick: bool = False
) -> list[Verdict]:
    """The verdicts on `cases`, in order. Batches of some 20 cases share one JAX compile.

    `quick` compiles float32 as cheaply as float64: enough to tell the function, not the care.
    """
    started = time.perf_counter()
    found = recorded(cases, seed, device, quick)
    verdicts = [
        judge(case.name, found[case.name], case.may_be_empty, case.flat) for case in cases
    ]
    share = (time.perf_counter() - started) / max(1, len(cases))
    return [
        dataclasses.replace(verdict, expect=case.expect, why=case.why, seconds=share)
        for case, verdict in zip(cases, verdicts, strict=True)
    ]


def recorded(
    cases: Sequence[Case], seed: int = 0, device: str = "cpu", quick: bool = False
) -> dict[str, dict[tuple[str, str], Record]]:
    """The records of `cases` by name, then by (side, precision); a side that failed ends it."""
    from compare.run import torch_side  # torch before jax: the other order can crash

    from compare.run import jax_side  # isort: skip

    drawn: dict[str, Givens] = {}
    records: dict[str, dict[tuple[str, str], Record]] = {case.name: {} for case in cases}
    for case in cases:
        try:
            drawn[case.name] = givens(case, torch_side.leaves(case), seed)
        except Exception as error:
            records[case.name]["torch", "float64"] = failed("torch", "float64", error)
            continue
        for precision in PRECISIONS:
            record = torch_side.run(case, drawn[case.name], precision, seed, device)
            records[case.name]["torch", precision] = record
            if precision == "float64" and not record.error:
                record.spread = torch_side.spread(case, drawn[case.name], record, seed, device)
    ready = [case for case in cases if not any(r.error for r in records[case.name].values())]
    for precision in PRECISIONS:
        given = [drawn[case.name] for case in ready]
        found = jax_side.run(ready, given, precision, device, quick or None)
        for case, record in zip(ready, found, strict=True):
            records[case.name]["jax", precision] = record
    return records


def check_study(study: Study, seed: int = 0) -> Verdict:
    """The verdict that the study comes to."""
    started = time.perf_counter()
    try:
        verdict = target.named(study.target, "torch")(study.name, seed)
    except Exception as error:
        verdict = Verdict(study.name, "error", says=failed("", "float64", error).error)
    seconds = time.perf_counter() - started
    return dataclasses.replace(verdict, expect=study.expect, why=study.why, seconds=seconds)


def check_training(
    training: Training,
    seed: int = 0,
    device: str = "cpu",
    on_step: Callable[[Step], None] = lambda step: None,
) -> Verdict:
    """The verdict on a training run: both sides in lockstep, each step judged in float64.

    In float32 each side trains twice, the second time from parameters one ulp off. `on_step`
    hears of each step as it is judged.
    """
    started = time.perf_counter()
    try:
        runs = lockstep(training, seed, device)
        verdict = judge_run(training.name, runs, on_step)
    except Exception as error:
        verdict = Verdict(training.name, "error", says=failed("", "float64", error).error)
    seconds = time.perf_counter() - started
    return dataclasses.replace(
        verdict,
        expect=training.expect,
        expect_at=training.parts_at,
        why=training.why,
        seconds=seconds,
    )


def lockstep(training: Training, seed: int, device: str) -> dict[str, Iterator[Record]]:
    """The runs that `judge_run` steps together, by its names for them."""
    from compare.run import torch_side, torch_train  # torch before jax

    from compare.run import jax_train  # isort: skip

    ours, theirs = training.on("torch"), training.on("jax")
    data = dataset(ours, seed)
    torch_batches, jax_batches = (Batches(one, data, seed) for one in (ours, theirs))
    given = start(training, torch_side.leaves(training), seed)
    twin = one_ulp_off(given, seed)
    runs = {}
    for precision in PRECISIONS:
        program = jax_train.Program(theirs, given, precision, device)
        begun = {f"{precision}": given} | ({"twin": twin} if precision == "float32" else {})
        for word, leaves in begun.items():
            brief = word == "twin"
            runs[f"torch {word}"] = torch_train.train(
                ours, leaves, torch_batches, data.test, precision, device, brief
            )
            runs[f"jax {word}"] = program.train(leaves, jax_batches, data.test, brief)
    return {name: told(name, run) for name, run in runs.items()}


def told(name: str, run: Iterator[Record]) -> Iterator[Record]:
    """`run`, with its name in the exceptions that it raises."""
    try:
        yield from run
    except Exception as error:
        record = failed(name, "", error)
        raise TrainingError(f"{name}: {record.error}") from error


class TrainingError(RuntimeError):
    """A training that broke: which run, and its own words."""
