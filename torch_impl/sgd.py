"""d2l's hand-written update: minibatch stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["sgd"]


def sgd(params: Iterable[Tensor], lr: float, batch_size: int) -> None:
    """param -= lr * grad / batch_size, in place, and the gradients are zeroed.

    The division belongs to a loss that was summed over the batch. `params` are leaves whose
    `.grad` is filled; one without a gradient is left alone. Source: Dive into Deep Learning,
    3.4.
    """
    with torch.no_grad():
        for param in params:
            if param.grad is not None:
                param -= lr * param.grad / batch_size
                param.grad.zero_()
