"""What a JAX program uses each of its leaves for, read from its jaxpr.

A leaf is followed through reshapes, transpositions and casts to the first operation that
computes with it: a contraction says which of its axes are summed over, a convolution which are
channels and which slide, a gather that it is looked up in. So layouts are read, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from compare.run.port import stacked
from compare.run.port.jax_model import JaxModel
from compare.run.port.use import Use, named_statistic
from compare.run.port.views import View, altered, joined, laid_out


class Reader:
    """Walks a jaxpr; `uses` has what it saw of each leaf."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], buffers: frozenset[str]) -> None:
        self.shapes, self.buffers = shapes, buffers
        self.uses: dict[str, Use] = {}
        self._loops = 0

    def read(self, jaxpr: Any, views: Sequence[View | None]) -> dict[str, Use]:
        """The uses of the leaves, of which invar i is `views[i]`; None is no leaf."""
        self._walk(jaxpr, list(views), [frozenset()] * len(views))
        absent = {p: Use(p, s, buffer=p in self.buffers) for p, s in self.shapes.items()}
        found = stacked.sliced(absent, self.uses)
        return {path: named_statistic(use) for path, use in found.items()}

    def _walk(
        self, jaxpr: Any, views: list[View | None], above: list[frozenset[str]]
    ) -> list[tuple[View | None, frozenset[str]]]:
        seen: dict[Any, tuple[View | None, frozenset[str]]] = {}
        for var, view, deps in zip(jaxpr.invars, views, above, strict=True):
            seen[var] = (view, deps)

        def get(atom: Any) -> tuple[View | None, frozenset[str]]:
            return (None, frozenset()) if hasattr(atom, "val") else seen.get(
                atom, (None, frozenset()))  # fmt: skip

        for eqn in jaxpr.eqns:
            given = [get(atom) for atom in eqn.invars]
            found = self._equation(eqn, given)
            for var, result in zip(eqn.outvars, found, strict=True):
                seen[var] = result
        return [get(atom) for atom in jaxpr.outvars]

    def _equation(self, eqn: Any, given: list) -> list[tuple[View | None, frozenset[str]]]:
        count = len(eqn.outvars)
        inner = inner_jaxprs(eqn)
        if inner:
            self._loops += 1
            merged: list[tuple[View | None, frozenset[str]]] = []
            for jaxpr, offset, stacks in inner:
                handed = [
                    (view.turn(self._loops) if view and i in stacks else view, deps)
                    for i, (view, deps) in enumerate(given)
                ][offset:]
                views, above = [v for v, _ in handed], [d for _, d in handed]
                short = len(jaxpr.invars) - len(views)
                views, above = views + [None] * short, above + [frozenset()] * short
                found = self._walk(
                    jaxpr, views[: len(jaxpr.invars)], above[: len(jaxpr.invars)]
                )
                merged = found if not merged else [
                    (None, a | b) for (_, a), (_, b) in zip(merged, found, strict=False)
                ]  # fmt: skip
            deps = frozenset().union(*(d for _, d in merged), *(d for _, d in given))
            merged += [(None, deps)] * (count - len(merged))
            return [(v, d or deps) for v, d in merged[:count]]
        views = [(i, view) for i, (view, _) in enumerate(given) if view is not None]
        others = frozenset().union(*(d for _, d in given))
        if count == 1 and views:
            moved = joined(eqn, [view for view, _ in given])
            if moved is None and len(views) == 1:
                moved = laid_out(eqn, views[0][1])
                if moved is None and self.buffers.isdisjoint(views[0][1].leaves):
                    moved = altered(eqn, views[0][1])
            if moved is not None:
                return [(moved, others)]
        for i, view in views:
            beside = frozenset(name for j, v in views if j != i for name in v.names)
            for leaf, name in zip(view.leaves, view.names, strict=True):
                self._use(eqn, i, view, leaf, name, others | beside)
        deps = others.union(*(view.names for _, view in views))
        return [(None, deps)] * count

    def _use(
        self, eqn: Any, place: int, view: View, leaf: str, name: str, above: frozenset[str]
    ) -> None:
        known = self.uses.get(name)
        if known is not None and (known.kernel or known.role != "other"):
            self.uses[name] = replace(known, times=known.times + 1)
            return
        slot = None
        if view.index is not None and view.stacked is not None:
            slot = leaf, view.stacked, view.index
        use = known or Use(
            name, self.shapes[leaf], order=len(self.uses), above=above - {name},
            buffer=leaf in self.buffers, stacked=view.stacked, loop=view.loop, part=slot,
            joined=view.names if len(view.leaves) > 1 else ())  # fmt: skip
        self.uses[name] = replace(role(use, eqn, place, view), times=use.times + 1)


