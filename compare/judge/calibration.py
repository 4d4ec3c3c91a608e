"""Where each threshold stands: the farthest correct comparison, and the nearest fault.

A threshold is well set where correct comparisons stay below it and faults above it, and both
keep their distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from compare.judge import thresholds
from compare.judge.trajectory import BETWEEN, SMOOTH
from compare.judge.verdict import Finding, Verdict

MEANING = {
    "FLOAT64_MARGIN": "largest gap in float64, in roundings as much amplified as was seen",
    "ELEMENT_MARGIN": "farthest element in float64, in roundings of its own",
    "CARE_BITS": "bits that JAX loses beyond torch in float32",
    "PARTING": "distance of a training's float32 sides / its twins'; a fact, no verdict",
}
"""What is held against each threshold."""

IN_BITS = ("CARE_BITS",)
"""Thresholds that are powers of two already."""

Reached = Mapping[str, tuple[float, str]]
"""By threshold how far a comparison came, and the array that came farthest."""


def reached(verdict: Verdict) -> dict[str, tuple[float, str]]:
    """By threshold how far the verdict's arrays came, and the array that came farthest."""
    farthest: dict[str, tuple[float, str]] = {}
    for finding in verdict.findings:
        for name, value in _of(finding).items():
            if name not in farthest or value > farthest[name][0]:
                farthest[name] = (value, finding.array)
    if "partings" in verdict.facts:
        farthest["PARTING"] = (_parting(verdict.facts["partings"]), "parameters")
    return farthest


def _of(finding: Finding) -> dict[str, float]:
    told = finding.verdict in ("different", "leak")  # by its shape, say: without a number
    roundings = math.inf if told else 0.0
    if finding.bound:
        roundings = finding.gap / finding.bound * thresholds.FLOAT64_MARGIN
    found = {
        "FLOAT64_MARGIN": roundings,
        "ELEMENT_MARGIN": finding.element,
        "CARE_BITS": finding.bits if cared_for(finding) else 0.0,
    }
    return {name: 0.0 if math.isnan(value) else value for name, value in found.items()}


def cared_for(finding: Finding) -> bool:
    """Whether care is judged: not where torch has no digit left; of a training at its start."""
    when, _, array = finding.array.partition("/")
    if when.startswith(("step ", "after ")):
        return when == "step 0" and array.startswith(SMOOTH) and not finding.noise
    return not finding.noise


def _parting(partings: Mapping[str, list[float]]) -> float:
    """The largest ratio of the sides' distance to the widest that a twin has been so far."""
    widest, largest = 0.0, 0.0
    twins = [values for name, values in partings.items() if name != BETWEEN]
    for between, *others in zip(partings[BETWEEN], *twins, strict=True):
        widest = max(widest, *others)
        largest = max(largest, between / widest if widest else 0.0)
    return largest


def decided_by(expect: str, values: Mapping[str, float]) -> str:
    """The threshold that ought to tell a fault of this verdict, by what it reached.

    One that differs is told by whichever of the thresholds of float64 it passes by more.
    """
    if expect == "less-careful":
        return "CARE_BITS"
    names = ("FLOAT64_MARGIN", "ELEMENT_MARGIN")
    return max(names, key=lambda name: values.get(name, 0.0) / getattr(thresholds, name))


def calibration(
    correct: Iterable[tuple[str, Reached]], faults: Iterable[tuple[str, str, bool, Reached]]
) -> list[dict[str, Any]]:
    """A row for each threshold, from (name, reached) and, of faults, (name, expect, caught,
    reached).

    A fault that is told without a number (another shape, an integer, a NaN) is infinitely far.
    """
    farthest: dict[str, dict[str, Any]] = {}
    nearest: dict[str, dict[str, Any]] = {}
    for case, found in correct:
        for name, (value, array) in found.items():
            if name not in farthest or float(value) > farthest[name]["value"]:
                farthest[name] = {"value": float(value), "case": case, "array": array}
    for case, expect, caught, found in faults:
        values = {name: float(value) for name, (value, _) in found.items()}
        name = decided_by(expect, values)
        value = values.get(name, 0.0)
        if caught and value <= getattr(thresholds, name):
            value = math.inf  # told by what is no number
        if name not in nearest or value < nearest[name]["value"]:
            nearest[name] = {
                "value": value,
                "case": case,
                "array": found.get(name, ("", ""))[1],
            }
    return [row(name, farthest.get(name), nearest.get(name)) for name in MEANING]


def row(
    name: str, far: Mapping[str, Any] | None, near: Mapping[str, Any] | None
) -> dict[str, Any]:
    """A threshold between what is correct and what is not, and the powers of two to either.

    `between` is None where no correct comparison was made, or no fault that it ought to tell.
    PARTING tells none: it stands above what is correct, or not.
    """
    value = getattr(thresholds, name)
    below = powers(name, value, far["value"]) if far else None
    above = powers(name, near["value"], value) if near else None
    asked = [below] if name == "PARTING" else [below, above]
    return {
        "threshold": name,
        "value": value,
        "measures": MEANING[name],
        "farthest_correct": far,
        "nearest_fault": near,
        "room_below": below,
        "room_above": above,
        "between": None
        if None in asked
        else all(room > 0 for room in asked if room is not None),
    }


def powers(name: str, larger: float, smaller: float) -> float:
    """How many powers of two lie between; of nothing at all infinitely many."""
    if name in IN_BITS:
        return larger - smaller
    if smaller <= 0:
        return math.inf
    if larger <= 0 or math.isinf(smaller):  # an alarm may be infinitely far off
        return -math.inf
    return math.log2(larger / smaller)
