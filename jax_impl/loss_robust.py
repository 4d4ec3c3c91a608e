"""The losses of torch.nn that are square near their target and linear far from it.

`reduction` is 'none', 'mean' or 'sum' in all of them; `size_average` and `reduce` are torch's
deprecated way to say it, accepted with a warning. Any other `reduction` raises ValueError.
Source of every formula: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jax_impl._loss import (
    Loss,
    absolute,
    chosen_reduction,
    in_float32,
    paired,
    reduced,
)

__all__ = [
    "smooth_l1_loss",
    "huber_loss",
    "SmoothL1Loss",
    "HuberLoss",
]


@in_float32
def smooth_l1_loss(
    input: ArrayLike,
    target: ArrayLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Array:
    """d^2 / (2 beta) where |d| < beta, |d| - beta / 2 beyond, with d = input - target.

    beta = 0 is `l1_loss`. Shapes: any; differing ones are broadcast, with a UserWarning. Raises
    ValueError where beta is negative.
    """
    if beta < 0:
        raise ValueError(f"beta must not be negative, got {beta}")
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = paired(input, target)
    if beta == 0:
        return reduced(absolute(input - target), reduction)
    return reduced(_huber(input - target, beta) / beta, reduction)


@in_float32
def huber_loss(
    input: ArrayLike,
    target: ArrayLike,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: ArrayLike | None = None,
) -> Array:
    """d^2 / 2 where |d| < delta, delta (|d| - delta / 2) beyond, with d = input - target.

    Shapes: any; differing ones are broadcast, with a UserWarning. `weight` has input's shape
    and multiplies the loss; the mean divides by the number of elements all the same. Raises
    ValueError for another shape of it and where delta is not positive.
    """
    if delta <= 0:
        raise ValueError(f"delta must be positive, got {delta}")
    reduction = chosen_reduction(None, None, reduction)
    input, target = paired(input, target)
    loss = _huber(input - target, delta)
    if weight is not None:
        if jnp.shape(weight) != input.shape:
            raise ValueError(
                f"weight must have input's shape {input.shape}, got {jnp.shape(weight)}"
            )
        loss = loss * weight
    return reduced(loss, reduction)


def _huber(difference: Array, bound: float) -> Array:
    # Masked before it is squared: the branch not taken must not turn inf into a NaN gradient.
    error = absolute(difference)
    near = ~(error >= bound)
    inner = jnp.where(near, difference, 0)
    return jnp.where(near, 0.5 * inner * inner, bound * (error - 0.5 * bound))


class SmoothL1Loss(Loss):
    """`smooth_l1_loss` as a layer."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """`huber_loss` as a layer; raises TypeError where delta is no number."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if not isinstance(delta, int | float):
            raise TypeError(f"delta must be a float or an int, got {type(delta).__name__}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return huber_loss(input, target, self.reduction, self.delta)
