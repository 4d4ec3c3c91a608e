"""Do all arms compute the same? Checked before a timing is accepted.

R is torch's float64 run of the same step from the same givens. A twin starts from parameters
and inputs that are off by one rounding of the precision p under test: each number x becomes
x (1 +- u_p). How far the farthest of three twins comes out measures how this computation
amplifies rounding, kinks and Adam's signs of near-zero gradients included. For each array

    max|X - R| / max|R|  <=  PARTING * m,    m = max(u_p, t, median of t over all arrays)

where t = max|twin - R| / max|R|, PARTING is as the judge of trainings has it, and u_p is 2^-24
(float32), 2^-11 (TF32), 2^-8 (bfloat16). The median stands in where twins left an array alone
by luck, as they may a loss. A twin's roundings are few. Where torch's own eager run at p is
farther off than that, CARE times as far as that run is allowed, array by array: with its fused
attention on a CPU the gradient of BERT's last query weights came out 2e-3 off. That run counts
only if the median of its arrays is within FAR * m, else it is no run at p. No workload has a
tolerance of its own. Where the bound would be the array's own size, it is nothing but rounding,
and is not looked at.

Training: the first step's loss, the optimizer's moments (after one step multiples of the
clipped gradients; the gradients where it has none), weights and buffers after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from compare.judge.agree import error
from compare.judge.thresholds import PARTING
from compare.measure.arms import UNIT

Arrays = Mapping[str, np.ndarray]

NEEDS = {
    "forward": (("output",),),
    "gradient": (("output",), ("grad",)),
    "inference": (("output",),),
    "train": (("loss",), ("grad", "moment"), ("weight",)),
}
"""Of each mode the kinds of arrays of which one must have been compared, each."""

CARE = 4.0
FAR = 2.0**10
NOISE = 1 / PARTING
"""Where a twin is off by this much the bound is the array's own size: it says nothing."""


@dataclass(frozen=True)
class Agreement:
    """`gap` and `bound` of the array that came nearest to its bound, or is farthest beyond.

    says        why it does not agree, or only on a second look (second_look.py)
    precision   whose rounding is allowed for
    """

    agrees: bool
    compared: int = 0
    array: str = ""
    gap: float = 0.0
    bound: float = 0.0
    says: str = ""
    precision: str = ""


def agree(
    found: Arrays,
    reference: Arrays,
    twin: Arrays,
    precision: str,
    mode: str,
    own: Arrays | None = None,
    largest: Mapping[str, Any] | None = None,
) -> Agreement:
    """Whether an arm's arrays are the reference's, which may have others beside.

    `own`: those of torch's eager run at the precision; `largest`: max|R| of arrays of which
    `reference` has some entries only.
    """
    nearest, nearness, seen = Agreement(True), -1.0, []
    tops = {name: largest_of(values) for name, values in reference.items()}
    tops |= {name: float(top) for name, top in (largest or {}).items()}
    usual = _usual(reference, twin, tops)
    if own is None or _usual(reference, own, tops) > FAR * max(UNIT[precision], usual):
        own = {}
    for name, values in found.items():
        if name not in reference:
            return Agreement(False, len(seen), name, says=f"the reference has no {name}")
        expected = np.asarray(reference[name], np.float64)
        values = np.asarray(values)
        if values.shape != expected.shape:
            says = f"{name}: shape {values.shape}, in the reference {expected.shape}"
            return Agreement(False, len(seen), name, np.inf, says=says)
        if not np.array_equal(np.isfinite(values), np.isfinite(expected)):
            says = f"{name}: not finite where the reference is, or the reverse"
            return Agreement(False, len(seen), name, np.inf, says=says)
        apart = twin[name], own.get(name, expected)
        one = _judged(name, values, expected, apart, precision, usual, tops[name])
        if one is None:
            continue
        seen.append(name)
        if one.gap / one.bound > nearness:
            nearest, nearness = one, one.gap / one.bound
    if nearest.agrees:
        kinds = {name.split("/")[0] for name in seen}
        lacking = [" or ".join(any_of) for any_of in NEEDS[mode] if not kinds & {*any_of}]
        if lacking:
            says = f"nothing was compared of: {', '.join(lacking)}"
            return Agreement(False, len(seen), says=says)
    return Agreement(
        nearest.agrees, len(seen), nearest.array, nearest.gap, nearest.bound, nearest.says
    )


def largest_of(values: np.ndarray) -> float:
    """max|values| of the finite ones."""
    values = np.asarray(values, np.float64)
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _usual(reference: Arrays, twin: Arrays, tops: Mapping[str, float]) -> float:
    """The median of how far a twin's arrays are off, of those that are more than noise."""
    found = []
    for name, values in twin.items():
        if scale := tops[name]:
            expected = np.asarray(reference[name], np.float64)
            found.append(error(np.asarray(values, np.float64), expected, scale))
    return float(np.median([one for one in found if one <= NOISE] or [0.0]))


def _judged(
    name: str,
    values: np.ndarray,
    expected: np.ndarray,
    apart: tuple[np.ndarray, np.ndarray],
    precision: str,
    usual: float,
    scale: float,
) -> Agreement | None:
    """None for an array of nothing but rounding. `apart`: the twin's, and torch's own."""
    twin, own = apart
    if expected.size == 0:
        return None
    if scale == 0.0:
        stray, allowed = float(np.abs(values).max()), PARTING * float(np.abs(twin).max())
        says = f"{name}: all zero in the reference, up to {stray:.2g} here"
        bound = UNIT[precision]
        return None if stray <= allowed else Agreement(False, 1, name, np.inf, bound, says)
    moved = error(np.asarray(twin, np.float64), expected, scale)
    if not moved <= NOISE:
        return None
    gap, least = error(values, expected, scale), max(UNIT[precision], moved, usual)
    theirs = error(np.asarray(own, np.float64), expected, scale)
    bound = max(PARTING * least, CARE * theirs)
    if gap <= bound:
        return Agreement(True, 1, name, gap, bound)
    says = (
        f"{name}: off by {gap:.2g} of the largest value, rounding at {precision} explains "
        f"{bound:.1g}"
    )
    return Agreement(False, 1, name, gap, bound, says)
