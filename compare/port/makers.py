"""How a user's torch optimizer is made: with its scheduler, and with a known mistake in it."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.overrides import TorchFunctionMode

from compare.judge.static import Setting
from compare.port.optimizers import of_optax, of_torch
from compare.run.port.errors import PortError

EPS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-10, 1e-3)
DECAYS = (0.0, 1e-4, 1e-2, 5e-4, 1e-3, 0.1)
FACTORS = (2.0, 0.5, 10.0, 0.1)
NEVER = 1 << 60
"""Steps after which no training is left."""
ADDED = 1e-6
"""What torch.nn.utils.clip_grad_norm_ adds to the norm that it divides by."""


@dataclass(frozen=True)
class Make:
    """Makes an optimizer that steps its scheduler too, as the user's or with a mistake in it.

    user      of parameters: an optimizer, or (optimizer, scheduler), stepped after each step
    settings  of all groups, in place of those the user gave
    factor    of every learning rate
    late      steps by which the schedule is behind the user's; below 0, ahead of it
    clip      the global norm that gradients are clipped to first, as optax does it
    bare      the user's own clip_grad_norm_ adds nothing to the norm
    """

    user: Callable[[Any], Any]
    settings: tuple[tuple[str, Any], ...] = ()
    factor: float = 1.0
    late: int = 0
    clip: float | None = None
    bare: bool = False

    def __call__(self, parameters: Any) -> torch.optim.Optimizer:
        optimizer, scheduler = self.pair(parameters)
        set_in_groups(optimizer, self.settings)
        if (most := self.clip) is not None:
            optimizer.register_step_pre_hook(lambda *_: clip(optimizer, most))
        if self.factor != 1.0:
            scale_rates(optimizer, self.factor)
        if scheduler is not None:
            follow(optimizer, scheduler, self.late)
        if self.bare:
            setattr(optimizer, "step", _bare(optimizer.step))  # noqa: B010 - a method of one object
        return optimizer

    def pair(self, parameters: Any) -> tuple[torch.optim.Optimizer, Any]:
        """What the user makes of `parameters`: (optimizer, scheduler or None)."""
        found = self.user(parameters)
        optimizer, scheduler = found if isinstance(found, tuple) else (found, None)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise PortError(
                "torch", f"a {type(optimizer).__name__} is no torch optimizer, nor (optimizer, "
                "scheduler)"
            )  # fmt: skip
        if isinstance(scheduler, ReduceLROnPlateau):
            raise PortError(
                "torch", "ReduceLROnPlateau follows a loss that a check does not have: pass a "
                "scheduler of the step alone"
            )  # fmt: skip
        return optimizer, scheduler


Mistake = tuple[str, Make]
"""A known mistake of optimizers: its name, and what makes it on torch's side."""


def mistakes(make: Make, transform: Any, found: Sequence[Setting]) -> Iterator[Mistake]:
    """The mistakes that the JAX side may have made, the likeliest first.

    found   the settings that differ
    """
    sample, scheduler = make.pair([torch.nn.Parameter(torch.zeros(1))])
    group = sample.param_groups[0]
    differing = tuple((one.name, one.jax) for one in found)
    for one in found:
        told = f"optimizer {one.name}: torch {one.torch!r}, JAX {one.jax!r}"
        yield told, replace(make, settings=((one.name, one.jax),))
    if len(found) > 1:
        names = " and ".join(one.name for one in found)
        yield f"optimizer {names}", replace(make, settings=differing)
    if scheduler is not None:
        yield "schedule: a step late on the JAX side", replace(make, late=1)
        yield "schedule: a step early on the JAX side", replace(make, late=-1)
        yield "schedule: none on the JAX side", replace(make, settings=differing, late=NEVER)
    yield from clippings(make, of_optax(transform).get("max_norm"))
    if "decoupled_weight_decay" in group:
        other = not group["decoupled_weight_decay"]
        words = "decoupled" if other else "an L2 penalty in the gradient"
        swapped = (*differing, ("decoupled_weight_decay", other))
        yield (
            f"optimizer weight decay is {words} on the JAX side",
            replace(make, settings=swapped),
        )
    held = of_torch(sample)
    for name, values in (("eps", EPS), ("weight_decay", DECAYS)):
        for value in values if name in held else ():
            if value != held[name]:
                told = f"optimizer {name}: torch {held[name]!r}, JAX {value!r}"
                yield told, replace(make, settings=((name, value),))
    for factor in FACTORS:
        yield (
            f"learning rate: the JAX side's is {factor:g} times torch's",
            replace(make, factor=factor),
        )


def clippings(make: Make, norm: float | None) -> Iterator[Mistake]:
    """The mistakes that one side clips gradients, or that both do, in two ways."""
    if norm is None:
        return
    yield (
        f"gradient clipping: torch's clip_grad_norm_ adds {ADDED:g} to the norm, optax's "
        "clip_by_global_norm does not [gotcha 39]",
        replace(make, bare=True),
    )
    yield (
        f"gradient clipping: the JAX side clips to a norm of {norm:g}, torch's side does not",
        replace(make, clip=norm),
    )


def set_in_groups(
    optimizer: torch.optim.Optimizer, settings: Sequence[tuple[str, Any]]
) -> None:
    """Gives every group these settings: beta1 and beta2 as parts of `betas`."""
    for group in optimizer.param_groups:
        for name, value in settings:
            if name in ("beta1", "beta2"):
                first, second = group["betas"]
                group["betas"] = (value, second) if name == "beta1" else (first, value)
            else:
                group[name] = value


def follow(optimizer: torch.optim.Optimizer, scheduler: Any, late: int) -> None:
    """Steps `scheduler` after each step but the first `late`; or `-late` times ahead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's on a schedule that is ahead of its optimizer
        for _ in range(-late):
            scheduler.step()
    steps = itertools.count()

    def after(*_: Any) -> None:
        if next(steps) >= late:
            scheduler.step()

    optimizer.register_step_post_hook(after)


def scale_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Steps by `factor` times the rates, which stay as they are for the scheduler."""
    rates: list[Any] = []

    def before(*_: Any) -> None:
        rates[:] = [group["lr"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * factor

    def after(*_: Any) -> None:
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)


def clip(optimizer: torch.optim.Optimizer, most: float) -> None:
    """optax's clip_by_global_norm: g * most / |g| where |g| >= most, with nothing added."""
    held = [p.grad for group in optimizer.param_groups for p in group["params"]]
    grads = [grad for grad in held if grad is not None]
    norm = torch.stack([grad.square().sum() for grad in grads]).sum().sqrt()
    if norm >= most:
        for grad in grads:
            grad.mul_(most / norm)


class NothingAdded(TorchFunctionMode):
    """In it no scalar tensor has ADDED added: clip_grad_norm_ divides by the norm itself."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        added = func in (torch.Tensor.add, torch.Tensor.__add__, torch.add)
        if added and args[0].ndim == 0 and args[1:] == (ADDED,):
            return args[0]
        return func(*args, **(kwargs or {}))


def _bare(step: Callable[[], Any]) -> Callable[[], Any]:
    def without() -> Any:
        with NothingAdded():
            return step()

    return without
