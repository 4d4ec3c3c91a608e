"""This project's verdict and the published rules on the same arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from compare.cases.case import Case
from compare.judge.agree import judge
from compare.judge.rules import PUBLISHED, oracle, wide
from compare.run.record import Record

OURS = "this judge"


def opinions(
    case: Case, records: Mapping[tuple[str, str], Record], arrays: Sequence[str]
) -> dict[str, bool]:
    """Whether each rule, and this project's verdict, passes the `arrays` of four records."""
    if errors := [one.error for one in records.values() if one.error]:
        raise RuntimeError(f"{case.name}: {errors[0]}")
    kept = {
        key: replace(one, arrays={name: one.arrays[name] for name in arrays})
        for key, one in records.items()
    }
    t64, j64, t32, j32 = (
        kept[side, precision].arrays
        for precision in ("float64", "float32")
        for side in ("torch", "jax")
    )
    three = [(t32[name], j32[name], t64[name]) for name in arrays]
    said: dict[str, bool] = {OURS: judge(case.name, kept).verdict == "same"}
    said["both in float64, 1e-10"] = all(wide(t64[name], j64[name]) for name in arrays)
    said["float32 against float64, 8 times torch's error"] = all(oracle(*one) for one in three)
    return said | {name: all(rule(*one) for one in three) for name, rule in PUBLISHED.items()}
