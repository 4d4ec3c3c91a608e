"""The interval that is used (statistics.py) and others that were tried, all of one form: values
(runs, quartets) of log ratios -> the location of each run with its 95 % half width."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from compare.measure.statistics import Array, Located, huber, located

Locate = Callable[[Array], Located]


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
