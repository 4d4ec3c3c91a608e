"""Rows: what became of each arm, as plain data for JSON; and the columns of three words."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compare.measure.arms import AGAIN, COLUMNS
from compare.measure.course import Course, Plan, Runner
from compare.measure.environment import machine, versions
from compare.measure.knobs import differences
from compare.measure.rounds import times
from compare.measure.workloads import Workload

SCHEMA = 2
FILE = "bench.json"
Result = dict[str, Any]


def result(course: Course, plan: Plan) -> Result:
    """One workload at one precision: a row an arm, the columns, the canary."""
    workload = course.workload
    noise = noise_of(course, plan)
    floor = noise["floor"] if noise else 0.0
    rows = [row(course, one, course.runners[0], plan, floor) for one in course.runners]
    return {
        "workload": workload.name,
        "when": _now(),
        "mode": workload.mode,
        "precision": course.precision,
        "device": plan.device,
        "threads": plan.threads,
        "size": plan.size,
        "clock": plan.clock,
        "core": course.core,
        "flops": workload.flops,
        "samples": workload.samples,
        "tokens": list(workload.tokens) if workload.tokens else None,
        "l2": "warm: the same inputs at every step, nothing is flushed",
        "rows": rows,
        "columns": columns(course, plan, floor),
        "noise": noise,
        "ceilings": course.ceilings,
        "canary": canary_of(course),
        "ended": course.ended,
        "measured_share": course.measured / course.after_compile
        if course.after_compile
        else None,
    }


def unstarted(workload: Workload, precision: str, why: str) -> Course:
    """A course on which no arm set out."""
    return Course(workload, precision, [], ended=why)


def noise_of(course: Course, plan: Plan) -> Result | None:
    """The first arm against itself in a second process: how far two equals come out apart.

    floor   the largest effect that their interval does not exclude; what lies within is
            called neither faster nor slower
    """
    again = next((r for r in course.runners if r.arm.name == AGAIN), None)
    if again is None or again.lost:
        return None
    found = ratio_of(course.runners[0], again, plan)
    if found is None:
        return None
    return {"floor": max(found["high"], 1 / found["low"]) - 1, "ratio": found}


def canary_of(course: Course) -> Result:
    """Its least, median and worst time on the wall, and all of them with those of CPU."""
    if not course.canary:
        return {}
    wall, cpu = (_rounded(one) for one in zip(*course.canary, strict=True))
    ordered = sorted(wall)
    told = {"quiet": ordered[0], "median": ordered[len(ordered) // 2], "worst": ordered[-1]}
    return {**told, "wall": wall, "cpu": cpu}


def row(course: Course, runner: Runner, base: Runner, plan: Plan, floor: float = 0.0) -> Result:
    """An arm's figures; where it was lost, how, and what was measured before."""
    found: Result = {"arm": runner.arm.name, "side": runner.arm.side, "mode": runner.arm.mode,
                     "tuning": runner.arm.tuning, "lost": runner.lost, "kind": runner.kind,
                     "facts": runner.facts, "steps": runner.steps,
                     "warm_up": runner.warm_up}  # fmt: skip
    if runner.agreement is not None:
        found["agreement"] = asdict(runner.agreement)
    if runner.manifest is not None:
        found["knobs"], found["raw"] = dict(runner.manifest.words), dict(runner.manifest.raw)
    if not runner.blocks:
        return found
    from compare.measure.series import observe, summarise

    mine = times(runner, plan.clock)
    found["seconds"] = asdict(summarise(mine))
    found["wall"] = asdict(summarise(times(runner, "wall")))
    found["issued"] = asdict(summarise(times(runner, "issued")))
    found["observed"] = list(observe(mine))
    found["samples"] = {
        "wall": _rounded(times(runner, "wall")),
        "cpu": _rounded(times(runner, "cpu")),
        "resident": [block.resident for block in runner.blocks],
    }
    if runner.latency:
        found["latency"] = asdict(summarise(runner.latency))
    found |= rates(course, found["seconds"]["median"])
    if runner is not base and not runner.lost:
        itself = runner.arm.name == AGAIN
        found["ratio"] = ratio_of(base, runner, plan, 0.0 if itself else floor)
    return found


def _rounded(values: Iterable[float]) -> list[float]:
    """Seven digits: a clock has no more."""
    return [float(f"{value:.7g}") for value in values]


def rates(course: Course, seconds: float) -> Result:
    """Samples, tokens and operations a second, and the part of the ceiling that those are."""
    workload = course.workload
    found: Result = {"samples_per_second": workload.samples / seconds}
    if workload.tokens:
        real, padded = workload.tokens
        found |= {"real_tokens_per_second": real / seconds}
        found |= {"padded_tokens_per_second": padded / seconds}
    if workload.flops:
        found["flops_per_second"] = workload.flops / seconds
        reached = [one["matmul"] for one in course.ceilings.values() if one]
        if reached:
            found["mfu"] = workload.flops / seconds / max(reached)
    return found


