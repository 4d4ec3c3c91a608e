"""Synthetic traces: logarithms of times, (runs, rounds, arm), of two arms in turns A B | B A,
with noise of every kind that benchmarks meet, and a true ratio that is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import signal

from compare.measure.statistics import Array, huber

Draw = np.random.Generator
Trace = Callable[[Draw, int, int], Array]


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
