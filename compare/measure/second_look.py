"""An arm that is a little farther off than rounding explains, looked at again in float64.

What rounding explains is read off torch's own runs, and so is of torch's order of adding. Other
orders round farther: a bias's gradient as one plain sum of 10^5 terms came out 3e-6 off. That
is no other function. From the precision p to float64 a rounding shrinks by u_p / u64, as much
as a difference of meaning does not: the judge's own rule, for each array

    max|X64 - R| <= FLOAT64_MARGIN * u64 * max(max|R|, max|X - R| / u_p, max|T - R| / u_p)

with X the arm and T torch's eager run at p, X64 the arm in float64, R torch in float64. An arm
that lost more than CARE_BITS beyond the bound is careless, and not looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from compare.judge.agree import error
from compare.judge.thresholds import CARE_BITS, FLOAT64_MARGIN
from compare.measure.agreement import Agreement, Arrays, largest_of
from compare.measure.arms import UNIT
from compare.measure.course import Plan
from compare.measure.job import Job, Reference
from compare.measure.workers import Lost, Worker


def looked_again(
    judged: Agreement, found: Arrays, job: Job, known: Reference, plan: Plan, seconds: float
) -> Agreement:
    """`judged`, which does not agree, or that the arm agrees in float64; `says` tells why."""
    if not judged.gap <= 2.0**CARE_BITS * judged.bound:
        return judged
    try:
        with Worker(job.arm, plan.device, plan.threads, plan.probes) as worker:
            worker.ask("prepare", replace(job, precision="float64"), seconds=seconds)
            wide = worker.ask("agreement", seconds=seconds)
    except Lost as error:
        why = f"it could not be looked at again in float64: {error}"
        return replace(judged, says=f"{judged.says}; {why}")
    precision = judged.precision
    left = remaining(wide, found, known.arrays, known.own[precision], precision, known.largest)
    if left:
        return replace(judged, says=f"{judged.says}; in float64 {left}")
    alike = "in float64 it is the same function: it adds in an order that rounds farther"
    return replace(judged, agrees=True, says=f"{judged.says}; {alike}")


def remaining(
    wide: Arrays,
    found: Arrays,
    reference: Arrays,
    own: Arrays,
    precision: str,
    largest: Mapping[str, Any],
) -> str:
    """ "" where each array of `wide` is off by a rounding; else the first that is not."""
    unit, exact = UNIT[precision], UNIT["float64"]
    for name, expected in reference.items():
        if name not in found:
            continue
        top = float(largest.get(name, largest_of(expected)))
        values = (found[name], own.get(name, expected), wide.get(name))
        off, torchs_off, gap = (error(one, expected, 1.0) for one in values)
        allowed = max(top, *(one / unit for one in (off, torchs_off) if np.isfinite(one)))
        if not gap <= FLOAT64_MARGIN * exact * allowed:
            return f"{name} is off by {gap / top if top else gap:.2g}"
    return ""
