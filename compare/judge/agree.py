"""The same function? With the same care? One array at a time, with no tolerance per case.

T64, J64, T32, J32: what torch and JAX computed in float64 and float32, e(X) = max|X - T64| / s,
s = max|T64|. Rounding differences shrink by 2^29 from float32 to float64, semantic ones do not:

    same function   e(J64) <= K64 * u64 * max(1, e(T32) / u32, max|J32 - J64| / (s u32),
                                              e(T64') / u64)

Each side's own float32 error measures how much its computation amplifies rounding: what JAX
loses beyond torch is care, not another function. Either may come out exact by luck, so T64'
measures too, torch's float64 run with every operation off by an ulp. Where torch's float32 has
no digit left, nothing is said of care.
Elements are judged one by one as well: see elements.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from compare.judge.elements import Farthest, farthest
from compare.judge.thresholds import (
    CARE_BITS,
    CARE_FLOOR,
    ELEMENT_MARGIN,
    FLOAT64_MARGIN,
    UNIT,
)
from compare.judge.verdict import Finding, Verdict, worst_of
from compare.run.record import Record

MOST = float(np.finfo(np.float64).max)
U64, U32 = UNIT["float64"], UNIT["float32"]


def judge(
    case: str,
    records: Mapping[tuple[str, str], Record],
    may_be_empty: bool = False,
    may_be_flat: bool = True,
) -> Verdict:
    """The verdict on `case` from its four records, keyed by (side, precision).

    A side that failed makes it `unsupported` or `error`, with that side's own words. A case
    that compared no number at all, or only zeros, is an `error`: such a check cannot fail. So
    is one whose gradients are all zero, unless it `may_be_flat`.
    """
    failures = [record for record in records.values() if record.error]
    if failures:
        says = "; ".join(dict.fromkeys(f"{one.side} side: {one.error}" for one in failures))
        unsupported = all(one.unsupported for one in failures)
        return Verdict(case, "unsupported" if unsupported else "error", says=says)

    t64, j64 = records["torch", "float64"], records["jax", "float64"]
    t32, j32 = records["torch", "float32"], records["jax", "float32"]
    casts = {"torch": t64.casts, "jax": j64.casts}
    findings = tuple(
        compare(
            name,
            t64.arrays.get(name),
            j64.arrays.get(name),
            t32.arrays.get(name),
            j32.arrays.get(name),
            casts,
            t64.spread.get(name),
        )
        for name in dict.fromkeys([*t64.arrays, *j64.arrays])
    )
    vacuous = vacuity(findings, t64.arrays, may_be_empty) or (
        "" if may_be_empty or may_be_flat else flatness(findings, t64)
    )
    if vacuous and worst_of([one.verdict for one in findings] or ["same"]) == "same":
        return Verdict(case, "error", findings, says=vacuous)
    verdict = worst_of([one.verdict for one in findings])
    facts = {"casts": [f"{side}: {cast}" for side in casts for cast in casts[side]]}
    decided = Verdict(case, verdict, findings, facts={k: v for k, v in facts.items() if v})
    return decided if verdict == "same" else _explained(decided)


def _explained(verdict: Verdict) -> Verdict:
    worst = verdict.worst
    says = f"{worst.array}: {worst.says}" if worst else ""
    return Verdict(verdict.case, verdict.verdict, verdict.findings, says, facts=verdict.facts)


def vacuity(
    findings: tuple[Finding, ...], arrays: Mapping[str, np.ndarray], may_be_empty: bool
) -> str:
    """Why this comparison could not have failed, or ""."""
    if not findings:
        return "nothing was compared: neither side returned an array"
    if may_be_empty:
        return ""
    if all(array.size == 0 for array in arrays.values()):
        return "nothing was compared: every array is empty"
    if all(one.noise for one in findings):
        return "nothing was compared but zeros: choose inputs that give numbers"
    return ""


def flatness(findings: tuple[Finding, ...], t64: Record) -> str:
    """Why the gradients, or outputs that have none, could not have failed, or ""."""
    pulled = [one for one in findings if one.array.startswith("grad/")]
    if pulled and all(one.noise for one in pulled):
        return (
            "every gradient is zero but for rounding: the function is flat at these inputs, or "
            "what was pulled back is orthogonal to all that its outputs can do (the sum of a "
            "softmax is constant); choose other inputs, or another cotangent"
        )
    moves = [one for name, one in t64.spread.items() if name.startswith("output/")]
    if not pulled and moves and not any(np.any(one) for one in moves):
        return "the outputs are constant: they don't move with the inputs"
    return ""


def compare(
    name: str,
    t64: np.ndarray | None,
    j64: np.ndarray | None,
    t32: np.ndarray | None,
    j32: np.ndarray | None,
    casts: Mapping[str, tuple[str, ...]],
    spread: np.ndarray | None = None,
) -> Finding:
    """The finding on one array; without its `spread` elements are not judged one by one."""
    if t64 is None or j64 is None:
        side = "JAX" if t64 is None else "torch"
        return Finding(name, "different", says=f"only the {side} side has this array")
    if np.iscomplexobj(t64) or np.iscomplexobj(j64):
        t64, j64 = _real_pairs(t64), _real_pairs(j64)
        t32 = t32 if t32 is None else _real_pairs(t32)
        j32 = j32 if j32 is None else _real_pairs(j32)
        spread = spread if spread is None else np.stack([spread, spread], axis=-1)
    shape = tuple(t64.shape)
    if t64.shape != j64.shape:
        says = f"shape {shape} in torch, {tuple(j64.shape)} in JAX (in torch's order of axes)"
        return Finding(name, "different", shape, gap=math.inf, says=says)
    if t64.dtype.kind in "iub" or j64.dtype.kind in "iub":
        return exact(name, t64, j64)
    if t64.dtype != j64.dtype:
        says = f"dtype {t64.dtype} in torch, {j64.dtype} in JAX, in the float64 run"
        return Finding(name, "leak", shape, says=f"{says}. {_casts(casts)}")
    specials = _specials_differ(t64, j64)
    if specials:
        return Finding(name, "different", shape, gap=math.inf, says=specials)
    return same_function(name, t64, j64, t32, j32, casts, spread)


def exact(name: str, torch: np.ndarray, jax: np.ndarray) -> Finding:
    """Integers and booleans are equal or not; their width is the framework's own affair."""
    shape = tuple(torch.shape)
    kinds = {"i": "integer", "u": "integer", "b": "boolean", "f": "floating"}
    if kinds[torch.dtype.kind] != kinds[jax.dtype.kind]:
        says = f"{torch.dtype} in torch, {jax.dtype} in JAX"
        return Finding(name, "different", shape, gap=math.inf, says=says)
    unequal = np.count_nonzero(torch != jax)
    if unequal:
        where = tuple(int(i) for i in np.argwhere(torch != jax)[0]) if shape else ()
        says = (
            f"{unequal} of {torch.size} differ, first at {where}: {torch[where]}, {jax[where]}"
        )
        return Finding(name, "different", shape, gap=math.inf, says=says)
    return Finding(name, "same", shape, noise=not np.any(torch))


