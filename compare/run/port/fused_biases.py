"""The biases of fused kernels: in the parts that their kernels are in, and two in one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from compare.run.port.choices import Pairing
from compare.run.port.layouts import layouts
from compare.run.port.owners import sibling
from compare.run.port.table import Row
from compare.run.port.use import Use

TWINS = {"_ih": "_hh", "_hh": "_ih"}
"""What torch's recurrent layers call the two kernels of a gate, each of which has a bias."""


def vectors(found: Pairing) -> None:
    """Rows for the biases of kernels that are paired in parts, and of recurrent layers."""
    left = {use.path for side in ("torch", "jax") for use in found.left(side)}
    fixed = list(found.rows)
    found.rows += biases(found, fixed, left)
    known = list(found.rows)
    found.choices = [
        replace(one, options=tuple(
            (*option, *(row for row in biases(found, [*fixed, *option], left)
                        if row not in known))
            for option in one.options
        ))
        for one in found.choices
    ]  # fmt: skip


def biases(found: Pairing, kernels: Sequence[Row], left: set[str]) -> list[Row]:
    made = []
    for row in kernels:
        ours, theirs = sibling(row.torch, found.torch), sibling(row.jax, found.jax)
        fused = row.torch_part or row.jax_part
        if fused and ours and theirs and ours.path in left and theirs.path in left:
            made += [one for one in [bias_row(row, ours, theirs)] if one is not None]
    return [*made, *summed(found, kernels, left, made)]


def bias_row(kernel: Row, ours: Use, theirs: Use) -> Row | None:
    """The row of the bias beside a kernel's part; None where the sizes don't fit."""
    torch_part, jax_part = _outs(kernel.torch_part), _outs(kernel.jax_part)
    ways = layouts(_part(ours, torch_part), _part(theirs, jax_part))
    if not ways:
        return None
    return Row(ours.path, theirs.path, *ways[0], torch_part, jax_part, kernel.how, kernel.sure)


def summed(
    found: Pairing, kernels: Sequence[Row], left: set[str], made: Sequence[Row]
) -> Iterator[Row]:
    """torch's recurrent layers add two biases; where JAX has one, both go there and add up.

    Not so of a GRU's new gate, in which the second is multiplied before it is added.
    """
    done = {(row.torch, row.torch_part) for row in made}
    by_kernel = {(row.torch, _outs(row.torch_part)): row for row in kernels if row.paired}
    for (path, part), row in by_kernel.items():
        kind = next((k for k in TWINS if k in path.rpartition(".")[2]), "")
        own = sibling(path, found.torch)
        twin = by_kernel.get((path.replace(kind, TWINS[kind]), part)) if kind else None
        if own is None or twin is None or own.path not in left or (own.path, part) in done:
            continue
        home = sibling(twin.jax, found.jax)
        if home is None or sibling(row.jax, found.jax) is not None:
            continue
        yield from _added(own, home, part, _outs(twin.jax_part), _new_gate(own, found, path))


def _added(own: Use, home: Use, part: str, jax_part: str, new: int) -> Iterator[Row]:
    """Rows for the part of a bias that adds to another's; from `new` on it has no partner."""
    how = "adds to the other bias of its gate"
    first, last = _ends(part, own.shape[0])
    if last > new and not part:
        keep, rest = f"[0:{new}]", f"[{new}:{last}]"
        yield Row(own.path, home.path, "", {}, keep, keep, how)
        yield Row(
            own.path, "", torch_part=rest, how="no partner: the JAX cell has no such bias"
        )
    elif first >= new:
        yield Row(
            own.path, "", torch_part=part, how="no partner: the JAX cell has no such bias"
        )
    else:
        yield Row(own.path, home.path, "", {}, part, jax_part, how)


def _new_gate(own: Use, found: Pairing, path: str) -> int:
    """Where a GRU's new gate begins in its biases; their end for other layers."""
    hidden = path.replace("_ih", "_hh")
    shape = found.torch[hidden].shape if hidden in found.torch else (1, 1)
    return own.shape[0] * 2 // 3 if shape[0] == 3 * shape[1] else own.shape[0]


def _outs(part: str) -> str:
    """The part along the outputs, without the inputs' axis."""
    inner = [one.strip() for one in part.strip("[]").split(",") if one.strip() not in ("", ":")]
    return f"[{inner[0]}]" if inner else ""


def _ends(part: str, size: int) -> tuple[int, int]:
    first, colon, last = part.strip("[]").partition(":")
    return (int(first), int(last)) if colon else (0, size)


def _part(use: Use, part: str) -> Use:
    """The slice of a vector; a number takes its first axis away."""
    if not part:
        return replace(use, role="bias")
    first, colon, last = part.strip("[]").partition(":")
    size = (int(last) - int(first),) if colon else ()
    return replace(use, shape=(*size, *use.shape[1:]), role="bias")
