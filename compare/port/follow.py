"""Where a port differs, and why: torch is followed call by call beside all that JAX computes.

At the first call where agreement ends, known mistakes are made on torch's side until its values
are JAX's again. A mistake that is found stays in place, and so the next one downstream is found
as if the first were not there. Last, with all of them in place, the whole is judged: that is
the proof. Where no known mistake fits, JAX's own value is put in torch's place, to see what
follows.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from compare.explain import Explained, leaked
from compare.judge.evidence import relation
from compare.judge.verdict import Verdict
from compare.port.careless import careless, narrowed
from compare.port.causes import Causes
from compare.port.flow import Flow, tensors
from compare.port.models import Models
from compare.port.rest import Rest
from compare.port.trail import Trail
from compare.run import jax_side
from compare.run.calls import Seen
from compare.run.port.trace import values as trace
from compare.run.record import PRECISIONS, Record
from compare.run.subject import Subject
from compare.run.suspect import OPERATIONS
from compare.run.torch_side import numpy

PLACES = 24
"""How many faults are followed one after another."""

ENDS = 4
"""How many of the calls where agreement ends are looked at before one is given up."""

WHOLE_SEARCH = 6
"""How many times `seconds`, which is for two causes at one place, all places may take."""


def follow(
    made: Models, records: dict[tuple[str, str], Record], verdict: Verdict, seconds: float
) -> tuple[list[Explained], bool]:
    """Places and causes of the difference, and whether together they explain all of it."""
    subject = Subject(made.case, made.given)
    values = {}
    for precision in PRECISIONS:
        with jax_side.settings(precision, "cpu"):
            program = jax_side.program(made.case, made.given, precision)
            values[precision] = trace(program.call, program.arguments, jax_side.QUICK_COMPILE)
    trail = Trail(subject, values, made.torch, seconds)
    if verdict.verdict == "less-careful":
        return careless(trail, verdict), False
    if verdict.verdict == "leak":
        return [leaked(narrowed(trail, verdict))], False
    follower = Follower(trail, Causes(trail, time.perf_counter() + WHOLE_SEARCH * seconds))
    left = follower.whole(records)
    if not (follower.patched or any(one.array.startswith("output/") for one in left)):
        if left and follower.ended:
            Rest(trail, records, dataclasses.replace(verdict, findings=tuple(left))).explain()
            left = trail.judged(records)
    else:
        follower.retract()
    return trail.found, not left and not follower.patched


@dataclass
class Follower:
    """The way through the forward pass.

    patched  whether a value of JAX's stands in torch's place: then nothing is proven
    strict   numbers in another order do not agree
    ended    whether the pass could be followed to its end
    """

    trail: Trail
    causes: Causes
    patched: bool = False
    strict: bool = False
    ended: bool = False

    def whole(self, records: dict[tuple[str, str], Record]) -> list:
        """Follows the pass; the arrays of whole runs that differ still."""
        self.ended = self.forward()
        left = self.trail.judged(records)
        outputs = any(one.array.startswith("output/") for one in left)
        if self.ended and not self.trail.found and outputs:
            self.strict = True  # all numbers are there: their order is what differs
            self.ended = self.forward()
            left = self.trail.judged(records)
        return left

    def forward(self) -> bool:
        """From fault to fault, to the end; whether all of it could be told."""
        trail = self.trail
        for _ in range(PLACES):
            calls, _ = trail.subject.noted(trail.adopted)
            ends = Flow(calls, trail.exact, self.strict).sources()
            if not ends:
                return True
            trail.look(calls)
            told = self.causes.at(calls, ends[:ENDS])
            trail.found.append(told or self.unknown(calls, ends[0]))
            if told is None and not self.replaced(ends[0]):
                return False
        return False

    # Where nothing known fits

    def unknown(self, calls: Sequence[Seen], end: Seen) -> Explained:
        """What is known of a place without a known cause."""
        said = [f"it is in {end.name}, the {turn(calls, end)} call there"]
        if self.causes.over:
            said.append("the time to look for causes was over: give more --seconds")
        near = self.trail.near(end)
        if near is not None and (words := relation(numpy(end.held[0]), near[1])):
            said.append(f"against the nearest value of JAX: {words}")
        return Explained(self.trail.place_of(end, self.trail.gap(end)), (), tuple(said))

    def replaced(self, end: Seen) -> bool:
        """Puts JAX's value in the place of torch's, if what follows then agrees."""
        trail = self.trail
        for _, _, target in trail.exact.near(numpy(end.held[0]), 12):
            held = torch.tensor(np.ascontiguousarray(target))

            def given(rest, arguments, value, held=held):
                result = rest(**arguments)
                first = tensors(result)[0]
                moved = first + (held.to(first.dtype) - first).detach()
                return moved if isinstance(result, torch.Tensor) else (moved, *result[1:])

            rewrites = trail.over([(end.index, given, 0.0)])
            try:
                after, _ = trail.subject.noted(rewrites)
            except Exception:
                continue  # what follows can't take JAX's numbers: the next nearest value
            flow = Flow(after, trail.exact)
            later = [seen for seen in after if seen.index > end.index]
            children = [seen for seen in later if end.index in flow.parents[seen.index]]
            if any(flow.agrees(seen.index) for seen in children):
                trail.adopted, self.patched = rewrites, True
                return True
        return False

    def retract(self) -> None:
        """Takes back what was tentative, and causes that only say what was done to a number, as
        outputs still differ.

        A term left out gives some value of JAX's where the order of operations is another.
        """
        for place, one in enumerate(self.trail.found):
            vague = all(cause.source in OPERATIONS for cause in one.causes)
            if one.causes and (vague or any(one is told for told in self.trail.tentative)):
                words = f"near to it: {one.causes[0].says}; but the outputs then differ still"
                self.trail.found[place] = dataclasses.replace(one, causes=(), known=(words,))


def turn(calls: Sequence[Seen], end: Seen) -> str:
    """Which call of its module it is: "1st", "2nd"."""
    place = [seen.index for seen in calls if seen.path == end.path].index(end.index) + 1
    return f"{place}{({1: 'st', 2: 'nd', 3: 'rd'}).get(place, 'th')}"
