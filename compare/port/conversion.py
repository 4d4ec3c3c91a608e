"""The user's own conversion of weights: which JAX leaf does not hold what it should."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from compare.port.models import Models
from compare.run.port.table import Row, slices

ALIKE = 1e-6
"""How near float32 copies of the same numbers are, of the largest."""


def faults(made: Models, rows: Sequence[Row]) -> list[str]:
    """A line for each row whose JAX part lacks torch's leaf, and what it holds instead."""
    ours = {
        row: np.asarray(row.forward(made.given.leaves[row.torch])) for row in rows if row.paired
    }
    held = {row: np.asarray(made.jax.leaves[row.jax], np.float64)[slices(row.jax_part)]
            for row in ours}  # fmt: skip
    summed = {row.jax + row.jax_part for row in ours}
    several = len(summed) < len(ours)
    wrong = [] if several else [row for row in ours if not alike(held[row], ours[row])]
    return [f"{_name(row)}: {holds(held[row], row, ours)}" for row in wrong]


def _name(row: Row) -> str:
    return f"{row.jax}{row.jax_part} should be {row.torch}{row.torch_part}" + (
        f" as {row.pattern}" if row.pattern else "")  # fmt: skip


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    scale = float(np.abs(other).max(initial=0.0)) or 1.0
    return bool(np.abs(one - other).max(initial=0.0) <= ALIKE * scale)


def holds(value: np.ndarray, row: Row, ours: dict[Row, np.ndarray]) -> str:
    """What the leaf holds: another layout of the right one, another leaf, or neither."""
    wanted = ours[row]
    if turned := _turned(value, wanted):
        return turned
    for other, theirs in ours.items():
        if other is not row and theirs.shape == value.shape and alike(value, theirs):
            return f"it holds {other.torch}{other.torch_part}: the two are swapped or repeated"
    for other, theirs in ours.items():
        if other is not row and (turned := _turned(value, theirs)):
            return f"it holds {other.torch}{other.torch_part}, {turned}"
    scale = float(np.abs(wanted).max(initial=0.0)) or 1.0
    if np.all(value == value.flat[0]):
        return f"it still holds its first value, {value.flat[0]:.4g} everywhere: never loaded"
    far = float(np.abs(value - wanted).max()) / scale
    return f"it holds other numbers, off by up to {far:.2g} of the largest"


def _turned(value: np.ndarray, wanted: np.ndarray) -> str:
    """How `value` is `wanted` laid out wrongly; "" where it is not."""
    if sorted(value.shape) != sorted(wanted.shape) or value.size < 2:
        return ""
    for order in itertools.permutations(range(wanted.ndim)):
        moved = wanted.transpose(order)
        if (
            order != tuple(range(wanted.ndim))
            and moved.shape == value.shape
            and alike(value, moved)
        ):
            if wanted.ndim == 2:
                return "it was left untransposed"
            return f"its axes are in another order: {order} of what it should be"
    for axes in itertools.chain.from_iterable(
        itertools.combinations(range(wanted.ndim), n) for n in range(1, wanted.ndim + 1)
    ):
        if wanted.shape == value.shape and alike(value, np.flip(wanted, axes)):
            return f"it is flipped along {'axes' if len(axes) > 1 else 'axis'} {axes}"
    if alike(value.ravel(), wanted.ravel()):
        return "it was reshaped where it should be transposed"
    for axis in range(wanted.ndim):
        count = wanted.shape[axis]
        if value.shape == wanted.shape and count > 1 and _blocks(value, wanted, axis):
            return f"its blocks along axis {axis} are in another order"
    return ""


def _blocks(value: np.ndarray, wanted: np.ndarray, axis: int) -> bool:
    """Whether the slices along `axis` are the same, in another order."""
    ours, theirs = (np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1) for x in (value, wanted))
    key = [np.lexsort(np.round(x / (np.abs(x).max() or 1), 5).T[::-1]) for x in (ours, theirs)]
    return alike(ours[key[0]], theirs[key[1]])
