"""What is known of a difference whose cause is not: how the two sides' arrays relate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from compare.judge.verdict import Finding, Verdict

CLOSE = 1e-9
"""How nearly a relation must hold to be told: float64 data that follow it do so far better."""


def evidence(verdict: Verdict, t64: Mapping, j64: Mapping) -> list[str]:
    """Sentences on the arrays that differ: which, where, and how they relate."""
    odd = [one for one in verdict.findings if one.verdict in ("different", "leak")]
    if not odd:
        return []
    said = [_which(verdict, odd)]
    for one in odd[:4]:
        ours, theirs = t64.get(one.array), j64.get(one.array)
        if ours is not None and theirs is not None and ours.shape == theirs.shape:
            found = relation(ours, theirs)
            said += [f"{one.array}: {found}"] if found else []
    return said


def _which(verdict: Verdict, odd: list[Finding]) -> str:
    kinds = {
        kind: [o for o in odd if o.array.startswith(kind)]
        for kind in ("output", "grad", "buffer")
    }
    some = [kind for kind, found in kinds.items() if found]
    words = {"output": "outputs", "grad": "gradients", "buffer": "buffers"}
    if len(some) == 1:
        others = [w for k, w in words.items() if k != some[0] and any(
            f.array.startswith(k) for f in verdict.findings)]  # fmt: skip
        rest = f"; the {' and the '.join(others)} agree" if others else ""
        return f"only the {words[some[0]]} differ ({len(odd)} arrays){rest}"
    of_kinds = ", ".join(words[kind] for kind in some)
    return f"{len(odd)} of {len(verdict.findings)} arrays differ: {of_kinds}"


def relation(ours: np.ndarray, theirs: np.ndarray) -> str:
    """How JAX's array follows from torch's, or where the two part; "" where nothing is seen."""
    if ours.dtype.kind != "f" or theirs.dtype.kind != "f" or not ours.size:
        return ""
    finite = np.isfinite(ours) & np.isfinite(theirs)
    if not finite.all():
        return f"{int((~finite).sum())} of {ours.size} values are not finite on a side"
    scale = float(np.abs(ours).max())
    if not np.any(theirs):
        return "all zero on the JAX side"
    if scale == 0.0:
        return "all zero in torch"
    for test in (_factor, _offset, _rearranged, _along_axes, _where):
        if found := test(ours, theirs, scale):
            return found
    return ""


def _near(one: np.ndarray, other: np.ndarray, scale: float) -> bool:
    return bool(np.abs(one - other).max() <= CLOSE * scale)


def _factor(ours: np.ndarray, theirs: np.ndarray, scale: float) -> str:
    factor = float(np.vdot(ours, theirs) / np.vdot(ours, ours))
    if _near(ours * factor, theirs, abs(factor) * scale or scale):
        return f"the JAX side is {factor:.10g} times torch"
    return ""


def _offset(ours: np.ndarray, theirs: np.ndarray, scale: float) -> str:
    offset = float((theirs - ours).mean())
    if ours.size > 1 and _near(ours + offset, theirs, scale):
        return f"the JAX side is torch plus {offset:.10g}"
    return ""


def _rearranged(ours: np.ndarray, theirs: np.ndarray, scale: float) -> str:
    if ours.size < 2 or not _near(np.sort(ours.ravel()), np.sort(theirs.ravel()), scale):
        return ""
    for axis in range(ours.ndim):
        if _near(np.flip(ours, axis), theirs, scale):
            return f"the JAX side is torch flipped along axis {axis}"
    for one in range(ours.ndim):
        for other in range(one + 1, ours.ndim):
            square = ours.shape[one] == ours.shape[other]
            if square and _near(np.swapaxes(ours, one, other), theirs, scale):
                return f"axes {one} and {other} are swapped"
    return "the same values in another order"


def _along_axes(ours: np.ndarray, theirs: np.ndarray, scale: float) -> str:
    """A factor or an offset that is constant along all axes but one."""
    for axis in range(ours.ndim if ours.ndim > 1 else 0):
        rest = tuple(a for a in range(ours.ndim) if a != axis)
        squares = (ours * ours).sum(rest, keepdims=True)
        if ours.shape[axis] > 1 and np.all(squares > 0):
            factors = (ours * theirs).sum(rest, keepdims=True) / squares
            if _near(ours * factors, theirs, scale * float(np.abs(factors).max())):
                return f"a factor of its own for each place along axis {axis}"
            if _near(ours + (theirs - ours).mean(rest, keepdims=True), theirs, scale):
                return f"an offset of its own for each place along axis {axis}"
    return ""


def _where(ours: np.ndarray, theirs: np.ndarray, scale: float) -> str:
    """The places that differ: few of them, or only at the borders."""
    odd = np.abs(ours - theirs) > CLOSE * scale
    count = int(odd.sum())
    if ours.ndim >= 3:
        inner = odd[(slice(None),) * (ours.ndim - 2) + (slice(1, -1), slice(1, -1))]
        if inner.size and not inner.any():
            return f"only the borders of the last two axes differ ({count} values)"
    if 0 < count <= 0.75 * odd.size:
        return f"{count} of {odd.size} values differ"
    return ""
