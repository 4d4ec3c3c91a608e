"""The ratio of two arms that took turns, its interval, its verdict, and when to stop sampling.

**Rounds.** Each round gives one time per arm, seconds a step. The turns go A B | B A | A B ...:
odd rounds (the second, the fourth ...) in reverse order. Two rounds in a row are a *quartet*,
and

    y = mean over a quartet's two rounds of log(candidate / baseline)

is free of any drift that is linear over its four turns, and of what the order does.

**What is estimated.** exp of Huber's location of y: values farther from it than 1.5 robust
standard deviations (1.4826 times the median absolute deviation) count as if they lay just
there. It is defined for every noise, also where means and variances are infinite. Where both
arms suffer the same noise, whatever its shape, y is symmetric, and this is exactly the ratio of
the undisturbed times, as the mean, the trimmed mean and the median would be. Where one arm
alone stalls or changes mode it is the ratio of a typical round, what an endless run would show;
`total`, the ratio of the summed times, shows in addition what the rare long rounds cost.

**The interval.** Student's t. The long-run variance of the clipped y is the larger (by the
width it gives) of two estimates: the mean square of the first 10 cosine coefficients (Müller
2007; Lazarus, Lewis, Stock & Watson 2018) with 10 degrees of freedom, and a first-order
autoregression of the means of neighbouring quartets, its coefficient freed of bias (Kendall
1954), with as many degrees of freedom as it leaves independent values. The first is right for
any dependence but short of data under a strong one; the second stays right there but knows one
shape. Up to 12 % is added, most where dependence makes two thirds of the variance: for the
looks that sampling takes, and as a moderate dependence is easily taken for less. That constant
comes from `portbench calibrate`.

**What failed** (95 % intervals at 300 rounds; all of it in results/calibration.md). Where AR(1)
is 0.9, t of independent quartets covers 46 %, Newey & West's interval 75 %, the bootstrapped
median 54 %, in blocks of five 79 %, 24 cosines 83 %, 10 batches 91 %. An autoregression of the
quartets covers 94 % there, but 91 % in a mixture. A mean trimmed by 10 % covers 92 % in that
mixture, as it breaks down where disturbances are as frequent as its trimming. A plain mean
covers, at the price of an interval many times as wide where there are outliers.

**Where it ends.** The rule and the constants were settled by looking at these very traces, so
other noise may be covered less well. Where one arm alone takes three times as long in 10 % of
its turns, the interval covers 93 %. At 40 rounds of an AR(1) of 0.9 it covers 90 %, and at 12
50 %: so few show no dependence, and the interval takes them as independent. What still holds
there is the verdict of a benchmark, whose floor is the first arm against itself in the same
rounds: of 12 rounds of that noise it calls an arm faster or slower than itself in 6 %, of any
other here in 1.6 % at most.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import fft, special

Verdict = Literal["faster", "slower", "same", "undecided"]
Array = np.ndarray[Any, np.dtype[Any]]

LEAST_ROUNDS = 6
DISTINCT = 30.0
"""Sampling goes on until the quartets are worth this many independent ones."""

_CLIP = 1.5  # robust standard deviations
_COSINES = 10
_PAIRS = 8  # neighbouring quartets, from which on an autoregression is fitted
_DEPENDENCE = 0.12  # widening where two thirds of the variance are dependence
_MEANS = 0.9  # neighbouring means of an AR(1) are more alike than an AR(1) says of the rest
TOO_SHORT = 10.0  # independent quartets under which a dependent series decides nothing
_GROWTH = 1.15  # rounds from one look at the interval to the next


@dataclass(frozen=True)
class Located:
    """Centre and half width of the interval (same unit as the values), along the last axis.

    effective   how many independent values would say as much as these
    """

    centre: Array
    half: Array
    effective: Array


@dataclass(frozen=True)
class Ratio:
    """Candidate's time over baseline's: below 1 the candidate is faster.

    effective_rounds   how many independent rounds would say as much
    total              ratio of the summed times, which rare long rounds weigh on
    margin, floor      the difference that does not matter; that which noise alone can make
    facts              what to know before the interval is believed
    """

    value: float
    low: float
    high: float
    verdict: Verdict
    rounds: int
    effective_rounds: float
    total: float
    confidence: float
    margin: float
    floor: float
    facts: tuple[str, ...] = ()

    @property
    def width(self) -> float:
        """The interval's width over the ratio: 0.01 if known to plus or minus 0.5 %."""
        return (self.high - self.low) / self.value


