"""Equinox models as functions of their leaves: made for one example, called over a batch."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np

from compare.run.port.jax_model import JaxModel, Leaves, dismantled, key_name, said

AXIS = "batch"
"""The name of the batch's axis, which Equinox's BatchNorm asks for."""


def equinox_model(model: Any, train: bool, options: dict[str, Any], keeps: bool) -> JaxModel:
    """The module mapped over the first axis of its inputs; of (module, State) both go in."""
    module, state = model if isinstance(model, tuple) else (model, None)
    whole_module = module
    module = eqx.nn.inference_mode(module, value=not train)
    module = module if train and keeps else without_dropout(module)
    leaves, build = dismantled(eqx.filter(module, eqx.is_array))
    static = eqx.filter(module, eqx.is_array, inverse=True)
    buffers: Leaves = {}
    build_state: Any = lambda held: None  # noqa: E731
    if state is not None:
        buffers, build_state = dismantled(state)
        buffers = {f"state.{path}": value for path, value in buffers.items()}
    keyed = "key" in inspect.signature(type(module).__call__).parameters

    def call(given: Leaves, args: tuple, named: dict) -> tuple[Any, Leaves]:
        whole = eqx.combine(build({path: given[path] for path in leaves}), static)
        held = build_state({path.removeprefix("state."): given[path] for path in buffers})
        arrays = {name: x for name, x in named.items() if np.ndim(x)}
        rest = {**options, **{name: x for name, x in named.items() if name not in arrays}}
        first = next((x for x in (*args, *arrays.values()) if np.ndim(x)), None)
        count = 1 if first is None else np.shape(first)[0]
        keys = jax.random.split(jax.random.key(0), count) if keyed and train else None

        def one(example: tuple, by_name: dict, key: Any) -> Any:
            extra = {"key": key} if keyed else {}
            own = (held,) if state is not None else ()
            return whole(*example, *own, **extra, **rest, **by_name)

        axes = (0, 0, None if keys is None else 0)
        out = 0 if state is None else (0, None)
        mapped = jax.vmap(one, in_axes=axes, out_axes=out, axis_name=AXIS)
        found = mapped(args, arrays, keys)
        if state is None:
            return found, {}
        outputs, after = found
        changed, _ = dismantled(after)
        return outputs, {f"state.{path}": value for path, value in changed.items()}

    words = ("the Equinox module is mapped over the first axis of its inputs", *said(options))
    original = eqx.filter(whole_module, eqx.is_array, inverse=True)

    def rebuild(given: Leaves) -> Any:
        made = eqx.combine(build({path: given[path] for path in leaves}), original)
        own = {path.removeprefix("state."): given[path] for path in buffers}
        return made if state is None else (made, build_state(own))

    parts, function = modules_of(whole_module), type(module).__call__
    every = leaves | buffers
    return JaxModel("equinox", every, frozenset(buffers), call, parts, words, function, rebuild)


def without_dropout(module: Any) -> Any:
    """Every dropout in inference mode, whatever the rest is in."""

    def is_dropout(part: Any) -> bool:
        return isinstance(part, eqx.nn.Dropout)

    def still(part: Any) -> Any:
        return eqx.tree_at(lambda d: d.inference, part, True) if is_dropout(part) else part

    return jax.tree.map(still, module, is_leaf=is_dropout)


def modules_of(module: Any) -> Mapping[str, Any]:
    """Every Equinox module within, by path."""
    found = {"": module}

    def inner(value: Any) -> bool:
        return isinstance(value, eqx.Module) and value is not current

    stack = [("", module)]
    while stack:
        path, current = stack.pop()
        flat, _ = jax.tree_util.tree_flatten_with_path(current, is_leaf=inner)
        for keys, value in flat:
            if inner(value):
                below = ".".join(filter(None, [path, *map(key_name, keys)]))
                found[below] = value
                stack.append((below, value))
    return found
