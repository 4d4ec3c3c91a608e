"""How many bits each side loses at a precision, against float64 from the same numbers.

With p's unit roundoff u (2^-24 float32, 2^-11 float16 and TF32, 2^-8 bfloat16) and Xp, X64 what
side X computed at p and in float64, the bits lost on one array are

    log2 max(1, max|Xp - X64| / (u max|X64|))

0 is what rounding the exact result would leave. The numbers given are exact in p, so that
nothing is lost before the first operation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from compare.judge.agree import error
from compare.judge.thresholds import CARE_BITS, UNIT

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Loss:
    """Bits that each side lost on one array; inf where it overflowed or is NaN."""

    array: str
    torch: float
    jax: float

    @property
    def more(self) -> float:
        """Bits that JAX loses beyond torch; below 0 torch loses more."""
        return 0.0 if self.torch == self.jax else self.jax - self.torch

    @property
    def verdict(self) -> str:
        """alike, or which side is less careful by more than CARE_BITS."""
        if abs(self.more) <= CARE_BITS:
            return "alike"
        return "JAX loses more" if self.more > 0 else "torch loses more"


@dataclass(frozen=True)
class Measured:
    """What one case came to at one precision; `says` why a side can't run it there.

    It is `lost` where its process was.
    """

    suite: str
    case: str
    precision: str
    losses: list[Loss] = field(default_factory=list)
    says: str = ""
    lost: bool = False


def losses(
    precision: str, torch: tuple[Arrays, Arrays], jax: tuple[Arrays, Arrays]
) -> list[Loss]:
    """Of each floating array that both sides have; a side is (float64, `precision`).

    An array whose two float64 runs have nothing in common is zero but for rounding: it has no
    bits to lose, and is left out.
    """
    found = []
    for name, exact in torch[0].items():
        other = jax[0].get(name)
        if exact.dtype.kind not in "fc" or other is None or other.shape != exact.shape:
            continue
        scale = float(np.abs(exact[np.isfinite(exact)]).max(initial=0.0))
        if scale == 0.0 or not error(other, exact, scale) <= 0.5:
            continue
        lost = (
            bits(exact, torch[1].get(name), precision),
            bits(other, jax[1].get(name), precision),
        )
        found.append(Loss(name, *lost))
    return found


def bits(exact: np.ndarray, narrow: np.ndarray | None, precision: str) -> float:
    """Bits lost on one array that is not all zero; inf where a NaN or inf is new."""
    if narrow is None or exact.shape != narrow.shape:
        return math.inf
    if not np.array_equal(np.isfinite(exact), np.isfinite(narrow)):
        return math.inf
    scale = float(np.abs(exact[np.isfinite(exact)]).max())
    return math.log2(max(1.0, error(narrow, exact, scale) / UNIT[precision]))
