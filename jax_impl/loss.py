"""The losses of torch.nn that most networks end in.

Classes stand last. A target of input's shape (*, C) holds class probabilities, one of shape (*)
class indices, as in torch; * is (N), (N, d1, ..., dK) or nothing.
`reduction` is 'none', 'mean' or 'sum' in all of them; `size_average` and `reduce` are torch's
deprecated way to say it, accepted with a warning. Any other `reduction` raises ValueError.
Source of every formula: https://docs.pytorch.org/docs/stable/nn.functional.html#loss-functions
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jax_impl._linear_cross_entropy import LinearCrossEntropyOptions, check_linear
from jax_impl._loss import (
    Loss,
    WeightedLoss,
    absolute,
    check_labels,
    chosen_reduction,
    held,
    in_float32,
    integers,
    paired,
    reduced,
    widen,
)
from jax_impl.linear import Linear

__all__ = [
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "cross_entropy",
    "linear_cross_entropy",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "CrossEntropyLoss",
    "LinearCrossEntropyLoss",
    "LinearCrossEntropyOptions",
]


@in_float32
def l1_loss(
    input: ArrayLike,
    target: ArrayLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: ArrayLike | None = None,
) -> Array:
    """|input - target|; gradient 0 where they are equal.

    Shapes: any; differing ones are broadcast, with a UserWarning. `weight` has input's shape
    (else ValueError) and turns the mean into a weighted one: sum(w loss) / sum(w).
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = paired(input, target)
    return _weighted(absolute(input - target), weight, input.shape, reduction)


@in_float32
def mse_loss(
    input: ArrayLike,
    target: ArrayLike,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: ArrayLike | None = None,
) -> Array:
    """(input - target)^2; shapes and `weight` as in `l1_loss`."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = paired(input, target)
    return _weighted(jnp.square(input - target), weight, input.shape, reduction)


def _weighted(
    loss: Array, weight: ArrayLike | None, shape: tuple[int, ...], reduction: str
) -> Array:
    if weight is None:
        return reduced(loss, reduction)
    weight = jnp.asarray(weight)
    if weight.shape != shape:
        raise ValueError(f"weight must have input's shape {shape}, got {weight.shape}")
    return _share_reduced(loss * weight, weight, reduction)


def _share_reduced(loss: Array, share: Array, reduction: str) -> Array:
    """As `reduced`, but the mean divides by the sum of `share`: NaN where that is 0."""
    if reduction == "mean":
        return jnp.sum(loss) / jnp.sum(share)
    return reduced(loss, reduction)


@in_float32
def nll_loss(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Array:
    """-w_y x_y for log-probabilities x and the label y; 0 where y is `ignore_index`.

    The mean divides by the sum of the w_y that count, NaN where none does. Shapes: input (*, C)
    or (C), target (*) or (), `weight` (C); output (*) or (), a scalar where it is reduced.
    Raises ValueError for other shapes, TypeError for labels that are no integers or a weight of
    another dtype, IndexError for a label outside [0, C); under jit that label's loss is NaN.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    input, target = _labelled(input, target)
    share = _shares(target, weight, input.shape[-1], input.dtype, ignore_index)
    loss = jnp.where(target == ignore_index, 0, -share * _chosen(input, target))
    return _share_reduced(loss, share, reduction)


