"""Learning rate schedules that begin with a rise: Hugging Face's, and torch's OneCycleLR."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR

__all__ = [
    "get_constant_schedule_with_warmup",
    "get_linear_schedule_with_warmup",
    "get_cosine_schedule_with_warmup",
    "OneCycleLR",
]


def get_constant_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, last_epoch: int = -1
) -> LambdaLR:
    """The rate rises from 0 in num_warmup_steps equal steps and stays.

    Source of the three: https://huggingface.co/docs/transformers/main_classes/optimizer_schedules
    """
    return _warmed_up(optimizer, num_warmup_steps, lambda epoch: 1.0, last_epoch)


def get_linear_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: int, num_training_steps: int, last_epoch: int = -1
) -> LambdaLR:
    """The same rise, then a fall in equal steps to 0 at num_training_steps, where it stays."""
    span = max(1, num_training_steps - num_warmup_steps)

    def fall(epoch: int) -> float:
        return max(0.0, (num_training_steps - epoch) / span)

    return _warmed_up(optimizer, num_warmup_steps, fall, last_epoch)


def get_cosine_schedule_with_warmup(
    optimizer: Optimizer,
    num_warmup_steps: int,
    num_training_steps: int,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
) -> LambdaLR:
    """The same rise, then (1 + cos(2 pi num_cycles s)) / 2, s from 0 to 1 in the steps left.

    Half a cycle falls to 0 at num_training_steps; beyond it the wave goes on, up again.
    """
    span = max(1, num_training_steps - num_warmup_steps)

    def wave(epoch: int) -> float:
        progress = (epoch - num_warmup_steps) / span
        return max(0.0, 0.5 * (1 + math.cos(2 * math.pi * num_cycles * progress)))

    return _warmed_up(optimizer, num_warmup_steps, wave, last_epoch)


def _warmed_up(
    optimizer: Optimizer, num_warmup_steps: int, after: Callable[[int], float], last_epoch: int
) -> LambdaLR:
    def factor(epoch: int) -> float:
        return epoch / num_warmup_steps if epoch < num_warmup_steps else after(epoch)

    return LambdaLR(optimizer, factor, last_epoch)
