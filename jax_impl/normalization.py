"""Layer, group, RMS and local response normalisation: what needs no running statistics.

Shapes: N batch, C channels, * any number of axes: torch's (N, C, *) is (N, *, C) here.
float16 and bfloat16 input is computed in float32 and may meet float32 leaves, as in torch.

Source: https://docs.pytorch.org/docs/stable/nn.html#normalization-layers
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from jax_impl._moments import (
    filled,
    fitting_leaves,
    floating,
    moments,
    moments_by,
    scaled,
    value,
    wide,
)

__all__ = [
    "layer_norm",
    "group_norm",
    "rms_norm",
    "local_response_norm",
    "normalize",
    "LayerNorm",
    "GroupNorm",
    "RMSNorm",
    "LocalResponseNorm",
    "CrossMapLRN2d",
]


def layer_norm(
    input: ArrayLike,
    normalized_shape: Sequence[int],
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Array:
    """y = (x - mean) / sqrt(var + eps) * weight + bias over the last axes, biased variance.

    Shapes: input and output (*, *normalized_shape), as in torch; weight and bias
    `normalized_shape`. Raises ValueError where they do not fit.
    """
    array, axes = _trailing(input, normalized_shape)
    weight, bias = fitting_leaves(
        array.dtype, tuple(normalized_shape), weight=weight, bias=bias
    )
    centered, _, variance = moments(array.astype(wide(array.dtype)), axes)
    return scaled(centered, variance, weight, bias, eps).astype(array.dtype)


def group_norm(
    input: ArrayLike,
    num_groups: int,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
) -> Array:
    """y = (x - mean) / sqrt(var + eps) * weight + bias, mean and variance of a group.

    Shapes: input and output (N, *, C), weight and bias (C). A group is * by
    C / num_groups consecutive channels. Raises ValueError where num_groups does not divide C,
    where the leaves do not fit, and where the batch holds one value per group.
    """
    array = floating(input, least_rank=2)
    batch, *spatial, channels = array.shape
    if num_groups < 1 or channels % num_groups:
        raise ValueError(
            "num_groups must be positive and divide the number of channels, "
            f"got num_groups={num_groups} and input shape {array.shape}"
        )
    groups = (num_groups, channels // num_groups)
    if batch * groups[1] * math.prod(spatial) == 1:
        raise ValueError(
            f"Expected more than 1 value per group when training, got input size {array.shape}"
        )
    weight, bias = fitting_leaves(array.dtype, (channels,), weight=weight, bias=bias)

    def average(values: Array) -> Array:
        # Of each channel first: a group alone is too short an axis for a vector unit.
        each = values.mean(tuple(range(1, values.ndim - 1)), keepdims=True)
        group = each.reshape(*each.shape[:-1], *groups).mean(-1, keepdims=True)
        return jnp.broadcast_to(group, (*each.shape[:-1], *groups)).reshape(each.shape)

    centered, _, variance = moments_by(average, array.astype(wide(array.dtype)))
    return scaled(centered, variance, weight, bias, eps).astype(array.dtype)


def rms_norm(
    input: ArrayLike,
    normalized_shape: Sequence[int],
    weight: ArrayLike | None = None,
    eps: float | None = None,
) -> Array:
    """y = x / sqrt(mean(x^2) + eps) * weight over the last axes.

    Shapes: input and output (*, *normalized_shape), as in torch; weight `normalized_shape`,
    of any floating type. eps None stands for the machine epsilon of the type computed in,
    which is float32's for half precision. Raises ValueError where the shapes do not fit.
    """
    array, axes = _trailing(input, normalized_shape)
    x = array.astype(wide(array.dtype))
    weight = None if weight is None else jnp.asarray(weight, x.dtype)
    (weight,) = fitting_leaves(x.dtype, tuple(normalized_shape), weight=weight)
    mean_square = jnp.square(x).mean(axes, keepdims=True)
    eps = float(jnp.finfo(x.dtype).eps) if eps is None else eps
    return scaled(x, mean_square, weight, None, eps).astype(array.dtype)


def _trailing(
    input: ArrayLike, normalized_shape: Sequence[int]
) -> tuple[Array, tuple[int, ...]]:
    """The input, and which axes of it `normalized_shape` spells."""
    array = floating(input)
    if isinstance(normalized_shape, int):
        raise TypeError(f"normalized_shape must be a sequence of ints, got {normalized_shape}")
    shape = tuple(normalized_shape)
    if not shape:
        raise ValueError("normalized_shape must name at least one axis, got ()")
    if array.shape[-len(shape) :] != shape:
        raise ValueError(
            f"normalized_shape={shape} must be the last axes of input, got shape {array.shape}"
        )
    return array, tuple(range(array.ndim - len(shape), array.ndim))


def local_response_norm(
    input: ArrayLike, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """y_c = x_c / (k + alpha / size * sum of x^2 over `size` channels about c)^beta.

    The window reaches from c - size // 2 to c + (size - 1) // 2; channels beyond the ends
    count as 0. Shapes: input and output (N, *, C) with at least three axes. Raises ValueError
    for fewer, and for a size that is not positive.
    """
    array = floating(input)
    if array.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input, got shape {array.shape}")
    if size < 1:
        raise ValueError(f"size must be positive, got {size}")
    x = array.astype(wide(array.dtype))
    padding = ((0, 0),) * (x.ndim - 1) + ((size // 2, (size - 1) // 2),)
    window, strides = (1,) * (x.ndim - 1) + (size,), (1,) * x.ndim
    total = lax.reduce_window(jnp.square(x), 0.0, lax.add, window, strides, padding)
    return (x / (total / size * alpha + k) ** beta).astype(array.dtype)


def normalize(
    input: ArrayLike,
    p: float = 2.0,
    dim: int | Sequence[int] | None = 1,
    eps: float = 1e-12,
    out: None = None,
) -> Array:
    """y = x / max(|x|_p, eps), the norm over `dim`, over all axes where that is None or ().

    `dim` means what it means in torch: no axis is moved. The gradient is torch's at every
    kink: 0 through the norm of a zero vector and through a norm below eps, sign(0) = 0, and
    shared equally among the largest of an infinity norm. Raises IndexError for a `dim` out of
    range, ValueError for a repeated one.
    """
    if out is not None:
        raise NotImplementedError("out= is not supported: JAX arrays are immutable")
    array = floating(input)
    norm = _vector_norm(array.astype(wide(array.dtype)), p, _axes(dim, array.ndim))
    norm = norm.astype(array.dtype)
    return array / jnp.where(norm < eps, jnp.asarray(eps, norm.dtype), norm)


def _axes(dim: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    dims = (dim,) if isinstance(dim, int) else tuple(dim or range(rank))
    bound = max(rank, 1)
    for axis in dims:
        if not -bound <= axis < bound:
            raise IndexError(f"dim must be in [{-bound}, {bound - 1}], got {axis}")
    axes = tuple(axis % bound for axis in dims)
    if len(set(axes)) < len(axes):
        raise ValueError(f"dim must not name an axis twice, got {dim}")
    return axes if rank else ()


def _vector_norm(x: Array, p: float, axes: tuple[int, ...]) -> Array:
    """(sum |x|^p)^(1/p) over `axes`, which stay with size 1; its gradient is 0 at x = 0."""
    zero = x == 0
    magnitude = x * lax.stop_gradient(jnp.sign(x))
    if p == 0:
        return jnp.sum(~zero, axes, x.dtype, keepdims=True)
    if math.isinf(p):
        extreme = jnp.max if p > 0 else jnp.min
        return extreme(magnitude, axes, keepdims=True)
    if p == 1:
        return magnitude.sum(axes, keepdims=True)
    if p == 2:
        powers = jnp.square(x)
    else:
        powers = jnp.where(zero, 1, magnitude) ** p
        powers = jnp.where(zero, 0.0 if p > 0 else jnp.inf, powers)
    total = powers.sum(axes, keepdims=True)
    empty = (total == 0).astype(x.dtype)
    safe = total + empty
    return (jnp.sqrt(safe) if p == 2 else safe ** (1 / p)) * (1 - empty)


class LayerNorm(nnx.Module):
    """`layer_norm` as a layer.

    `weight` (ones) and `bias` (zeros) have shape `normalized_shape`, or are None.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self.weight = filled(nnx.Param, 1, shape, device, dtype, elementwise_affine)
        self.bias = filled(nnx.Param, 0, shape, device, dtype, elementwise_affine and bias)

    def __call__(self, input: ArrayLike) -> Array:
        weight, bias = value(self.weight), value(self.bias)
        return layer_norm(input, self.normalized_shape, weight, bias, self.eps)


