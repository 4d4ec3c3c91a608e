"""Learning rate schedules that begin with a rise: Hugging Face's, and torch's OneCycleLR.

What `schedule.py` says of steps, rates and last_epoch holds here. OneCycleLR reads no rate from
torch's optimizer, so it goes without `lr`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jax_impl._optim import real
from jax_impl._schedule import Epoch, Schedule, cosine
from jax_impl.schedule import LambdaLR

__all__ = [
    "get_constant_schedule_with_warmup",
    "get_linear_schedule_with_warmup",
    "get_cosine_schedule_with_warmup",
    "OneCycleLR",
]


def get_constant_schedule_with_warmup(
    lr: ArrayLike, num_warmup_steps: int, last_epoch: int = -1
) -> LambdaLR:
    """The rate rises from 0 in num_warmup_steps equal steps and stays.

    Source of the three: https://huggingface.co/docs/transformers/main_classes/optimizer_schedules
    """
    return _warmed_up(lr, num_warmup_steps, lambda epoch: 1.0, last_epoch)


def get_linear_schedule_with_warmup(
    lr: ArrayLike, num_warmup_steps: int, num_training_steps: int, last_epoch: int = -1
) -> LambdaLR:
    """The same rise, then a fall in equal steps to 0 at num_training_steps, where it stays."""
    span = max(1, num_training_steps - num_warmup_steps)

    def fall(epoch: Epoch) -> Array:
        return jnp.maximum(0, real(num_training_steps - epoch) / span)

    return _warmed_up(lr, num_warmup_steps, fall, last_epoch)


def get_cosine_schedule_with_warmup(
    lr: ArrayLike,
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
) -> LambdaLR:
    """The same rise, then (1 + cos(2 pi num_cycles s)) / 2, s from 0 to 1 in the steps left.

    Half a cycle falls to 0 at num_training_steps; beyond it the wave goes on, up again.
    """
    span = max(1, num_training_steps - num_warmup_steps)

    def wave(epoch: Epoch) -> Array:
        left = real(num_warmup_steps + span - epoch) / span
        return cosine(1 - 2 * num_cycles + 2 * num_cycles * left)

    return _warmed_up(lr, num_warmup_steps, wave, last_epoch)


def _warmed_up(
    lr: ArrayLike, num_warmup_steps: int, after: Callable[[Epoch], ArrayLike], last_epoch: int
) -> LambdaLR:
    def factor(epoch: Epoch) -> Array:
        rise = real(epoch) / max(1, num_warmup_steps)
        return jnp.where(epoch < num_warmup_steps, rise, after(epoch))

    return LambdaLR(lr, factor, last_epoch)


class OneCycleLR(Schedule):
    """From max_lr / div_factor up to max_lr, then down to that start over final_div_factor.

    The rise ends at epoch pct_start total_steps - 1 and the fall at total_steps - 1; with
    `three_phase` a fall back to the start mirrors the rise first. Each phase follows a half
    cosine or, by anneal_strategy, a line. total_steps may be given as epochs steps_per_epoch.
    `momentum(step)` is what torch sets the optimizer's momentum or betas[0] to: from
    max_momentum to base_momentum and back, for the arguments of those names here.

    Raises ValueError where an argument is not as torch wants it, where the first phase has no
    length, and for an int step beyond total_steps; an array gives NaN there.
    Source: Smith and Topin, arXiv:1708.07120.
    """

    def __init__(
        self,
        max_lr: float,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"pct_start must be a float between 0 and 1, got {pct_start!r}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}"
            )
        peak = pct_start * self.total_steps - 1
        ends = (peak, 2 * peak) if three_phase else (peak,)
        if peak == 0:
            raise ValueError(
                "pct_start times the number of steps must not be 1, which is no rise, "
                f"got {pct_start} and {self.total_steps}"
            )
        initial_lr = max_lr / div_factor
        last_lr = initial_lr / final_div_factor
        middle = (initial_lr,) if three_phase else ()
        calm = (max_momentum,) if three_phase else ()
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.last_epoch = last_epoch
        self._ends = (0.0, *ends, self.total_steps - 1)
        self._rates = (initial_lr, max_lr, *middle, last_lr)
        self._momenta = (max_momentum, base_momentum, *calm, max_momentum)

    def momentum(self, step: Epoch) -> Array:
        """The momentum at a step; ValueError where cycle_momentum is False."""
        if not self.cycle_momentum:
            raise ValueError("cycle_momentum must be True for a momentum, got False")
        return self._annealed(self._momenta, self._epoch(step))

    def _rate(self, epoch: Epoch) -> Array:
        return self._annealed(self._rates, epoch)

    def _annealed(self, values: tuple[float, ...], epoch: Epoch) -> Array:
        """Between the values that a phase starts and ends with, by the share of it done."""
        if isinstance(epoch, int) and epoch > self.total_steps:
            raise ValueError(
                f"step must be at most total_steps {self.total_steps}, got {epoch}"
            )
        time = real(epoch)
        result = jnp.nan
        for phase in reversed(range(len(values) - 1)):
            first, last = self._ends[phase : phase + 2]
            start, end = values[phase : phase + 2]
            if self.anneal_strategy == "cos":
                value = end + (start - end) * cosine((last - time) / (last - first))
            else:
                value = start + (end - start) * ((time - first) / (last - first))
            bound = last if phase < len(values) - 2 else self.total_steps
            result = jnp.where(time <= bound, value, result)
        return jnp.where(time <= self.total_steps, result, jnp.nan)


def _total_steps(
    total_steps: int | None, epochs: int | None, steps_per_epoch: int | None
) -> int:
    if total_steps is not None:
        counts = {"total_steps": total_steps}
    elif epochs is not None and steps_per_epoch is not None:
        counts = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    else:
        raise ValueError("total_steps must be given, or epochs and steps_per_epoch")
    for name, count in counts.items():
        if not isinstance(count, int) or count <= 0:
            raise ValueError(f"{name} must be a positive int, got {count!r}")
    return math.prod(counts.values())