def jax_uses(
    model: JaxModel, call: Callable[..., Any], inputs: Mapping[str, Any]
) -> dict[str, Use]:
    """The use of each leaf of `model` in `call(leaves, inputs)`, in the model's order."""
    leaves = {path: jax.ShapeDtypeStruct(np.shape(x), np.asarray(x).dtype)
              for path, x in model.leaves.items()}  # fmt: skip
    closed = jax.make_jaxpr(call)(leaves, dict(inputs))
    views: list[View | None] = [
        View((path,), tuple((axis,) for axis in range(len(leaves[path].shape))))
        for path in sorted(leaves)  # the order in which JAX flattens a dict
    ]
    views += [None] * (len(closed.jaxpr.invars) - len(views))
    shapes = {path: tuple(leaf.shape) for path, leaf in leaves.items()}
    return Reader(shapes, model.buffers).read(closed.jaxpr, views)


def inner_jaxprs(eqn: Any) -> list[tuple[Any, int, frozenset[int]]]:
    """(jaxpr, the first operand that is handed to it, operands of which it gets slices)."""
    params, name = eqn.params, eqn.primitive.name
    if name == "scan":
        plain = params["num_consts"] + params["num_carry"]
        return [(params["jaxpr"].jaxpr, 0, frozenset(range(plain, len(eqn.invars))))]
    if name == "while":
        first = params["cond_nconsts"]
        return [(params["body_jaxpr"].jaxpr, first, frozenset())]
    if name == "cond":
        return [(branch.jaxpr, 1, frozenset()) for branch in params["branches"]]
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if key in params:
            return [(getattr(params[key], "jaxpr", params[key]), 0, frozenset())]
    return []


def role(use: Use, eqn: Any, place: int, view: View) -> Use:
    """What operation `eqn` does with the view that is its operand `place`."""
    name, params = eqn.primitive.name, eqn.params
    if name == "dot_general":
        contracted, _ = params["dimension_numbers"]
        summed = contracted[place]
        ins = _sorted(a for i in summed for a in view.axes[i])
        outs = _sorted(a for i, one in enumerate(view.axes) if i not in summed for a in one)
        if set(ins) & set(outs):
            return use.with_role("other")
        return use.with_role("dense", ins=ins, outs=outs)
    if name == "conv_general_dilated" and place == 1:
        spec = params["dimension_numbers"].rhs_spec
        outs, ins, *window = (view.axes[i] for i in spec)
        return use.with_role(
            "conv", ins=ins, outs=outs, window=tuple(a for w in window for a in w)
        )
    if name == "gather" and place == 0:
        looked = params["dimension_numbers"].start_index_map
        ins = _sorted(a for i in looked for a in view.axes[i])
        outs = _sorted(a for i, one in enumerate(view.axes) if i not in looked for a in one)
        return use.with_role("table", ins=ins, outs=outs)
    if name in ("add", "add_any", "sub", "mul", "div", "max"):
        other = eqn.invars[1 - place]
        scalar = hasattr(other, "val") or not getattr(other.aval, "shape", ())
        if name == "add" and scalar and len(use.shape) >= 1:
            return use.with_role("variance")
        words = {
            "add": "bias",
            "add_any": "bias",
            "sub": "mean",
            "mul": "scale",
            "div": "other",
        }
        return use.with_role(words.get(name, "other"))
    return use.with_role("variance" if name in ("rsqrt", "sqrt") else "other")


def _sorted(axes: Any) -> tuple[int, ...]:
    return tuple(sorted(set(axes)))
