"""The losses of torch.nn for yes or no: binary cross entropies of probabilities and of logits.

`reduction` is 'none', 'mean' or 'sum' in all of them; `size_average` and `reduce` are torch's
deprecated way to say it, accepted with a warning. Any other `reduction` raises ValueError.
Source of every formula: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import logit
from jax.typing import ArrayLike

from jax_impl._loss import (
    WeightedLoss,
    buffer,
    chosen_reduction,
    held,
    in_float32,
    is_concrete,
    reduced,
)
from jax_impl.activation import logsigmoid

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "BCELoss",
    "BCEWithLogitsLoss",
]

# torch writes 1e-12f: the same number at every precision, float64 too.
_EPSILON = float(np.float32(1e-12))


@in_float32
def binary_cross_entropy(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """-w (t log(x) + (1 - t) log(1 - x)), both logarithms at least -100.

    The gradient is torch's: w (x - t) / max(x (1 - x), 1e-12) for input, and for target the
    logarithms without their bound. Shapes: input and target the same, any; `weight` broadcasts
    to them. Raises ValueError for other shapes, and where input leaves [0, 1] (NaN under jit),
    TypeError where target holds no floats.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = _same_shape(input, target)
    outside = ~((input >= 0) & (input <= 1))
    if is_concrete(outside) and outside.any():
        raise ValueError(f"input must lie in [0, 1], got {input[outside][0]}")
    weight = _fitting("weight", weight, input)
    loss = _bernoulli_nll(input, target)
    return reduced(loss if weight is None else weight * loss, reduction)


def _same_shape(input: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    input, target = jnp.asarray(input), jnp.asarray(target)
    if input.shape != target.shape:
        raise ValueError(f"target must have input's shape {input.shape}, got {target.shape}")
    if not jnp.issubdtype(target.dtype, jnp.floating):
        raise TypeError(f"target must hold floats, got {target.dtype}")
    return input, target


def _fitting(name: str, values: ArrayLike | None, input: Array) -> Array | None:
    """A weight as a float array, or None; ValueError where it does not broadcast to input."""
    if values is None:
        return None
    array = jnp.asarray(values)
    axes = zip(array.shape[::-1], input.shape[::-1], strict=False)
    if array.ndim > input.ndim or any(size not in (1, axis) for size, axis in axes):
        raise ValueError(
            f"{name} must broadcast to input's shape {input.shape}, got {array.shape}"
        )
    return array.astype(jnp.promote_types(array.dtype, input.dtype))


@jax.custom_jvp
def _bernoulli_nll(input: Array, target: Array) -> Array:
    log_off = jnp.maximum(jnp.log1p(-input), -100)
    return (target - 1) * log_off - target * jnp.maximum(jnp.log(input), -100)


@_bernoulli_nll.defjvp
def _bernoulli_nll_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    input, target = primals
    slope = (input - target) / jnp.maximum((1 - input) * input, _EPSILON)
    return _bernoulli_nll(input, target), slope * tangents[0] - logit(input) * tangents[1]


@in_float32
def binary_cross_entropy_with_logits(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: ArrayLike | None = None,
) -> Array:
    """-w (p t log(s) + (1 - t) log(1 - s)) with s = sigmoid(input) and p = `pos_weight` or 1.

    Shapes: input and target the same, any; `weight` and `pos_weight` broadcast to them, on
    torch's axes (a class axis of theirs is the one that stands where C does in your input).
    Raises ValueError for other shapes, TypeError where target holds no floats.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = _same_shape(input, target)
    weight = _fitting("weight", weight, input)
    pos_weight = _fitting("pos_weight", pos_weight, input)
    loss = _logistic_nll(input, target, pos_weight)
    return reduced(loss if weight is None else weight * loss, reduction)


@jax.custom_jvp
def _logistic_nll(input: Array, target: Array, pos_weight: Array | None) -> Array:
    # Its own rule: differentiated as written, 1 - sigmoid(-x) would lose sigmoid(x)'s digits.
    log_sigmoid = logsigmoid(input)
    if pos_weight is not None:
        log_sigmoid = ((pos_weight - 1) * target + 1) * log_sigmoid
    return (1 - target) * input - log_sigmoid


@_logistic_nll.defjvp
def _logistic_nll_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    input, target, pos_weight = primals
    loss = _logistic_nll(input, target, pos_weight)
    if pos_weight is None:
        slope = jax.nn.sigmoid(input) - target
        return loss, slope * tangents[0] - input * tangents[1]
    positive, log_sigmoid = pos_weight * target, logsigmoid(input)
    slope = (positive + 1 - target) * jax.nn.sigmoid(input) - positive
    target_slope = logsigmoid(-input) - pos_weight * log_sigmoid
    moved = slope * tangents[0] + target_slope * tangents[1]
    return loss, moved - target * log_sigmoid * tangents[2]


class BCELoss(WeightedLoss):
    """`binary_cross_entropy` as a layer; `weight` is a buffer or None."""

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return binary_cross_entropy(input, target, held(self.weight), reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """`binary_cross_entropy_with_logits` as a layer; both weights are buffers or None."""

    def __init__(
        self,
        weight: ArrayLike | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: ArrayLike | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.pos_weight = buffer(pos_weight)

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return binary_cross_entropy_with_logits(
            input,
            target,
            held(self.weight),
            reduction=self.reduction,
            pos_weight=held(self.pos_weight),
        )
