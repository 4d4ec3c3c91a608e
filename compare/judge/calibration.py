"""Where each threshold stands: the farthest correct comparison, and the nearest fault.

A threshold is well set where correct comparisons stay below it and faults above it, and both
keep their distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from compare.judge import thresholds
from compare.judge.trajectory import BETWEEN
from compare.judge.verdict import Finding, Verdict

MEANING = {
    "FLOAT64_MARGIN": "largest gap in float64, in roundings amplified as torch's float32 shows",
    "ELEMENT_MARGIN": "farthest element in float64, in roundings of its own",
    "CARE_BITS": "bits that JAX loses beyond torch in float32",
    "CARE_FLOOR": "JAX's float32 error / 2^CARE_BITS, where torch's is below that",
    "PARTING": "distance of a training's float32 sides / its twins'; a fact, no verdict",
}
"""What is held against each threshold."""

Reached = dict[str, tuple[float, str]]


def reached(verdict: Verdict) -> Reached:
    """By threshold how far the verdict's arrays came, and the array that came farthest."""
    farthest: Reached = {}
    for finding in verdict.findings:
        for name, value in _of(finding).items():
            if name not in farthest or value > farthest[name][0]:
                farthest[name] = (value, finding.array)
    if "partings" in verdict.facts:
        farthest["PARTING"] = (_parting(verdict.facts["partings"]), "parameters")
    return farthest


def _of(finding: Finding) -> dict[str, float]:
    roundings = math.inf if finding.gap else 0.0
    if finding.bound:
        roundings = finding.gap / finding.bound * thresholds.FLOAT64_MARGIN
    careless = finding.jax32 / 2**thresholds.CARE_BITS
    judged = not finding.noise  # of care nothing is said where torch has no digit left
    found = {
        "FLOAT64_MARGIN": roundings,
        "ELEMENT_MARGIN": finding.element,
        "CARE_BITS": finding.bits if judged else 0.0,
        "CARE_FLOOR": careless if judged and careless > finding.torch32 else 0.0,
    }
    return {name: 0.0 if math.isnan(value) else value for name, value in found.items()}


def _parting(partings: Mapping[str, list[float]]) -> float:
    """The largest ratio of the sides' distance to the widest that a twin has been so far."""
    widest, largest = 0.0, 0.0
    twins = [values for name, values in partings.items() if name != BETWEEN]
    for between, *others in zip(partings[BETWEEN], *twins, strict=True):
        widest = max(widest, *others)
        largest = max(largest, between / widest if widest else 0.0)
    return largest


def decided_by(expect: str, values: Mapping[str, float]) -> tuple[str, ...]:
    """The thresholds that ought to tell a fault of this verdict, by what it reached.

    One that loses care is told by both thresholds of care. One that differs by whichever of the
    thresholds of float64 it passes by more.
    """
    if expect == "less-careful":
        return ("CARE_BITS", "CARE_FLOOR")
    names = ("FLOAT64_MARGIN", "ELEMENT_MARGIN")
    return (max(names, key=lambda name: values.get(name, 0.0) / getattr(thresholds, name)),)


def calibration(
    correct: Iterable[tuple[str, Mapping[str, Any]]],
    faults: Iterable[tuple[str, str, Mapping[str, Any]]],
) -> list[dict[str, Any]]:
    """A row for each threshold, from (name, reached) and, of faults, (name, expect, reached).

    A fault that is told without a number (another shape, an integer, a NaN) is infinitely far.
    """
    farthest: dict[str, dict[str, Any]] = {}
    for case, found in correct:
        for name, (value, array) in found.items():
            if name not in farthest or float(value) > farthest[name]["value"]:
                farthest[name] = {"value": float(value), "case": case, "array": array}
    nearest: dict[str, dict[str, Any]] = {}
    for case, expect, found in faults:
        values = {name: float(value) for name, (value, _) in found.items()}
        for name in decided_by(expect, values):
            value = values.get(name, 0.0)
            if name not in nearest or value < nearest[name]["value"]:
                nearest[name] = {"value": value, "case": case, "array": found[name][1]}
    return [
        {
            "threshold": name,
            "value": getattr(thresholds, name),
            "measures": meaning,
            "farthest_correct": farthest.get(name),
            "nearest_fault": nearest.get(name),
        }
        for name, meaning in MEANING.items()
    ]
