"""A run of many cases: batches to workers, verdicts to disk as they come."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from compare.cases.case import Case, Pair, Study
from compare.cases.training import Training
from compare.judge.verdict import Verdict
from compare.measure.environment import jax_cache
from compare.report.document import Result, Results
from compare.run.pool import Lost, run_batches

BATCH = 16
"""Cases that share one JAX compile: more save little, and a killed run repeats them."""


def run_suite(
    chosen: Sequence[tuple[str, Pair]],
    results: Results,
    seed: int,
    device: str,
    jobs: int,
    seconds: float,
    on_result: Callable[[Result], None],
) -> None:
    """Runs what `results` does not hold yet, appending each verdict as it comes.

    A case or training that takes longer than `seconds` is stopped, with its worker.
    """
    suites = {case.name: stem for stem, case in chosen}
    cases = {case.name: case for _, case in chosen}
    held = {(r.verdict.case, r.fingerprint) for r in results.done}
    todo = [case for case in cases.values() if (case.name, case.fingerprint) not in held]
    settings = {"seed": seed, "device": device, "environment": environment(device, jobs)}
    for answers in run_batches(batches(todo), work, settings, jobs, seconds):
        for verdict in map(_verdict, answers):
            case = cases[verdict.case]
            result = Result(suites[case.name], case.fingerprint, seed, device, verdict)
            results.append(result)
            on_result(result)


def batches(cases: Sequence[Pair]) -> list[list[Pair]]:
    """Trainings and studies first, each alone, as they take longest; then 16 cases together."""
    runs: list[list[Pair]] = [[case] for case in cases if not isinstance(case, Case)]
    plain: list[Pair] = [case for case in cases if isinstance(case, Case)]
    return runs + [plain[i : i + BATCH] for i in range(0, len(plain), BATCH)]


def work(batch: Sequence[Pair], settings: dict[str, Any]) -> list[Verdict]:
    """What a worker does with a batch. torch's warnings speak to users of a layer, not here."""
    warnings.simplefilter("ignore")
    from compare.check import check, check_study, check_training
    from compare.explain import told

    seed, device = settings["seed"], settings["device"]
    runs = [one for one in batch if isinstance(one, Training)]
    cases = [one for one in batch if isinstance(one, Case)]
    studies = [check_study(one, seed) for one in batch if isinstance(one, Study)]
    trained = [check_training(run, seed, device) for run in runs]
    checked = zip(check(cases, seed, device), cases, strict=True)
    return studies + trained + [told(one, case, seed, device) for one, case in checked]


def environment(device: str, jobs: int) -> dict[str, str]:
    """What workers set before they import a framework.

    The persistent compilation cache keeps everything, however quick to compile: a second run of
    the same cases then compiles nothing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {
        "OMP_NUM_THREADS": str(max(1, (cores or 1) // jobs)),
        **jax_cache(str(cache_folder())),
    }
    if device == "cpu":
        found["JAX_PLATFORMS"] = "cpu"
    return {name: os.environ.get(name, value) for name, value in found.items()}


def cache_folder() -> Path:
    """Where compiled JAX programs are kept: below $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "portbench" / "jax"


def _verdict(answer: Verdict | Lost) -> Verdict:
    if isinstance(answer, Lost):
        case = answer.item
        return Verdict(case.name, "error", says=answer.reason, expect=case.expect, why=case.why)
    return answer


def remaining(chosen: Sequence[tuple[str, Any]], results: Results) -> Iterator[str]:
    """Names of the chosen cases that have no result yet."""
    held = {result.verdict.case for result in results.done}
    yield from (case.name for _, case in chosen if case.name not in held)
