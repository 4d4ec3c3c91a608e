"""What two sides do with special values: the kind of each element, beside the usual verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from compare.judge.agree import compare
from compare.judge.verdict import worst_of
from compare.run.record import Record

KINDS = ("number", "0.0", "-0.0", "denormal", "inf", "-inf", "NaN")
SMALLEST_NORMAL = {"float64": 2.0**-1022, "float32": 2.0**-126}


@dataclass(frozen=True)
class Found:
    """What an edge came to, each side's special values in words, the bits that JAX loses."""

    outcome: str
    says: str = ""
    torch: str = ""
    jax: str = ""
    bits: float = 0.0


def judge_edge(records: Mapping[tuple[str, str], Record], watch: str = "") -> Found:
    """`same`, `less-careful`, `leak` or `different`, where NaN and inf must stand alike in both
    precisions; with `watch` so must the signs of zeros, or float32's denormals.

    Where a side failed that the other did not follow it is `different`; where nothing was
    computed at all, an `error`.
    """
    errors = {side: _error(records, side) for side in ("torch", "jax")}
    if any(errors.values()):
        alike = all(errors.values())
        words = {side: f"raises {text}" if text else "" for side, text in errors.items()}
        one = next(side for side, text in errors.items() if text)
        says = "" if alike else f"only the {one} side raises"
        return Found("same" if alike else "different", says, words["torch"], words["jax"])
    t64, j64 = records["torch", "float64"], records["jax", "float64"]
    t32, j32 = records["torch", "float32"], records["jax", "float32"]
    if not t64.arrays:
        return Found("error", "nothing was compared")
    casts = {"torch": t64.casts, "jax": j64.casts}
    findings = [
        compare(
            name, t64.arrays.get(name), j64.arrays.get(name), t32.arrays.get(name),
            j32.arrays.get(name), casts, t64.spread.get(name),
        )
        for name in dict.fromkeys([*t64.arrays, *j64.arrays])
    ]  # fmt: skip
    outcome = worst_of([one.verdict for one in findings])
    odd = [one for one in findings if one.verdict == outcome and one.says]
    says = [f"{one.array}: {one.says}" for one in odd]
    apart = kinds_apart(t64, j64, watch) or kinds_apart(t32, j32, watch)
    precision = "float32" if watch == "denormals" else "float64"
    torch, jax = (specials(records[side, precision], precision) for side in ("torch", "jax"))
    bits = max((one.bits for one in findings if np.isfinite(one.bits)), default=0.0)
    if apart and outcome in ("same", "less-careful"):
        outcome, says = "different", [apart]
    return Found(outcome, says[0] if says else "", torch, jax, bits)


def _error(records: Mapping[tuple[str, str], Record], side: str) -> str:
    texts = [record.error for (who, _), record in records.items() if who == side]
    return next((text for text in texts if text), "")


def kinds(values: np.ndarray, precision: str) -> np.ndarray:
    """The place in KINDS of each element."""
    least = SMALLEST_NORMAL[precision]
    zero, size = values == 0, np.abs(values)
    found = np.zeros(values.shape, int)
    found[zero] = 1
    found[zero & np.signbit(values)] = 2
    found[(size > 0) & (size < least)] = 3
    found[np.isposinf(values)], found[np.isneginf(values)] = 4, 5
    found[np.isnan(values)] = 6
    return found


def kinds_apart(torch: Record, jax: Record, watch: str) -> str:
    """The first array whose elements are not of one kind, in words, or ""."""
    for name, ours in torch.arrays.items():
        theirs = jax.arrays.get(name)
        if theirs is None or ours.shape != theirs.shape or ours.dtype.kind != "f":
            continue
        a, b = (kinds(x, torch.precision) for x in (ours, theirs))
        apart = _watched(a, watch) != _watched(b, watch)
        if np.any(apart):
            where = tuple(int(i) for i in np.argwhere(apart)[0])
            told = f"{KINDS[a[where]]} in torch, {KINDS[b[where]]} in JAX"
            count = f"{int(apart.sum())} of {apart.size}"
            return f"{name}, {torch.precision}: {told}, at {where} ({count} differ)"
    return ""


def _watched(found: np.ndarray, watch: str) -> np.ndarray:
    """Only what is looked at apart: NaN and inf always."""
    kept = {"signs": (1, 2), "denormals": (3,)}.get(watch, ())
    return np.where((found >= 4) | np.isin(found, kept), found, 0)


def specials(record: Record, precision: str) -> str:
    """How many special values stand in the outputs, and how many in the gradients."""
    told = []
    for word, start in (("out", "output/"), ("back", "grad/")):
        arrays = [x for name, x in record.arrays.items() if name.startswith(start)]
        floats = [kinds(x, precision).ravel() for x in arrays if x.dtype.kind == "f"]
        if floats:
            every = np.concatenate(floats)
            counts = np.bincount(every, minlength=len(KINDS)).tolist()
            pairs = list(zip(counts, KINDS, strict=True))[1:]
            found = ", ".join(f"{count} x {kind}" for count, kind in pairs if count)
            told.append(f"{word}: {found or 'numbers'} of {every.size}")
    return "; ".join(told)
