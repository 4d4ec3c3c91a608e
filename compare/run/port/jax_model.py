"""A JAX model of any kind taken apart: leaves by path, and a pure function of them.

Flax NNX and Linen, Equinox, and a plain function with a tree of parameters come to the same:
`model.call(leaves, args, options)` -> (outputs, leaves that the call changes).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from compare.run.port.errors import PortError
from compare.run.port.jax_kept import keeping

Leaves = dict[str, Any]

TRAINING = ("train", "training", "is_training")
EVALUATING = ("deterministic", "use_running_average", "inference", "eval")
"""Names that models give the argument that says in which mode they are called."""


@dataclass(frozen=True)
class JaxModel:
    """A JAX model as data and one function.

    kind      "nnx", "linen", "equinox" or "function"
    leaves    its arrays by dotted path, parameters first
    buffers   paths of leaves that are no parameters
    call      (leaves, args, options) -> (outputs, changed buffers), to be traced by JAX
    modules   by path, "" the whole, what each module is: for its settings
    notes     what was decided for the user, in words
    function  what the user wrote to be called, for the names of its arguments
    rebuild   leaves -> what the user handed over, with those leaves: module, variables, tree
    """

    kind: str
    leaves: Leaves
    buffers: frozenset[str]
    call: Callable[[Leaves, tuple, dict], tuple[Any, Leaves]]
    modules: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    function: Any = None
    rebuild: Callable[[Leaves], Any] = lambda leaves: leaves

    @property
    def parameters(self) -> list[str]:
        return [path for path in self.leaves if path not in self.buffers]


def taken_apart(
    model: Any, train: bool, options: Mapping[str, Any], keeps: bool = False
) -> JaxModel:
    """`model` as a JaxModel in train or evaluation mode; `options` go to each call.

    In train mode dropout keeps everything if `keeps`, else it is set aside.

    model   an nnx.Module; (linen.Module, variables); an eqx.Module, or (eqx.Module, State); or
            (function, parameters), the function being called with the parameters first
    Raises PortError for anything else, and where the model has no array.
    """
    made = _maker(model)(model, train, dict(options), keeps)
    if not made.leaves:
        raise PortError(
            "jax",
            f"the model has no parameters: nothing can be carried over. Of {made.kind} pass "
            "the module with its arrays: (linen module, variables), (function, parameters)",
        )
    for path, leaf in made.leaves.items():
        if isinstance(leaf, jax.ShapeDtypeStruct):
            raise PortError("jax", f"{path} is a shape and no array: initialise the model")
    return replace(made, call=_keeping(made.call)) if train and keeps else made


def _keeping(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call` with dropout that keeps everything."""

    def kept(leaves: Leaves, args: tuple, named: dict) -> tuple[Any, Leaves]:
        with keeping():
            return call(leaves, args, named)

    return kept


def _maker(model: Any) -> Callable[[Any, bool, dict, bool], JaxModel]:
    from compare.run.port import flax_models

    first, count = (model[0], len(model)) if isinstance(model, tuple) and model else (model, 1)
    bases = {base.__module__.partition(".")[0] for base in type(first).__mro__}
    if flax_models.is_nnx(first) and count == 1:
        return flax_models.nnx_model
    if flax_models.is_linen(first):
        if count != 2:
            raise PortError(
                "jax", "a Linen module comes with its variables: (module, variables)"
            )
        return flax_models.linen_model
    if "equinox" in bases and count in (1, 2):
        from compare.run.port.equinox_model import equinox_model

        return equinox_model
    if callable(first) and count == 2:
        return function_model
    if isinstance(first, type):
        raise PortError("jax", f"{first.__name__} is a class: pass {first.__name__}(...)")
    raise PortError(
        "jax",
        f"can't take a {type(model).__name__} for a model: pass an nnx.Module, (Linen module, "
        "variables), an Equinox module, or (function, parameters)",
    )


def function_model(model: tuple, train: bool, options: dict[str, Any], keeps: bool) -> JaxModel:
    """function(parameters, *args, **options); every floating leaf is a parameter."""
    function, tree = model
    leaves, build = dismantled(tree)
    options = mode_options(function, train) | options

    def call(leaves: Leaves, args: tuple, named: dict) -> tuple[Any, Leaves]:
        return function(build(leaves), *args, **{**options, **named}), {}

    return JaxModel("function", leaves, frozenset(), call, {}, said(options), function,
                    build)  # fmt: skip


def dismantled(tree: Any) -> tuple[Leaves, Callable[[Leaves], Any]]:
    """The arrays of a tree by dotted path, and what puts the tree together again."""
    flat, structure = jax.tree_util.tree_flatten_with_path(tree)
    paths = [".".join(map(key_name, path)) for path, _ in flat]
    arrays = {p: x for p, (_, x) in zip(paths, flat, strict=True) if is_array(x)}
    rest = {p: x for p, (_, x) in zip(paths, flat, strict=True) if not is_array(x)}

    def build(leaves: Leaves) -> Any:
        whole = [leaves[path] if path in leaves else rest[path] for path in paths]
        return jax.tree_util.tree_unflatten(structure, whole)

    return arrays, build


def key_name(key: Any) -> str:
    """One step of a path: an attribute, a key or a place."""
    for name in ("name", "key", "idx"):
        if hasattr(key, name):
            return str(getattr(key, name))
    return str(key).strip(".[]'\"")


def is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray | jax.ShapeDtypeStruct)


def mode_options(function: Any, train: bool) -> dict[str, bool]:
    """The arguments by which `function` is told its mode, for `train` or evaluation."""
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    told = {name: train for name in TRAINING if name in names}
    return told | {name: not train for name in EVALUATING if name in names}


def said(options: Mapping[str, Any]) -> tuple[str, ...]:
    words = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return (f"the JAX side is called with {words}",) if words else ()