@in_float32
def cross_entropy(
    input: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Array:
    """-sum_c w_c q_c log softmax(input)_c.

    q is the target's distribution: 1 for its label, or its probabilities; smoothed, it is
    (1 - label_smoothing) q + label_smoothing / C. A label `ignore_index` counts for nothing.
    The mean divides by the sum of the labels' weights that count (NaN where none does), or by
    the number of probability rows. Shapes and errors are those of `nll_loss`; a target of
    input's shape holds probabilities, and raises TypeError if it is no float, ValueError if an
    `ignore_index` >= 0 is given with it; label_smoothing above 1 raises ValueError.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if label_smoothing > 1:
        raise ValueError(f"label_smoothing must be between 0 and 1, got {label_smoothing}")
    input, target = jnp.asarray(input), jnp.asarray(target)
    if input.ndim > 0 and input.shape == target.shape:
        if ignore_index >= 0:
            raise ValueError(f"ignore_index {ignore_index} needs a target of class indices")
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    input, target = _labelled(input, target)
    loss, share = _label_cross_entropy(input, target, weight, ignore_index, label_smoothing)
    return _share_reduced(loss, share, reduction)


def _soft_cross_entropy(
    input: Array, target: Array, weight: ArrayLike | None, reduction: str, smoothing: float
) -> Array:
    if not jnp.issubdtype(target.dtype, jnp.floating):
        raise TypeError(
            f"target must hold floats where it has input's shape, got {target.dtype}"
        )
    if smoothing > 0:
        target = target * (1 - smoothing) + smoothing / max(input.shape[-1], 1)
    terms = jax.nn.log_softmax(input, axis=-1) * target
    if weight is not None:
        terms = terms * _class_weight(weight, input.shape[-1])
    loss = -jnp.sum(terms, axis=-1)
    rows = loss.size if input.size else 0
    return jnp.sum(loss) / rows if reduction == "mean" else reduced(loss, reduction)


def _label_cross_entropy(
    input: Array, target: Array, weight: ArrayLike | None, ignore_index: int, smoothing: float
) -> tuple[Array, Array]:
    """The loss of each label, and its share in the mean."""
    # Not log_softmax, then nll_loss: unsmoothed, one of C log-probabilities is wanted.
    peak = jax.lax.stop_gradient(jnp.max(input, -1, keepdims=True, initial=-jnp.inf))
    # Taken from the scores as given: a gather from the shifted ones would have them stored.
    chosen = _chosen(input, target) - peak[..., 0]
    input = input - peak
    log_sum = jnp.log(jnp.sum(jnp.exp(input), axis=-1))
    share = _shares(target, weight, input.shape[-1], input.dtype, ignore_index)
    loss = share * (log_sum - chosen)
    if smoothing > 0:
        log_probs = input - log_sum[..., None]
        terms = log_probs if weight is None else log_probs * jnp.asarray(weight)
        uniform = -jnp.sum(terms, axis=-1)
        loss = (1 - smoothing) * loss + smoothing / max(input.shape[-1], 1) * uniform
    return jnp.where(target == ignore_index, 0, loss), share


def _chosen(input: Array, target: Array) -> Array:
    """x_y for each label y, or that of some class where y is none."""
    label = jnp.clip(target, 0, input.shape[-1] - 1)[..., None]
    return jnp.take_along_axis(input, label, axis=-1)[..., 0]


def _shares(
    target: Array, weight: ArrayLike | None, classes: int, dtype: DTypeLike, ignore_index: int
) -> Array:
    """w_y of each label y: 0 where it is ignored, NaN where it is no class."""
    counts = target != ignore_index
    valid = check_labels(target, 0, classes, counts)
    share = jnp.ones(target.shape, dtype)
    if weight is not None:
        weight = _class_weight(weight, classes)
        if weight.dtype != dtype:
            raise TypeError(f"weight must have input's dtype {dtype}, got {weight.dtype}")
        share = weight.at[target].get(mode="clip")
    return jnp.where(counts, jnp.where(valid, share, jnp.nan), 0)


def _labelled(input: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    input, target = jnp.asarray(input), integers(target)
    if input.ndim == 0 or target.shape != input.shape[:-1]:
        raise ValueError(
            "input must be (*, C) with the classes last, and target of class indices (*), "
            f"got input {input.shape} and target {target.shape}"
        )
    return input, target


def _class_weight(weight: ArrayLike, classes: int) -> Array:
    weight = jnp.asarray(weight)
    if weight.shape != (classes,):
        raise ValueError(
            f"weight must hold a number for each of {classes} classes, got shape {weight.shape}"
        )
    return weight


def linear_cross_entropy(
    input: ArrayLike,
    linear_weight: ArrayLike,
    target: ArrayLike,
    *,
    linear_bias: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Array:
    """`cross_entropy` of the logits input @ linear_weight + linear_bias.

    Shapes: input (N, in) or (in), linear_weight (d1, ..., dK, in, C), linear_bias
    (d1, ..., dK, C), target (N, d1, ..., dK) of indices or (N, d1, ..., dK, C) of
    probabilities, without the N where input has none (then K = 0). `options` cut the batch into
    chunks, so that the logits never stand in memory at once; they serve index targets with
    K = 0 and no smoothing, and are ignored elsewhere, with a UserWarning. Raises ValueError for
    other shapes, and for an `ignore_index` (None is -100) given with probabilities; else as
    `cross_entropy`.
    """
    input, linear_weight, target = map(jnp.asarray, (input, linear_weight, target))
    check_linear(input, linear_weight, linear_bias)
    places = linear_weight.shape[:-2]
    soft = target.shape == (*input.shape[:-1], *places, linear_weight.shape[-1])
    if soft and ignore_index is not None:
        raise ValueError(f"ignore_index {ignore_index} needs a target of class indices")
    ignore_index = -100 if ignore_index is None else ignore_index

    def logits(rows: Array) -> Array:
        product = jnp.tensordot(rows, linear_weight, axes=(-1, -2))
        return product if linear_bias is None else product + linear_bias

    if options is not None and (places or soft or label_smoothing != 0):
        warnings.warn(
            "options are ignored: they need class indices, no label_smoothing, linear_weight "
            f"(in, C), got target {target.dtype}{target.shape}, "
            f"label_smoothing={label_smoothing}, linear_weight {linear_weight.shape}",
            stacklevel=2,
        )
    elif options is not None and input.ndim == 2:
        return _chunked(logits, input, target, weight, reduction, ignore_index, options)
    return cross_entropy(
        logits(input),
        target,
        weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def _chunked(
    logits: Callable[[Array], Array],
    input: Array,
    target: Array,
    weight: ArrayLike | None,
    reduction: str,
    ignore_index: int,
    options: LinearCrossEntropyOptions,
) -> Array:
    """The loss of some rows at a time; their logits are computed anew in the backward pass."""
    if target.shape != input.shape[:1]:
        raise ValueError(f"target must have shape {input.shape[:1]}, got {target.shape}")
    rows, in_features = input.shape
    row = jax.eval_shape(logits, jax.ShapeDtypeStruct((in_features,), input.dtype))
    (classes,), wide = row.shape, jax.eval_shape(widen, row).dtype
    weight, target = widen(weight), integers(target)
    share = _shares(target, weight, classes, wide, ignore_index)

    @jax.checkpoint
    def row_loss(row: Array, label: Array) -> Array:
        one = widen(logits(row))[None]
        return _label_cross_entropy(one, label[None], weight, ignore_index, 0.0)[0][0]

    size = options.chunk_size(rows, in_features, classes)
    loss = jax.lax.map(lambda pair: row_loss(*pair), (input, target), batch_size=size)
    return _share_reduced(loss, share, reduction).astype(row.dtype)


class L1Loss(Loss):
    """`l1_loss` as a layer."""

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return l1_loss(input, target, reduction=self.reduction)


class MSELoss(Loss):
    """`mse_loss` as a layer."""

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return mse_loss(input, target, reduction=self.reduction)


class NLLLoss(WeightedLoss):
    """`nll_loss` as a layer; `weight` (C) is a buffer or None."""

    def __init__(
        self,
        weight: ArrayLike | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return nll_loss(
            input,
            target,
            held(self.weight),
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class CrossEntropyLoss(WeightedLoss):
    """`cross_entropy` as a layer; `weight` (C) is a buffer or None."""

    def __init__(
        self,
        weight: ArrayLike | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        return cross_entropy(
            input,
            target,
            held(self.weight),
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class LinearCrossEntropyLoss(WeightedLoss):
    """`linear_cross_entropy` as a layer, that holds its `linear` map.

    `linear.weight` is (in_features, num_classes * prod(out_features)), the places within a
    class; `linear.bias` likewise, or None; `weight` (num_classes) is a buffer or None. Raises
    ValueError for a `weight` of another shape and a label_smoothing outside [0, 1].
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        reduction: str = "mean",
        weight: ArrayLike | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        if weight is not None:
            weight = _class_weight(weight, num_classes)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must be between 0 and 1, got {label_smoothing}")
        super().__init__(weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = tuple(out_features)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        columns = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, columns, bias, device, dtype, rngs=rngs)
        self.options = options

    def __call__(self, input: ArrayLike, target: ArrayLike) -> Array:
        bias = self.linear.bias
        return linear_cross_entropy(
            input,
            self._classes_last(self.linear.weight[...]),
            target,
            linear_bias=None if bias is None else self._classes_last(bias[...]),
            weight=held(self.weight),
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def _classes_last(self, leaf: Array) -> Array:
        """(..., C * d1 * ... * dK), as torch lays it flat, to (d1, ..., dK, ..., C)."""
        leaf = leaf.reshape(*leaf.shape[:-1], self.num_classes, *self.out_features)
        places = range(leaf.ndim - len(self.out_features), leaf.ndim)
        return jnp.moveaxis(leaf, tuple(places), tuple(range(len(self.out_features))))
