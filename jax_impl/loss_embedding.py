"""The losses of torch.nn that draw embeddings together or push them apart.

`reduction` is 'none', 'mean' or 'sum' in all of them; `size_average` and `reduce` are torch's
deprecated way to say it, accepted with a warning. Any other `reduction` raises ValueError.
Source of every formula: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jax_impl._loss import Loss, chosen_reduction, in_float32, positive_part, reduced, sign

__all__ = [
    "hinge_embedding_loss",
    "cosine_embedding_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "HingeEmbeddingLoss",
    "CosineEmbeddingLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]

# torch holds it as a float: the same number at every precision, float64 too.
_EPSILON = float(np.float32(1e-12))

Distance = Callable[[Array, Array], Array]


@in_float32
def hinge_embedding_loss(
    input: ArrayLike,
    target: ArrayLike,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """x where y = 1, max(0, margin - x) where y = -1, and both added elsewhere.

    Shapes: any two that broadcast.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = jnp.asarray(input), jnp.asarray(target)
    apart = jnp.where(target != 1, positive_part(margin - input), 0)
    return reduced(apart + jnp.where(target != -1, input, 0), reduction)


@in_float32
def cosine_embedding_loss(
    input1: ArrayLike,
    input2: ArrayLike,
    target: ArrayLike,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """1 - cos(x1, x2) where y = 1, max(0, cos(x1, x2) - margin) where y = -1, else 0.

    cos = x1 . x2 / sqrt((|x1|^2 + e) (|x2|^2 + e)), e = 1e-12: a zero vector has cosine 0.
    Shapes: inputs (N, D) that broadcast with target (N), or (D) with (); else ValueError.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input1, input2, target = map(jnp.asarray, (input1, input2, target))
    if target.ndim > 1 or input1.ndim != target.ndim + 1:
        raise ValueError(
            "input1 and input2 must be (N, D) with target (N), or (D) with (), "
            f"got {input1.shape}, {input2.shape} and {target.shape}"
        )
    square1 = jnp.sum(input1 * input1, axis=target.ndim) + _EPSILON
    square2 = jnp.sum(input2 * input2, axis=target.ndim) + _EPSILON
    cosine = jnp.sum(input1 * input2, axis=target.ndim) / jnp.sqrt(square1 * square2)
    together = jnp.where(target == 1, 1 - cosine, 0)
    return reduced(
        together + jnp.where(target == -1, positive_part(cosine - margin), 0), reduction
    )


@in_float32
def triplet_margin_loss(
    anchor: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """max(0, margin + d(a, p) - d(a, n)) with d(x, y) = |x - y + eps|_p over the last axis.

    `swap` takes d(p, n) for d(a, n) where it is smaller. Shapes: (*, D) or (D) that broadcast,
    with as many axes each; output (*) or (). Raises ValueError for other shapes and where
    `margin` is not positive.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    distance = functools.partial(_distance, p=p, eps=eps)
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Array:
    """`triplet_margin_loss` with any `distance_function(x, y)`; None is |x - y + 1e-6|_2.

    Shapes: what the function takes and returns, with as many axes each. Raises ValueError for
    other ranks and where `margin` is not positive.
    """
    distance = distance_function or _distance
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    anchor: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
    distance: Distance,
    margin: float,
    swap: bool,
    reduction: str,
) -> Array:
    if margin <= 0:
        raise ValueError(f"margin must be positive, got {margin}")
    anchor, positive, negative = map(jnp.asarray, (anchor, positive, negative))
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ValueError(
            "anchor, positive and negative must have as many axes each, "
            f"got {anchor.shape}, {positive.shape} and {negative.shape}"
        )
    apart = distance(anchor, negative)
    if swap:
        apart = jnp.minimum(apart, distance(positive, negative))
    return reduced(positive_part(margin + distance(anchor, positive) - apart), reduction)


def _distance(x: Array, y: Array, p: float = 2.0, eps: float = 1e-6) -> Array:
    """|x - y + eps|_p over the last axis."""
    return _norm(jnp.atleast_1d(x - y + eps), p)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _norm(x: Array, p: float) -> Array:
    """The p-norm over the last axis; gradient 0 at the zero vector, shared by ties."""
    size = jnp.abs(x)
    if math.isinf(p):
        return size.max(axis=-1) if p > 0 else size.min(axis=-1)
    if p == 0:
        return jnp.sum(x != 0, axis=-1).astype(x.dtype)
    if p == 2:
        return jnp.sqrt(jnp.sum(x * x, axis=-1))
    return jnp.sum(size**p, axis=-1) ** (1 / p)


@_norm.defjvp
def _norm_jvp(p: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    norm = _norm(x, p)
    size, length = jnp.abs(x), norm[..., None]
    if math.isinf(p):
        extreme = (size == length) | (jnp.isnan(x) & jnp.isnan(length))
        slope = sign(x) * extreme / jnp.sum(extreme, axis=-1, keepdims=True)
    elif p == 0:
        slope = jnp.zeros_like(x)
    elif p == 2:
        slope = jnp.where(length == 0, 0, x / length)
    else:
        # |x|^(p - 1) is infinite at 0 where p < 1, and there the gradient is 0.
        power = jnp.where(x == 0, 0, size ** (p - 1))
        slope = jnp.where(length == 0, 0, sign(x) * power * length ** (1 - p))
    return norm, jnp.sum(slope * tangent, axis=-1)


class HingeEmbeddingLoss(Loss):
    """`hinge_embedding_loss` as a layer."""

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(Loss):
    """`cosine_embedding_loss` as a layer."""

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def __call__(self, input1: ArrayLike, input2: ArrayLike, target: ArrayLike) -> Array:
        return cosine_embedding_loss(
            input1, input2, target, self.margin, reduction=self.reduction
        )


class TripletMarginLoss(Loss):
    """`triplet_margin_loss` as a layer; raises ValueError where margin is not positive."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"margin must be positive, got {margin}")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def __call__(self, anchor: ArrayLike, positive: ArrayLike, negative: ArrayLike) -> Array:
        return triplet_margin_loss(
            anchor,
            positive,
            negative,
            self.margin,
            self.p,
            self.eps,
            self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(Loss):
    """`triplet_margin_with_distance_loss` as a layer; `distance_function` may be a module.

    Raises ValueError where margin is not positive.
    """

    def __init__(
        self,
        *,
        distance_function: Distance | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(f"margin must be positive, got {margin}")
        self.distance_function = distance_function or _distance
        self.margin = margin
        self.swap = swap

    def __call__(self, anchor: ArrayLike, positive: ArrayLike, negative: ArrayLike) -> Array:
        return triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