def ratio_of(base: Runner, other: Runner, plan: Plan, floor: float = 0.0) -> Result | None:
    """`other`'s time over `base`'s, of the rounds that both ran; None where they are few.

    Beyond the noise floor it is faster or slower; else the same where the interval lies within
    the width that was asked for.
    """
    from compare.measure.statistics import LEAST_ROUNDS, ratio

    rounds = min(len(base.blocks), len(other.blocks))
    if rounds < LEAST_ROUNDS:
        return None
    theirs, ours = (times(one, plan.clock, rounds) for one in (base, other))
    return asdict(ratio(theirs, ours, margin=plan.width, floor=floor))


def columns(course: Course, plan: Plan, floor: float = 0.0) -> dict[str, Result]:
    """JAX over torch: as shipped, matched (refused where a knob differs), best effort."""
    named = {runner.arm.name: runner for runner in course.runners}
    found: dict[str, Result] = {}
    for column, (torch, jax) in COLUMNS.items():
        pair = [named[name] for name in (torch, jax) if name in named]
        if len(pair) < 2:
            continue
        found[column] = column_of(pair[0], pair[1], plan, floor, matched=column == "matched")
    timed = [r for r in course.runners if r.blocks and not r.lost and r.arm.name != AGAIN]
    best = [_fastest(timed, side, plan) for side in ("torch", "jax")]
    if best[0] is not None and best[1] is not None:
        found["best effort"] = column_of(best[0], best[1], plan, floor)
    return found


def column_of(
    torch: Runner, jax: Runner, plan: Plan, floor: float = 0.0, matched: bool = False
) -> Result:
    said: Result = {"torch": torch.arm.name, "jax": jax.arm.name}
    lost = [f"{r.arm.name}: {r.lost}" for r in (torch, jax) if r.lost or not r.blocks]
    if lost:
        return {**said, "refused": lost}
    assert torch.manifest is not None
    assert jax.manifest is not None
    apart = differences(torch.manifest, jax.manifest)
    if matched and apart:
        return {**said, "refused": apart}
    return {**said, "ratio": ratio_of(torch, jax, plan, floor), "differences": apart}


def _fastest(runners: list[Runner], side: str, plan: Plan) -> Runner | None:
    """Of the arms that do the workload as it is, by the median."""
    own = [r for r in runners if r.arm.side == side]

    def median(runner: Runner) -> float:
        found = sorted(times(runner, plan.clock))
        return found[len(found) // 2]

    return min(own, key=median, default=None)


UNTOLD = ("probes", "trace", "reference", "resident")
"""Of a plan, what is of this run's folders and no figure depends on."""


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def document(results: list[Result], plan: Plan) -> Result:
    """All results of a run with the machine they are of."""
    return {
        "schema": SCHEMA,
        "when": _now(),
        "machine": {**machine(), "host": platform.machine()},
        "versions": versions(),
        "plan": {name: x for name, x in asdict(plan).items() if name not in UNTOLD},
        "results": results,
    }


def save(path: Path, whole: Result) -> None:
    """A line a result. Written beside, then moved: a killed run leaves the last whole file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    head = json.dumps({k: v for k, v in whole.items() if k != "results"}, default=_plain)
    lines = ",\n".join(json.dumps(one, default=_plain) for one in whole["results"])
    beside.write_text(f'{head[:-1]}, "results": [\n{lines}\n]}}\n')
    beside.replace(path)


class NotResults(ValueError):
    """A file that holds no results of a benchmark."""


def load(path: Path) -> Result:
    """What `save` wrote to `path`, or into that folder. Raises NotResults for anything else."""
    path = path / FILE if path.is_dir() else path
    try:
        whole = json.loads(path.read_text())
        known = whole["schema"] == SCHEMA and isinstance(whole["results"], list)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotResults(f"{path} holds no results of portbench bench ({error})") from None
    if not known:
        raise NotResults(f"{path} is of schema {whole['schema']}, this reads {SCHEMA}")
    return whole


def merged(documents: list[Result]) -> list[Result]:
    """The results of several files, each with its machine; of the same one the later counts."""
    found: dict[tuple, Result] = {}
    for whole in sorted(documents, key=lambda document: document["when"]):
        place = f"{whole['machine']['processor']}, {whole['machine']['cores']} cores"
        for one in whole["results"]:
            words = next((r["knobs"]["device"] for r in one["rows"] if "knobs" in r), place)
            places = (one["device"], one["size"], one["threads"], words)
            found[one["workload"], one["precision"], *places] = {**one, "machine": words}
    return list(found.values())


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
