"""The experiment behind the intervals: synthetic traces whose true ratio is known.

A run takes rounds until `Sampling` says enough, so that stopping early is part of what is
tried. The method is equivariant (times multiplied by a constant move the interval by it, and
the rule sees only its width), so one simulation of an A/A pair gives all: coverage, false
alarms, and the power to find an effect of 1 %, which moves the intervals by log 1.01.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from compare.measure.intervals import METHODS, Locate
from compare.measure.statistics import Array, Sampling, located
from compare.measure.traces import BEYOND, LOPSIDED, TRACES, log_ratios, truth

COVERAGE = (0.93, 0.97)
ALARMS = 0.05
POWER = 0.95
EFFECT = math.log(1.01)
SAMPLING = Sampling(width=0.01, least=40, most=3000)
FIXED = (12, 40, 100, 300)
"""Rounds of the tables without a stopping rule."""
_BATCH = 200  # runs at once: small arrays are quick


@dataclass(frozen=True)
class Row:
    """What a kind of trace came to. width is the median interval's over the ratio."""

    trace: str
    coverage: float
    width: float
    rounds: float
    alarms: float | None
    power: float
    unfinished: float

    def missed(self, runs: int, slack: float = 0.0) -> list[str]:
        """The required figures that it misses, by more than `slack` standard errors."""

        def room(share: float) -> float:
            return slack * math.sqrt(share * (1 - share) / runs)

        if self.trace in BEYOND:
            return []
        found = []
        low, high = COVERAGE
        if not low - room(low) <= self.coverage <= high + room(high):
            found.append(f"{self.trace}: covers {self.coverage:.1%}, {low:.0%} to {high:.0%}")
        if self.alarms is not None and self.alarms > ALARMS + room(ALARMS):
            found.append(f"{self.trace}: false alarms {self.alarms:.1%}, at most {ALARMS:.0%}")
        if self.power < POWER - room(POWER):
            found.append(f"{self.trace}: power {self.power:.1%}, at least {POWER:.0%}")
        return found


def sampled(
    name: str, runs: int, seed: int = 0, locate: Locate = located, rule: Sampling = SAMPLING
) -> Row:
    """Runs that stop when the rule says so: its own code, a batch of runs at once."""
    parts = [
        _batch(
            log_ratios(name, seed + batch, min(_BATCH, runs - done), rule.most), locate, rule
        )
        for batch, done in enumerate(range(0, runs, _BATCH))
    ]
    centre, half, rounds = np.concatenate(parts, -1)
    off = centre - truth(name)
    return Row(
        name,
        float((np.abs(off) <= half).mean()),
        float(2 * np.sinh(np.median(half))),
        float(np.median(rounds)),
        None if name in LOPSIDED else float((np.abs(off) > half).mean()),
        float((off + EFFECT > half).mean()),
        float((rounds >= rule.most).mean()),
    )


def _batch(y: Array, locate: Locate, rule: Sampling) -> Array:
    """Centre, half width and rounds of each run, (3, runs)."""
    found = np.zeros((3, len(y)))
    live, before = np.arange(len(y)), np.zeros(len(y), bool)
    for look in rule.looks():
        seen = locate(y[live, : look // 2])
        now = rule.narrow(seen)
        done = (now & before) | (look >= rule.most // 2 * 2)
        found[:, live[done]] = seen.centre[done], seen.half[done], np.full(done.sum(), look)
        live, before = live[~done], now[~done]
        if not live.size:
            break
    return found


def covered(name: str, runs: int, rounds: int, locate: Locate, seed: int = 0) -> float:
    """Share of intervals that hold the truth, at a fixed number of rounds."""
    found = locate(log_ratios(name, seed, runs, rounds))
    return float((np.abs(found.centre - truth(name)) <= found.half).mean())


def guarded(name: str, runs: int, rounds: int, seed: int = 0) -> float:
    """Share of A/A runs called faster or slower, though beyond the noise floor.

    The floor is that of a benchmark: what an arm's interval against itself does not exclude.
    """
    itself, other = (located(log_ratios(name, seed + k, runs, rounds)) for k in (0, 1))
    floor = np.abs(itself.centre) + itself.half
    return float((np.abs(other.centre) - other.half > floor).mean())


def experiment(runs: int) -> Iterator[Row]:
    for name in TRACES:
        yield sampled(name, runs)


def without_rule(runs: int) -> dict[str, Any]:
    """Coverage at fixed rounds: of the chosen method, and of all at the most rounds."""
    some = min(runs, 500)
    return {
        "runs": some,
        "rounds": {
            name: {rounds: covered(name, runs, rounds, located) for rounds in FIXED}
            for name in TRACES
        },
        "guarded": {
            name: guarded(name, runs, FIXED[0]) for name in TRACES if name not in LOPSIDED
        },
        "methods": {
            name: {
                title: covered(name, some, FIXED[-1], method)
                for title, method in METHODS.items()
            }
            for name in TRACES
            if name not in LOPSIDED  # there a mean estimates something else
        },
    }
