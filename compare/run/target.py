"""From a case's words to the thing: "conv.Conv2d" is torch_impl.conv.Conv2d and its twin."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from compare.cases.case import Given, Pair
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

    A `Given` among them (the class weights of a loss) is drawn, the same on both sides.
    """
    init, options = dict(case.init or {}), dict(case.options)
    if side == "jax":
        init.update(case.jax_init)
        options.update(case.jax_options)
    for arguments in (init, options):
        for name, value in arguments.items():
            if isinstance(value, Given):
                arguments[name] = array(value, generator(0, case.name, name))
    return init, options


def flatten(outputs: Any) -> list[Any]:
    """The arrays of a result, in order: tuples, lists, dicts and dataclass-like outputs."""
    if outputs is None:
        return []
    if isinstance(outputs, Mapping):
        return [leaf for value in outputs.values() for leaf in flatten(value)]
    if isinstance(outputs, list | tuple):
        return [leaf for value in outputs for leaf in flatten(value)]
    return [outputs]
