"""The experiment behind the intervals: synthetic traces whose true ratio is known.

Each kind of trace is a generator of logarithms of times, (runs, rounds, arm), in turns A B | B
A. A run takes rounds until `Sampling` says enough, so that stopping early is part of what is
tried. The method is equivariant (times multiplied by a constant move the interval by it, and
the rule sees only its width), so one simulation of an A/A pair gives all: coverage, false
alarms, and the power to find an effect of 1 %, which moves the intervals by log 1.01.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import signal, special

from compare.measure.statistics import Array, Located, Sampling, huber, located

COVERAGE = (0.93, 0.97)
ALARMS = 0.05
POWER = 0.95
EFFECT = math.log(1.01)
SAMPLING = Sampling(width=0.01, least=40, most=3000)
FIXED = (12, 40, 100, 300)
"""Rounds of the tables without a stopping rule."""
_BATCH = 200  # runs at once: small arrays are quick

Draw = np.random.Generator
Trace = Callable[[Draw, int, int], Array]
Locate = Callable[[Array], Located]


def turns(series: Array) -> Array:
    """What happens in order of time, (runs, turns), as (runs, rounds, arm)."""
    pairs = series.reshape(len(series), -1, 2).copy()
    pairs[:, 1::2] = pairs[:, 1::2, ::-1]
    return pairs


def both(trace: Callable[[], Array]) -> Array:
    """The same kind of noise for each arm, drawn apart."""
    return np.stack([trace(), trace()], -1)


def white(draw: Draw, runs: int, rounds: int, noise: float = 0.01) -> Array:
    return draw.normal(0, noise, (runs, rounds, 2))


def autoregressive(draw: Draw, runs: int, count: int, slope: float, noise: float) -> Array:
    """AR(1) whose marginal standard deviation is `noise`, stationary from the first value."""
    shocks = draw.normal(0, noise, (runs, count))
    shocks[:, 1:] *= math.sqrt(1 - slope**2)
    return np.asarray(signal.lfilter([1.0], [1.0, -slope], shocks, axis=-1))


def modes(draw: Draw, runs: int, count: int, length: float, factor: float) -> Array:
    """Fast and slow stretches in turn, each of `length` values on average."""
    switch = draw.random((runs, count)) < 1 / length
    switch[:, 0] = draw.random(runs) < 0.5
    return math.log(factor) * (np.cumsum(switch, -1) % 2)


def rising(runs: int, rounds: int, slope: float = 0.0005) -> Array:
    """Every turn takes `slope` of the first one longer than the last."""
    series = np.log1p(slope * np.arange(2 * rounds))
    return turns(np.broadcast_to(series, (runs, 2 * rounds)))


def waves(draw: Draw, runs: int, rounds: int, height: float = 0.05, period: int = 25) -> Array:
    """A sine over time, `period` rounds long, that begins anywhere."""
    phase = np.arange(2 * rounds) / (2 * period) + draw.random((runs, 1))
    return turns(height * np.sin(2 * math.pi * phase))


def pauses(draw: Draw, runs: int, rounds: int, share: float) -> Array:
    """Some turns take three times as long."""
    return math.log(3) * (draw.random((runs, rounds, 2)) < share)


def pareto(draw: Draw, runs: int, rounds: int, noise: float = 0.01) -> Array:
    """Delays without a variance: shape 1.5."""
    return np.log1p(noise * draw.pareto(1.5, (runs, rounds, 2)))


def _switching(draw: Draw, runs: int, rounds: int) -> Array:
    """Hardware that knows two speeds: both arms meet whichever it is in, 6 rounds at a time."""
    return turns(modes(draw, runs, 2 * rounds, 12, 1.2))


def _mixture(draw: Draw, runs: int, rounds: int) -> Array:
    return (
        both(lambda: autoregressive(draw, runs, rounds, 0.7, 0.01))
        + rising(runs, rounds)
        + _switching(draw, runs, rounds)
        + pauses(draw, runs, rounds, 0.02)
    )


def _other_mixture(draw: Draw, runs: int, rounds: int) -> Array:
    return (
        both(lambda: autoregressive(draw, runs, rounds, 0.5, 0.005))
        + both(lambda: modes(draw, runs, rounds, 6, 1.02))
        + waves(draw, runs, rounds)
        + 0.5 * pareto(draw, runs, rounds)
    )


def _alone(noise: Array) -> Array:
    """Only the candidate suffers."""
    noise[..., 0] = 0
    return noise


TRACES: dict[str, Trace] = {
    "independent, 1 %": white,
    "AR(1) 0.5": lambda g, r, n: both(lambda: autoregressive(g, r, n, 0.5, 0.01)),
    "AR(1) 0.9": lambda g, r, n: both(lambda: autoregressive(g, r, n, 0.9, 0.01)),
    "AR(1) 0.9 of the machine, 3 %": lambda g, r, n: (
        turns(autoregressive(g, r, 2 * n, 0.9, 0.03)) + white(g, r, n)
    ),
    "linear drift": lambda g, r, n: rising(r, n) + white(g, r, n),
    "sinusoidal drift, 5 %": lambda g, r, n: waves(g, r, n) + white(g, r, n),
    "two modes of the machine, x1.2": lambda g, r, n: _switching(g, r, n) + white(g, r, n),
    "two modes of each arm, x1.03": lambda g, r, n: (
        both(lambda: modes(g, r, n, 6, 1.03)) + white(g, r, n, 0.005)
    ),
    "pauses x3 in 3 % of turns": lambda g, r, n: pauses(g, r, n, 0.03) + white(g, r, n),
    "Pareto 1.5": pareto,
    "AR 0.7, drift, machine modes, pauses": _mixture,
    "AR 0.5, waves, arms' modes, Pareto": _other_mixture,
    "one arm pauses in 3 % of turns": lambda g, r, n: (
        _alone(pauses(g, r, n, 0.03)) + white(g, r, n)
    ),
    "one arm pauses in 10 % of turns": lambda g, r, n: (
        _alone(pauses(g, r, n, 0.1)) + white(g, r, n)
    ),
    "one arm has two modes, x1.03": lambda g, r, n: (
        _alone(both(lambda: modes(g, r, n, 6, 1.03))) + white(g, r, n)
    ),
}
LOPSIDED = tuple(name for name in TRACES if name.startswith("one arm"))
"""Here the arms differ, so there is no A/A; the truth is what a run of 400,000 rounds shows."""


BEYOND = ("one arm pauses in 10 % of turns",)
"""Shown, with nothing required: one fifth of the quartets is hit, all on one side."""


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


def log_ratios(name: str, seed: int, runs: int, rounds: int) -> Array:
    """The quartets of runs of a kind, (runs, rounds / 2)."""
    draw = np.random.default_rng([seed, *name.encode()])
    logs = TRACES[name](draw, runs, rounds)
    return (logs[..., 1] - logs[..., 0]).reshape(runs, -1, 2).mean(-1)


@cache
def truth(name: str) -> float:
    """The true log ratio: 0 by symmetry where both arms suffer alike."""
    if name not in LOPSIDED:
        return 0.0
    return float(huber(log_ratios(name, 1, 1, 400_000))[0][0])


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


def student(values: Array) -> Located:
    """The naive interval: t of independent values around their mean."""
    return _t(values.mean(-1), values.var(-1, ddof=1), values.shape[-1] - 1, values)


def newey_west(values: Array) -> Located:
    count = values.shape[-1]
    centre = values.mean(-1)
    off = values - centre[:, None]
    reach = int(4 * (count / 100) ** (2 / 9)) + 1
    variance = np.square(off).mean(-1)
    for lag in range(1, reach):
        variance += 2 * (1 - lag / reach) * (off[:, lag:] * off[:, :-lag]).sum(-1) / count
    return _t(centre, variance, count - 1, values)


def batches(values: Array, number: int = 10) -> Located:
    """Means of 10 batches, as if independent, of Huber's influence."""
    centre, influence = huber(values)
    length = values.shape[-1] // number
    means = influence[:, : number * length].reshape(-1, number, length).mean(-1)
    return _t(centre, length * means.var(-1, ddof=1), number - 1, values)


