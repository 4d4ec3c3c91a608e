"""Flax models, NNX and Linen, as functions of their leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx
from flax.traverse_util import flatten_dict, unflatten_dict

from compare.run.jax_leaves import dotted
from compare.run.port.errors import some
from compare.run.port.jax_model import JaxModel, Leaves, is_array, mode_options, said
from jax_impl.dropout import _Dropout

_RATES = {nnx.Dropout: "rate", nnx.MultiHeadAttention: "dropout_rate"}


def is_nnx(model: Any) -> bool:
    return isinstance(model, nnx.Module)


def is_linen(model: Any) -> bool:
    return isinstance(model, linen.Module)


def nnx_model(model: nnx.Module, train: bool, options: dict[str, Any], keeps: bool) -> JaxModel:
    """A copy of `model` in its mode; streams of random numbers stay as they are."""
    copy = nnx.merge(*nnx.split(model))
    (copy.train if train else copy.eval)()
    aside = without_dropout(copy) if train and not keeps else []
    for _, part in nnx.iter_modules(copy):
        # nnx.Embed keeps the dtype that its table had when it was made; other layers follow.
        if isinstance(part, nnx.Embed) and part.dtype == part.param_dtype:
            part.dtype = None
    graph, state = nnx.split(copy)
    flat = [(dotted(path), path, var) for path, var in nnx.to_flat_state(state)]
    held = {
        name: var.get_value()
        for name, _, var in flat
        if is_array(var.get_value()) and not isinstance(var, nnx.RngState)
    }
    params = {name for name, _, var in flat if name in held and isinstance(var, nnx.Param)}
    options = mode_options(type(model).__call__, train) | options

    def call(leaves: Leaves, args: tuple, named: dict) -> tuple[Any, Leaves]:
        # Streams of random numbers too are new variables: a call may draw from them.
        whole = [(p, var.replace(leaves.get(n, var.get_value()))) for n, p, var in flat]
        module = nnx.merge(graph, nnx.from_flat_state(whole))
        wide = jnp.result_type(*(x for x in leaves.values() if is_floating(x)), jnp.float32)
        for _, part in nnx.iter_modules(module):
            if isinstance(part, nnx.RNNCellBase) and hasattr(part, "param_dtype"):
                setattr(part, "param_dtype", wide)  # noqa: B010  of the first state too
        outputs = module(*args, **{**options, **named})
        after = {dotted(p): var.get_value() for p, var in nnx.to_flat_state(nnx.state(module))}
        return outputs, {name: after[name] for name in held if name not in params}

    modules = {
        dotted(path): module
        for path, module in nnx.iter_modules(model)
        if isinstance(module, nnx.Module)
    }
    words = (*said(options), *set_aside(aside))
    leaves = {n: held[n] for n in sorted(held, key=lambda n: n not in params)}
    buffers = frozenset(held.keys() - params)
    whole = nnx.split(model)  # as the user has it: in its mode, with its dropout

    def rebuild(leaves: Leaves) -> nnx.Module:
        state = [
            (path, var.replace(leaves.get(dotted(path), var.get_value())))
            for path, var in nnx.to_flat_state(whole[1])
        ]
        return nnx.merge(whole[0], nnx.from_flat_state(state))

    function = type(model).__call__
    return JaxModel("nnx", leaves, buffers, call, modules, words, function, rebuild)


def without_dropout(model: nnx.Module) -> list[str]:
    """Sets every dropout's rate to zero, in place; the paths of those that had one."""
    found = []
    for path, module in nnx.iter_modules(model):
        name = _RATES.get(type(module), "p" if isinstance(module, _Dropout) else "")
        if name and getattr(module, name):
            setattr(module, name, 0.0)
            found.append(dotted(path))
    return found


def is_floating(value: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(value), jnp.floating)


def set_aside(paths: list[str]) -> tuple[str, ...]:
    return (f"dropout on the JAX side is set aside: {some(paths)}",) if paths else ()


def linen_model(model: tuple, train: bool, options: dict[str, Any], keeps: bool) -> JaxModel:
    """module.apply(variables, ...): the collection "params", then the others as buffers."""
    module, variables = model
    flat = flatten_dict(_plain(variables))
    several = len({path[0] for path in flat}) > 1
    # "params/" stands before every path where nothing else does: it says nothing.
    names = {path: ".".join(map(str, path if several else path[1:])) for path in flat}
    names = {path: name.removeprefix("params.") for path, name in names.items()}
    held = {names[path]: value for path, value in flat.items() if is_array(value)}
    buffers = frozenset(names[path] for path in flat if path[0] != "params") & held.keys()
    collections = sorted({path[0] for path in flat if path[0] != "params"})
    options = mode_options(type(module).__call__, train) | options

    def skipped(following: Any, args: tuple, named: dict, context: Any) -> Any:
        """Dropout that is set aside: its call gives back what it was given."""
        dropout = isinstance(context.module, linen.Dropout)
        if dropout and context.method_name == "__call__" and not (train and keeps):
            return args[0]
        if isinstance(context.module, linen.RNN) and hasattr(
            context.module.cell, "param_dtype"
        ):
            # Of the first state, which would stay in float32.
            object.__setattr__(context.module.cell, "param_dtype", jnp.result_type(args[0]))
        return following(*args, **named)

    def call(leaves: Leaves, args: tuple, named: dict) -> tuple[Any, Leaves]:
        with linen.intercept_methods(skipped):
            return plain(leaves, args, named)

    def plain(leaves: Leaves, args: tuple, named: dict) -> tuple[Any, Leaves]:
        tree = unflatten_dict({path: leaves.get(names[path], flat[path]) for path in flat})
        rngs = {"dropout": jax.random.key(0)} if train else {}
        mutable = collections if train and collections else False
        found = module.apply(tree, *args, rngs=rngs, mutable=mutable, **{**options, **named})
        if mutable is False:
            return found, {name: leaves[name] for name in buffers}
        outputs, changed = found
        after = {names[path]: x for path, x in flatten_dict(_plain(changed)).items()}
        return outputs, {name: after.get(name, leaves[name]) for name in buffers}

    leaves = {n: held[n] for n in sorted(held, key=lambda n: n in buffers)}

    def rebuild(leaves: Leaves) -> Any:
        return unflatten_dict({path: leaves.get(names[path], flat[path]) for path in flat})

    parts, function = Parts(module), type(module).__call__
    return JaxModel("linen", leaves, buffers, call, parts, said(options), function, rebuild)


def _plain(tree: Any) -> Any:
    """Nested dicts: a FrozenDict unfrozen, metadata boxes opened."""
    tree = linen.unbox(tree)
    if isinstance(tree, Mapping):
        return {key: _plain(value) for key, value in tree.items()}
    return tree


class Parts(dict):
    """The modules of a Linen module by path: known once it has been called under `watching`."""

    def __init__(self, whole: linen.Module) -> None:
        super().__init__({"": whole})

    def watching(self) -> Any:
        """A context in which calls tell of their modules."""

        def note(following: Any, args: tuple, named: dict, context: Any) -> Any:
            path = dotted(context.module.path)
            self.setdefault(path, context.module)
            return following(*args, **named)

        return linen.intercept_methods(note)
