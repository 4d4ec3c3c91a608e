"""Which way of all that are open is right: found by trying, in few tries."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compare.port.probe import Probe
from compare.run.port.choices import Choice, Option, Pairing
from compare.run.port.table import Row

WAYS = 48
"""Combinations of what is open that are tried, and as many single changes of the best."""

FAR = 5.0
"""How many times nearer to torch one way must be than another to be told from it, where neither
gives torch's outputs: the port has a fault, but the leaves are told nonetheless."""

Way = tuple[int, ...]
"""The option that is taken of each choice."""


@dataclass(frozen=True)
class Found:
    """What a probe says of one choice.

    index    the option that is taken
    told     the rows of it that every other way has to have too, to do as well
    proven   whether torch's outputs came out
    """

    index: int
    told: tuple[Row, ...]
    proven: bool


@dataclass
class Tries:
    """The ways that were tried, and how far each was."""

    probe: Probe
    found: Pairing
    known: dict[Way, float]

    def rows(self, way: Way) -> list[Row]:
        taken = zip(self.found.choices, way, strict=True)
        return [*self.found.rows, *(row for choice, i in taken for row in choice.options[i])]

    def distance(self, way: Way) -> float:
        """How far from torch; infinitely where two rows want one place."""
        if way not in self.known:
            rows = self.rows(way)
            self.known[way] = float("inf") if clash(rows) else self.probe.distance(rows)
        return self.known[way]

    def right(self, way: Way) -> bool:
        """Whether torch's outputs come out."""
        return self.agreeing(way) >= self.probe.outputs

    def agreeing(self, way: Way) -> frozenset[str]:
        rows = self.rows(way)
        return frozenset() if clash(rows) else self.probe.agreeing(rows)


def search(probe: Probe, found: Pairing) -> list[Found]:
    """What is taken of each choice of `found`."""
    tries = Tries(probe, found, {})
    best, right = nearest(tries)
    seen: dict[tuple[str, int], Found] = {}
    taken = []
    for place, choice in enumerate(found.choices):
        kind, chosen = (kind_of(choice), best[place]), choice.options[best[place]]
        first = seen.get(kind)
        # Where one layer's leaves are all told apart, so are those of layers of its kind.
        if first is None or len(first.told) < len(chosen):
            seen[kind] = told(tries, best, place, right)
            taken.append(seen[kind])
        else:
            taken.append(Found(best[place], chosen, right))
    return taken


def kind_of(choice: Choice) -> str:
    """What choices of the layers of one model have in common."""
    paths = (re.sub(r"\d+", "#", row.torch) for row in choice.options[0])
    return f"{len(choice.options)} {' '.join(paths)}"


def nearest(tries: Tries) -> tuple[Way, bool]:
    """The first way that is right, or else the nearest; and whether it is right."""
    count = len(tries.found.choices)
    best: Way = (0,) * count
    for way in itertools.islice(alike(tries.found.choices), WAYS):
        if tries.right(way):
            return way, True
        if tries.distance(way) < tries.distance(best):
            best = way
    changes = [(p, i) for p in range(count) for i in range(len(tries.found.choices[p].options))]
    for place, index in changes[:WAYS]:
        way = (*best[:place], index, *best[place + 1 :])
        if tries.distance(way) < tries.distance(best):
            best = way
            if tries.right(best):
                return best, True
    return best, False


def alike(choices: Sequence[Choice]) -> Iterator[Way]:
    """Ways that take all choices of one kind alike, those that differ least from the first."""
    kinds = [kind_of(choice) for choice in choices]
    counts = {kind: len(one.options) for kind, one in zip(kinds, choices, strict=True)}
    every = itertools.islice(itertools.product(*map(range, counts.values())), 10 * WAYS)
    for places in sorted(every, key=sum):
        at = dict(zip(counts, places, strict=True))
        yield tuple(at[kind] for kind in kinds)


def told(tries: Tries, best: Way, place: int, right: bool) -> Found:
    """What of choice `place` the probe tells: the rows that no rival does without."""
    choice = tries.found.choices[place]
    chosen = choice.options[best[place]]
    ours = tries.agreeing(best) if right else frozenset()
    rivals: list[Option] = []
    for index, option in enumerate(choice.options):
        way = (*best[:place], index, *best[place + 1 :])
        if way == best:
            continue
        if right:
            close = tries.agreeing(way) >= ours
        else:
            close = tries.distance(way) <= FAR * tries.distance(best)
        if close:
            rivals.append(option)
    kept = tuple(row for row in chosen if all(has(rival, row) for rival in rivals))
    return Found(best[place], kept, right)


def has(option: Option, row: Row) -> bool:
    """Whether the option has that row, however it was decided."""
    return any(place(one) == place(row) for one in option)


def place(row: Row) -> tuple[str, ...]:
    """What a row says, without how it was decided."""
    return row.torch, row.torch_part, row.layout, row.jax, row.jax_part


def clash(rows: Sequence[Row]) -> bool:
    """Whether two rows want one JAX leaf that do not add up."""
    seen: set[tuple[str, str]] = set()
    for row in rows:
        home = row.jax, row.jax_part
        if not row.paired or row.how.startswith("adds to"):
            continue
        if home in seen:
            return True
        seen.add(home)
    return False
