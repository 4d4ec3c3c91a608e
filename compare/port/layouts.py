"""How the axes of inputs and outputs lie on the JAX side: as told, or as is found to work."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from compare.cases.case import Given
from compare.cases.port import Port
from compare.port.returns import Shapes, jax_outputs, matched
from compare.run.isolate import CHANNELS
from compare.run.port.errors import PortError

if TYPE_CHECKING:
    from compare.port.models import Models

LAYOUTS = ("NCHW", "NHWC", "NCL", "NLC", "NCW", "NWC", "NCDHW", "NDHWC")
"""What a user may call the axes of the JAX side's inputs."""


def as_given(values: np.ndarray, names: str = "") -> Given:
    names = names or " ".join(f"a{axis}" for axis in range(values.ndim))
    sizes = zip(names.split(), values.shape, strict=True)
    axes = " ".join(f"{name}={size}" for name, size in sizes)
    return Given(axes, grad=values.dtype.kind == "f")


def arranged(
    made: Models, ours: Shapes, layout: Mapping[str, str] | str | None, outputs: Any
) -> Port:
    """The case with the layout of each input and output: as told, or the first that works."""
    failures: list[PortError] = []
    for axes in layouts(made, layout):
        made.case = dataclasses.replace(made.case, inputs=axes)
        try:
            theirs = jax_outputs(made)
        except PortError as error:
            failures.append(error)
            continue
        pairs = matched(ours, theirs, outputs, made.notes)
        names = [laid(ours[a], theirs[b], axes) for a, b in pairs]
        if all(name is not None for name in names):
            moved = [k for k, given in axes.items() if "c" in given.names.split()]
            if moved:
                made.notes.append(f"channels last on the JAX side: {', '.join(moved)}")
            return dataclasses.replace(
                made.case,
                out=tuple(name or "" for name in names),
                returns=tuple(a for a, _ in pairs),
                jax_returns=tuple(b for _, b in pairs),
            )
        wrong = next(p for p, name in zip(pairs, names, strict=True) if name is None)
        failures.append(PortError(
            "", f"models of different outputs: {wrong[0]} is {ours[wrong[0]]} in torch, "
            f"{wrong[1]} is {theirs[wrong[1]]} in JAX"
        ))  # fmt: skip
    raise failures[0]


def layouts(made: Models, layout: Mapping[str, str] | str | None) -> Iterator[dict[str, Given]]:
    """Axes of the inputs: channels last on the JAX side or as they are, as told or tried."""
    ways = []
    for name, values in made.given.inputs.items():
        told = layout if isinstance(layout, str) else (layout or {}).get(name)
        plain, channels = "", CHANNELS.get(values.ndim, "")
        image = bool(channels) and values.dtype.kind == "f"
        if told is not None and told.upper() not in LAYOUTS:
            raise PortError("", f"layout {told!r} of {name}: write NHWC or NCHW (NLC, NCDHW)")
        if told is not None:
            last = told.lower().endswith("c") and len(told) > 1
            ways.append([channels if last else plain])
        elif not image:
            ways.append([plain])
        elif made.jax.kind == "equinox" or values.ndim == 3:
            ways.append([plain, channels])
        else:
            ways.append([channels, plain])
    for axes in itertools.product(*ways):
        pairs = zip(made.given.inputs.items(), axes, strict=True)
        yield {name: as_given(values, names) for (name, values), names in pairs}


def laid(ours: tuple, theirs: tuple, inputs: Mapping[str, Given]) -> str | None:
    """Axis names of an output: channels last where shapes say so; None where they don't fit."""
    names = CHANNELS.get(len(ours), "")
    last = (ours[0], *ours[2:], ours[1]) if names else ours
    like = any("c" in given.names.split() and len(given.shape) == len(ours)
               for given in inputs.values())  # fmt: skip
    if names and theirs == last and (theirs != ours or like):
        return names
    return "" if theirs == ours else None
