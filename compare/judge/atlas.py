"""Whether a statement of the atlas holds: its claims against what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from compare.judge.agree import compare
from compare.judge.thresholds import FLOAT64_MARGIN, UNIT
from compare.judge.verdict import ORDER, Finding
from compare.run.record import Record

ROUNDING = FLOAT64_MARGIN * UNIT["float64"]
"""A relative difference up to this is float64's rounding."""

ABOUT = 0.02
"""How far, relatively, a figure may be from the one said: as if said to two digits."""

SIGNIFICANT = 1e-4
"""Below this a p-value speaks against its hypothesis. Seeds are fixed; of some twenty tests one
in five hundred seeds errs. Hypotheses that are wrong come out below 1e-20."""

NOTHING = {"torch": (), "jax": ()}


class Said(Protocol):
    """A claim: see compare.cases.atlas."""

    @property
    def measure(self) -> str: ...
    @property
    def relation(self) -> str: ...
    @property
    def value(self) -> Any: ...


@dataclass(frozen=True)
class Checked:
    """One claim, what was found of it, and whether it is so."""

    measure: str
    relation: str
    value: Any
    found: Any
    holds: bool


@dataclass(frozen=True)
class Judged:
    """The outcome of a row; the verdict on each port, with its gap and the bits it loses."""

    outcome: str
    claims: tuple[Checked, ...]
    ports: dict[str, Finding] = field(default_factory=dict)


def judge_row(
    claims: Sequence[Said],
    records: Mapping[tuple[str, str], Record],
    measured: Mapping[str, Any],
) -> Judged:
    """`holds` where every claim is so. Raises KeyError for a claim on what was not measured."""
    sides = dict.fromkeys(side for side, _ in records)
    ports = {side: port(records, side) for side in sides if side != "torch"}
    known = dict(measured)
    for side, finding in ports.items():
        known |= {
            f"{side} port": finding.verdict,
            f"{side} gap": finding.gap,
        }
        if (side, "float32") in records:
            known[f"{side} bits"] = finding.bits
    checked = tuple(check(one, known) for one in claims)
    outcome = "holds" if all(one.holds for one in checked) else "does not hold"
    return Judged(outcome, checked, ports)


def check(claim: Said, measured: Mapping[str, Any]) -> Checked:
    """Whether one claim is so. Raises KeyError for an unknown measure or relation."""
    if claim.measure not in measured:
        raise KeyError(f"{claim.measure!r} was not measured; there are {sorted(measured)}")
    found, value = measured[claim.measure], claim.value
    holds = bool(RELATIONS[claim.relation](found, value))
    return Checked(claim.measure, claim.relation, value, found, holds)


def _equal(found: Any, value: Any) -> bool:
    plain = list(value) if isinstance(value, tuple) else value
    return isinstance(found, bool) == isinstance(plain, bool) and found == plain


RELATIONS = {
    "is": _equal,
    "about": lambda found, value: abs(found - value) <= ABOUT * abs(value),
    "rounding": lambda found, value: found <= ROUNDING,
    "apart": lambda found, value: found > ROUNDING,
    "below": lambda found, value: found < value,
    "above": lambda found, value: found > value,
    "plausible": lambda found, value: found >= SIGNIFICANT,
    "implausible": lambda found, value: found < SIGNIFICANT,
}


def port(records: Mapping[tuple[str, str], Record], side: str) -> Finding:
    """The finding on a port's worst output; where one side raises, the other must too."""
    ours, theirs = records["torch", "float64"], records[side, "float64"]
    if ours.error or theirs.error:
        alike = bool(ours.error) == bool(theirs.error)
        says = "" if alike else f"only one side raises: {ours.error or theirs.error}"
        gap = 0.0 if alike else math.inf
        return Finding(side, "same" if alike else "different", gap=gap, says=says)
    found = [
        output(name, records, side) for name in dict.fromkeys([*ours.arrays, *theirs.arrays])
    ]
    if not found:
        return Finding(side, "error", says="nothing was compared: no output")
    return max(found, key=lambda one: (ORDER.index(one.verdict), one.gap))


def output(name: str, records: Mapping[tuple[str, str], Record], side: str) -> Finding:
    """The finding on one output: a number as anywhere, a word by being equal."""
    t64, j64 = (records[who, "float64"].arrays.get(name) for who in ("torch", side))
    t32 = records["torch", "float32"].arrays.get(name)
    # Where the port was not run in float32 nothing is said of its care.
    j32 = records[side, "float32"].arrays.get(name) if (side, "float32") in records else t32
    if t64 is not None and t64.dtype.kind == "U":
        alike = j64 is not None and np.array_equal(t64, j64)
        says = "" if alike else f"{t64} in torch, {j64} in the port"
        gap = 0.0 if alike else math.inf
        return Finding(name, "same" if alike else "different", gap=gap, says=says)
    if t64 is not None and j64 is not None and side != "right" and j64.dtype.kind == "f":
        j64 = j64.astype(t64.dtype)  # a naive port's width is its own affair
    return compare(name, t64, j64, t32, j32, NOTHING)
