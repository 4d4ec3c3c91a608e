"""Learning rate schedules of torch.optim.lr_scheduler.

Each is a callable, the number of updates done (torch's epoch) -> learning rate: an
`optax.Schedule`, for the `lr` of an optimizer. torch's first argument, the optimizer, is here
the base rate `lr` that torch reads from it; SequentialLR, which reads none, goes without. The
step is an int or an integer array, traced or not, of any shape; the rate is float64 with
jax_enable_x64, else float32. A schedule with `last_epoch` begins one step after it, as in
torch, where training resumes.

These are torch's closed forms. torch itself goes from one rate to the next by a factor, so that
its rates drift from them by rounding.
Source: https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from jax_impl._optim import power, real
from jax_impl._schedule import Epoch, Schedule, cosine

__all__ = [
    "StepLR",
    "MultiStepLR",
    "ConstantLR",
    "LinearLR",
    "ExponentialLR",
    "CosineAnnealingLR",
    "LambdaLR",
    "SequentialLR",
]


@dataclass(frozen=True, eq=False)
class StepLR(Schedule):
    """lr gamma^(epoch // step_size). Raises ValueError where step_size is not positive."""

    lr: ArrayLike
    step_size: int
    gamma: float = 0.1
    last_epoch: int = -1

    def __post_init__(self) -> None:
        if self.step_size < 1:
            raise ValueError(f"step_size must be positive, got {self.step_size}")

    def _rate(self, epoch: Epoch) -> Array:
        return real(self.lr) * power(self.gamma, epoch // self.step_size)


@dataclass(frozen=True, eq=False)
class MultiStepLR(Schedule):
    """lr gamma^(number of milestones reached); one given twice counts twice."""

    lr: ArrayLike
    milestones: Iterable[int]
    gamma: float = 0.1
    last_epoch: int = -1

    def __post_init__(self) -> None:
        object.__setattr__(self, "milestones", tuple(sorted(self.milestones)))

    def _rate(self, epoch: Epoch) -> Array:
        reached = jnp.searchsorted(jnp.asarray(self.milestones, int), epoch, side="right")
        return real(self.lr) * power(self.gamma, reached)


@dataclass(frozen=True, eq=False)
class ConstantLR(Schedule):
    """lr factor until total_iters, then lr; for good where total_iters is 0, as in torch.

    Raises ValueError where factor lies outside [0, 1].
    """

    lr: ArrayLike
    factor: float = 1.0 / 3
    total_iters: int = 5
    last_epoch: int = -1

    def __post_init__(self) -> None:
        if not 0 <= self.factor <= 1:
            raise ValueError(f"factor must be between 0 and 1, got {self.factor}")

    def _rate(self, epoch: Epoch) -> Array:
        if self.total_iters < 1:
            return real(self.lr) * self.factor
        return real(self.lr) * jnp.where(epoch < self.total_iters, real(self.factor), 1)


@dataclass(frozen=True, eq=False)
class LinearLR(Schedule):
    """lr times a factor that goes from start_factor to end_factor in total_iters equal steps.

    Raises ValueError where start_factor lies outside (0, 1] or end_factor outside [0, 1].
    """

    lr: ArrayLike
    start_factor: float = 1.0 / 3
    end_factor: float = 1.0
    total_iters: int = 5
    last_epoch: int = -1

    def __post_init__(self) -> None:
        if not 0 < self.start_factor <= 1:
            raise ValueError(
                f"start_factor must be greater than 0 and at most 1, got {self.start_factor}"
            )
        if not 0 <= self.end_factor <= 1:
            raise ValueError(f"end_factor must be between 0 and 1, got {self.end_factor}")

    def _rate(self, epoch: Epoch) -> Array:
        done = real(jnp.minimum(epoch, self.total_iters)) / max(1, self.total_iters)
        factor = self.start_factor + (self.end_factor - self.start_factor) * done
        return real(self.lr) * factor


@dataclass(frozen=True, eq=False)
class ExponentialLR(Schedule):
    """lr gamma^epoch."""

    lr: ArrayLike
    gamma: float
    last_epoch: int = -1

    def _rate(self, epoch: Epoch) -> Array:
        return real(self.lr) * power(self.gamma, epoch)


@dataclass(frozen=True, eq=False)
class CosineAnnealingLR(Schedule):
    """eta_min + (lr - eta_min) (1 + cos(pi epoch / T_max)) / 2, which rises again past T_max.

    Raises ValueError where T_max is not positive. Source: arXiv:1608.03983, without restarts.
    """

    lr: ArrayLike
    T_max: int
    eta_min: float = 0.0
    last_epoch: int = -1

    def __post_init__(self) -> None:
        if self.T_max < 1:
            raise ValueError(f"T_max must be positive, got {self.T_max}")

    def _rate(self, epoch: Epoch) -> Array:
        wave = cosine(real(self.T_max - epoch) / self.T_max)
        return self.eta_min + (real(self.lr) - self.eta_min) * wave


@dataclass(frozen=True, eq=False)
class LambdaLR(Schedule):
    """lr lr_lambda(epoch).

    Under jit the epoch is traced, so lr_lambda chooses by `jnp.where`, not by `if`.
    """

    lr: ArrayLike
    lr_lambda: Callable[[Epoch], ArrayLike]
    last_epoch: int = -1

    def _rate(self, epoch: Epoch) -> Array:
        return real(self.lr) * real(self.lr_lambda(epoch))


@dataclass(frozen=True, eq=False)
class SequentialLR(Schedule):
    """One schedule after another; each starts at its milestone, counting from 0 there.

    Where one is a OneCycleLR, torch's others read its max_lr / div_factor as their base rate,
    since it writes that to the optimizer: give them that as `lr` to follow torch.

    Raises ValueError unless there is one milestone less than there are schedulers.
    """

    schedulers: Sequence[optax.Schedule]
    milestones: Sequence[int]
    last_epoch: int = -1

    def __post_init__(self) -> None:
        if not self.schedulers:
            raise ValueError("schedulers must hold at least one schedule, got none")
        if len(self.milestones) != len(self.schedulers) - 1:
            raise ValueError(
                f"milestones must be one fewer than schedulers, got {len(self.milestones)} "
                f"and {len(self.schedulers)}"
            )

    def _rate(self, epoch: Epoch) -> ArrayLike:
        starts = (0, *self.milestones)
        if isinstance(epoch, int):
            current = bisect_right(self.milestones, epoch)
            return self.schedulers[current](epoch - starts[current])
        rate = real(self.schedulers[0](epoch))
        for start, schedule in zip(starts[1:], self.schedulers[1:], strict=True):
            rate = jnp.where(epoch < start, rate, schedule(jnp.maximum(epoch - start, 0)))
        return rate
