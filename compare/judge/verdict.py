"""Verdicts are values: what was found for each array, and what that makes of the case."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

ORDER = ("same", "less-careful", "leak", "different", "unsupported", "error")
"""From best to worst; a case's verdict is the worst of its findings."""


@dataclass(frozen=True)
class Finding:
    """One compared array.

    gap      max|J64 - T64| / max|T64|, and gap32 the same in float32
    bound    the largest gap that rounding explains for this array
    torch32, jax32   each side's own float32 error against its own float64 run
    bits     float32 bits that JAX loses beyond torch
    element  how many of its own roundings the farthest element is off; see elements.py
    noise    the array is zero but for rounding, so agreement says little
    """

    array: str
    verdict: str
    shape: tuple[int, ...] = ()
    gap: float = 0.0
    bound: float = 0.0
    torch32: float = 0.0
    jax32: float = 0.0
    bits: float = 0.0
    gap32: float = 0.0
    element: float = 0.0
    noise: bool = False
    says: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the comparison of one case came to, with its evidence.

    `expect_at` is where a planted fault must show: what `says` must begin with. `compared`
    counts the arrays that were compared; a trajectory keeps the worst finding of each step, so
    it may exceed the findings.
    """

    case: str
    verdict: str
    findings: tuple[Finding, ...] = ()
    says: str = ""
    expect: str = "same"
    why: str = ""
    seconds: float = 0.0
    compared: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    expect_at: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "compared", max(self.compared, len(self.findings)))

    @property
    def as_expected(self) -> bool:
        return self.verdict == self.expect and self.says.startswith(self.expect_at)

    @property
    def worst(self) -> Finding | None:
        """The finding that decides: the worst verdict, then the largest gap over its bound."""
        return max(self.findings, key=_severity, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; NaN and inf, which JSON lacks, become strings."""
        return _plain(asdict(self))


def _severity(finding: Finding) -> tuple[int, float]:
    ratio = finding.gap / finding.bound if finding.bound else finding.gap
    return ORDER.index(finding.verdict), math.inf if math.isnan(ratio) else ratio


def worst_of(verdicts: Sequence[str]) -> str:
    """The worst of some verdicts; a comparison of nothing is an error."""
    return max(verdicts, key=ORDER.index, default="error")


def from_dict(plain: dict[str, Any]) -> Verdict:
    """The verdict that `to_dict` wrote."""
    kept = {name: plain[name] for name in Verdict.__dataclass_fields__ if name in plain}
    return Verdict(**{**kept, "findings": tuple(map(_finding, plain["findings"]))})


def _finding(plain: dict[str, Any]) -> Finding:
    numbers = ("gap", "bound", "torch32", "jax32", "bits", "gap32", "element")
    read = {name: float(plain[name]) for name in numbers if name in plain}
    return Finding(**{**plain, **read})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
