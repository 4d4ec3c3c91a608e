"""What is open in a pairing: rows that could be otherwise, and the ways that there are."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from compare.run.port.layouts import layouts
from compare.run.port.table import Row
from compare.run.port.use import Use

Uses = dict[str, Use]
Pairs = Sequence[tuple[str, str]]
Option = tuple[Row, ...]

MANY = 24
"""Ways that are tried of what nothing tells apart."""


@dataclass(frozen=True)
class Choice:
    """Rows that could be otherwise.

    options   the ways, likeliest first
    why       what leaves it open
    settled   whether the first holds where no probe can tell: names say so
    asked     whether another way than the first is asked for even where a probe proves it: it
              goes against names that leave no doubt
    """

    options: tuple[Option, ...]
    why: str
    settled: bool = False
    asked: bool = False


@dataclass
class Pairing:
    """What was found so far."""

    torch: Uses
    jax: Uses
    rows: list[Row] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)

    def left(self, side: str) -> list[Use]:
        """Leaves of a side that stand in no row yet."""
        taken = {getattr(row, side) for row in self.every_row()}
        uses: Uses = getattr(self, side)
        return [use for path, use in uses.items() if path not in taken]

    def every_row(self) -> Iterable[Row]:
        yield from self.rows
        for choice in self.choices:
            yield from choice.options[0]

    def partners(self) -> dict[str, str]:
        return {row.torch: row.jax for row in self.every_row()}


def options(found: Pairing, pairs: Pairs, how: str) -> tuple[Option, ...]:
    """The rows of `pairs`, in each way that they can be laid out; () where they can't."""
    ways = [
        [
            Row(a, b, pattern, sizes, how=how)
            for pattern, sizes in layouts(found.torch[a], found.jax[b])
        ]
        for a, b in pairs
    ]
    if not all(ways):
        return ()
    count = max(map(len, ways))
    return tuple(tuple(way[min(i, len(way) - 1)] for way in ways) for i in range(count))


def orders(pairs: Pairs, ours: Iterable[str], theirs: Iterable[str]) -> Iterator[list]:
    """Every way to give each of the fewer a partner, `pairs` first."""
    first, second = dict(pairs), {b: a for a, b in pairs}
    mine = sorted(ours, key=lambda path: path not in first)
    other = [first[a] for a in mine if a in first]
    other += [b for b in theirs if b not in second]
    if len(mine) <= len(other):
        for order in itertools.permutations(other, len(mine)):
            yield list(zip(mine, order, strict=True))
    else:
        for order in itertools.permutations(mine, len(other)):
            yield list(zip(order, other, strict=True))


def choose(found: Pairing, ways: Iterable[Pairs], why: str) -> None:
    """A choice between `ways` to pair, none of which is told by anything but a probe."""
    every: list[Option] = []
    tried = list(itertools.islice(ways, MANY))
    ours = dict.fromkeys(a for pairs in tried for a, _ in pairs)
    theirs = dict.fromkeys(b for pairs in tried for _, b in pairs)
    for pairs in tried:
        without = [Row(a, "", how="no partner") for a in ours if a not in dict(pairs)]
        taken = {b for _, b in pairs}
        without += [Row("", b, how="no partner") for b in theirs if b not in taken]
        every += [(*way, *without) for way in options(found, pairs, "a guess")]
    if every:
        unsure = tuple(tuple(replace(row, sure=False) for row in way) for way in every)
        found.choices.append(Choice(unsure, why))


def named(found: Pairing, pairs: Pairs, why: str) -> None:
    """What names decide among leaves that stand side by side: to be seen by a probe."""
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    first = options(found, pairs, "name")
    if not first:
        return
    rest: list[Any] = []
    for other in itertools.islice(orders(pairs, ours, theirs), 1, MANY):
        rest += options(found, other, "names say otherwise")[:1]
    found.choices.append(Choice((first[0], *first[1:], *rest), why, settled=True, asked=True))
