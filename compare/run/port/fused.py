"""Leaves that are one on one side and several on the other: fused projections, gates, ties."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from compare.run.port import names
from compare.run.port.layouts import layouts
from compare.run.port.pairing import MANY, Choice, Pairing
from compare.run.port.table import Row
from compare.run.port.use import Use, depth

ORDERS = (("query", "key", "value"), ("key", "value"), ("i", "f", "g", "o"), ("r", "z", "n"))
"""How torch stacks what it fuses: nn.MultiheadAttention, nn.LSTM (input, forget, cell, output
gate) and nn.GRU (reset, update, new)."""

MOST = 6
"""How many leaves are fused at most."""


def kernels(found: Pairing) -> None:
    """Rows for one JAX kernel made of several of torch's, and the other way round."""
    for use in found.left("jax"):
        if use.kernel and (parts := fitting(use, found.left("torch"))):
            joined(found, use, parts)
    for use in found.left("torch"):
        if use.kernel and (parts := fitting(use, found.left("jax"))):
            split(found, use, parts)


def vectors(found: Pairing) -> None:
    """The biases of fused kernels: in the parts that their kernels are in."""
    rows = list(found.every_row())
    left = {side: {u.path: u for u in found.left(side)} for side in ("torch", "jax")}
    for row in rows:
        if not (row.torch_part or row.jax_part):
            continue
        ours, theirs = sibling(row.torch, left["torch"]), sibling(row.jax, left["jax"])
        if ours is None or theirs is None:
            continue
        made = bias_row(row, ours, theirs, found)
        if made is not None:
            _beside(found, row, made)


def _beside(found: Pairing, kernel: Row, bias: Row) -> None:
    """`bias` goes where `kernel` is: among the rows, or into each option of its choice."""
    if kernel in found.rows:
        found.rows.append(bias)
        return
    for i, choice in enumerate(found.choices):
        if kernel not in choice.options[0]:
            continue
        grown = []
        for option in choice.options:
            like = next(row for row in option
                        if (row.torch, row.jax) == (kernel.torch, kernel.jax)
                        or kernel.torch_part and row.jax == kernel.jax
                        or kernel.jax_part and row.torch == kernel.torch)  # fmt: skip
            grown.append((*option, replace(bias, torch_part=_first(like.torch_part),
                          jax_part=_bias_part(like), sure=like.sure)))  # fmt: skip
        found.choices[i] = replace(choice, options=tuple(grown))


def _first(part: str) -> str:
    """The part along the outputs, without the inputs' axis."""
    inner = [one.strip() for one in part.strip("[]").split(",") if one.strip() not in ("", ":")]
    return f"[{inner[0]}]" if inner else ""


def _bias_part(row: Row) -> str:
    return _first(row.jax_part)


def bias_row(kernel: Row, ours: Use, theirs: Use, found: Pairing) -> Row | None:
    torch_part, jax_part = _first(kernel.torch_part), _bias_part(kernel)
    size = _length(torch_part, ours.shape)
    slot = _rest(jax_part, kernel.jax_part, theirs.shape)
    if size is None or slot is None:
        return None
    ways = layouts(
        replace(ours, shape=(size,), role="bias"), replace(theirs, shape=slot, role="bias")
    )
    if not ways:
        return None
    return Row(ours.path, theirs.path, *ways[0], torch_part, jax_part, kernel.how, kernel.sure)


def _length(part: str, shape: tuple[int, ...]) -> int | None:
    if not part:
        return shape[0] if len(shape) == 1 else None
    start, _, end = part.strip("[]").partition(":")
    return int(end) - int(start) if int(end) <= shape[0] else None


