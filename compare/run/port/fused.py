"""Kernels that are one on one side and several on the other: fused projections, gates, ties."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from compare.run.port import names
from compare.run.port.choices import MANY, Choice, Option, Pairing
from compare.run.port.layouts import layouts
from compare.run.port.table import Row
from compare.run.port.use import Use, depth

ORDERS = (("query", "key", "value"), ("key", "value"), ("i", "f", "g", "o"), ("r", "z", "n"))
"""How torch stacks what it fuses: nn.MultiheadAttention, nn.LSTM (input, forget, cell, output
gate) and nn.GRU (reset, update, new)."""

MOST = 6
"""How many leaves are fused at most."""

Group = tuple[Use, ...]


def kernels(found: Pairing) -> None:
    """Rows for one JAX kernel made of several of torch's, and the other way round."""
    for whole, part in (("jax", "torch"), ("torch", "jax")):
        classes: dict[tuple, list[Use]] = defaultdict(list)
        for use in found.left(whole):
            if use.kernel and len(use.outs) >= 1 and not use.window:
                classes[use.role, use.sizes].append(use)
        for wholes in classes.values():
            left = [one for one in found.left(part) if one.kernel]
            groups = list(grouped(wholes[0], left))
            if groups and len(groups) >= len(wholes):
                fuse(found, wholes, groups, whole)


def grouped(whole: Use, parts: Sequence[Use]) -> Iterator[Group]:
    """The groups of `parts` that make up a kernel like `whole`: as many inputs each, at one
    depth of the flow of data, outputs that sum to its. What is put end to end is a group."""
    near = [p for p in parts if not p.window and p.sizes[0] == whole.sizes[0]
            and p.role == whole.role and p.sizes[1] < whole.sizes[1]]  # fmt: skip
    among = {use.path: use for use in near}
    deep = {use.path: depth(use, among) for use in near}
    taken: set[str] = set()

    def homes(use: Use) -> Iterator[tuple]:
        parent, _, name = use.path.rpartition(".")
        module = parent.rpartition(".")[2]
        level = deep[use.path]
        yield ("joined", *use.joined) if use.joined else ("alone", use.path)
        yield parent, level
        yield parent.rpartition(".")[0], level
        yield parent.rpartition(".")[0], level, module[:1]
        yield parent, level, name[:1]

    def sums(group: Iterable[Use]) -> bool:
        return sum(one.sizes[1] for one in group) == whole.sizes[1]

    for keys in zip(*(homes(use) for use in near), strict=True):
        buckets: dict[tuple, list[Use]] = defaultdict(list)
        for use, key in zip(near, keys, strict=True):
            if use.path not in taken:
                buckets[key].append(use)
        for group in buckets.values():
            if 2 <= len(group) <= MOST and sums(group):
                taken |= {use.path for use in group}
                yield tuple(group)
    for home in dict.fromkeys(
        key for use in near for key in itertools.islice(homes(use), 1, 3)
    ):
        rest = [u for u in near if u.path not in taken and home in tuple(homes(u))][: 2 * MOST]
        chosen = (c for n in range(2, MOST + 1) for c in itertools.combinations(rest, n))
        first = next((c for c in chosen if sums(c)), None)
        if first is not None:
            taken |= {use.path for use in first}
            yield first


def fuse(found: Pairing, wholes: list[Use], groups: list[Group], side: str) -> None:
    """Pairs kernels with groups: by the flow of data, by names, or in every way."""
    make = joined if side == "jax" else split
    for some, other in leveled(wholes, groups):
        first = paired_by_name(some, other)
        ways: list[Option] = []
        for order in itertools.islice(itertools.permutations(first, len(some)), MANY):
            each = [list(make(w, g)) for w, g in zip(some, order, strict=True)]
            ways += [tuple(row for way in one for row in way)
                     for one in itertools.islice(itertools.product(*each), MANY)]  # fmt: skip
        _decide(found, ways[: 2 * MANY], "how several kernels are fused into one")


def leveled(wholes: list[Use], groups: list[Group]) -> Iterator[tuple[list[Use], list[Group]]]:
    """Kernels and groups at the same depth; all of them where the depths don't agree."""
    from compare.run.port.pairing import levels

    ours, theirs = {u.path: u for u in wholes}, {g[0].path: g[0] for g in groups}
    at = {g[0].path: g for g in groups}
    found = levels(ours, theirs) or [(list(ours), list(theirs))]
    for some, other in found:
        yield [ours[path] for path in some], [at[path] for path in other]


