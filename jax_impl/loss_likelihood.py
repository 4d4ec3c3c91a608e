"""The losses of torch.nn that are negative log-likelihoods of counts, numbers, distributions.

`reduction` is 'none', 'mean' or 'sum' in all of them; `size_average` and `reduce` are torch's
deprecated way to say it, accepted with a warning. Any other `reduction` raises ValueError.
Source of every formula: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

import math
import warnings

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import xlogy
from jax.typing import ArrayLike

from jax_impl._loss import (
    Loss,
    chosen_reduction,
    in_float32,
    is_concrete,
    reduced,
)

__all__ = [
    "poisson_nll_loss",
    "gaussian_nll_loss",
    "kl_div",
    "PoissonNLLLoss",
    "GaussianNLLLoss",
    "KLDivLoss",
]


@in_float32
def poisson_nll_loss(
    input: ArrayLike,
    target: ArrayLike,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """exp(x) - t x, or x - t log(x + eps) where input is not a logarithm (`log_input=False`).

    `full` adds Stirling's t log(t) - t + log(2 pi t) / 2 where t > 1; its gradient for the
    target is NaN where t <= 0. Shapes: any two that broadcast.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = jnp.asarray(input), jnp.asarray(target)
    if log_input:
        loss = jnp.exp(input) - target * input
    else:
        loss = input - target * jnp.log(input + eps)
    if full:
        stirling = target * jnp.log(target) - target + 0.5 * jnp.log(2 * math.pi * target)
        loss = loss + jnp.where(target <= 1, 0, stirling)
    return reduced(loss, reduction)


@in_float32
def gaussian_nll_loss(
    input: ArrayLike,
    target: ArrayLike,
    var: ArrayLike,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Array:
    """(log(v) + (input - target)^2 / v) / 2 with v = max(var, eps).

    The gradient passes through that maximum as if it were not there. `full` adds
    log(2 pi) / 2. Shapes: input (N, *) or (*), target that broadcasts to it; `var` of input's
    shape, or with one of its axes of size 1, or without its last axis, or a number. Raises
    ValueError for another shape and where `var` is negative, which under jit gives NaN.
    """
    input, target = jnp.asarray(input), jnp.asarray(target)
    if isinstance(var, int | float):
        var = jnp.full(input.shape, var, input.dtype)
    var = _fitting_variance(jnp.asarray(var), input.shape)
    variance = _floored(var.astype(jnp.promote_types(var.dtype, input.dtype)), eps)
    loss = 0.5 * (jnp.log(variance) + jnp.square(input - target) / variance)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


def _fitting_variance(var: Array, shape: tuple[int, ...]) -> Array:
    negative = var < 0
    if is_concrete(negative) and negative.any():
        raise ValueError(f"var must not be negative, got {var.min()}")
    if var.shape == shape:
        return var
    if var.shape == shape[:-1]:
        return var[..., None]
    differing = [v for s, v in zip(shape, var.shape, strict=False) if s != v]
    if var.ndim != len(shape) or sum(differing) != 1:
        raise ValueError(
            f"var must have input's shape {shape}, or one of its axes of size 1, or be without "
            f"the last; got {var.shape}"
        )
    return var


@jax.custom_jvp
def _floored(var: Array, eps: ArrayLike) -> Array:
    """max(var, eps), NaN below 0; its gradient is 1 everywhere."""
    return jnp.where(var < 0, jnp.nan, jnp.maximum(var, eps))


@_floored.defjvp
def _floored_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    return _floored(*primals), tangents[0]


@in_float32
def kl_div(
    input: ArrayLike,
    target: ArrayLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Array:
    """t (log(t) - x) for log-probabilities x and probabilities t (0 log(0) = 0).

    With `log_target`, target holds log(t). Shapes: any two that broadcast. `reduction` may also
    be 'batchmean', the sum divided by input's first axis, which is the divergence as defined:
    'mean' divides by all elements, and warns of it. The target's gradient at t = 0 is NaN.
    """
    per_row = reduction == "batchmean" and size_average is None and reduce is None
    if size_average is None and reduce is None and reduction == "mean":
        warnings.warn(
            "reduction='mean' divides by the number of elements; 'batchmean', which divides by "
            "the batch size, is the KL divergence as it is defined",
            stacklevel=3,
        )
    chosen = chosen_reduction(size_average, reduce, "sum" if per_row else reduction)
    input, target = jnp.asarray(input), jnp.asarray(target)
    if log_target:
        loss = jnp.exp(target) * (target - input)
    else:
        loss = xlogy(target, target) - target * input
    total = reduced(loss, chosen)
    return total / input.shape[0] if reduction == "batchmean" and input.ndim else total


class PoissonNLLLoss(Loss):
    """`poisson_nll_loss` as a layer."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def __call__(self, log_input: ArrayLike, target: ArrayLike) -> Array:
        return poisson_nll_loss(
            log_input,
            target,
            self.log_input,
            self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(Loss):
    """`gaussian_nll_loss` as a layer."""

    def __init__(
        self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def __call__(self, input: ArrayLike, target: ArrayLike, var: ArrayLike) -> Array:
        return gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class KLDivLoss(Loss):
    """`kl_div` as a layer."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