def _rest(part: str, of_kernel: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of the bias' part: a slice keeps its axis, a number takes it away."""
    if not part:
        return shape
    if ":" in part:
        start, _, end = part.strip("[]").partition(":")
        return (int(end) - int(start), *shape[1:])
    return shape[1:]


def sibling(path: str, among: dict[str, Use]) -> Use | None:
    """The bias beside the kernel at `path`."""
    parent, _, name = path.rpartition(".")
    start = f"{parent}." if parent else ""
    for use in among.values():
        owner, _, leaf = use.path.rpartition(".")
        beside = owner == parent and leaf == name.replace("weight", "bias").replace(
            "kernel", "bias"
        )
        if beside and use.path != path and len(use.shape) >= 1 and use.path.startswith(start):
            return use
    return None


def fitting(whole: Use, parts: Sequence[Use]) -> list[Use]:
    """Of `parts` those that make up `whole`: as many inputs each, outputs that sum to its."""
    near = [p for p in parts if p.kernel and not p.window and not whole.window
            and p.sizes[0] == whole.sizes[0] and p.role == whole.role]  # fmt: skip
    parents: dict[str, list[Use]] = {}
    for part in near:
        owner = part.path.rpartition(".")[0]
        for parent in (owner, owner.rpartition(".")[0]):
            parents.setdefault(parent, []).append(part)
    ranked = sorted(parents.items(), key=lambda item: -names.alike(item[0], whole.path))
    among = {use.path: use for use in near}
    wanted = depth(whole, {whole.path: whole})
    for _, group in ranked:
        for count in range(2, min(MOST, len(group)) + 1):
            for chosen in itertools.combinations(group, count):
                same = len({depth(one, among) for one in chosen}) == 1
                if (
                    same
                    and sum(one.sizes[1] for one in chosen) == whole.sizes[1]
                    and wanted >= 0
                ):
                    return list(chosen)
    return []


def ordered(parts: Sequence[Use]) -> tuple[list[Use], bool]:
    """The parts in the order in which torch stacks them, and whether their names tell it."""
    told = [names.words(use.path) for use in parts]
    for order in ORDERS:
        places = [
            next((order.index(w) for w in reversed(one) if w in order), -1) for one in told
        ]
        if len(order) == len(parts) and sorted(places) == list(range(len(order))):
            return [
                use for _, use in sorted(zip(places, parts, strict=True), key=lambda x: x[0])
            ], True
    gates = [use.path.split(".")[-2][-1:] if use.path.count(".") else "" for use in parts]
    for order in ORDERS:
        if sorted(gates) == sorted(order):
            return sorted(
                parts, key=lambda use: order.index(use.path.split(".")[-2][-1:])
            ), True
    return sorted(parts, key=lambda use: use.order), False


def joined(found: Pairing, whole: Use, parts: Sequence[Use]) -> None:
    """One JAX kernel of several of torch's."""
    first, told = ordered(parts)
    orders = [first] if told else list(itertools.islice(itertools.permutations(first), MANY))
    ways = []
    for order in orders:
        rows, start = [], 0
        for place, part in enumerate(order):
            row = _into(whole, part, place, len(order), start)
            start += part.sizes[1]
            if row is None:
                break
            rows.append(row)
        else:
            ways.append(tuple(rows))
    _decide(found, ways, "how several kernels are fused into one")


def _into(whole: Use, part: Use, place: int, count: int, start: int) -> Row | None:
    """The row of torch's `part` in its place of the JAX side's `whole`."""
    axis = next((a for a in whole.outs if whole.shape[a] == count), None)
    if len(whole.outs) > 1 and axis is not None:
        index = ", ".join(str(place) if a == axis else ":" for a in range(len(whole.shape)))
        shape = tuple(n for a, n in enumerate(whole.shape) if a != axis)
        lower = lambda axes: tuple(a - (a > axis) for a in axes if a != axis)  # noqa: E731
        slot = replace(whole, shape=shape, ins=lower(whole.ins), outs=lower(whole.outs))
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


def split(found: Pairing, whole: Use, parts: Sequence[Use]) -> None:
    """Several JAX kernels of one of torch's."""
    if len(whole.outs) != 1:
        return
    first, told = ordered(parts)
    orders = [first] if told else list(itertools.islice(itertools.permutations(first), MANY))
    axis, ways = whole.outs[0], []
    for order in orders:
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
            ways.append(tuple(rows))
    _decide(found, ways, "in which order one kernel holds several")


def _decide(found: Pairing, ways: list[tuple[Row, ...]], why: str) -> None:
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
