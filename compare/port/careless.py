"""Where a port computes the same function with less care: the first call that loses bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from compare.explain import Explained
from compare.judge.agree import judge
from compare.judge.cause import Search
from compare.judge.locate import Place
from compare.judge.verdict import Verdict
from compare.port.flow import Flow, telling
from compare.port.trail import NEAR, Trail, value
from compare.run.calls import WHOLE, Seen
from compare.run.port.trace import orders
from compare.run.record import Record
from compare.run.suspects import suspects
from compare.run.torch_side import numpy

Records = dict[tuple[str, str], Record]


def careless(trail: Trail, verdict: Verdict) -> list[Explained]:
    """The first call in whose result JAX loses float32 bits that torch keeps, and why."""
    wide, _ = trail.subject.noted({})
    narrow, _ = trail.subject.noted({}, "float32")
    for ours, single in zip(wide, narrow, strict=True):
        records = at_call(trail, ours, single)
        if records is None:
            continue
        finding = judge("", records).findings[0]
        if finding.verdict != "less-careful":
            continue

        def run(trials: Sequence[tuple], precision: str, at: int = ours.index) -> Any:
            calls, _ = trail.subject.noted(trail.with_(trials), precision)
            return value(calls, at)

        causes = Search(records, run, trail.seconds).causes(suspects([ours]))
        told = dataclasses.replace(verdict, findings=(finding,), says=finding.says)
        return [Explained(trail.place(ours.path, told), tuple(causes))]
    return []


def at_call(trail: Trail, ours: Seen, single: Seen) -> Records | None:
    """The four records of one call's result; None where JAX has no such value."""
    results = [x for x in ours.held if telling(x)]
    if ours.index == WHOLE or not results:
        return None
    t64, t32 = numpy(results[0]), numpy(single.held[0])
    found = trail.exact.find(t64)
    arrays = trail.values["float32"].arrays
    if found is None or found[0] >= len(arrays):
        return None
    other = arrays[found[0]]
    if other.shape != trail.exact.arrays[found[0]].shape:
        return None
    near = NEAR * np.abs(t64).max()
    j32 = next((x for x in orders(other, t64.shape) if np.abs(x - t64).max() < near), None)
    if j32 is None:
        return None
    return {
        ("torch", "float64"): Record("torch", "float64", {"output/0": t64}),
        ("torch", "float32"): Record("torch", "float32", {"output/0": t32}),
        ("jax", "float64"): Record("jax", "float64", {"output/0": found[1]}),
        ("jax", "float32"): Record("jax", "float32", {"output/0": np.asarray(j32, np.float32)}),
    }


def narrowed(trail: Trail, verdict: Verdict) -> Place:
    """The first call of torch whose result JAX has only as nearly as float32 rounds."""
    calls, _ = trail.subject.noted({})
    ends = Flow(calls, trail.exact).sources()
    return trail.place(ends[0].path if ends else "", verdict)
