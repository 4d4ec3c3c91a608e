"""How far arrays are from what the JAX side gave, and the step of a number that nears them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from compare.judge.verdict import Finding

FAR = 60.0
"""The misfit, in bits over what rounding explains, of an array that has nothing in common."""


def misfit(findings: Sequence[Finding]) -> float:
    """Bits by which gaps exceed what rounding explains, on average; 0: all agree."""
    bits = [0.0 if one.verdict in ("same", "less-careful") else _bits(one) for one in findings]
    return float(np.mean(bits)) if bits else FAR


def _bits(finding: Finding) -> float:
    if not math.isfinite(finding.gap) or not finding.bound:
        return FAR
    return min(FAR, max(0.01, math.log2(max(finding.gap, 1e-300) / finding.bound)))


def largest_gap(findings: Sequence[Finding]) -> float:
    """The largest of the findings' gaps."""
    return max((one.gap for one in findings), default=0.0)


def carried(
    ours: np.ndarray, t64: np.ndarray | None, t32: np.ndarray | None
) -> np.ndarray | None:
    """`ours` with the float32 error that torch has without the mistake."""
    if t64 is None or t32 is None or not ours.shape == t64.shape == t32.shape:
        return None
    if ours.dtype.kind not in "fc" or t64.dtype.kind not in "fc":
        return None
    with np.errstate(invalid="ignore"):
        carried = ours + (t32.astype(t64.dtype) - t64)
    return np.where(np.isfinite(carried), carried, ours)


def solve(
    columns: np.ndarray, wanted: np.ndarray | None, here: np.ndarray
) -> np.ndarray | None:
    """The least-squares step; None where no number has an effect."""
    if wanted is None or wanted.shape != here.shape or not np.any(columns):
        return None
    norms = np.linalg.norm(columns, axis=0)
    if not np.all(norms > 0) or not np.all(np.isfinite(norms)):
        return None
    step, *_ = np.linalg.lstsq(columns / norms, wanted - here, rcond=None)
    return step / norms if np.all(np.isfinite(step)) else None


def middle(
    columns: np.ndarray, wanted: np.ndarray | None, here: np.ndarray
) -> np.ndarray | None:
    """The median of the steps that each value asks for: where some pass a kink, most do not."""
    if wanted is None or wanted.shape != here.shape or columns.shape[1] != 1:
        return None
    slopes = columns[:, 0]
    some = np.abs(slopes) > 1e-6 * np.abs(slopes).max(initial=0.0)
    if not some.any() or not np.all(np.isfinite(slopes)):
        return None
    return np.array([np.median((wanted - here)[some] / slopes[some])])


def products(choices: Sequence[Sequence]) -> list[tuple]:
    """Every way of taking one from each."""
    found: list[tuple] = [()]
    for one in choices:
        found = [(*before, value) for before in found for value in one]
    return found