def cosines(values: Array, number: int = 24) -> Located:
    """The cosine estimate alone, with more of them: narrower, and blind to slow noise."""
    from scipy import fft

    centre, influence = huber(values)
    number = min(number, values.shape[-1] - 1)
    waves = np.asarray(fft.dct(influence, norm="ortho", axis=-1))[:, 1 : number + 1]
    return _t(centre, np.square(waves).mean(-1), number, values)


def autoregression(values: Array) -> Located:
    """AR(1) of the quartets themselves, uncorrected for the slope's bias."""
    centre, influence = huber(values)
    power = np.square(influence).sum(-1)
    slope = (influence[:, 1:] * influence[:, :-1]).sum(-1) / power
    slope = slope.clip(0, 0.98)
    count = values.shape[-1]
    return _t(centre, power / count * (1 + slope) / (1 - slope), count - 1, values)


def trimmed(values: Array, share: float = 0.1) -> Located:
    """Mean without the lowest and highest tenth; the same long-run variance as ours."""
    count = values.shape[-1]
    cut = int(share * count)
    ordered = np.sort(values, -1)
    inner = np.clip(values, ordered[:, [cut]], ordered[:, [count - cut - 1]]) / (1 - 2 * share)
    found = located(inner)
    return Located(ordered[:, cut : count - cut].mean(-1), found.half, found.effective)


