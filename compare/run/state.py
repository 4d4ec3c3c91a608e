"""The leaf table: how arrays cross between torch's order of axes and JAX's.

One row per kind of leaf, an einops string that is read in either direction. What no row names
follows one rule: the axis called `c` is last on the JAX side, all others stay. Integer
permutations stand nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from einops import rearrange

from compare.run.draw import Leaf

LAYOUTS = {
    "linear.weight": "o i -> i o",
    "linearcrossentropy.linear_weight": "o i -> i o",
    "bilinear.weight": "o i j -> i j o",
    "conv1d.weight": "o i w -> w i o",
    "conv2d.weight": "o i h w -> h w i o",
    "conv3d.weight": "o i d h w -> d h w i o",
    "convtranspose1d.weight": "i o w -> w i o",
    "convtranspose2d.weight": "i o h w -> h w i o",
    "convtranspose3d.weight": "i o d h w -> d h w i o",
}

# What Flax's own layers call the leaves that torch calls weight, running_mean and running_var.
ALIASES = {
    "weight": ("weight", "kernel", "scale", "embedding"),
    "running_mean": ("running_mean", "mean"),
    "running_var": ("running_var", "var"),
}

# Counters that no computation of Flax's own layers needs: they may have no partner.
COUNTERS = ("num_batches_tracked",)


class TransferError(ValueError):
    """Leaves that do not pair: missing, spare or misshapen, all listed in one message."""


def layout(owner: str, leaf: str, names: str = "") -> str:
    """The einops string of a leaf: its row, or the rule for the axis names it has.

    `owner` is a class or a function: Conv2d and conv2d share the row "conv2d.weight".
    """
    row = LAYOUTS.get(f"{owner.replace('_', '').lower()}.{leaf}")
    return row or channels_last(names)


def channels_last(names: str) -> str:
    """ "n c h w" -> "n c h w -> n h w c"; names without a c stay as they are."""
    order = [name for name in names.split() if name != "c"]
    order += ["c"] if "c" in names.split() else []
    return f"{names} -> {' '.join(order)}"


def to_jax(values: np.ndarray, pattern: str) -> np.ndarray:
    """`values` carried from torch's order of axes to JAX's."""
    return _carry(values, pattern)


def to_torch(values: Any, pattern: str) -> Any:
    """`values` carried back: the same row read from right to left."""
    left, right = pattern.split("->")
    return _carry(values, f"{right.strip()} -> {left.strip()}")


def _carry(values: Any, pattern: str) -> Any:
    """Works on JAX's arrays too, where it becomes part of what is compiled."""
    left, right = (side.split() for side in pattern.split("->"))
    if left == right or np.ndim(values) != len(left):
        return values
    moved = rearrange(values, pattern)
    return np.ascontiguousarray(moved) if isinstance(moved, np.ndarray) else moved


def carry_leaves(
    leaves: Mapping[str, np.ndarray],
    owners: Mapping[str, Leaf],
    slots: Mapping[str, tuple[int, ...]],
) -> dict[str, np.ndarray]:
    """torch's leaves for the JAX module's `slots` (path -> shape), strict in both directions.

    Raises TransferError that lists every leaf without a slot, every slot without a leaf, and
    every pair whose shapes differ.
    """
    carried, problems = {}, []
    for path, values in leaves.items():
        owner = owners[path]
        slot = partner(path, slots)
        if slot is None:
            if owner.name not in COUNTERS:
                problems.append(f"missing on the JAX side: {path} {values.shape}")
            continue
        moved = to_jax(values, leaf_pattern(owner))
        if moved.shape != tuple(slots[slot]):
            problems.append(
                f"misshapen: {path} is {values.shape} in torch, {moved.shape} carried to JAX, "
                f"but {slot} has {tuple(slots[slot])}"
            )
        carried[slot] = moved
    problems += [
        f"spare on the JAX side: {slot} {slots[slot]}" for slot in slots.keys() - carried
    ]
    if problems:
        raise TransferError(
            "the leaves of the two modules do not pair:\n  "
            + "\n  ".join(sorted(problems))
            + "\nGive both modules the same attribute names and arguments, or add a row to "
            "compare/run/state.py for a new kind of leaf."
        )
    return carried


def leaf_pattern(leaf: Leaf) -> str:
    """The einops string for one leaf of a module."""
    names = " ".join(f"a{axis}" for axis in range(len(leaf.shape)))
    return layout(leaf.owner, leaf.name, names)


def partner(path: str, slots: Iterable[str]) -> str | None:
    """The JAX path of torch's leaf `path`: the same string, or Flax's name for the leaf."""
    parent, _, name = path.rpartition(".")
    for alias in ALIASES.get(name, (name,)):
        candidate = f"{parent}.{alias}" if parent else alias
        if candidate in slots:
            return candidate
    return None