def ratio(
    baseline: Sequence[float] | Array,
    candidate: Sequence[float] | Array,
    *,
    confidence: float = 0.95,
    margin: float = 0.0,
    floor: float | None = None,
) -> Ratio:
    """The ratio of rounds that took turns, round by round in the order they were run.

    An odd last round is left out. `margin` is the difference that does not matter, 0.01 for 1
    %, and `floor` that which noise alone can make (the margin, if not given). The verdict is
    `faster` or `slower` if the whole interval lies beyond the floor, else `same` if it lies
    within the margin, else `undecided`; so it is too where the rounds hang together so much
    that their number says too little. Raises ValueError where the times are unequal in number,
    fewer than 6, or not positive.
    """
    floor = margin if floor is None else floor
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, allowed is between 0 and 1")
    for name, value in (("margin", margin), ("floor", floor)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} is {value}, allowed is 0 or more")
    base, other = times(baseline, "baseline"), times(candidate, "candidate")
    if len(base) != len(other):
        raise ValueError(f"baseline has {len(base)} rounds, candidate {len(other)}: give pairs")
    if len(base) < LEAST_ROUNDS:
        raise ValueError(f"{len(base)} rounds are too few for an interval: {LEAST_ROUNDS}")
    used = len(base) // 2 * 2
    y = quartets(base, other)
    found = located(y, confidence)
    centre, half, effective = (float(x) for x in (found.centre, found.half, found.effective))
    low, high = math.exp(centre - half), math.exp(centre + half)
    total = float(other[:used].sum() / base[:used].sum())
    facts = []
    verdict = decide(low, high, margin, floor)
    if len(y) < 2 * _PAIRS:
        facts.append(
            f"{used} rounds are too few to see whether neighbouring ones hang together: the "
            "interval takes them as independent"
        )
    if effective < min(TOO_SHORT, len(y) / 4):
        verdict = "undecided"
        facts.append(
            f"neighbouring rounds are so alike that {used} are worth {2 * effective:.0f}: "
            "too few for a verdict"
        )
    if not low <= total <= high:
        facts.append(f"rare long rounds make it {total:.4g} by total time")
    return Ratio(
        math.exp(centre), low, high, verdict, used, 2 * effective, total, confidence, margin,
        floor, tuple(facts),
    )  # fmt: skip


def decide(low: float, high: float, margin: float = 0.0, floor: float | None = None) -> Verdict:
    """The verdict of an interval: beyond the noise floor, within the margin, or neither."""
    floor = margin if floor is None else floor
    if high < 1 / (1 + floor):
        return "faster"
    if low > 1 + floor:
        return "slower"
    within = 1 / (1 + margin) <= low and high <= 1 + margin
    return "same" if within else "undecided"


def times(values: Sequence[float] | Array, name: str) -> Array:
    """`values` as an array; raises ValueError with the place of what can't be a time."""
    found = np.asarray(values, np.float64)
    if found.ndim != 1:
        raise ValueError(f"{name} has the shape {found.shape}: give one time a round")
    bad = np.flatnonzero(~((found > 0) & np.isfinite(found)))
    if bad.size:
        raise ValueError(f"{name}[{bad[0]}] is {found[bad[0]]}, no time: more than 0 seconds")
    return found


