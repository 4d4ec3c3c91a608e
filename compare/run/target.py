"""From a case's words to the thing: "conv.Conv2d" is torch_impl.conv.Conv2d and its twin."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from compare.cases.case import Call, Case, Given, Pair, Slot
from compare.run.draw import array, generator

SIDES = ("torch", "jax")


class TargetError(LookupError):
    """A name that leads to no class or function."""


def resolve(case: Pair, side: str) -> Any:
    """The class or function of `case` on `side`: its own target, or `package.module:name`."""
    try:
        return named(getattr(case, side) or case.target, side)
    except TargetError as error:
        raise TargetError(f"{case.name}: {error}") from error


def named(name: str, side: str) -> Any:
    """What `stem.name` means on `side`, or `package.module:name` anywhere."""
    module, colon, name = name.partition(":")
    if not colon:
        stem, _, name = module.rpartition(".")
        module = f"{side}_impl.{stem}"
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise TargetError(
            f"no {name!r} in {module} on the {side} side ({error}); "
            "check it against that file's __all__"
        ) from error
    return found


def arguments(case: Pair, side: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(constructor arguments, call options) of `case` on `side`, where a fault may differ.

    A `Given` among them (the class weights of a loss) is drawn, the same on both sides; a Call
    is made, and so is each in a list.
    """
    init, options = dict(case.init or {}), dict(case.options)
    if side == "jax":
        init.update(case.jax_init)
        options.update(case.jax_options)
    for arguments in (init, options):
        for name, value in arguments.items():
            if isinstance(value, Given):
                arguments[name] = array(value, generator(0, case.name, name))
            else:
                arguments[name] = mapped(value, lambda call: made(call, side))
    return init, options


def mapped(value: Any, make: Callable[[Call], Any]) -> Any:
    """`value` with what `make` makes of it if it is a Call, or of each Call in a list."""
    if isinstance(value, list):
        return [mapped(one, make) for one in value]
    return make(value) if isinstance(value, Call) else value


def made(call: Call, side: str) -> Any:
    """What `call` makes on `side`; a module of JAX that draws its leaves gets a stream."""
    maker = named(call.target, side)
    arguments = {
        k: made(v, side) if isinstance(v, Call) else v for k, v in call.arguments.items()
    }
    return maker(**arguments, **(stream(maker) if side == "jax" else {}))


def attach(module: Any, case: Pair, side: str) -> Any:
    """Gives `module` the parts that `case` attaches; of it, what the case is within."""
    parts = {**case.attach, **(case.jax_attach if side == "jax" else {})}
    for path, call in parts.items():
        owner, _, name = path.rpartition(".")
        holder, part = descend(module, owner), made(call, side)
        if name.isdigit():
            holder[int(name)] = part
        else:
            setattr(holder, name, part)
    return descend(module, (side == "jax" and case.jax_within) or case.within)


def called(
    case: Case, inputs: Mapping[str, Any], side: str = "torch"
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The positional and named arguments, besides its options, that a module is called with."""
    how = case.calls(side)
    if how is None:
        return tuple(inputs[name] for name in case.inputs), {}

    def filled(part: Any) -> Any:
        if isinstance(part, Slot):
            return inputs[part.name]
        if isinstance(part, Mapping):
            return {key: filled(one) for key, one in part.items()}
        return type(part)(map(filled, part)) if isinstance(part, list | tuple) else part

    args, named = how
    return filled(args), filled(named)


def descend(module: Any, path: str) -> Any:
    """The module at `path`; numbers are places in a list."""
    for part in path.split(".") if path else ():
        module = module[int(part)] if part.isdigit() else getattr(module, part)
    return module


def stream(maker: Any) -> dict[str, Any]:
    """The `rngs` of a class or function of the JAX side that takes some."""
    from flax import nnx

    # A class of Flax hides its arguments behind a metaclass; a function has none to hide.
    function = maker.__init__ if inspect.isclass(maker) else maker
    takes = "rngs" in inspect.signature(function).parameters
    return {"rngs": nnx.Rngs(0)} if takes else {}


def flatten(outputs: Any) -> list[Any]:
    """The arrays of a result, in order: tuples, lists, dicts and dataclass-like outputs."""
    return [leaf for _, leaf in named_leaves(outputs)]


def named_leaves(outputs: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The same with a name each: keys, fields and places, with dots between."""
    if outputs is None:
        return
    if isinstance(outputs, Mapping):
        parts = list(outputs.items())
    elif isinstance(outputs, tuple) and (fields := getattr(outputs, "_fields", None)):
        parts = list(zip(fields, outputs, strict=True))
    elif isinstance(outputs, list | tuple):
        parts = list(enumerate(outputs))
    elif dataclasses.is_dataclass(outputs) and not isinstance(outputs, type):
        parts = [(f.name, getattr(outputs, f.name)) for f in dataclasses.fields(outputs)]
    else:
        yield name or "0", outputs
        return
    for key, part in parts:
        yield from named_leaves(part, f"{name}.{key}" if name else str(key))


def outputs(case: Case, result: Any, side: str) -> list[Any]:
    """The arrays of a side's result that are compared."""
    wanted = case.returned(side)
    if not wanted:
        return flatten(result)
    found = dict(named_leaves(result))
    return [found[name] for name in wanted]
