"""What a leaf is used for: its role, which of its axes does what, and what stands before it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

STATISTICS = {"mean": "mean", "var": "variance", "variance": "variance"}
"""Roles of buffers by the last word of their name: their first use depends on the mode."""

KERNELS = ("dense", "conv", "table")
"""Roles of leaves that are contracted with what flows, or looked up in."""


VECTORS = ("scale", "bias", "mean", "variance")
"""Roles of leaves with a number for each feature; heads may split it in two axes."""


@dataclass(frozen=True)
class Use:
    """The first use of one leaf in a forward pass.

    role      "dense", "conv", "table" (looked up), "scale", "bias", "mean", "variance",
              "other", or "" where the forward pass does not use it
    ins, outs, window   of a kernel: its axes that are contracted, that come out, and that slide
    order     its place among the first uses
    above     leaves that what it meets depends on
    times     how often it is used
    joined    leaves that it is put end to end with first, in their order
    stacked, loop   the axis that a loop runs along, one layer a turn, and which loop it is
    part      the leaf, the axis and the place of a slice that is used by itself
    """

    path: str
    shape: tuple[int, ...]
    role: str = ""
    ins: tuple[int, ...] = ()
    outs: tuple[int, ...] = ()
    window: tuple[int, ...] = ()
    order: int = -1
    above: frozenset[str] = frozenset()
    times: int = 0
    buffer: bool = False
    joined: tuple[str, ...] = ()
    stacked: int | None = None
    loop: int = -1
    part: tuple[str, int, int] | None = None

    @property
    def kernel(self) -> bool:
        return self.role in KERNELS and bool(self.ins or self.outs)

    def size(self, axes: tuple[int, ...]) -> int:
        return math.prod(self.shape[axis] for axis in axes)

    @property
    def sizes(self) -> tuple:
        """(in, out, window) of a kernel, a window of ones being none; how many numbers a vector
        has; of anything else its shape without ones."""
        if self.kernel:
            window = tuple(self.shape[axis] for axis in self.window)
            return self.size(self.ins), self.size(self.outs), tuple(n for n in window if n > 1)
        if self.role in VECTORS and sum(n > 1 for n in self.shape) <= 2:
            return (math.prod(self.shape),)
        return tuple(n for n in self.shape if n > 1)

    @property
    def sizes_flat(self) -> tuple[int, ...]:
        """The sizes of all axes but ones, whatever the role."""
        return tuple(n for n in self.shape if n > 1)

    def without(self, axis: int) -> Use:
        """One slice along an axis: its uses of the others."""

        def lower(axes: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(a - (a > axis) for a in axes if a != axis)

        shape = tuple(n for a, n in enumerate(self.shape) if a != axis)
        return replace(self, shape=shape, ins=lower(self.ins), outs=lower(self.outs),
                       window=lower(self.window))  # fmt: skip

    def with_role(self, role: str, **axes: tuple[int, ...]) -> Use:
        return replace(self, role=role, **axes)


def named_statistic(use: Use) -> Use:
    """A buffer whose name says that it is a mean or a variance."""
    if not use.buffer:
        return use
    last = use.path.replace(".", "_").split("_")[-1].lower()
    return use.with_role(STATISTICS.get(last, use.role))


def anchor(use: Use, uses: dict[str, Use]) -> str:
    """The kernel that was used last before `use`: what a bias is added to; "" for none."""
    before = [uses[path] for path in use.above if uses[path].kernel]
    last = max(before, key=lambda one: one.order, default=None)
    return last.path if last else ""


def depth(use: Use, among: dict[str, Use]) -> int:
    """How many of `among` stand before it."""
    return sum(path in among for path in use.above if path != use.path)
