"""Each element by itself, so that a wrong tiny one can't hide behind a large maximum.

How far element i may be off by rounding is measured, not assumed. With T64, J64, T32, J32 as in
agree.py and T64' torch's float64 run from inputs, parameters and cotangents each one float64
ulp off, as is the result of each operation (the farthest of several such twins), one rounding
of element i is

    r_i = max(|T64'_i - T64_i|,  u64 |T64_i|,  u64/u32 |T32_i - T64_i|,
              u64/u32 |J32_i - J64_i|,  m)

where m is the largest median of these terms but |T64_i|, each over its elements that are not
zero: it stands in where an element happened to come out exact in every run. Judged is
max_i |J64_i - T64_i| / r_i, in roundings of the element's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compare.judge.thresholds import UNIT

U64, U32 = UNIT["float64"], UNIT["float32"]


@dataclass(frozen=True)
class Farthest:
    """The element that is off by most of its own roundings: how many, where, |J64 - T64|."""

    roundings: float = 0.0
    where: tuple[int, ...] = ()
    gap: float = 0.0


def farthest(
    t64: np.ndarray,
    j64: np.ndarray,
    t32: np.ndarray | None,
    j32: np.ndarray | None,
    spread: np.ndarray,
) -> Farthest:
    """Of floats of one shape; `spread` is |T64' - T64|. What is not finite is left out."""
    with np.errstate(invalid="ignore"):  # inf - inf
        gaps = np.abs(j64 - t64)
        own = np.maximum(spread, U64 * np.abs(t64))
        stand_in = typical(spread)
        for narrow, wide in ((t32, t64), (j32, j64)):
            if narrow is not None and narrow.shape == wide.shape:
                shrunk = U64 / U32 * np.abs(narrow.astype(np.float64) - wide)
                own, stand_in = np.maximum(own, shrunk), max(stand_in, typical(shrunk))
        own = np.maximum(own, stand_in)
    judged = np.isfinite(gaps) & np.isfinite(own) & (gaps > 0)
    if not judged.any():
        return Farthest()
    roundings = np.zeros(gaps.shape)
    # An element that is zero in all runs and not in this one is infinitely many off.
    with np.errstate(divide="ignore"):
        np.divide(gaps, own, out=roundings, where=judged)
    where = np.unravel_index(int(np.argmax(roundings)), gaps.shape)
    return Farthest(float(roundings[where]), tuple(map(int, where)), float(gaps[where]))


def typical(moves: np.ndarray) -> float:
    """The median of those that are not zero."""
    moved = moves[np.isfinite(moves) & (moves > 0)]
    return float(np.median(moved)) if moved.size else 0.0
