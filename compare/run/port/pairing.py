"""Which torch leaf is which JAX leaf: by what they are used for, the flow of data, and names.

Leaves of one role and size form a class. A class of one is decided. In a larger one the flow of
data puts the leaves of each side in order: those that depend on one another stand at different
depths, and what stands at equal depths must be told apart by names. Where neither decides there
is a Choice, for the probe to settle or the user to be asked.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from compare.run.port import names
from compare.run.port.layouts import layouts
from compare.run.port.table import Row
from compare.run.port.use import Use, anchor, depth

Uses = dict[str, Use]

MANY = 24
"""Orders of leaves that nothing tells apart that are tried."""

COLLECTIONS = ("batch_stats", "state", "cache", "intermediates")
"""Where Linen keeps what is no parameter."""

COUNTERS = ("num_batches_tracked", "position_ids", "token_type_ids")
"""Buffers of integers that no JAX model needs."""


@dataclass(frozen=True)
class Choice:
    """Rows that could be otherwise.

    options   the ways, likeliest first
    settled   whether the first holds where no probe can tell: names say so, the flow of data not
    why       what leaves it open
    """

    options: tuple[tuple[Row, ...], ...]
    why: str
    settled: bool = False


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


def paired(torch: Uses, jax: Uses) -> Pairing:
    """Rows and choices for all leaves; a leaf without a partner has a row of its own."""
    from compare.run.port import fused

    found = Pairing(torch, jax)
    for lenient in (False, True):
        by_class(found, lambda u, lenient=lenient: (u.kernel and _kind(u, lenient), u.sizes)
                 if u.kernel else None)  # fmt: skip
    fused.kernels(found)
    beside(found)
    partners = found.partners()
    to_jax = {path: partners.get(path, path) for path in torch}

    def anchored(use: Use) -> Hashable | None:
        if use.kernel or not use.role:
            return None
        near = anchor(use, torch) if use.path in torch and torch[use.path] is use else ""
        near = to_jax.get(near, "") if near else anchor(use, jax)
        return use.role, use.buffer, use.sizes, near

    fused.vectors(found)
    by_class(found, anchored)
    beside(found)
    by_class(found, lambda u: None if u.kernel or not u.role else (u.role, u.buffer, u.sizes))
    beside(found)
    by_class(found, lambda u: (u.buffer, u.sizes) if u.role else None)
    by_class(found, lambda u: (bool(u.role), tuple(sorted(u.sizes_flat))))
    fused.tied(found)
    unpaired(found)
    order = {path: place for place, path in enumerate(torch)}
    found.rows.sort(key=lambda row: order.get(row.torch, len(order)))
    return found


def beside(found: Pairing) -> None:
    """Vectors of an owner whose kernel is paired go with the ones beside that kernel.

    So do a norm's statistics with its scale: again until nothing follows any more.
    """
    count = -1
    while count != len(found.rows):
        count = len(found.rows)
        owners: dict[str, set[str]] = defaultdict(set)
        for row in found.every_row():
            if row.paired and not (row.torch_part or row.jax_part):
                owners[owner(row.torch)].add(owner(row.jax))
        left = found.left("jax")
        for use in found.left("torch"):
            homes = owners.get(owner(use.path), set())
            if len(homes) != 1 or use.kernel or not use.role:
                continue
            mine = [u for u in found.left("torch") if owner(u.path) == owner(use.path)]
            rivals = [u for u in left if owner(u.path) in homes]
            same = [u for u in rivals if _like(u, use)]
            if len(same) == 1 and sum(_like(u, use) for u in mine) == 1:
                add(found, [(use.path, same[0].path)], "beside what is paired already")
                left = found.left("jax")


def owner(path: str) -> str:
    """The module that has the leaf; a collection of Linen's is no part of the path."""
    parts = path.split(".")[:-1]
    return ".".join(parts[1:] if parts and parts[0] in COLLECTIONS else parts)


def _like(one: Use, other: Use) -> bool:
    return (one.role, one.buffer, one.sizes) == (other.role, other.buffer, other.sizes)


def _kind(use: Use, lenient: bool) -> str:
    """Looking up in a table is contracting with it."""
    if lenient:
        return "kernel"
    return "table" if use.role == "table" else "contracted"


def by_class(found: Pairing, key: Callable[[Use], Hashable | None]) -> None:
    """Pairs what is left, class by class; None as a key is no class."""
    classes: dict[Hashable, tuple[Uses, Uses]] = defaultdict(lambda: ({}, {}))
    for which, side in enumerate(("torch", "jax")):
        for use in found.left(side):
            kind = key(use)
            if kind is not None and kind is not False:
                classes[kind][which][use.path] = use
    for ours, theirs in classes.values():
        if ours and theirs:
            align(found, ours, theirs)


