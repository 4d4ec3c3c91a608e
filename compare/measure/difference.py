"""What changed from one benchmark to a later one: arm by arm, from the samples both kept.

The two were not run in turns, so nothing cancels. Of an arm the logarithms of its times in
either run have Huber's location and a half width that allows for their autocorrelation (see
statistics.py); the difference d of the locations has the half width sqrt(h_old^2 + h_new^2).
The canary, a fixed piece of NumPy in both runs, gives the machine's own change c in the same
way. The interval holds both d and d - c, each with its half width: what the canary explains is
called nothing, and neither is what it alone would make.

Assumed: the rounds of a run are a sample of what its process does at any time; two processes
differ by no more than the first arm and its second self did in either run (the noise floor);
the machine's speed changed as the canary's or not at all. What lies within the threshold or a
noise floor is called neither faster nor slower, and the same only within the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from compare.measure.knobs import KNOBS
from compare.measure.statistics import LEAST_ROUNDS, TOO_SHORT, Located, decide, located, times

Result = dict[str, Any]
Key = tuple[str, ...]

KINDS = ("slower", "different", "gone", "faster", "undecided", "same", "new")
BAD = ("slower", "different", "gone")
"""What a change for the worse is, and the exit status 1."""


@dataclass(frozen=True)
class Change:
    """One arm of one workload: its time now over its time before, or what else changed."""

    key: Key
    kind: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    says: str = ""


def changes(old: Result, new: Result, threshold: float, across: bool) -> list[Change]:
    """Of each arm in either document, the worst kind first.

    `threshold`: the change that does not matter, 0.02 for 2 %. Where machine or knobs differ
    nothing is called faster or slower, unless `across`.
    """
    before, now = dict(_arms(old)), dict(_arms(new))
    moved = elsewhere(old, new) and not across
    found = []
    for key in {**before, **now}:
        if key not in now:
            found.append(Change(key, "gone", says="it is not in the new results"))
        elif key not in before:
            found.append(Change(key, "new"))
        else:
            found.append(_change(key, before[key], now[key], threshold, across, bool(moved)))
    return sorted(found, key=lambda one: KINDS.index(one.kind))


def elsewhere(old: Result, new: Result) -> str:
    """How the machines differ, or ""."""
    names = ("processor", "cores", "memory_gib")
    found = [
        f"{name} {old['machine'].get(name)}, now {new['machine'].get(name)}"
        for name in names
        if old["machine"].get(name) != new["machine"].get(name)
    ]
    return "; ".join(found)


def _arms(document: Result) -> Iterator[tuple[Key, tuple[Result, Result]]]:
    for one in document["results"]:
        place = (one["device"], one["size"], f"{one['threads']} threads")
        for row in one["rows"]:
            yield (one["workload"], one["precision"], *place, row["arm"]), (one, row)


def _change(
    key: Key,
    old: tuple[Result, Result],
    new: tuple[Result, Result],
    threshold: float,
    across: bool,
    moved: bool,
) -> Change:
    (before, was), (now, row) = old, new
    if was["lost"] or row["lost"]:
        if was["kind"] == row["kind"]:
            return Change(key, "same", says=f"{row['kind']} in both")
        status = [
            f"{one['kind']}: {one['lost']}" if one["lost"] else "timed" for one in (was, row)
        ]
        return Change(key, "different", says=" -> ".join(status))
    turned = _turned(was, row)
    if turned and not across:
        return Change(key, "different", says="; ".join(turned))
    samples = [_samples(one, each) for one, each in ((before, was), (now, row))]
    if min(map(len, samples)) < LEAST_ROUNDS or before["clock"] != now["clock"]:
        return Change(key, "undecided", says="too few rounds, or another clock")
    floors = [one["noise"]["floor"] for one in (before, now) if one["noise"]]
    value, low, high, enough = _interval(samples, [_canary(before), _canary(now)])
    kind = decide(low, high, threshold, max(threshold, *floors))
    says = [*turned]
    if not floors:
        says.append("no noise floor is known")
    if not enough or moved:
        kind = "undecided"
        says.append("another machine" if moved else "rounds hang together: they say too little")
    return Change(key, kind, value, low, high, "; ".join(says))


def _turned(was: Result, row: Result) -> list[str]:
    """Knobs that differ, in the order of KNOBS."""
    pairs = ((knob, was["knobs"].get(knob), row["knobs"].get(knob)) for knob in KNOBS)
    return [f"{knob}: {theirs} -> {ours}" for knob, theirs, ours in pairs if theirs != ours]


def _samples(one: Result, row: Result) -> Sequence[float]:
    return row.get("samples", {}).get(one["clock"], ())


def _canary(one: Result) -> Sequence[float]:
    """By the clock of the times; on an accelerator the host's canary tells nothing."""
    return one["canary"].get(one["clock"], ()) if one["device"] == "cpu" else ()


def _interval(
    samples: Sequence[Sequence[float]], canaries: Sequence[Sequence[float]]
) -> tuple[float, float, float, bool]:
    """(ratio, low, high, whether the rounds are worth enough)."""
    was, now = (_located(one) for one in samples)
    gap, half = float(now.centre - was.centre), math.hypot(float(now.half), float(was.half))
    ends = [gap - half, gap + half]
    if min(map(len, canaries)) >= LEAST_ROUNDS:
        slow, fast = (_located(one) for one in canaries)
        own = float(fast.centre - slow.centre)
        wide = math.hypot(half, float(fast.half), float(slow.half))
        ends += [gap - own - wide, gap - own + wide]
    enough = all(
        float(one.effective) >= min(TOO_SHORT, len(values) / 4)
        for one, values in zip((was, now), samples, strict=True)
    )
    return math.exp(gap), math.exp(min(ends)), math.exp(max(ends)), enough


def _located(values: Sequence[float]) -> Located:
    import numpy as np

    return located(np.log(times(values, "samples")))
