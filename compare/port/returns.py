"""What both models return, and which of it belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from compare.run import target, torch_side
from compare.run.port import jax_ready, torch_model
from compare.run.port.errors import PortError

import jax  # isort: skip  # after torch: the other order can crash

if TYPE_CHECKING:
    from compare.port.models import Models

Shapes = dict[str, tuple[int, ...]]


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
