"""Why agreement ends at a call: known mistakes are made there until JAX's values are back."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compare.explain import Explained
from compare.judge.cause import Cause, Search
from compare.port.flow import Flow, tensors
from compare.port.trail import Trail, Trial, value
from compare.run.calls import WHOLE, Seen, leaf_path
from compare.run.record import Record
from compare.run.suspect import Suspect, after
from compare.run.suspects import suspects
from compare.run.suspects_block import norm_first, shared, spanning
from compare.run.suspects_dropout import dropouts

LAYING = (
    "flatten", "reshape", "view", "permute", "transpose", "cat", "stack", "concat",
    "repeat_interleave", "repeat", "tile", "split", "chunk", "flip", "roll", "__getitem__",
    "movedim", "unflatten",
)  # fmt: skip
"""Functions that only lay numbers out: what they got wrong shows in the call that takes it."""

AFTER = 8
"""How many later calls of the same module are suspected, too."""


@dataclass
class Causes:
    """The search for causes at the places that `trail` comes to.

    deadline  of time.perf_counter, after which places are named without a cause
    """

    trail: Trail
    deadline: float

    @property
    def over(self) -> bool:
        return time.perf_counter() > self.deadline

    def at(self, calls: list[Seen], ends: list[Seen]) -> Explained | None:
        """The causes at the first of `ends` that has some: known mistakes and settings of all
        of them are tried before what any operation could have got wrong."""
        if self.over:
            return None
        every = {end.index: self.suspected(calls, end) for end in ends}
        known = {i: [one for one in some if one.rank < 2] for i, some in every.items()}
        other = {i: [one for one in some if one.rank > 1] for i, some in every.items()}
        ways = (
            (self.tried, known), (self.norm_first, known), (self.tentative, known),
            (self.tried, other), (self.searched, every),
        )  # fmt: skip
        for way, chosen in ways:
            for end in ends:
                if told := way(calls, end, chosen[end.index]):
                    return told
        return None

    # Who is suspected

    def suspected(self, calls: list[Seen], end: Seen) -> list[Suspect]:
        """What could have ended agreement at `end`; what was found elsewhere comes first."""
        near = self.around(calls, end)
        beside = [seen for seen in calls if seen.path == end.path]
        every = [*dropouts(near), *suspects(near), *self.alone(near), *spanning(beside)]
        every = [one for one in every if not one.careless]
        return sorted(every, key=lambda one: (one.name, one.kind) not in self.trail.known)

    def around(self, calls: list[Seen], end: Seen) -> list[Seen]:
        """The calls whose mistake could end agreement at `end`: itself, those of its module
        that it comes from or that come after it, and what laid out its inputs anew."""
        by_index = {seen.index: seen for seen in calls}
        flow = Flow(calls, self.trail.exact)
        chosen, stack = {end.index}, [end.index]
        while stack:
            for parent in flow.parents[stack.pop()]:
                seen = by_index[parent]
                if parent not in chosen and (seen.path == end.path or seen.name in LAYING):
                    chosen.add(parent)
                    stack.append(parent)
        later = [s.index for s in calls if s.path == end.path and s.index > end.index]
        chosen |= {index for index in later[:AFTER] if index != WHOLE}
        return [seen for seen in calls if seen.index in chosen]

    def alone(self, near: Sequence[Seen]) -> list[Suspect]:
        """Calls whose leaf has no partner: the JAX side does without them."""
        rows = self.trail.subject.given.built["jax"].rows
        single = {row.torch for row in rows if row.torch and not row.jax}
        paths = [(seen, leaf_path(one)) for seen in near for one in tensors(seen.arguments)]
        return [
            Suspect(
                "no partner",
                "the table of leaves",
                f"{{kind}}: {path} has no partner: the JAX side does without it",
                f"add what {path} does",
                after(lambda out, _, __: out * 0),
            ).at(seen)
            for seen, path in paths
            if path in single
        ]

    # Which of them fits

    def tried(self, calls: list[Seen], end: Seen, every: Sequence[Suspect]) -> Explained | None:
        """Those of the suspects that make torch's values JAX's again; they stay in place."""
        trials: list[Trial] = []
        for one in every:
            numbers = (n for n in self.numbers(one) if self.trail.mends([(one, n)], end.index))
            hit = [(one, number) for number in itertools.islice(numbers, 1)]
            trials += hit
            if hit and one.rank == 0 and (one.name, one.kind) in self.trail.known:
                break
        return self.settled(calls, end, trials) if trials else None

    def numbers(self, one: Suspect) -> tuple[float | None, ...]:
        """What a number is tried with: what it was elsewhere first."""
        if not one.starts:
            return (None,)
        before = self.trail.known.get((one.name, one.kind))
        first = (before[1],) if before and before[1] is not None else ()
        return (*first, *one.starts)

    def norm_first(
        self, calls: list[Seen], end: Seen, every: Sequence[Suspect]
    ) -> Explained | None:
        """A norm applied before `end` that torch applies after it: of the module with both."""
        for one in norm_first(end, calls):
            if self.trail.mends([(one, None)], end.index):
                gap = self.trail.gap(end)
                told = self.settled(calls, end, [(one, None)])
                return dataclasses.replace(
                    told, place=self.trail.place_of(common(end, one.says), gap)
                )
        return None

    def settled(self, calls: list[Seen], end: Seen, trials: list[Trial]) -> Explained:
        """The most specific of the mistakes that mend `end`, adopted, with the evidence."""
        best = min(one.rank for one, _ in trials)
        # Of equals the nearest to where agreement ended.
        trials = [t for t in trials if t[0].rank == best]
        trials.sort(key=lambda t: abs(t[0].index - end.index))
        chosen, number = trials[0]
        gap = self.trail.gap(end)
        names = list({(t[0].name, t[0].index): t for t in trials}.values())
        words = f"made on torch's side it gives the JAX side's values again, from {gap}"
        if len(names) > 1:
            words += f"; one of {len(names)} that explain it equally"
        causes = tuple(cause(one, number, words) for one, number in names[:3])
        self.trail.adopt(chosen, number)
        where = next(seen for seen in calls if seen.index == chosen.index)
        return Explained(self.trail.place_of(where, gap), causes)

    def tentative(
        self, calls: list[Seen], end: Seen, every: Sequence[Suspect]
    ) -> Explained | None:
        """A known mistake with which `end` itself gives a value of JAX's, though one that is
        found elsewhere too: scores without their scale, say, where the mask is then forgotten.
        It is only believed if with what follows from it the outputs agree.
        """
        for one in (one for one in every if one.index == end.index and one.rank == 0):
            for number in self.numbers(one):
                if self.trail.agrees([(one, number)], end.index):
                    told = self.settled(calls, end, [(one, number)])
                    self.trail.tentative.append(told)
                    return told
        return None

    def searched(
        self, calls: list[Seen], end: Seen, every: Sequence[Suspect]
    ) -> Explained | None:
        """A number that nobody has seen, or two mistakes at once: solved for against the value
        of JAX that is nearest."""
        trail = self.trail
        near = trail.near(end)
        if near is None:
            return None
        index, exact = near
        narrow = trail.values["float32"].arrays
        single = narrow[index] if index < len(narrow) else exact
        single = np.asarray(
            single.reshape(exact.shape) if single.size == exact.size else exact, np.float32
        )
        records = {("torch", p): trail.record(end.index, p) for p in ("float64", "float32")}
        for precision, array in (("float64", exact), ("float32", single)):
            records["jax", precision] = Record("jax", precision, {"output/0": array})

        def run(trials: Sequence[tuple], precision: str) -> dict[str, Any]:
            calls, _ = trail.subject.noted(trail.with_(trials), precision)
            return value(calls, end.index)

        causes = Search(records, run, trail.seconds).causes(every)
        if not causes:
            return None
        trail.adopt_cause(causes[0])
        return Explained(trail.place_of(end, trail.gap(end)), tuple(causes))


def cause(one: Suspect, number: float | None, confidence: str) -> Cause:
    says, change = one.said(number)
    return Cause(one.name, one.source, says, change, one.path, number, confidence=confidence)


def common(end: Seen, says: str) -> Seen:
    """`end` as if it stood in the module that has both it and the norm that `says` names."""
    norm = says.split(": ", 1)[1].split(" is ")[0]
    return dataclasses.replace(end, path=shared(norm, end.path))
