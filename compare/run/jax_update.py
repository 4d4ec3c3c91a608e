"""JAX's update of a training: optimizer, schedule and clipping, as functions of arrays."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array

from compare.cases.training import Call, Training
from compare.run import target

Tree = dict[str, Array]


class Update:
    """One training's update of parameters that are given by torch's path.

    `init(params)` -> state; `step(params, grads, state, batch_size)` -> (updates, state, seen),
    with what was seen on the way: "lr", "momentum", "grad_norm".
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.function = target.named(training.update.target, "jax")
        self.clip = training.clip and target.named(training.clip.target, "jax")
        arguments = dict(training.update.arguments)
        self.rate = arguments.get("lr", default(self.function, "lr"))
        self.momentum = None
        if training.schedule is not None:
            self.rate = arguments["lr"] = made(training.schedule, self.rate)
            if getattr(self.rate, "cycle_momentum", False):
                self.momentum = self.rate.momentum
                arguments |= moving(self.momentum, arguments)
        self.groups: list[optax.GradientTransformation] = []
        if not training.by_hand:
            self.groups = [self.function(**arguments)]
            if training.undecayed:
                self.groups.append(self.function(**{**arguments, "weight_decay": 0.0}))

    def init(self, params: Tree) -> list[Any]:
        parts = zip(self.groups, self._parts(params), strict=True)
        return [jnp.zeros((), int), *(group.init(part) for group, part in parts)]

    def step(
        self, params: Tree, grads: Tree, state: list[Any], batch_size: int
    ) -> tuple[Tree, list[Any], Tree]:
        count, *states = state
        seen = {"lr": at(self.rate, count)}
        if self.momentum is not None:
            seen["momentum"] = at(self.momentum, count)
        if self.clip is not None and self.training.clip is not None:
            clipped = self.clip(grads, **self.training.clip.arguments)
            if isinstance(clipped, tuple):
                seen["grad_norm"], clipped = clipped
            grads = clipped
        if self.training.by_hand:
            after = self._by_hand(params, grads, batch_size)
        else:
            after: Tree = {}
            parts = zip(self._parts(params), self._parts(grads), strict=True)
            for index, (part, pulled) in enumerate(parts):
                updates, states[index] = self.groups[index].update(pulled, states[index], part)
                after.update(optax.apply_updates(part, updates))  # pyright: ignore
        return {name: after[name] for name in params}, [count + 1, *states], seen

    def _by_hand(self, params: Tree, grads: Tree, batch_size: int) -> Tree:
        held = {name: nnx.Param(value) for name, value in params.items()}
        pulled = [grads[name] for name in held]
        self.function(held.values(), self.rate, batch_size, grads=pulled)
        return {name: param.get_value() for name, param in held.items()}

    def _parts(self, tree: Tree) -> list[Tree]:
        """The tree, those that are spared weight decay apart."""
        if not self.training.undecayed:
            return [tree] * len(self.groups)
        spared = {k for k in tree if self.training.spares(k)}
        return [
            {k: v for k, v in tree.items() if k not in spared},
            {k: v for k, v in tree.items() if k in spared},
        ]


def moments(state: list[Any]) -> Tree:
    """What the optimizer holds: "moment/exp_avg/fc.weight", and its counters once."""
    count, *groups = state
    found = {"moment/step": count}
    for group in groups:
        for name, value in group._asdict().items():
            if isinstance(value, Mapping):
                found |= {f"moment/{name}/{path}": x for path, x in value.items()}
            elif value is not None:
                found[f"moment/{name}"] = value
    return found


def made(schedule: Call, lr: float | None) -> Any:
    """The schedule with the base rate `lr`, and the schedules among its arguments."""
    arguments = {
        name: target.mapped(value, lambda inner: made(inner, lr))
        for name, value in schedule.arguments.items()
    }
    function = target.named(schedule.target, "jax")
    reads_rate = "lr" in inspect.signature(function).parameters
    return function(lr, **arguments) if reads_rate else function(**arguments)


def moving(momentum: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The argument by which an optimizer takes a momentum that moves."""
    if "betas" in arguments:
        return {"betas": (momentum, arguments["betas"][1])}
    return {"momentum": momentum}


def default(function: Any, name: str) -> Any:
    return inspect.signature(function).parameters[name].default


def at(value: Any, count: Array) -> Array:
    """A rate, or a schedule's rate, after `count` updates."""
    return jnp.asarray(value(count) if callable(value) else value, jnp.result_type(float))
