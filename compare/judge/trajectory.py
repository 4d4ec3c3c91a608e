"""A training run, judged in float64 at every step: loss, gradients, updates, buffers.

A run that parts stops there: later steps only echo the first difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from compare.judge.agree import compare
from compare.judge.verdict import Finding, Verdict, worst_of

QUARTET = (("torch", "float64"), ("jax", "float64"), ("torch", "float32"), ("jax", "float32"))


def judge_run(name: str, runs: Mapping[tuple[str, str], Iterator]) -> Verdict:
    """Steps the four `runs` together and judges each step.

    The last record of a run may hold `correct`, the test images it classifies rightly: equal in
    float64. The float32 runs measure how far rounding has carried the paths apart by now; care
    is not judged here, since two float32 paths part by chance.
    """
    worst: list[Finding] = []
    facts: dict[str, Any] = {"losses": {f"{side} {kind}": [] for side, kind in QUARTET}}
    compared = 0
    for step, records in enumerate(zip(*(runs[key] for key in QUARTET), strict=True)):
        found = step_findings(records)
        compared += len(found)
        for (side, kind), record in zip(QUARTET, records, strict=True):
            if "loss" in record.arrays:
                facts["losses"][f"{side} {kind}"].append(float(record.arrays["loss"]))
            if "correct" in record.arrays:
                facts.setdefault("correct", {})[f"{side} {kind}"] = int(
                    record.arrays["correct"]
                )
        deciding = max(found, key=lambda one: (_rank(one), one.gap / (one.bound or 1.0)))
        worst.append(_at(step, deciding))
        if deciding.verdict != "same":
            break
    if not compared:
        return Verdict(name, "error", says="nothing was compared: the run had no steps")
    facts["steps"] = len(facts["losses"]["torch float64"])
    verdict = worst_of([finding.verdict for finding in worst])
    says = "" if verdict == "same" else f"{worst[-1].array}: {worst[-1].says}"
    return Verdict(name, verdict, tuple(worst), says, compared=compared, facts=facts)


def step_findings(records: tuple) -> list[Finding]:
    """One finding for each array of a step; the care of a path is left out."""
    t64, j64, t32, j32 = records
    found = []
    for name in dict.fromkeys([*t64.arrays, *j64.arrays]):
        four = [record.arrays.get(name) for record in (t64, j64, t32, j32)]
        casts = {"torch": t64.casts, "jax": j64.casts}
        finding = compare(name, four[0], four[1], four[2], four[3], casts)
        if finding.verdict == "less-careful":
            finding = Finding(**{**vars(finding), "verdict": "same", "says": ""})
        found.append(finding)
    return found


def _rank(finding: Finding) -> float:
    return math.inf if finding.verdict != "same" else 0.0


def _at(step: int, finding: Finding) -> Finding:
    return Finding(**{**vars(finding), "array": f"step {step}/{finding.array}"})
