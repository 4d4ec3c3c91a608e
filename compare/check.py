"""The straight line: cases -> givens -> a Record per side and precision -> Verdicts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from compare.cases.case import Case, Training
from compare.judge.agree import judge
from compare.judge.trajectory import judge_run
from compare.judge.verdict import Verdict
from compare.run.batches import DATASETS, minibatches
from compare.run.draw import Givens, givens
from compare.run.record import PRECISIONS, Record, failed


def check(
    cases: Sequence[Case], seed: int = 0, device: str = "cpu", quick: bool = False
) -> list[Verdict]:
    """The verdicts on `cases`, in order. Batches of some 20 cases share one JAX compile.

    `quick` compiles float32 as cheaply as float64: enough to tell the function, not the care.
    """
    from compare.run import torch_side  # torch before jax: the other order can crash

    from compare.run import jax_side  # isort: skip

    started = time.perf_counter()
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
    ready = [case for case in cases if not any(r.error for r in records[case.name].values())]
    for precision in PRECISIONS:
        given = [drawn[case.name] for case in ready]
        found = jax_side.run(ready, given, precision, device, quick or None)
        for case, record in zip(ready, found, strict=True):
            records[case.name]["jax", precision] = record
    verdicts = [judge(case.name, records[case.name], case.may_be_empty) for case in cases]
    share = (time.perf_counter() - started) / max(1, len(cases))
    return [
        dataclasses.replace(verdict, expect=case.expect, why=case.why, seconds=share)
        for case, verdict in zip(cases, verdicts, strict=True)
    ]


def check_training(training: Training, seed: int = 0, device: str = "cpu") -> Verdict:
    """The verdict on a training run: both sides in lockstep, each step judged in float64."""
    from compare.run import torch_side, torch_train  # torch before jax

    from compare.run import jax_train  # isort: skip

    started = time.perf_counter()
    dataset = DATASETS[training.data](seed)
    batches = list(minibatches(dataset, training.batch_size, training.steps, seed))
    given = givens(training, torch_side.leaves(training), seed)
    runs = {
        (side, precision): half.train(training, given, batches, dataset.test, precision, device)
        for precision in PRECISIONS
        for side, half in (("torch", torch_train), ("jax", jax_train))
    }
    try:
        verdict = judge_run(training.name, runs)
    except Exception as error:
        record = failed("training", "float64", error)
        verdict = Verdict(training.name, "error", says=record.error)
    seconds = time.perf_counter() - started
    return dataclasses.replace(
        verdict, expect=training.expect, why=training.why, seconds=seconds
    )