class GroupNorm(nnx.Module):
    """`group_norm` as a layer: `weight` (ones) and `bias` (zeros) are (num_channels) or None.

    Raises ValueError where num_groups does not divide num_channels.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        if num_groups == 0 or num_channels % num_groups:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.weight = filled(nnx.Param, 1, num_channels, device, dtype, affine)
        self.bias = filled(nnx.Param, 0, num_channels, device, dtype, affine and bias)

    def __call__(self, input: ArrayLike) -> Array:
        weight, bias = value(self.weight), value(self.bias)
        return group_norm(input, self.num_groups, weight, bias, self.eps)


class RMSNorm(nnx.Module):
    """`rms_norm` as a layer: `weight` (ones) has shape `normalized_shape`, or is None."""

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        shape = self.normalized_shape
        self.weight = filled(nnx.Param, 1, shape, device, dtype, elementwise_affine)

    def __call__(self, input: ArrayLike) -> Array:
        return rms_norm(input, self.normalized_shape, value(self.weight), self.eps)


def _shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


class LocalResponseNorm(nnx.Module):
    """`local_response_norm` as a layer."""

    def __init__(
        self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
    ) -> None:
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def __call__(self, input: ArrayLike) -> Array:
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(LocalResponseNorm):
    """Local response normalisation of (N, H, W, C) as torch.nn.CrossMapLRN2d computes it.

    torch's is neither LocalResponseNorm nor differentiated rightly, and that is kept. With
    h = (size + 1) // 2, the windows are c - h + 1 to c + h - 1, but channel 0 never leaves
    them: it also counts for every c >= h. The gradient takes the window c - h to
    c - h + size - 1 for the transposed one. Raises ValueError for input without four axes,
    no channel or a size that is not positive, and for the gradient at size 1, as torch.
    """

    def __call__(self, input: ArrayLike) -> Array:
        array = floating(input)
        if array.ndim != 4 or array.shape[-1] == 0:
            raise ValueError(f"Expected 4D input with channels (got shape {array.shape})")
        if self.size < 1:
            raise ValueError(f"size must be positive, got {self.size}")
        x = array.astype(wide(array.dtype))
        return _cross_map(x, self.size, self.alpha, self.beta, self.k).astype(array.dtype)


def _cross_map_forward(
    x: Array, size: int, alpha: float, beta: float, k: float
) -> tuple[Array, tuple[Array, Array, Array]]:
    half, channels = (size + 1) // 2, x.shape[-1]
    square = jnp.square(x)
    entering = _shifted(square[..., half:], 0, channels - 1)
    leaving = _shifted(square[..., 1 : max(channels - half, 1)], half, channels - 1)
    total = _running_sum(square[..., :half].sum(-1, keepdims=True), entering, leaving)
    scale = total * (alpha / size) + k
    output = scale**-beta * x
    return output, (x, scale, output)


def _cross_map_backward(
    size: int,
    alpha: float,
    beta: float,
    k: float,
    saved: tuple[Array, Array, Array],
    cotangent: Array,
) -> tuple[Array]:
    if size == 1:
        raise ValueError("CrossMapLRN2d has no gradient for size=1, in torch neither")
    x, scale, output = saved
    channels = x.shape[-1]
    ratio = _shifted(cotangent * output / scale, (size + 1) // 2, channels + size - 1)
    entering, leaving = ratio[..., size:], ratio[..., : channels - 1]
    total = _running_sum(ratio[..., :size].sum(-1, keepdims=True), entering, leaving)
    return (scale**-beta * cotangent - 2 * alpha * beta / size * x * total,)


def _shifted(x: Array, by: int, length: int) -> Array:
    """`x` from place `by` on along the last axis, zeros about it, `length` places in all."""
    padding = [(0, 0)] * (x.ndim - 1) + [(by, max(length - by - x.shape[-1], 0))]
    return jnp.pad(x, padding)[..., :length]


def _running_sum(first: Array, entering: Array, leaving: Array) -> Array:
    """A window's sum as it moves: torch's way, which carries a NaN on to all that follows."""
    return jnp.cumsum(jnp.concatenate([first, entering - leaving], -1), -1)


_cross_map = jax.custom_vjp(
    lambda x, size, alpha, beta, k: _cross_map_forward(x, size, alpha, beta, k)[0],
    nondiff_argnums=(1, 2, 3, 4),
)
_cross_map.defvjp(_cross_map_forward, _cross_map_backward)