def same_function(
    name: str,
    t64: np.ndarray,
    j64: np.ndarray,
    t32: np.ndarray | None,
    j32: np.ndarray | None,
    casts: Mapping[str, tuple[str, ...]],
    spread: np.ndarray | None = None,
) -> Finding:
    """Two float64 arrays of one shape, with NaN and inf in the same places."""
    scale = _largest(t64)
    torch32, jax32 = error(t32, t64, scale), error(j32, j64, scale)
    if scale == 0.0:
        # Zero in torch: what is left in JAX may be rounding, which shrinks by u64 / u32 from
        # the float32 of either side, or is what torch has with each operation an ulp off (the
        # slope of a tanh of 1). What is meant does not shrink.
        stray, narrow = _largest(j64), max(_largest(t32), _largest(j32))
        allowed = FLOAT64_MARGIN * max(U64 / U32 * narrow, _largest(spread))
        verdict = "same" if stray <= allowed else "different"
        says = "" if verdict == "same" else f"all zero in torch, up to {stray:.3g} in JAX"
        gap = math.inf if says else 0.0
        return Finding(name, verdict, tuple(t64.shape), gap=gap, noise=True, says=says)
    gap = error(j64, t64, scale)
    noise = torch32 > 0.5  # it has no digit left
    # How far one more rounding of each operation takes torch's float64 run: far more than the
    # array itself, where that is what an exact cancellation left of noise. Divided one after
    # the other, as a scale below the normal numbers times U64 would be zero.
    roundings = 0.0 if spread is None else min(_largest(spread) / scale / U64, MOST)
    seen = (1.0, torch32 / U32, jax32 / U32, roundings)
    amplification = max(filter(math.isfinite, seen))
    bound = FLOAT64_MARGIN * U64 * amplification
    lost = roundings * U32  # in float32, by roundings that nobody can avoid
    bits = math.log2(max(jax32, CARE_FLOOR) / max(torch32, lost, CARE_FLOOR))
    gap32 = error(j32, t32, scale) if t32 is not None else math.inf
    shape = tuple(t64.shape)
    found = Farthest() if spread is None else farthest(t64, j64, t32, j32, spread)
    finding = Finding(
        name, "same", shape, gap, bound, torch32, jax32, bits, gap32, found.roundings, noise
    )
    if not gap <= bound:
        return _differs(finding, t64, j64, casts)
    if found.roundings > ELEMENT_MARGIN:
        return _element_differs(finding, found, t64, j64, t32, casts)
    if bits > CARE_BITS and not noise:
        says = (
            f"JAX loses {bits:.1f} bits more than torch in float32 ({jax32:.2g}, {torch32:.2g})"
        )
        return _with(finding, "less-careful", says)
    return finding


