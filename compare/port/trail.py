"""What is known while a difference is followed: JAX's values, and the mistakes found so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from compare.explain import Explained
from compare.judge.agree import compare
from compare.judge.cause import Cause
from compare.judge.locate import Place
from compare.judge.verdict import Finding, Verdict
from compare.port.flow import known, mended, present
from compare.run.calls import Rewrite, Seen
from compare.run.port.trace import Values
from compare.run.record import Record
from compare.run.subject import Subject
from compare.run.suspect import Suspect
from compare.run.torch_side import numpy

NEAR = 0.5
"""How near, of its largest, a value must be to be taken for the same one off by a number."""

Rewrites = dict[int, list[tuple[Rewrite, float]]]
Trial = tuple[Suspect, float | None]
"""A suspect, and the number that it is made with where it has one."""


@dataclass
class Trail:
    """A difference that is followed.

    values   JAX's values in float64 and float32
    seconds  how long two causes at once are looked for, at each place
    adopted  the mistakes that stay in place on torch's side
    found    places and causes, in the order of computing
    placed   the places among JAX's values of all that torch's calls are given and give
    tentative  what of `found` is only believed if the outputs agree in the end
    known    mistakes found before, by name and kind of call: likely to be there again
    """

    subject: Subject
    values: dict[str, Values]
    module: torch.nn.Module
    seconds: float
    adopted: Rewrites = field(default_factory=dict)
    found: list[Explained] = field(default_factory=list)
    placed: set[int] = field(default_factory=set)
    tentative: list[Explained] = field(default_factory=list)
    known: dict[tuple[str, str], Trial] = field(default_factory=dict)

    @property
    def exact(self) -> Values:
        return self.values["float64"]

    def look(self, calls: Sequence[Seen]) -> None:
        """Takes down which of JAX's values torch has by now."""
        self.placed = known(calls, self.exact)

    # Mistakes made on torch's side

    def with_(self, trials: Sequence[Trial]) -> Rewrites:
        """What is adopted, and `trials` too."""
        return self.over(
            (index, one.rewrite, value)
            for one, value in trials
            for index in (one.index, *one.also)
        )

    def over(self, more: Iterable[tuple[int, Rewrite, Any]]) -> Rewrites:
        """What is adopted, and around it each (index, rewrite, value)."""
        rewrites = {index: list(held) for index, held in self.adopted.items()}
        for index, rewrite, value in more:
            rewrites.setdefault(index, []).insert(0, (rewrite, value))
        return rewrites

    def mends(self, trials: Sequence[Trial], index: int) -> bool:
        """Whether with these mistakes too, agreement goes on past call `index`."""
        calls = self.made(trials)
        return mended(calls, self.exact, index, self.placed)

    def agrees(self, trials: Sequence[Trial], index: int) -> bool:
        """Whether with these mistakes too, call `index` itself gives a value of JAX's."""
        at = [seen for seen in self.made(trials) if seen.index == index]
        return any(present(seen, self.exact) for seen in at)

    def made(self, trials: Sequence[Trial]) -> list[Seen]:
        """The calls with these mistakes too; none where they can't be made here."""
        try:
            return self.subject.noted(self.with_(trials))[0]
        except Exception:
            return []  # no cause then: a suspect's rewrite need not suit the call at hand

    def adopt(self, one: Suspect, value: float | None) -> None:
        self.adopted = self.with_([(one, value)])
        self.known[one.name, one.kind] = (one, value)

    def adopt_cause(self, cause: Cause) -> None:
        """Puts a cause of a search in place."""
        self.adopted = self.with_(cause.made)

    # Values

    def record(self, index: int, precision: str) -> Record:
        """What call `index` gives with all that is adopted."""
        calls, _ = self.subject.noted(self.adopted, precision)
        return Record("torch", precision, value(calls, index))

    def near(self, end: Seen) -> tuple[int, np.ndarray] | None:
        """JAX's value most like what `end` gives: its place, laid out alike."""
        near = self.exact.near(numpy(end.held[0]), 1)
        return (near[0][1], near[0][2]) if near and near[0][0] < NEAR else None

    def gap(self, end: Seen) -> str:
        near = self.exact.near(numpy(end.held[0]), 1)
        return f"{near[0][0]:.1e} of the largest" if near else "values of other sizes"

    def judged(self, records: dict, names: Sequence[str] = ()) -> list[Finding]:
        """Arrays of whole runs that still differ with all that is adopted."""
        ours, narrow = (self.subject.run(self.adopted, p) for p in ("float64", "float32"))
        theirs, single = (records["jax", p].arrays for p in ("float64", "float32"))
        findings = [
            compare(
                name, ours.get(name), theirs.get(name), narrow.get(name), single.get(name), {}
            )
            for name in records["torch", "float64"].arrays | theirs
            if not names or name in names
        ]
        return [one for one in findings if one.verdict not in ("same", "less-careful")]

    # Places

    def place(self, path: str, verdict: Verdict) -> Place:
        leaf = next(self.module.get_submodule(path).children(), None) is None
        return Place(path, leaf, verdict)

    def place_of(self, seen: Seen, gap: str) -> Place:
        says = f"{seen.name} gives other values: {gap}"
        finding = Finding("output/0", "different", says=says)
        return self.place(seen.path, Verdict("", "different", (finding,), says))


def value(calls: Sequence[Seen], index: int) -> dict[str, np.ndarray]:
    """The first result of call `index`, as an array that can be judged."""
    seen = next(seen for seen in calls if seen.index == index)
    return {"output/0": numpy(seen.held[0])}
