"""A Flax module taken apart: its leaves by path, their partners in torch, the module again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from compare.cases.case import Pair
from compare.run import state, target
from compare.run.draw import Givens


def build(case: Pair) -> nnx.Module:
    """The module of `case`, with shapes for leaves: nothing is drawn or computed.

    A class that draws its first leaves gets a stream. What should use a given mask and draws
    instead comes out different, as torch's side knows nothing of that stream.
    """

    def make() -> nnx.Module:
        init, _ = target.arguments(case, "jax")
        cls = target.resolve(case, "jax")
        return target.attach(cls(**init, **target.stream(cls)), case, "jax")

    return set_mode(nnx.eval_shape(make), case.train)


def made(pair: Pair, given: Givens) -> nnx.Module:
    """The module that is at hand, or the one of `pair`, with shapes for leaves."""
    module = given.built.get("jax")
    return build(pair) if module is None else set_mode(module, pair.train)


def set_mode(module: Any, train: bool) -> nnx.Module:
    module.train() if train else module.eval()
    return module


class Leaves:
    """The leaves of a pair's JAX module.

    flat         dotted path -> (path, variable), of every leaf and every empty slot
    streams      those that are streams of random numbers
    carried      the given leaves in JAX's layout, by JAX's path
    torch_path   JAX's path -> torch's, of those
    patterns     torch's path -> how its axes are read
    """

    def __init__(self, pair: Pair, given: Givens) -> None:
        """Raises AttributeError where the module has no slot for a mask."""
        self.graph, abstract = nnx.split(made(pair, given))
        self.flat = {dotted(path): (path, var) for path, var in nnx.to_flat_state(abstract)}
        if absent := pair.masks.keys() - self.flat.keys():
            raise AttributeError(
                f"the JAX module has no slot {sorted(absent)} for a given mask"
            )
        filled = {k: v for k, (_, v) in self.flat.items() if v.get_value() is not None}
        self.streams = [k for k, v in filled.items() if isinstance(v, nnx.RngState)]
        self.slots = {k: v.shape for k, v in filled.items() if k not in self.streams}
        self.carried = self.carry(given)
        pairs = {state.partner(path, self.carried): path for path in given.leaves}
        self.torch_path = {slot: path for slot, path in pairs.items() if slot is not None}
        self.patterns = {k: state.leaf_pattern(leaf) for k, leaf in given.owners.items()}

    def carry(self, given: Givens) -> dict[str, np.ndarray]:
        """Leaves of `given` in JAX's layout, by JAX's path."""
        return state.carry_leaves(given.leaves, given.owners, self.slots)

    def is_parameter(self, name: str) -> bool:
        return isinstance(self.flat[name][1], nnx.Param)

    def merged(self, arrays: Mapping[str, Any]) -> Any:
        """The module holding `arrays`, by JAX's path; the slots that have none stay empty."""
        leaves = [
            (path, var.replace(arrays.get(name))) for name, (path, var) in self.flat.items()
        ]
        return nnx.merge(self.graph, nnx.from_flat_state(leaves))


def dotted(path: tuple) -> str:
    """("layer1", 0, "weight") as torch writes it: "layer1.0.weight"."""
    return ".".join(map(str, path))


def values(tree: nnx.State) -> dict[str, Any]:
    """ "path.of.leaf" -> array, for every leaf of a state."""
    return {dotted(path): var.get_value() for path, var in nnx.to_flat_state(tree)}


def cast(values: np.ndarray, dtype: Any) -> np.ndarray:
    """`values` at `dtype`, or at the complex dtype of its width; integers as they are."""
    if values.dtype.kind == "c":
        return values.astype(jnp.result_type(dtype, jnp.complex64))
    # bfloat16 is no float to NumPy.
    return values.astype(dtype) if jnp.issubdtype(values.dtype, jnp.floating) else values