def quartets(baseline: Array, candidate: Array) -> Array:
    """Log ratio of every two rounds in a row, on the last axis; an odd last one is dropped."""
    logs = np.log(candidate) - np.log(baseline)
    used = logs[..., : logs.shape[-1] // 2 * 2]
    return used.reshape(*used.shape[:-1], -1, 2).mean(-1)


def located(values: Array, confidence: float = 0.95) -> Located:
    """Huber's location along the last axis with its interval, under dependence."""
    count = values.shape[-1]
    centre, influence = huber(values)
    chance = (1 + confidence) / 2
    variance, free = _cosines(influence)
    half = special.stdtrit(free, chance) * np.sqrt(variance)
    if count // 2 >= _PAIRS:
        other, free = _autoregression(influence)
        wide = special.stdtrit(free, chance) * np.sqrt(other)
        variance, half = np.maximum(variance, other), np.maximum(half, wide)
    alone = np.square(influence).mean(-1)
    share = np.divide(alone, variance, out=np.ones_like(alone), where=variance > 0).clip(0, 1)
    few = 4 / count**2  # the scale is estimated too
    half = half / math.sqrt(count) * (1 + few + 6.75 * _DEPENDENCE * share * (1 - share) ** 2)
    return Located(centre, half, count * share)


def huber(values: Array) -> tuple[Array, Array]:
    """Huber's location along the last axis, and each value's influence on it (mean 0)."""
    centre = np.median(values, -1, keepdims=True)
    off = np.abs(values - centre)
    reach = 1.4826 * np.median(off, -1, keepdims=True)
    # More than half of the values are equal: a coarse clock.
    reach = _CLIP * np.where(reach > 0, reach, 1.2533 * off.mean(-1, keepdims=True))
    for _ in range(6):
        clipped = np.clip(values - centre, -reach, reach)
        inside = np.maximum((np.abs(values - centre) <= reach).mean(-1, keepdims=True), 0.2)
        centre = centre + clipped.mean(-1, keepdims=True) / inside
    clipped = np.clip(values - centre, -reach, reach)
    inside = np.maximum((np.abs(values - centre) <= reach).mean(-1, keepdims=True), 0.2)
    return centre[..., 0], (clipped - clipped.mean(-1, keepdims=True)) / inside


def _cosines(influence: Array) -> tuple[Array, Array]:
    """Long-run variance as mean square of the slowest waves; of few values it is their own."""
    number = min(_COSINES, influence.shape[-1] - 1)
    waves = np.asarray(fft.dct(influence, norm="ortho", axis=-1))[..., 1 : number + 1]
    variance = np.square(waves).mean(-1)
    return variance, np.full_like(variance, number)


def _autoregression(influence: Array) -> tuple[Array, Array]:
    """Long-run variance by a first-order autoregression of the means of neighbours."""
    count = influence.shape[-1] // 2
    pairs = influence[..., influence.shape[-1] - 2 * count :]
    pairs = pairs.reshape(*pairs.shape[:-1], count, 2).mean(-1)
    pairs = pairs - pairs.mean(-1, keepdims=True)
    power = np.square(pairs).sum(-1)
    product = (pairs[..., 1:] * pairs[..., :-1]).sum(-1)
    slope = np.divide(product, power, out=np.zeros_like(power), where=power > 0)
    slope = np.clip(slope + (1 + 3 * slope) / count, 0, 0.98)
    independent = np.clip(count * ((1 - slope) / (1 + slope)) ** _MEANS, 2, count)
    return 2 * power / (count - 1) * count / independent, independent - 1


@dataclass(frozen=True)
class Sampling:
    """When to stop: at an interval's width, never at a verdict or at how much times scatter.

    width     of the 95 % interval over the ratio: 0.01 is plus or minus 0.5 %
    budget    seconds
    least, most   rounds

    The interval is looked at after `least` rounds and then every 15 % more. It is narrow enough
    when it is so at two looks in a row, with rounds worth 60 independent ones: a rule that
    stops at the first narrow interval stops where the noise is underestimated by chance.
    """

    width: float = 0.01
    budget: float = 60.0
    least: int = 40
    most: int = 4000

    def __post_init__(self) -> None:
        if not (self.width > 0 and self.budget > 0):
            raise ValueError(f"width {self.width} and budget {self.budget} must be more than 0")
        if not LEAST_ROUNDS <= self.least <= self.most:
            raise ValueError(
                f"least {self.least} and most {self.most}: allowed are {LEAST_ROUNDS} or more, "
                "and the most not under the least"
            )

    def looks(self) -> Iterator[int]:
        """The numbers of rounds at which the interval is looked at, all even."""
        rounds = self.least + self.least % 2
        while rounds < self.most:
            yield rounds
            rounds = 2 * math.ceil(rounds * _GROWTH / 2)
        yield self.most // 2 * 2

    def narrow(self, found: Located) -> Array:
        """Where an interval of logarithms is narrow enough, by enough independent quartets."""
        constant = found.half == 0
        return (2 * np.sinh(found.half) <= self.width) & (
            constant | (found.effective >= DISTINCT)
        )

    def enough(
        self, baseline: Sequence[float], *candidates: Sequence[float], seconds: float
    ) -> str | None:
        """Why sampling may stop now, or None; ask after every round, `seconds` being spent."""
        rounds = len(baseline)
        if not candidates or any(len(other) != rounds for other in candidates):
            raise ValueError("give a candidate or more, each with as many rounds as baseline")
        if rounds >= self.most:
            return f"{rounds} rounds, the most allowed"
        if seconds >= self.budget:
            return f"{seconds:.3g} s spent of {self.budget:.3g} s"
        before, now = 0, 0
        for look in self.looks():
            before, now = now, look
            if look >= rounds:
                break
        if now != rounds or not before:
            return None
        base = times(baseline, "baseline")
        for other in candidates:
            y = quartets(base, times(other, "candidate"))
            if not all(self.narrow(located(y[: look // 2])) for look in (before, now)):
                return None
        return f"narrower than {self.width:.2%} at {before} and {now} rounds"
