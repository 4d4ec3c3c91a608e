"""One arm's times, read as a series: where it is steady, its summary, and what disturbed it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compare.measure.statistics import Array, located, times

SHORTEST = 8
"""Values under which nothing is said of a series."""

_FLAT = 0.02  # change of level that a steady series may show, beside its noise
_GAP = 5.0  # between two modes, in standard deviations inside them
_MODE = 0.1  # share of the rounds that makes a mode
_OUTLIER = 10.0  # robust standard deviations
_SLOWED = 1.1  # canary over its undisturbed time


@dataclass(frozen=True)
class Steady:
    """From which round on a series is steady, or None; and why, in words."""

    start: int | None
    words: str


@dataclass(frozen=True)
class Summary:
    """Seconds a step: the figures of one arm. mad is the median absolute deviation."""

    count: int
    median: float
    mean: float
    p5: float
    p95: float
    min: float
    mad: float

    def throughput(self, items: float) -> float:
        """Items a second at the median, `items` being those of one step: samples, tokens ..."""
        return items / self.median


def summarise(samples: Sequence[float] | Array) -> Summary:
    """Raises ValueError where there is no sample, or one is no time."""
    found = times(samples, "samples")
    if not found.size:
        raise ValueError("no samples to summarise")
    median = float(np.median(found))
    p5, p95 = (float(value) for value in np.quantile(found, [0.05, 0.95]))
    mad = float(np.median(np.abs(found - median)))
    return Summary(len(found), median, float(found.mean()), p5, p95, float(found.min()), mad)


def block(
    step: float, *, overhead: float = 1e-6, share: float = 1e-3, least: float = 0.01
) -> int:
    """Steps timed as one, from a step's seconds in the warm-up.

    So many that the clock's (and the synchronisation's) `overhead` is under `share` of the
    block and the block takes at least `least` seconds.
    """
    (step,) = times([step], "step")
    if overhead < 0 or not 0 < share < 1 or least < 0:
        raise ValueError(f"overhead {overhead}, share {share} or least {least} is out of range")
    return max(1, math.ceil(max(overhead / share, least) / step))


def steady(series: Sequence[float] | Array) -> Steady:
    """Where a warm-up ends: the cut that leaves the mean its least standard error (MSER).

    Refused where that cut lies in the later half, or where what follows it still changes level
    by more than 2 % and more than its noise explains. Works on logarithms, far values pulled
    in. White, "An effective truncation heuristic for bias reduction in simulation output",
    1997.
    """
    logs = np.log(times(series, "series"))
    count = len(logs)
    if count < SHORTEST:
        return Steady(None, f"{count} rounds are too few to tell: {SHORTEST}")
    later = logs[count // 2 :]
    centre = np.median(later)
    reach = max(6 * float(np.median(np.abs(later - centre))), _FLAT)
    pulled = np.clip(logs, centre - reach, centre + reach)
    last = count - max(SHORTEST, count // 4)  # a short tail is quiet by chance
    errors = [pulled[cut:].var() / (count - cut) for cut in range(last + 1)]
    start = int(np.argmin(errors))
    if start > count // 2:
        return Steady(None, f"not steady: still settling at round {start} of {count}")
    change, beyond = _change(logs[start:])
    if beyond and abs(change) > _FLAT:
        return Steady(
            None, f"not steady: the later half takes {change:+.1%} against the earlier one"
        )
    return Steady(start, f"steady from round {start} of {count}")


def observe(
    series: Sequence[float] | Array, canary: Sequence[float] | Array | None = None
) -> tuple[str, ...]:
    """Drift, two modes, outliers, dependence of a steady series, each as a sentence if there.

    `canary` times a fixed piece of work of the harness itself, once a round: where it is slowed
    by more than 10 %, the machine was busy with something else.
    """
    logs = np.log(times(series, "series"))
    facts = []
    if len(logs) >= SHORTEST:
        change, beyond = _change(logs)
        if beyond:
            facts.append(f"drift: the later half takes {change:+.1%} against the earlier one")
        if modes := _modes(logs):
            ratio, share = modes
            facts.append(f"two modes: {share:.0%} of the rounds take {ratio:.3g} times as long")
        centre = np.median(logs)
        noise = 1.4826 * np.median(np.abs(logs - centre))
        far = float((logs - centre > max(_OUTLIER * noise, 0.05)).mean())
        if 0 < far < _MODE:
            facts.append(f"outliers: {far:.1%} of the rounds take far longer")
        effective = float(located(logs).effective)
        if effective < len(logs) / 3:
            facts.append(f"dependence: {len(logs)} rounds are worth {effective:.0f}")
    if canary is not None:
        watch = times(canary, "canary")
        if watch.size and (slow := float((watch > _SLOWED * np.quantile(watch, 0.1)).mean())):
            facts.append(f"contention: the canary was slowed in {slow:.0%} of the rounds")
    return tuple(facts)


def _change(logs: Array) -> tuple[float, bool]:
    """The later half's level over the earlier's less 1, and whether it is beyond the noise."""
    half = len(logs) // 2
    early, late = located(logs[:half]), located(logs[-half:])
    change = float(late.centre - early.centre)
    return math.expm1(change), abs(change) > math.hypot(float(early.half), float(late.half))


def _modes(logs: Array) -> tuple[float, float] | None:
    """Slow mode over fast mode, and the slow one's share, if a gap parts the rounds in two.

    The cut is the one that leaves the least variance inside the parts. One bell, or evenly
    spread values, leave the parts under 3.5 standard deviations apart.
    """
    ordered = np.sort(logs)
    count = len(ordered)
    if ordered[0] == ordered[-1]:
        return None
    sizes = np.arange(1, count)
    sums = np.cumsum(ordered)[:-1]
    low, high = sums / sizes, (ordered.sum() - sums) / (count - sizes)
    inside = np.square(ordered).sum() - sizes * low**2 - (count - sizes) * high**2
    inside[(sizes < _MODE * count) | (sizes > (1 - _MODE) * count)] = np.inf
    cut = int(np.argmin(inside))
    apart = high[cut] - low[cut]
    if not apart > _GAP * math.sqrt(max(inside[cut], 0) / count):
        return None
    return math.exp(apart), float(1 - sizes[cut] / count)
