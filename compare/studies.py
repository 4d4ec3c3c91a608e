"""Studies: experiments that compare by themselves, each a function of (name, seed)."""

from __future__ import annotations

from dataclasses import asdict

from compare.judge.thresholds import FLOAT64_MARGIN, UNIT
from compare.judge.verdict import Finding, Verdict


def pairings(name: str, seed: int) -> Verdict:
    """Every pairing of d2l's, judged: the right one's path at `expected` times the rate."""
    from compare.run import pairings as run

    table = run.pairings(seed=seed)
    bound = FLOAT64_MARGIN * UNIT["float64"]
    found = []
    for one in table:
        gap = max(one.spread, one.gap)
        verdict = "same" if gap <= bound else "different"
        array = f"{one.loss}, {one.reduction}, {one.updater}"
        says = "" if gap <= bound else f"updates are not {one.expected:g} times the right ones"
        found.append(Finding(array, verdict, gap=gap, bound=bound, says=says))
    worst = max(found, key=lambda one: one.gap)
    rows = [{**asdict(one), "right": one.right} for one in table]
    says = f"{worst.array}: {worst.says}" if worst.says else ""
    return Verdict(name, worst.verdict, tuple(found), says, facts={"pairings": rows})