def _differs(
    finding: Finding, t64: np.ndarray, j64: np.ndarray, casts: Mapping[str, tuple[str, ...]]
) -> Finding:
    where = _worst_index(t64, j64)
    says = (
        f"off by {finding.gap:.3g} of the largest value in float64, rounding explains "
        f"{finding.bound:.1g}; worst at {where}: torch {t64[where]:.9g}, JAX {j64[where]:.9g}"
    )
    as_float32 = finding.gap <= FLOAT64_MARGIN * max(U32, finding.torch32)
    if as_float32 and any(casts.values()):
        return _with(finding, "leak", f"{says}. {_casts(casts)}")
    return _with(finding, "different", says)


def _element_differs(
    finding: Finding,
    found: Farthest,
    t64: np.ndarray,
    j64: np.ndarray,
    t32: np.ndarray | None,
    casts: Mapping[str, tuple[str, ...]],
) -> Finding:
    """One element is off while the array as a whole is not."""
    where = found.where
    says = (
        f"element {where} is off by {found.roundings:.2g} of its own roundings in float64, "
        f"behind a larger maximum: torch {t64[where]:.9g}, JAX {j64[where]:.9g}"
    )
    narrow = 0.0 if t32 is None else abs(float(t32[where]) - t64[where])
    as_float32 = found.gap <= FLOAT64_MARGIN * max(U32 * abs(t64[where]), narrow)
    if as_float32 and any(casts.values()):
        return _with(finding, "leak", f"{says}. {_casts(casts)}")
    return _with(finding, "different", says)


def _with(finding: Finding, verdict: str, says: str) -> Finding:
    return Finding(**{**vars(finding), "verdict": verdict, "says": says})


def _casts(casts: Mapping[str, tuple[str, ...]]) -> str:
    named = [f"{side}: {cast}" for side, seen in casts.items() for cast in seen]
    return "narrowed on the way: " + "; ".join(named) if named else "no narrowing cast was seen"


def error(values: np.ndarray | None, reference: np.ndarray, scale: float) -> float:
    """max|values - reference| / scale over finite places; inf where the shapes do not agree."""
    if values is None or values.shape != reference.shape:
        return math.inf
    if scale == 0.0 or reference.size == 0:
        return 0.0
    values, reference = _finite(values, reference)
    gaps = np.abs(values.astype(np.float64, copy=False) - reference)
    worst = float(gaps.max(initial=0.0))
    return math.inf if math.isnan(worst) else worst / scale


def _finite(values: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both where the reference is finite."""
    finite = np.isfinite(reference)
    return (values, reference) if finite.all() else (values[finite], reference[finite])


def _real_pairs(values: np.ndarray) -> np.ndarray:
    """A complex array as its real and imaginary parts along a new last axis."""
    return np.stack([np.real(values), np.imag(values)], axis=-1)


def _largest(values: np.ndarray | None) -> float:
    if values is None:
        return 0.0
    finite, _ = _finite(values, values)
    return float(np.abs(finite).max(initial=0.0))


def _worst_index(t64: np.ndarray, j64: np.ndarray) -> tuple[int, ...]:
    gaps = np.where(np.isfinite(t64), np.abs(j64 - t64), 0.0)
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(gaps)), gaps.shape))


def _specials_differ(t64: np.ndarray, j64: np.ndarray) -> str:
    """NaN, inf and -inf stand in the same places, or this says where they do not."""
    if np.isfinite(t64).all() and np.isfinite(j64).all():
        return ""
    tests = {"NaN": np.isnan, "inf": np.isposinf, "-inf": np.isneginf}
    for word, test in tests.items():
        ours, theirs = test(t64), test(j64)
        if np.any(ours != theirs):
            return f"{word} in {ours.sum()} places in torch, in {theirs.sum()} in JAX"
    return ""
