"""A Trainer's compiled steps, on flat dicts of arrays by their dotted paths.

nnx.split and nnx.merge happen while a step is traced, so that a call costs no more than its
arrays. Parameters, optimizer state and what else the module holds are donated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from jax_impl.optim import clip_grad_norm_
from jax_impl.optim_adam import AdamW
from jax_impl.trainer_utils import split_outputs

Arrays = dict[str, Any]


class Leaves:
    """The variables of an nnx.State by their names, and the way back."""

    def __init__(self, state: nnx.State) -> None:
        self._found = {
            ".".join(map(str, path)): (path, variable)
            for path, variable in nnx.to_flat_state(state)
        }

    def __iter__(self) -> Iterable[str]:
        return iter(self._found)

    def values(self) -> Arrays:
        """The arrays; None for an empty slot."""
        return {name: variable.get_value() for name, (_, variable) in self._found.items()}

    def state(self, values: Arrays) -> nnx.State:
        """The state with these arrays in it."""
        return nnx.from_flat_state(
            [
                (path, variable.replace(values[name]))
                for name, (path, variable) in self._found.items()
            ]
        )


@dataclass(frozen=True)
class Rule:
    """How to update: AdamW on two groups, or a given transformation; clipping before it."""

    max_grad_norm: float
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    decayed: frozenset[str]
    given: optax.GradientTransformation | None = None

    def init(self, params: Arrays) -> Any:
        if self.given is not None:
            return self.given.init(params)
        groups = self._groups(params)
        return {
            name: self._adam(0.0, decay).init(group) for name, (group, decay) in groups.items()
        }

    def update(
        self, params: Arrays, state: Any, grads: Arrays, rate: Any
    ) -> tuple[Arrays, Any, Array]:
        """(parameters, state, norm of the gradients before clipping)."""
        bound = self.max_grad_norm if self.max_grad_norm > 0 else float("inf")
        norm, grads = clip_grad_norm_(grads, bound)
        if self.given is not None:
            updates, state = self.given.update(grads, state, params)
            return _applied(params, updates), state, norm
        updated, states = dict(params), {}
        for name, (group, decay) in self._groups(params).items():
            own = {key: grads[key] for key in group}
            updates, states[name] = self._adam(rate, decay).update(own, state[name], group)
            updated |= _applied(group, updates)
        return updated, states, norm

    def _groups(self, params: Arrays) -> dict[str, tuple[Arrays, float]]:
        decayed = {k: v for k, v in params.items() if k in self.decayed}
        exempt = {k: v for k, v in params.items() if k not in self.decayed}
        return {"decayed": (decayed, self.weight_decay), "exempt": (exempt, 0.0)}

    def _adam(self, rate: Any, decay: float) -> optax.GradientTransformation:
        return AdamW(lambda _: rate, self.betas, self.eps, decay)


def _applied(params: Arrays, updates: Any) -> Arrays:
    applied: Any = optax.apply_updates(params, updates)
    return applied


@dataclass(frozen=True, eq=False)
class Forward:
    """A module's call as a pure function of its arrays: (loss, outputs, what else it holds).

    `compute_loss` is (outputs, labels, num_items_in_batch) -> loss in place of the module's.
    """

    graph: Any
    params: Leaves
    rest: Leaves
    bf16: bool
    compute_loss: Callable[..., Any] | None
    takes_items: bool

    def __call__(
        self, params: Arrays, rest: Arrays, batch: Arrays, items: Any, labelled: bool
    ) -> tuple[Any, Any, Arrays]:
        if self.bf16:
            params = {k: _narrow(v) for k, v in params.items()}
        module = nnx.merge(self.graph, self.params.state(params), self.rest.state(rest))
        inputs = dict(batch)
        labels = inputs.pop("labels", None) if self.compute_loss is not None else None
        if self.takes_items and items is not None:
            inputs["num_items_in_batch"] = items
        outputs = module(**inputs)
        if self.compute_loss is not None and labels is not None:
            loss = self.compute_loss(outputs, labels, num_items_in_batch=items)
            _, outputs = split_outputs(outputs, False)
        else:
            loss, outputs = split_outputs(outputs, labelled)
        state = nnx.state(module, nnx.Not(nnx.Param))
        held = Leaves(state).values()
        if loss is not None:
            loss = jnp.asarray(loss, jnp.promote_types(loss.dtype, jnp.float32))
        return loss, outputs, {name: held[name] for name in rest}


def _narrow(value: Any) -> Any:
    return value.astype(jnp.bfloat16) if value.dtype == jnp.float32 else value


class Steps:
    """One optimizer step: `whole` for one micro-batch, else `part` for each and `finish`."""

    def __init__(self, forward: Forward, rule: Rule) -> None:
        self.forward, self.rule = forward, rule
        self.whole = jax.jit(self._whole, donate_argnums=(0, 1, 2))
        self.part = jax.jit(self._part, donate_argnums=(1, 2))
        self.finish = jax.jit(self._finish, donate_argnums=(0, 1))

    def _part(
        self, params: Arrays, rest: Arrays, sums: Any, batch: Arrays, divisor: Any, items: Any
    ) -> tuple[Array, Arrays, Arrays]:
        """(loss over divisor, gradients added to `sums`, what else the module holds)."""

        def scaled(params: Arrays) -> tuple[Any, Arrays]:
            loss, _, held = self.forward(params, rest, batch, items, True)
            return loss / divisor, held

        (loss, rest), grads = jax.value_and_grad(scaled, has_aux=True)(params)
        if sums is not None:
            grads = jax.tree.map(jnp.add, sums, grads)
        return loss, grads, rest

    def _finish(
        self, params: Arrays, state: Any, grads: Arrays, rate: Any
    ) -> tuple[Arrays, Any, Array]:
        return self.rule.update(params, state, grads, rate)

    def _whole(
        self,
        params: Arrays,
        rest: Arrays,
        state: Any,
        batch: Arrays,
        rate: Any,
        divisor: Any,
        items: Any,
    ) -> tuple[Array, Array, Arrays, Arrays, Any]:
        loss, grads, rest = self._part(params, rest, None, batch, divisor, items)
        params, state, norm = self.rule.update(params, state, grads, rate)
        return loss, norm, params, rest, state
