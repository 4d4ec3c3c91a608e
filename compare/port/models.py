"""Two models made ready to be compared: what each is called with, and what both return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from compare.cases.case import Slot
from compare.cases.port import Port
from compare.port.layouts import arranged, as_given
from compare.port.returns import torch_outputs
from compare.run import target, torch_side
from compare.run.draw import Givens
from compare.run.port import given as handed
from compare.run.port import torch_model
from compare.run.port.errors import PortError, some
from compare.run.port.jax_model import JaxModel
from compare.run.torch_update import default_dtype


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

    def jax_inputs(
        self, inputs: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """The inputs, or others like them, in JAX's layout."""
        from compare.run import state
        from compare.run.jax_side import input_patterns

        patterns = input_patterns(self.case)
        inputs = self.given.inputs if inputs is None else inputs
        return {k: state.to_jax(v, patterns[k]) for k, v in inputs.items()}


def models(
    torch_module: Any,
    jax_model: JaxModel,
    inputs: Any,
    *,
    name: str = "port",
    train: bool = False,
    keeps: bool = False,
    layout: Mapping[str, str] | str | None = None,
    outputs: Sequence[Any] | None = None,
    jax_inputs: Any = None,
    drawn: bool = True,
    seed: int = 0,
) -> Models:
    """Both sides ready: each was called once, with results that pair. Raises PortError."""
    arrays, called = handed.slotted(inputs, seed)
    if not arrays:
        raise PortError("", "there are no arrays among the inputs")
    torch_module.train(train)
    leaves = torch_side.module_leaves(torch_module)
    if not any(not leaf.buffer for leaf in leaves):
        raise PortError("torch", "the module has no parameters: nothing can be carried over")
    notes = []
    standing, aside = torch_model.without_dropout(torch_module, keeps) if train else ([], [])
    if standing:
        notes.append(f"dropout keeps everything, over 1 - p, on both sides: {some(standing)}")
    if aside:
        notes.append(f"dropout on torch's side is set aside: {some(aside)}")
    given = Givens(
        inputs=arrays,
        leaves=torch_model.values(torch_module, leaves, drawn, seed),
        masks={},
        owners={leaf.path: leaf for leaf in leaves},
    )
    case = Port("port", {k: as_given(x) for k, x in arrays.items()}, {}, train=train, name=name,
                called=called, jax_called=jax_call(called, jax_inputs, jax_model),
                keeps=train and keeps)  # fmt: skip
    made = Models(torch_module, jax_model, case, given, [*notes, *jax_model.notes])
    ours = torch_outputs(made)
    made.case = arranged(made, ours, layout, outputs)
    return made


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