def align(found: Pairing, ours: Uses, theirs: Uses) -> None:
    """Pairs the leaves of one class, into rows and choices."""
    if len(ours) == len(theirs) == 1:
        pair = next(iter(ours)), next(iter(theirs))
        add(found, [pair], "the only one of its use and size")
        return
    named, decided = names.matched(list(ours), list(theirs))
    pairs = [(list(ours)[i], list(theirs)[j]) for i, j in named]
    groups = levels(ours, theirs)
    if groups is None:
        if decided:
            add(found, pairs, "name")
        else:
            choose(found, pairs, "neither names nor the flow of data tell them apart")
        return
    for mine, other in groups:
        within(found, mine, other, dict(pairs) if decided else None)


def within(
    found: Pairing, ours: list[str], theirs: list[str], by_name: dict[str, str] | None
) -> None:
    """Pairs leaves at one depth of the flow of data; `by_name` has what names decide overall."""
    flow = list(zip(ours, theirs, strict=True))
    if by_name is not None and {by_name[a] for a in ours} != set(theirs):
        wanted = [(a, by_name[a]) for a in ours]
        words = "name; the flow of data says otherwise"
        other = options(found, flow, "the flow of data; names say otherwise")
        found.choices.append(Choice((options(found, wanted, words)[0], other[0]), words, True))
        return
    if len(ours) == 1:
        add(found, flow, "the flow of data" if by_name is None else "name and flow of data")
        return
    pairs, decided = names.matched(ours, theirs)
    if decided:
        add(found, [(ours[i], theirs[j]) for i, j in pairs], "name")
    else:
        choose(found, flow, "they stand side by side, and names don't tell them apart")


def levels(ours: Uses, theirs: Uses) -> list[tuple[list[str], list[str]]] | None:
    """The leaves of both sides by depth; None where the depths have not as many each."""
    sides = []
    for side in (ours, theirs):
        groups: dict[int, list[str]] = defaultdict(list)
        for path, use in sorted(side.items(), key=lambda item: item[1].order):
            groups[depth(use, side)].append(path)
        sides.append([groups[n] for n in sorted(groups)])
    if [len(g) for g in sides[0]] != [len(g) for g in sides[1]]:
        return None
    return list(zip(*sides, strict=True))


def options(
    found: Pairing, pairs: Sequence[tuple[str, str]], how: str
) -> tuple[tuple[Row, ...], ...]:
    """The rows of `pairs`, in each of the ways that they can be laid out."""
    ways = [
        [Row(a, b, pattern, sizes, how=how) for pattern, sizes in
         layouts(found.torch[a], found.jax[b])]
        for a, b in pairs
    ]  # fmt: skip
    if not all(ways):
        return ()
    count = max(map(len, ways))
    return tuple(tuple(way[min(i, len(way) - 1)] for way in ways) for i in range(count))


def add(found: Pairing, pairs: Sequence[tuple[str, str]], how: str) -> None:
    """Rows for `pairs`; a choice where one could be laid out in several ways."""
    for pair in pairs:
        ways = options(found, [pair], how)
        if len(ways) == 1:
            found.rows += ways[0]
        elif ways:
            found.choices.append(Choice(ways, "it could be laid out in several ways"))


def choose(found: Pairing, pairs: Sequence[tuple[str, str]], why: str) -> None:
    """A choice between the orders of the JAX leaves of `pairs`."""
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    every = itertools.islice(itertools.permutations(theirs), MANY)
    ways = [way for order in every
            for way in options(found, list(zip(ours, order, strict=True)), "a guess")]  # fmt: skip
    if ways:
        unsure = tuple(tuple(replace(row, sure=False) for row in way) for way in ways)
        found.choices.append(Choice(unsure, why))


def unpaired(found: Pairing) -> None:
    """Rows for leaves without a partner, which say what becomes of them."""
    spare = found.left("jax")
    for use in found.left("torch"):
        rivals = [one.path for one in spare if one.role and layouts(use, one)]
        if not use.role:
            how = "no partner: the forward pass does not use it"
        elif use.path.rpartition(".")[2] in COUNTERS:
            how = "no partner: a counter"
        elif rivals:
            how = f"no partner, though it would fit {', '.join(rivals[:3])}"
        else:
            how = "no partner: the JAX side has nothing of this use and size"
        found.rows.append(Row(use.path, "", how=how, sure=not (use.role and rivals)))
    for use in spare:
        words = "keeps its own value" if use.role else "not used by the forward pass"
        found.rows.append(Row("", use.path, how=f"no partner: {words}"))
