"""Two models made ready to be compared: what each is called with, and what both return."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from compare.cases.case import Given, Slot
from compare.cases.port import Port
from compare.run import target, torch_side
from compare.run.draw import Givens
from compare.run.isolate import CHANNELS
from compare.run.port import given as handed
from compare.run.port import jax_ready, torch_model
from compare.run.port.errors import PortError
from compare.run.port.jax_model import JaxModel
from compare.run.torch_update import default_dtype

import jax  # isort: skip  # after torch: the other order can crash

Shapes = dict[str, tuple[int, ...]]

LAYOUTS = ("NCHW", "NHWC", "NCL", "NLC", "NCW", "NWC", "NCDHW", "NDHWC")
"""What a user may call the axes of the JAX side's inputs."""


@dataclass
class Models:
    """Both models, and the case that they make.

    torch   a copy of the module, in its mode, its dropout set aside
    case    how both are called and what of their results is compared
    given   inputs, torch's leaves, and once they are known the cotangents
    notes   what was decided for the user, in words
    """

    torch: Any
    jax: JaxModel
    case: Port
    given: Givens
    notes: list[str] = field(default_factory=list)

    def call_torch(self, module: Any) -> Any:
        """torch's float64 result."""
        inputs = torch_side.inputs_of(self.case, self.given, torch.float64, "cpu")
        with default_dtype(torch.float64):
            return torch_side.apply(
                module, {k: x.clone() for k, x in inputs.items()}, {}, self.case
            )

    def call_jax(
        self, leaves: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> tuple[list, dict]:
        """JAX's outputs and changed buffers, in JAX's layout."""
        called = target.called(self.case, inputs, "jax")
        result, changed = self.jax.call(dict(leaves), *called)
        return target.outputs(self.case, result, "jax"), changed

    def jax_inputs(self) -> dict[str, np.ndarray]:
        """The inputs in JAX's layout."""
        from compare.run import state
        from compare.run.jax_side import input_patterns

        patterns = input_patterns(self.case)
        return {k: state.to_jax(v, patterns[k]) for k, v in self.given.inputs.items()}


def models(
    torch_module: Any,
    jax_model: JaxModel,
    inputs: Any,
    *,
    name: str = "port",
    train: bool = False,
    layout: Mapping[str, str] | str | None = None,
    outputs: Sequence[Any] | None = None,
    jax_inputs: Any = None,
    drawn: bool = True,
    seed: int = 0,
) -> Models:
    """Both sides ready: each was called once, with results that pair. Raises PortError."""
    arrays, called = handed.slotted(inputs)
    if not arrays:
        raise PortError("", "there are no arrays among the inputs")
    torch_module.train(train)
    leaves = torch_side.module_leaves(torch_module)
    if not any(not leaf.buffer for leaf in leaves):
        raise PortError("torch", "the module has no parameters: nothing can be carried over")
    notes = []
    if train and (aside := torch_model.without_dropout(torch_module)):
        some = ", ".join(aside[:3]) + (", ..." if len(aside) > 3 else "")
        notes.append(f"dropout on torch's side is set aside: {some}")
    given = Givens(
        inputs=arrays,
        leaves=torch_model.values(torch_module, leaves, drawn, seed),
        masks={},
        owners={leaf.path: leaf for leaf in leaves},
    )
    case = Port("port", {k: as_given(x) for k, x in arrays.items()}, {}, train=train, name=name,
                called=called, jax_called=jax_call(called, jax_inputs, jax_model))  # fmt: skip
    made = Models(torch_module, jax_model, case, given, [*notes, *jax_model.notes])
    ours = torch_outputs(made)
    made.case = arranged(made, ours, layout, outputs)
    return made


def as_given(values: np.ndarray, names: str = "") -> Given:
    names = names or " ".join(f"a{axis}" for axis in range(values.ndim))
    sizes = zip(names.split(), values.shape, strict=True)
    axes = " ".join(f"{name}={size}" for name, size in sizes)
    return Given(axes, grad=values.dtype.kind == "f")


def jax_call(called: handed.Called, wanted: Any, model: JaxModel) -> handed.Called:
    """How the JAX model is called: as the user says, by the same names or in the same order."""
    import inspect

    args, named = called
    if wanted is not None:
        if isinstance(wanted, Mapping):
            return (), {k: _slot(v) for k, v in wanted.items()}
        return tuple(_slot(v) for v in wanted), {}
    function = model.function or model.call
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return called
    open_ended = any(p.kind is p.VAR_KEYWORD for p in names.values())
    if open_ended or all(name in names for name in named):
        return called
    return (*args, *named.values()), {}


def _slot(value: Any) -> Any:
    return Slot(value) if isinstance(value, str) else value


# What comes back.


def torch_outputs(made: Models) -> Shapes:
    """Names and shapes of torch's results, after it was seen to be deterministic."""
    module = torch_side.filled(made.torch, made.given, torch.float64, "cpu")
    module.train(made.case.train)
    with torch_model.told(module), torch.no_grad():
        result = made.call_torch(module)
    torch_model.deterministic(module, made.call_torch)
    found = {
        name: tuple(x.shape)
        for name, x in target.named_leaves(result)
        if isinstance(x, torch.Tensor)
    }
    odd = [n for n, x in target.named_leaves(result) if not isinstance(x, torch.Tensor)]
    if odd:
        made.notes.append(f"not compared, as they are no tensors: {', '.join(odd)} of torch")
    if not found:
        raise PortError("torch", "the module returned no tensor")
    return found


def jax_outputs(made: Models) -> Shapes:
    """The same of JAX, without computing. Raises PortError where the model does."""
    leaves = {
        k: jax.ShapeDtypeStruct(np.shape(x), _dtype(x)) for k, x in made.jax.leaves.items()
    }
    inputs = {k: jax.ShapeDtypeStruct(x.shape, _dtype(x)) for k, x in made.jax_inputs().items()}

    def call(leaves: Any, inputs: Any) -> Any:
        args, named = target.called(made.case, inputs, "jax")
        return made.jax.call(leaves, args, named)[0]

    with jax.enable_x64(True), jax_ready.told(made.jax):
        watching = getattr(made.jax.modules, "watching", None)
        if watching is None:
            result = jax.eval_shape(call, leaves, inputs)
        else:
            with watching():
                result = jax.eval_shape(call, leaves, inputs)
    return {n: tuple(x.shape) for n, x in target.named_leaves(result) if hasattr(x, "shape")}


def _dtype(values: Any) -> Any:
    dtype = np.result_type(getattr(values, "dtype", values))
    return np.float64 if jax.numpy.issubdtype(dtype, np.floating) else dtype


# How axes lie.


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


def matched(
    ours: Shapes, theirs: Shapes, wanted: Sequence[Any] | None, notes: list[str]
) -> list[tuple[str, str]]:
    """Pairs of outputs: as told, by name, or in order where there are as many."""
    if wanted:
        pairs = [(x, x) if isinstance(x, str) else (str(x[0]), str(x[1])) for x in wanted]
        absent = [a for a, _ in pairs if a not in ours] + [
            b for _, b in pairs if b not in theirs
        ]
        if absent:
            raise PortError("", f"no output {', '.join(absent)}: {_listed(ours, theirs)}")
        return pairs
    common = [name for name in ours if name in theirs and not name.isdigit()]
    if common:
        alone = [f"{n} of torch" for n in ours if n not in theirs]
        alone += [f"{n} of JAX" for n in theirs if n not in ours]
        if alone:
            words = f"not compared, as the other side lacks it: {', '.join(alone)}"
            notes += [words] if words not in notes else []
        return [(name, name) for name in common]
    if len(ours) == len(theirs):
        return list(zip(ours, theirs, strict=True))
    raise PortError(
        "", f"models of different outputs: {_listed(ours, theirs)}. Say which belong together: "
        "outputs=[(torch's name, JAX's name), ...]"
    )  # fmt: skip


def _listed(ours: Shapes, theirs: Shapes) -> str:
    return "; ".join(
        f"{side} returns {', '.join(f'{n} {s}' for n, s in shapes.items())}"
        for side, shapes in (("torch", ours), ("JAX", theirs))
    )
