"""The losses of torch.nn that ask for a margin, or a sign, in a score.

`reduction` is 'none', 'mean' or 'sum' in all of them; `size_average` and `reduce` are torch's
deprecated way to say it, accepted with a warning. Any other `reduction` raises ValueError.
Source of every formula: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jax_impl._loss import (
    Loss,
    WeightedLoss,
    check_labels,
    chosen_reduction,
    held,
    in_float32,
    integers,
    positive_part,
    reduced,
)
from jax_impl.activation import logsigmoid

__all__ = [
    "margin_ranking_loss",
    "soft_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "multi_margin_loss",
    "MarginRankingLoss",
    "SoftMarginLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
]


@in_float32
def margin_ranking_loss(
    input1: ArrayLike,
    input2: ArrayLike,
    target: ArrayLike,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """max(0, margin - y (x1 - x2)) for y = 1 (x1 should rank higher) or -1; gradient on at 0.

    Shapes: any that broadcast, with as many axes each, else ValueError.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input1, input2, target = map(jnp.asarray, (input1, input2, target))
    if not input1.ndim == input2.ndim == target.ndim:
        raise ValueError(
            "input1, input2 and target must have as many axes each, "
            f"got {input1.shape}, {input2.shape} and {target.shape}"
        )
    return reduced(positive_part(-target * (input1 - input2) + margin), reduction)


@in_float32
def soft_margin_loss(
    input: ArrayLike,
    target: ArrayLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """log(1 + exp(-y x)) for y = 1 or -1; where the exponential overflows, so does the loss.

    Shapes: any two that broadcast.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    return reduced(jnp.log1p(jnp.exp(-jnp.asarray(target) * input)), reduction)


@in_float32
def multilabel_margin_loss(
    input: ArrayLike,
    target: ArrayLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """sum_ij max(0, 1 - (x_j - x_i)) / C over the labels j and the classes i that are none.

    Shapes: input and target (N, C) or (C), output (N) or (). A row of target lists its labels,
    up to the first -1; one listed twice counts twice. Raises ValueError for other shapes,
    TypeError for labels that are no integers, IndexError for one outside [-1, C) (under jit
    its row is NaN).
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = jnp.asarray(input), integers(target)
    scores = _rows(input)
    classes = scores.shape[1]
    one_row = input.ndim < 2 and target.ndim < 2 and target.size == classes
    if target.shape != input.shape and not one_row:
        raise ValueError(f"target must have input's shape {input.shape}, got {target.shape}")
    labels = target.reshape(scores.shape)
    valid = check_labels(labels, -1, classes).all(axis=1)
    listed = jnp.cumsum(labels < 0, axis=1) == 0
    times = jax.nn.one_hot(jnp.where(listed, labels, classes), classes, dtype=scores.dtype)
    times = times.sum(axis=1)
    gap = 1 - scores[:, :, None] + scores[:, None, :]
    counts = (gap > 0) & (times[:, :, None] > 0) & (times[:, None, :] == 0)
    loss = jnp.sum(times[:, :, None] * jnp.where(counts, gap, 0), axis=(1, 2)) / classes
    loss = loss * jnp.where(valid, 1, jnp.nan)
    return reduced(loss if input.ndim == 2 else loss[0], reduction)


def _rows(input: Array) -> Array:
    """Scores (N, C), (C) or () as (N, C)."""
    if input.ndim > 2 or input.shape[-1:] == (0,):
        raise ValueError(f"input must be (N, C) or (C) with C > 0, got {input.shape}")
    return input if input.ndim == 2 else input.reshape(1, -1)


@in_float32
def multilabel_soft_margin_loss(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """-sum_c w_c (y_c log(s_c) + (1 - y_c) log(1 - s_c)) / C with s = sigmoid(input).

    Shapes: input (*, C), target and `weight` that broadcast with it; output (*). Raises
    ValueError where input has no axis.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = jnp.asarray(input), jnp.asarray(target)
    if input.ndim == 0:
        raise ValueError("input must be (*, C), got a scalar")
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return reduced(jnp.sum(loss, axis=input.ndim - 1) / input.shape[-1], reduction)


@in_float32
def multi_margin_loss(
    input: ArrayLike,
    target: ArrayLike,
    p: int = 1,
    margin: float = 1.0,
    weight: ArrayLike | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """w_y sum_i max(0, margin - x_y + x_i)^p / C over the classes i other than the label y.

    Shapes: input (N, C) or (C), target (N) or (), `weight` (C); output of target's shape.
    Raises ValueError for other shapes and for a p that is neither 1 nor 2, TypeError for labels
    that are no integers, IndexError for one outside [0, C) (under jit its loss is NaN).
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = jnp.asarray(input), integers(target)
    scores = _rows(input)
    rows, classes = scores.shape
    if p not in (1, 2):
        raise ValueError(f"p must be 1 or 2, got {p}")
    if target.ndim > 1 or target.size != rows:
        raise ValueError(f"target must hold one label a row ({rows}), got {target.shape}")
    label = target.reshape(rows, 1)
    share = jnp.where(check_labels(label, 0, classes), 1.0, jnp.nan).astype(scores.dtype)
    if weight is not None:
        weight = jnp.asarray(weight)
        if weight.shape != (classes,):
            raise ValueError(f"weight must have shape {(classes,)}, got {weight.shape}")
        share = share * weight.at[label].get(mode="clip")
    gap = margin - jnp.take_along_axis(scores, label, axis=1, mode="clip") + scores
    gap = jnp.where((gap > 0) & (jnp.arange(classes) != label), gap, 0)
    loss = jnp.sum(share * (gap if p == 1 else gap * gap), axis=1) / classes
    return reduced(loss.reshape(target.shape), reduction)


class MarginRankingLoss(Loss):
    """`margin_ranking_loss` as a layer."""

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
        return margin_ranking_loss(
            input1, input2, target, self.margin, reduction=self.reduction
        )


class SoftMarginLoss(Loss):
    """`soft_margin_loss` as a layer."""

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(Loss):
    """`multilabel_margin_loss` as a layer."""

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    """`multilabel_soft_margin_loss` as a layer; `weight` (C) is a buffer or None."""

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return multilabel_soft_margin_loss(
            input, target, held(self.weight), reduction=self.reduction
        )


class MultiMarginLoss(WeightedLoss):
    """`multi_margin_loss` as a layer; `weight` (C) is a buffer or None.

    Raises ValueError for a p that is neither 1 nor 2, and a weight that is not one-dimensional.
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: ArrayLike | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        if p not in (1, 2):
            raise ValueError(f"p must be 1 or 2, got {p}")
        if weight is not None and jnp.ndim(weight) != 1:
            raise ValueError(f"weight must be one-dimensional, got shape {jnp.shape(weight)}")
        super().__init__(weight, size_average, reduce, reduction)
        self.p = p
        self.margin = margin

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return multi_margin_loss(
            input, target, self.p, self.margin, held(self.weight), reduction=self.reduction
        )
