"""Edges that raise, and optimizers' steps, as functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compare.cases.case import Case
from compare.run import state, target
from compare.run.draw import givens
from compare.run.record import Record, failed


def outside_jit(case: Case, seed: int) -> Record:
    """What JAX's function raises where it sees values, or an empty record."""
    import jax
    import jax.numpy as jnp

    from compare.run import jax_side

    given, patterns = givens(case, [], seed), jax_side.input_patterns(case)
    with jax.enable_x64(True):
        inputs = {
            name: jnp.asarray(state.to_jax(values, patterns[name]))
            for name, values in given.inputs.items()
        }
        try:
            jax_side.function_forward(case)(inputs, {})
        except Exception as error:
            return failed("jax", "float64", error)
    return Record("jax", "float64")


def torch_steps(x: Any, gradients: Any, rule: str, arguments: Mapping[str, Any]) -> Any:
    """The parameter after each gradient (t, k), by a class of torch.optim."""
    import torch

    from compare.run.torch_update import default_dtype

    weight = torch.nn.Parameter(x.detach().clone())
    path = []
    with default_dtype(x.dtype):  # NAdam keeps its product of momenta in that one
        optimizer = getattr(torch.optim, rule.rpartition(".")[2])([weight], **arguments)
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
            path.append(weight.detach().clone())
    return torch.stack(path)


def jax_steps(x: Any, gradients: Any, rule: str, arguments: Mapping[str, Any]) -> Any:
    """The same by an optimizer of jax_impl."""
    import jax.numpy as jnp
    import optax

    update = target.named(rule, "jax")(**arguments)
    memory, path = update.init(x), []
    for gradient in gradients:
        moved, memory = update.update(gradient, memory, x)
        x = optax.apply_updates(x, moved)
        path.append(x)
    return jnp.stack(path)


def torch_clipped(gradient: Any, max_norm: float) -> Any:
    """(norm, the gradient clipped), by torch's clip_grad_norm_."""
    import torch

    weight = torch.nn.Parameter(torch.zeros_like(gradient))
    weight.grad = gradient.detach().clone()
    norm = torch.nn.utils.clip_grad_norm_([weight], max_norm)
    return norm, weight.grad


def jax_clipped(gradient: Any, max_norm: float) -> Any:
    return target.named("optim.clip_grad_norm_", "jax")(gradient, max_norm)