def resampled(values: Array, block: int = 1) -> Located:
    """The median, by 200 bootstrap samples of blocks; block 1 is what `paired` once did."""
    draw = np.random.default_rng(0)
    count = values.shape[-1]
    whole = count // block
    starts = draw.integers(0, count - block + 1, (200, whole))
    picks = (starts[..., None] + np.arange(block)).reshape(200, -1)
    medians = np.array([np.median(run[picks], -1) for run in values])
    low, high = np.quantile(medians, [0.025, 0.975], axis=-1)
    return Located((low + high) / 2, (high - low) / 2, np.full(len(values), float(count)))


def _t(centre: Array, variance: Array, free: float, values: Array) -> Located:
    count = values.shape[-1]
    half = special.stdtrit(free, 0.975) * np.sqrt(variance / count)
    return Located(centre, half, np.full(len(values), float(count)))


METHODS: dict[str, Locate] = {
    "chosen": located,
    "t, mean": student,
    "Newey-West, mean": newey_west,
    "AR(1), Huber": autoregression,
    "24 cosines, Huber": cosines,
    "10 batches, Huber": batches,
    "10 % trimmed": trimmed,
    "bootstrap, median": resampled,
    "blocks of 5, median": lambda values: resampled(values, 5),
}


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def tables(rows: list[Row], fixed: dict[str, Any], runs: int) -> str:
    """The result as Markdown."""
    least, most = SAMPLING.least, SAMPLING.most
    lines = [
        "# Calibration of the intervals",
        "",
        f"`portbench calibrate`: {runs:,} runs a row, seeds fixed. Sampling stops by its own "
        f"rule: interval at most {SAMPLING.width:.0%} wide, {least} to {most:,} rounds.",
        "",
        f"Required: the 95 % interval covers {COVERAGE[0]:.0%} to {COVERAGE[1]:.0%}; false "
        f"faster/slower of an arm against itself at most {ALARMS:.0%}; an effect of 1 % found "
        f"at least {POWER:.0%} of the time.",
        "",
        "| trace | covers | A/A false alarms | finds 1 % | width | rounds (median) | "
        f"{most:,} rounds not enough |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        alarms = _percent(row.alarms)
        lines.append(
            f"| {row.trace} | {row.coverage:.1%} | {alarms} | {row.power:.1%} | "
            f"{row.width:.2%} | {row.rounds:.0f} | {row.unfinished:.1%} |"
        )
    lines += [
        "",
        f"Nothing is required of the row *{BEYOND[0]}*: it shows where the interval ends, when "
        "a fifth of the quartets is hit and all on one side. Up to 5 % of turns it holds.",
        "",
        "In all but the last three rows both arms suffer the same noise, so the true ratio is "
        "1; in those it is what 400,000 rounds show. AR(1) and modes of an arm are per round "
        "and drawn for each arm apart, which no order of turns can cancel.",
        "",
        "## Without a stopping rule",
        "",
        "Coverage at fixed numbers of rounds. A strong dependence seen for a short time can't "
        "be told from a shift: sampling goes on there until rounds are worth 60 independent. "
        "At many rounds the interval is a little wide: it allows for the looks of the rule.",
        "",
        f"A budget may end a benchmark at {FIXED[0]} rounds. So few show no dependence: the "
        "interval is as of independent ones. But its verdict must lie beyond the noise floor, "
        "the first arm against itself in the same rounds: the last column says how often an "
        "arm is called faster or slower than itself for all that.",
        "",
        f"| trace | {' | '.join(f'{rounds} rounds' for rounds in FIXED)} | "
        f"false beyond the floor, {FIXED[0]} rounds |",
        f"|---|{'---|' * (len(FIXED) + 1)}",
    ]
    lines += [
        f"| {name} | {' | '.join(f'{share:.1%}' for share in shares.values())} | "
        f"{_percent(fixed['guarded'].get(name))} |"
        for name, shares in fixed["rounds"].items()
    ]
    lines += [
        "",
        "## Methods that were tried",
        "",
        f"Coverage of 95 % intervals at {FIXED[-1]} rounds, {fixed['runs']} runs. Where only "
        "one arm suffers, means and medians estimate different things, so it is left out here.",
        "",
        f"| trace | {' | '.join(METHODS)} |",
        f"|---|{'---|' * len(METHODS)}",
    ]
    lines += [
        f"| {name} | {' | '.join(f'{share:.1%}' for share in shares.values())} |"
        for name, shares in fixed["methods"].items()
    ]
    return "\n".join(lines) + "\n"


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
