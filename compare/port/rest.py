"""What the forward pass does not show: gradients and buffers that differ, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from compare.explain import Explained
from compare.judge.cause import Search
from compare.judge.evidence import relation
from compare.judge.locate import Place
from compare.judge.verdict import Verdict
from compare.port.flow import Backward
from compare.port.trail import Trail
from compare.run.calls import WHOLE, Seen
from compare.run.record import PRECISIONS, Record
from compare.run.suspect import Suspect
from compare.run.suspects import suspects
from compare.run.suspects_block import spanning

PLACES = 24
"""How many modules are looked at one after another."""

Arrays = dict[str, np.ndarray]


@dataclass
class Rest:
    """The differing arrays of `verdict`, searched through at the calls that make them."""

    trail: Trail
    records: dict[tuple[str, str], Record]
    verdict: Verdict

    def explain(self) -> None:
        differing = [one.array for one in self.verdict.findings if one.verdict == "different"]
        buffers = [name for name in differing if name.startswith("buffer/")]
        calls, pulled = self.trail.subject.noted(self.trail.adopted)
        for owner in dict.fromkeys(owner_of(name) for name in buffers):
            names = [name for name in buffers if owner_of(name) == owner]
            at = [seen for seen in calls if seen.path == owner and seen.index != WHOLE]
            self.causes(at, names, self.place(owner, names))
        if any(name.startswith("grad/") for name in differing):
            self.backward(calls, pulled)

    def backward(self, calls: list[Seen], pulled: dict[int, np.ndarray]) -> None:
        """The modules through which what is pulled back stops being JAX's."""
        names = [f.array for f in self.verdict.findings if f.array.startswith("grad/")]
        ends = Backward(calls, pulled, self.trail.exact).sources()
        for path in list(dict.fromkeys(end.path for end in ends))[:PLACES]:
            at = [end for end in ends if end.path == path]
            beside = [seen for seen in calls if seen.path == path]
            at += [seen for seen in beside if seen.name == "detach"]
            told = self.causes(at, names, self.place(path, names), spanning(beside))
            if told and not self.trail.judged(self.records, names):
                return

    def causes(
        self, at: list[Seen], names: list[str], place: Place, more: Iterable[Suspect] = ()
    ) -> bool:
        """Causes at the calls `at`, or among `more`, by the arrays `names` of whole runs;
        adopted if found."""

        def only(arrays: Arrays) -> Arrays:
            return {name: arrays[name] for name in names if name in arrays}

        trail = self.trail
        now = {p: only(trail.subject.run(trail.adopted, p)) for p in PRECISIONS}
        chosen = {("torch", p): Record("torch", p, now[p]) for p in PRECISIONS}
        for p in PRECISIONS:
            chosen["jax", p] = Record("jax", p, only(self.records["jax", p].arrays))

        def run(trials: Sequence[tuple], precision: str) -> Arrays:
            return only(trail.subject.run(trail.with_(trials), precision))

        every = [*self.suspected(at), *more]
        causes = Search(chosen, run, trail.seconds).causes(every)
        if causes:
            trail.adopt_cause(causes[0])
        known = () if causes else tuple(self.relations(now["float64"]))
        trail.found.append(Explained(place, tuple(causes), known))
        return bool(causes)

    def suspected(self, at: list[Seen]) -> list[Suspect]:
        whole = suspects([s for s in self.trail.subject.calls if s.index == WHOLE])
        every = [one for one in suspects(at) if not one.careless]
        return every + [one for one in whole if one.name == "buffers not updated"]

    def relations(self, ours: Arrays) -> list[str]:
        theirs = self.records["jax", "float64"].arrays
        pairs = [(name, mine, theirs.get(name)) for name, mine in list(ours.items())[:3]]
        alike = [(n, a, b) for n, a, b in pairs if b is not None and b.shape == a.shape]
        told = [(name, relation(mine, other)) for name, mine, other in alike]
        return [f"{name}: {words}" for name, words in told if words]

    def place(self, path: str, names: Sequence[str]) -> Place:
        found = self.verdict.findings
        chosen = [one for one in found if one.array in names and one.verdict == "different"]
        own = [one for one in chosen if path and f"/{path}." in one.array] or chosen
        says = f"{own[0].array}: {own[0].says}" if own else ""
        verdict = dataclasses.replace(self.verdict, findings=tuple(own[:8]), says=says)
        return self.trail.place(path, verdict)


def owner_of(buffer: str) -> str:
    """The module of "buffer/path.name"."""
    return buffer[len("buffer/") :].rpartition(".")[0]