def paired_by_name(wholes: list[Use], groups: list[Group]) -> list[Group]:
    """The groups, those first whose names are most like those of `wholes`."""
    pairs, _ = names.matched([w.path for w in wholes], [g[0].path for g in groups])
    first = [groups[j] for _, j in sorted(pairs)]
    return first + [group for group in groups if group not in first]


def ordered(parts: Sequence[Use]) -> tuple[list[Use], bool]:
    """The parts in the order in which torch stacks them, and whether their names tell it."""
    said = [names.words(use.path) for use in parts]
    for order in ORDERS:
        ends = [next((w for w in reversed(one) if w in order), "") for one in said]
        gates = [use.path.split(".")[-2][-1:] if "." in use.path else "" for use in parts]
        for told in (ends, gates):
            if sorted(told) == sorted(order):
                pairs = zip(told, parts, strict=True)
                return [use for _, use in sorted(pairs, key=lambda p: order.index(p[0]))], True
    first = parts[0].joined
    if first and set(first) == {use.path for use in parts}:
        return sorted(parts, key=lambda use: first.index(use.path)), False
    return sorted(parts, key=lambda use: use.order), False


def every_order(parts: Sequence[Use]) -> Iterable[tuple[Use, ...]]:
    first, told = ordered(parts)
    return [tuple(first)] if told else itertools.islice(itertools.permutations(first), MANY)


def joined(whole: Use, parts: Sequence[Use]) -> Iterator[Option]:
    """Rows for one JAX kernel of several of torch's, in every order that may be."""
    for order in every_order(parts):
        rows, start = [], 0
        for place, part in enumerate(order):
            rows.append(_into(whole, part, place, len(order), start))
            start += part.sizes[1]
        if all(rows):
            yield tuple(row for row in rows if row is not None)


def _into(whole: Use, part: Use, place: int, count: int, start: int) -> Row | None:
    """The row of torch's `part` in its place of the JAX side's `whole`."""
    axis = next((a for a in whole.outs if whole.shape[a] == count), None)
    if len(whole.outs) > 1 and axis is not None:
        index = ", ".join(str(place) if a == axis else ":" for a in range(len(whole.shape)))
        slot = whole.without(axis)
    elif len(whole.outs) == 1:
        axis, end = whole.outs[0], start + part.sizes[1]
        index = ", ".join(
            f"{start}:{end}" if a == axis else ":" for a in range(len(whole.shape))
        )
        shape = tuple(part.sizes[1] if a == axis else n for a, n in enumerate(whole.shape))
        slot = replace(whole, shape=shape)
    else:
        return None
    ways = layouts(part, slot)
    return Row(part.path, whole.path, *ways[0], "", f"[{index}]") if ways else None


def split(whole: Use, parts: Sequence[Use]) -> Iterator[Option]:
    """Rows for several JAX kernels of one of torch's, in every order that may be."""
    if len(whole.outs) != 1:
        return
    axis = whole.outs[0]
    for order in every_order(parts):
        rows, start = [], 0
        for part in order:
            end = start + part.sizes[1]
            index = ", ".join([":"] * axis + [f"{start}:{end}"])
            shape = tuple(part.sizes[1] if a == axis else n for a, n in enumerate(whole.shape))
            laid = layouts(replace(whole, shape=shape), part)
            if laid:
                rows.append(Row(whole.path, part.path, *laid[0], f"[{index}]"))
            start = end
        if len(rows) == len(order):
            yield tuple(rows)


def _decide(found: Pairing, ways: list[Option], why: str) -> None:
    if len(ways) == 1:
        found.rows += [replace(row, how="fused; the order by name") for row in ways[0]]
    elif ways:
        guess = [
            tuple(replace(r, how="fused; a guess", sure=False) for r in way) for way in ways
        ]
        found.choices.append(Choice(tuple(guess), why))


def tied(found: Pairing) -> None:
    """JAX kernels of their own for a leaf that torch uses twice."""
    for use in found.left("jax"):
        if not use.kernel:
            continue
        again = [one for one in found.torch.values() if one.times > 1 and one.kernel
                 and sorted(one.sizes[:2]) == sorted(use.sizes[:2])]  # fmt: skip
        if len(again) != 1:
            continue
        turned = replace(again[0], ins=again[0].outs, outs=again[0].ins)
        ways = layouts(again[0], use) or layouts(turned, use)
        if ways:
            found.rows.append(Row(again[0].path, use.path, *ways[0], how="tied in torch"))
