"""A JAX leaf laid out otherwise: which of its axes the axes of a value run along."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

Axes = tuple[tuple[int, ...], ...]
"""For each axis of a view the leaf's axes that it runs along."""

PASSING = ("convert_element_type", "copy", "copy_p", "stop_gradient", "reduce_precision",
           "sharding_constraint", "optimization_barrier", "name", "pvary", "real")  # fmt: skip


ALTERING = ("neg", "exp", "exp2", "log", "log1p", "tanh", "logistic", "sqrt", "rsqrt", "abs",
            "square", "integer_pow", "sign", "expm1")  # fmt: skip
"""What a parameter may go through by itself before it is used: exp(log_scale), 1 + scale."""


@dataclass(frozen=True)
class View:
    """A leaf laid out otherwise, or several of one rank joined end to end.

    stacked   the leaf's axis that a loop runs along, of which this is one turn, or that it was
              indexed along
    loop      which loop that is
    index     where it was indexed
    """

    leaves: tuple[str, ...]
    axes: Axes
    stacked: int | None = None
    loop: int = -1
    index: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The leaves, or the slices of them that this is."""
        if self.index is None:
            return self.leaves
        return tuple(f"{leaf}[{self.index}]" for leaf in self.leaves)

    def laid(self, axes: Iterable[tuple[int, ...]]) -> View:
        return replace(self, axes=tuple(axes))

    def turn(self, loop: int) -> View:
        """What one turn of a loop gets of a stack."""
        axis = self.axes[0][0] if len(self.axes[0]) == 1 else None
        return replace(self, axes=self.axes[1:], stacked=axis, loop=loop)


def joined(eqn: Any, given: Sequence[View | None]) -> View | None:
    """The view of leaves that `eqn` puts end to end; None where it does anything else."""
    views = [view for view in given if view is not None]
    if eqn.primitive.name != "concatenate" or len(views) != len(given) or len(views) < 2:
        return None
    first = views[0]
    same = (first.axes, first.stacked, first.loop, first.index)
    if any((view.axes, view.stacked, view.loop, view.index) != same for view in views):
        return None
    leaves = tuple(leaf for view in views for leaf in view.leaves)
    return replace(first, leaves=leaves) if len(set(leaves)) == len(leaves) else None


def laid_out(eqn: Any, view: View) -> View | None:
    """The view after an operation that only lays it out anew; None where it computes."""
    name, params, axes = eqn.primitive.name, eqn.params, view.axes
    if name == "slice":
        return indexed(eqn, view)
    if name in PASSING or name in ("rev", "dynamic_slice"):
        return view
    if name == "transpose":
        return view.laid(axes[i] for i in params["permutation"])
    if name == "squeeze":
        gone = {d % len(axes) for d in params["dimensions"]}
        return view.laid(a for i, a in enumerate(axes) if i not in gone)
    if name == "broadcast_in_dim":
        made: list[tuple[int, ...]] = [()] * len(params["shape"])
        for i, place in enumerate(params["broadcast_dimensions"]):
            made[place] = axes[i]
        return view.laid(made)
    if name == "reshape":
        return view.laid(reshaped(eqn.invars[0].aval.shape, params["new_sizes"], axes))
    return None


def indexed(eqn: Any, view: View) -> View:
    """A slice of one along an axis of the leaf itself is a leaf of its own: weights[2]."""
    shape, start = eqn.invars[0].aval.shape, eqn.params["start_indices"]
    sizes = [b - a for a, b in zip(start, eqn.params["limit_indices"], strict=True)]
    cut = [axis for axis, n in enumerate(shape) if sizes[axis] != n]
    plain = view.stacked is None and len(cut) == 1 and sizes[cut[0]] == 1
    if plain and len(view.axes[cut[0]]) == 1 and len(shape) > 1:
        return replace(view, stacked=view.axes[cut[0]][0], index=start[cut[0]])
    return view


def altered(eqn: Any, view: View) -> View | None:
    """The view after an operation on a parameter alone, or with a number; None for others."""
    name = eqn.primitive.name
    if name in ALTERING:
        return view
    if name in ("add", "sub", "mul", "div", "max", "min"):
        numbers = [x for x in eqn.invars if not getattr(x.aval, "shape", ())]
        return view if len(numbers) == 1 and len(view.axes) > 0 else None
    return None


def reshaped(before: Sequence[int], after: Sequence[int], axes: Axes) -> Axes:
    """Which leaf axes the axes of a reshape's result run along: equal products go together."""
    made: list[tuple[int, ...]] = []
    i = j = 0
    while j < len(after):
        left, right, ours, theirs = 1, 1, [], []
        while (left != right or not ours) and (i < len(before) or j < len(after)):
            if left <= right and i < len(before):
                left *= before[i]
                ours.append(i)
                i += 1
            elif j < len(after):
                right *= after[j]
                theirs.append(j)
                j += 1
            else:
                break
            if left == right and theirs:
                break
        together = tuple(a for one in ours for a in axes[one])
        made += [together] * len(theirs)
        if not theirs:
            break
    made += [()] * (len(after) - len(made))
    return tuple(made)
