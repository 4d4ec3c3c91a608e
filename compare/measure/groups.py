"""Arms that memory does not hold beside each other: in groups, each beside the baseline.

A ratio is of two arms that took turns: to the baseline, which is in every group, or within a
column, whose two arms are in one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from compare.measure import figures
from compare.measure.arms import AGAIN, BASELINE, COLUMNS, Arm
from compare.measure.course import Course, Plan
from compare.measure.figures import Result


def run_all(
    run: Callable[[Sequence[Arm], Plan], Course], arms: Sequence[Arm], plan: Plan
) -> tuple[Result, Course]:
    """The result of all `arms`, in as many runs as memory asks for; the last run.

    From the second run on one arm compiles at a time: what it takes is not known beforehand.
    """
    course = run(arms, plan)
    found, left, groups = figures.result(course, plan), course.unheld, 1
    while left and not course.cut:
        course = run(beside(left, arms), replace(plan, jobs=1))
        found, groups = joined(found, figures.result(course, plan)), groups + 1
        if len(course.unheld) >= len(left):
            break  # what is left does not fit in beside the baseline alone
        left = course.unheld
    if groups > 1:
        told = f"in {groups} groups, each beside the baseline, as memory does not hold all arms"
        found |= {"groups": groups, "ended": f"{found['ended']}; {told}"}
    return found, course


def beside(left: Sequence[Arm], arms: Sequence[Arm]) -> list[Arm]:
    """The baseline and those `left`, with their partners of a column, in order."""
    names = {one.name for one in left}
    partners = {name for pair in COLUMNS.values() if names & {*pair} for name in pair}
    wanted = {BASELINE, AGAIN} | names | partners
    return [one for one in arms if one.name in wanted]


def joined(found: Result, more: Result) -> Result:
    """Two groups as one result: an arm's row is that of the later group that timed it, but for
    the baseline's, against which each row's ratio was taken in its own group."""
    rows = {row["arm"]: row for row in found["rows"]}
    for row in more["rows"]:
        first = row["arm"] in (BASELINE, AGAIN) and "seconds" in rows[row["arm"]]
        if not first and ("seconds" in row or "seconds" not in rows[row["arm"]]):
            rows[row["arm"]] = row
    floors = [one["noise"] for one in (found, more) if one["noise"]]
    shares = [s for one in (found, more) if (s := one["measured_share"]) is not None]
    return {
        **found,
        "rows": list(rows.values()),
        "columns": _columns(list(rows.values()), found["columns"], more["columns"]),
        "noise": max(floors, key=lambda one: one["floor"], default=None),
        "ceilings": {**found["ceilings"], **more["ceilings"]},
        "measured_share": min(shares, default=None),
    }


def _columns(rows: list[Result], *groups: dict[str, Result]) -> dict[str, Result]:
    """Each column from the group that timed its two arms; best effort is refused where the
    fastest of the two sides did not take turns."""
    columns: dict[str, Result] = {}
    for group in groups:
        for name, column in group.items():
            if name not in columns or "ratio" in column or "ratio" not in columns[name]:
                columns[name] = column
    best = {"torch": _fastest(rows, "torch"), "jax": _fastest(rows, "jax")}
    tried = [group.get("best effort") for group in groups]
    fit = [one for one in tried if one and {k: one[k] for k in best} == best]
    if fit:
        columns["best effort"] = fit[-1]
    elif all(best.values()):
        apart = "the fastest of each side were timed in different groups, for want of memory"
        columns["best effort"] = {**best, "refused": [apart]}
    return columns


def _fastest(rows: list[Result], side: str) -> str | None:
    """Of the rows of a side the least ratio to the baseline, which has 1."""
    timed = {
        row["arm"]: row["ratio"]["value"] if row.get("ratio") else 1.0
        for row in rows
        if row["side"] == side and "seconds" in row and not row["lost"] and row["arm"] != AGAIN
    }
    return min(timed, key=lambda name: timed[name], default=None)
