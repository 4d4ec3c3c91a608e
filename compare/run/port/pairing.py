"""Which torch leaf is which JAX leaf: by what they are used for, the flow of data, and names.

Leaves of one role and size form a class. A class of one is decided. In a larger one the flow of
data puts the leaves of each side in order: those that depend on one another stand at different
depths, and what stands at equal depths must be told apart by names. Where neither decides there
is a Choice, for the probe to settle or the user to be asked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping

from compare.run.port import names
from compare.run.port.choices import Choice, Pairing, Uses, choose, named, options, orders
from compare.run.port.layouts import layouts
from compare.run.port.owners import Owners, beside
from compare.run.port.table import Row
from compare.run.port.use import VECTORS, Use, anchor, depth

COUNTERS = ("num_batches_tracked", "position_ids", "token_type_ids")
"""Buffers of integers that no JAX model needs."""

PARALLEL = "they stand side by side, and names don't tell them apart"
UNTOLD = "neither names nor the flow of data tell them apart"
CONTRARY = "the flow of data; names say otherwise"


def paired(torch: Uses, jax: Uses) -> Pairing:
    """Rows and choices for all leaves; a leaf without a partner has a row of its own."""
    from compare.run.port import fused, fused_biases

    found = Pairing(torch, jax)
    # Leaves that are fused on one side leave the other with more of a size: those come last.
    for equal in (True, False):
        for lenient in (False, True):
            by_class(found, lambda use, lenient=lenient: _kernel(use, lenient), equal)
        fused.kernels(found)
    beside(found)
    fused_biases.vectors(found)
    for role in (("scale",), VECTORS, None):
        vectors(found, role)
        beside(found)
    by_class(found, lambda u: (u.buffer, u.sizes) if u.role else None)
    by_class(found, lambda u: (bool(u.role), tuple(sorted(u.sizes_flat))))
    fused.tied(found)
    unpaired(found)
    order = {path: place for place, path in enumerate(torch)}
    found.rows.sort(key=lambda row: order.get(row.torch, len(order)))
    return found


def vectors(found: Pairing, roles: tuple[str, ...] | None) -> None:
    """Pairs what is no kernel, of some roles or of any.

    A vector follows the kernel that was used last before it. Where a class as a whole does not,
    as where norms stand before what they stood behind, it is left to the flow of data.
    """
    to_jax = found.partners()

    def kind(use: Use) -> Hashable | None:
        some = use.role in roles if roles else bool(use.role)
        return (use.role, use.buffer, use.sizes) if some and not use.kernel else None

    def after(use: Use) -> str:
        if found.torch.get(use.path) is use:
            return to_jax.get(anchor(use, found.torch), "")
        return anchor(use, found.jax)

    classes = [defaultdict(Counter), defaultdict(Counter)]
    for which, side in enumerate(("torch", "jax")):
        for use in found.left(side):
            classes[which][kind(use)][after(use)] += 1
    like = {k for k in classes[0] if classes[0][k] == classes[1].get(k)}
    counts = [{k: c.total() for k, c in side.items()} for side in classes]
    other = {k for k in classes[0] if k not in like and counts[0][k] == counts[1].get(k)}

    def anchored(use: Use) -> Hashable | None:
        mine = kind(use)
        return None if mine is None or mine in other else (mine, after(use))

    by_class(found, anchored)
    by_class(found, kind)


def _kernel(use: Use, lenient: bool) -> Hashable | None:
    """The class of a kernel; looking up in a table is contracting with it."""
    if not use.kernel:
        return None
    return lenient or use.role == "table", use.sizes


def by_class(
    found: Pairing, key: Callable[[Use], Hashable | None], equal: bool = False
) -> None:
    """Pairs what is left, class by class; None as a key is no class.

    equal   leaves classes alone that have not as many leaves on both sides
    """
    classes: dict[Hashable, tuple[Uses, Uses]] = defaultdict(lambda: ({}, {}))
    for which, side in enumerate(("torch", "jax")):
        for use in found.left(side):
            kind = key(use)
            if kind is not None:
                classes[kind][which][use.path] = use
    for ours, theirs in classes.values():
        if ours and theirs and (len(ours) == len(theirs) or not equal):
            align(found, ours, theirs)


def align(found: Pairing, ours: Uses, theirs: Uses) -> None:
    """Pairs the leaves of one class, into rows and choices."""
    if len(ours) == len(theirs) == 1:
        pair = next(iter(ours)), next(iter(theirs))
        if not Owners(found).apart(*pair):
            add(found, [pair], "the only one of its use and size")
        return
    named_pairs, decided = names.matched(list(ours), list(theirs))
    pairs = [(list(ours)[i], list(theirs)[j]) for i, j in named_pairs]
    groups = levels(ours, theirs)
    if groups is None:
        if decided:
            add(found, pairs, "name")
        else:
            choose(found, orders(pairs, ours, theirs), UNTOLD)
        return
    by_name = dict(pairs) if decided else {}
    if by_name and any({by_name[a] for a in mine} != set(other) for mine, other in groups):
        contrary(found, groups, by_name)
        return
    for mine, other in groups:
        within(found, mine, other, bool(by_name))


def within(found: Pairing, ours: list[str], theirs: list[str], agreed: bool) -> None:
    """Pairs leaves at one depth; `agreed`: all names of the class tell the same depths."""
    flow = list(zip(ours, theirs, strict=True))
    if len(ours) == 1:
        add(found, flow, "name and flow of data" if agreed else "the flow of data")
        return
    pairs, decided = names.matched(ours, theirs)
    if decided:
        named(found, [(ours[i], theirs[j]) for i, j in pairs], PARALLEL)
    else:
        choose(found, orders(flow, ours, theirs), PARALLEL)


def contrary(
    found: Pairing, groups: list[tuple[list[str], list[str]]], by_name: Mapping[str, str]
) -> None:
    """A choice between what names say and what the flow of data says, which is not that.

    Where a norm stands is a mistake that ports make: there names hold if no probe can tell.
    """
    first = options(found, list(by_name.items()), "name; the flow of data says otherwise")
    flow = [pair for mine, other in groups for pair in zip(mine, other, strict=True)]
    ways = [*first[:1], *options(found, flow, CONTRARY)[:1]]
    if ways:
        kernels = any(found.torch[path].kernel for path in by_name)
        found.choices.append(Choice(tuple(ways), CONTRARY, settled=not kernels))


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


def add(found: Pairing, pairs: list[tuple[str, str]], how: str) -> None:
    """Rows for `pairs`; a choice where one could be laid out in several ways."""
    for pair in pairs:
        ways = options(found, [pair], how)
        if len(ways) == 1:
            found.rows += ways[0]
        elif ways:
            found.choices.append(Choice(ways, "it could be laid out in several ways"))


def holds(one: Use, part: Use) -> bool:
    """Whether one slice of `one` along some axis has the size of `part`."""
    sizes = tuple(sorted(part.shape))
    return any(sizes == tuple(sorted(one.shape[:a] + one.shape[a + 1 :]))
               for a in range(len(one.shape)))  # fmt: skip


def unpaired(found: Pairing) -> None:
    """Rows for leaves without a partner, which say what becomes of them."""
    spare, owners = found.left("jax"), Owners(found)
    tied = {row.torch: one for row in found.every_row() if row.paired
            for one in [found.jax[row.jax]] if one.kernel and one.times > 1}  # fmt: skip
    for use in found.left("torch"):
        rivals = [one.path for one in spare if one.role and layouts(use, one)
                  and not owners.apart(use.path, one.path)]  # fmt: skip
        same = {p for p in tied if sorted(found.torch[p].shape) == sorted(use.shape)}
        shared = [f"{tied[path].path} for {path}" for path in same if use.kernel]
        if not use.role:
            how = "no partner: the forward pass does not use it"
        elif use.path.rpartition(".")[2] in COUNTERS:
            how = "no partner: a counter"
        elif rivals:
            how = f"no partner, though it would fit {', '.join(rivals[:3])}"
        elif rivals := [one.path for one in spare if one.role and holds(one, use)]:
            how = f"no partner, though it may be a part of {', '.join(rivals[:3])}"
        elif idle := [one.path for one in spare if not one.role and layouts(use, one)]:
            how = f"no partner: the JAX side has {', '.join(idle[:3])} and does not use it"
        elif shared:
            how = f"no partner: the JAX side uses one leaf twice, {shared[0]}"
        else:
            how = "no partner: the JAX side has nothing of this use and size"
        found.rows.append(Row(use.path, "", how=how, sure=not (use.role and rivals)))
    for use in spare:
        words = "keeps its own value" if use.role else "not used by the forward pass"
        found.rows.append(Row("", use.path, how=f"no partner: {words}"))
