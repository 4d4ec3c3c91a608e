"""A run of many workloads into one file: what is to do, what is done, what time is left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from compare.measure import figures
from compare.measure.arms import Arm, arms
from compare.measure.course import Course, Plan
from compare.measure.figures import FILE, NotResults, Result
from compare.measure.groups import run_all
from compare.measure.rounds import run
from compare.measure.workers import Lost
from compare.measure.workloads import Workload, workloads


@dataclass(frozen=True)
class Item:
    """One workload at one precision, by some arms."""

    workload: Workload
    precision: str
    arms: tuple[Arm, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.workload.name, self.precision


def items(
    plan: Plan, precisions: Sequence[str], texts: list[str] | None, names: Sequence[str]
) -> list[Item]:
    """All that is asked for. Raises UnknownArm and UnknownWorkload."""
    arms(names, plan.device)
    return [
        Item(one, precision, tuple(arms(names, plan.device, one.few)))
        for one in workloads(plan.size, texts)
        for precision in precisions
    ]


def held(out: Path, plan: Plan) -> list[Result]:
    """What `out` holds of such a plan, to go on from. Raises NotResults."""
    file = out / FILE
    if not file.exists():
        return []
    whole = figures.load(file)
    for name in ("size", "device", "threads", "seed"):
        theirs, ours = whole["plan"].get(name), getattr(plan, name)
        if theirs != ours:
            raise NotResults(
                f"{file} is of {name} {theirs}, not {ours}: pass the same or another folder"
            )
    return whole["results"]


def session(
    todo: Iterable[Item],
    plan: Plan,
    out: Path,
    results: list[Result],
    say: Callable[[str], object],
    until: float = math.inf,
) -> Iterator[Result | None]:
    """Runs what `results` does not hold, and yields each result once it is in the file.

    `until` (of time.monotonic): nothing is begun that would not end by then, going by the
    longest before it, and what is cut short is not kept but where it was the first and has
    ratios; then None is yielded, as something is left to do.
    """
    done = {(one["workload"], one["precision"]) for one in results}
    longest = 0.0
    for item in todo:
        if item.key in done:
            continue
        began = time.monotonic()
        if began + longest >= until:
            yield None
            return
        found, cut = _one(item, plan, say, until)
        timed = any(row.get("ratio") for row in found["rows"])
        if cut and (longest or not timed):
            yield None
            return
        longest = max(longest, time.monotonic() - began)
        results.append(found)
        figures.save(out / FILE, figures.document(results, plan))
        yield found


def _one(
    item: Item, plan: Plan, say: Callable[[str], object], until: float
) -> tuple[Result, bool]:
    """Its result, and whether time ran out."""

    def by(arms: Sequence[Arm], plan: Plan) -> Course:
        return run(item.workload, item.precision, arms, plan, say, until)

    try:
        found, course = run_all(by, item.arms, plan)
    except Lost as error:
        course = figures.unstarted(item.workload, item.precision, f"no reference: {error}")
        return figures.result(course, plan), time.monotonic() >= until
    return found, course.cut


def troubles(one: Result) -> list[str]:
    """Of each arm that was lost how; what a side does not have is none."""
    found = [
        f"{row['arm']}: {row['kind']}: {row['lost']}"
        for row in one["rows"]
        if row["lost"] and row["kind"] != "unsupported"
    ]
    return found if one["rows"] else [one["ended"]]
