"""Pooling to a given output size: adaptive average and maximum, and fractional maximum.

Images are channels last: (N, *, C) or unbatched (*, C), * being 1, 2 or 3 spatial axes.
An `output_size` is an int or one per spatial axis.

Source: https://docs.pytorch.org/docs/stable/nn.html#pooling-layers
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

from jax_impl._arguments import ntuple
from jax_impl._windows import (
    adapt,
    adaptive_windows,
    along,
    by_rank,
    candidates,
    fixed,
    larger,
    picked,
    read_image,
    slide,
    spatial_axes,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
]

Size = int | Sequence[int]
SizeOrNone = int | Sequence[int | None]


def _adaptive_avg_pool(rank: int, input: ArrayLike, output_size: SizeOrNone) -> Array:
    """The mean of each of S windows per axis, which together cover its L elements.

    Window i reaches from floor(i L / S) up to ceil((i + 1) L / S), so that neighbours may share
    an element. S is `output_size`, where None (over two or three axes) keeps L.

    Input (N, *, C) or (*, C), of a floating dtype (16 bit floats are summed in float32). Raises
    ValueError for another shape or a negative size, TypeError for another dtype.
    """
    image = read_image(input, rank)
    total = image.astype(jnp.promote_types(image.dtype, jnp.float32))
    counts = np.ones([1] * image.ndim, int)
    for axis, size in reversed(_sizes(rank, image, output_size).items()):
        length = image.shape[axis]
        starts, stops = adaptive_windows(length, size)
        counts = counts * along(stops - starts, axis, image.ndim)
        total = adapt(operator.add, total, axis, length, size)
    return (total / jnp.asarray(counts, total.dtype)).astype(image.dtype)


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = by_rank(_adaptive_avg_pool)


def _adaptive_max_pool(
    rank: int,
    input: ArrayLike,
    output_size: SizeOrNone,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """The largest element of each of the windows of `adaptive_avg_pool`.

    Which one is chosen, its gradient and its position with `return_indices` are as in
    `max_pool`; shapes and errors as in `adaptive_avg_pool`.
    """
    image = read_image(input, rank)
    state = candidates(image, rank, return_indices)
    for axis, size in reversed(_sizes(rank, image, output_size).items()):
        state = adapt(larger, state, axis, image.shape[axis], size)
    return picked(state)


adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = by_rank(_adaptive_max_pool)


def _fractional_max_pool(
    rank: int,
    input: ArrayLike,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: float | Sequence[float] | None = None,
    return_indices: bool = False,
    _random_samples: ArrayLike | None = None,
    *,
    key: Array | None = None,
) -> Array | tuple[Array, Array]:
    """The largest element of windows that lie at random, about evenly spread, in each channel.

    With u in [0, 1) for a sample, channel and axis, and a = (L - kernel_size) / (S - 1), window
    i < S - 1 starts at floor((i + u) a) - floor(u a), the last at L - kernel_size. The u are
    `_random_samples` (N, C, axes), N = 1 for unbatched input, drawn from `key` where not given;
    over two axes the first of them is that of W, as in torch. S is `output_size`, or
    floor(L * `output_ratio`). Which element is chosen, its gradient and its position with
    `return_indices` are as in `max_pool`.

    Input (N, *, C) or (*, C), of a floating dtype. Raises ValueError for another shape, a
    kernel_size + output_size above L + 1 (above L over three axes, as in torch), samples of
    another shape, or where neither a size nor a ratio, or neither samples nor a key, is given;
    TypeError for another dtype, of the samples too.

    Source: B. Graham, "Fractional Max-Pooling", 2014, https://arxiv.org/abs/1412.6071
    """
    image = read_image(input, rank)
    axes = spatial_axes(image, rank)
    kernels = ntuple(kernel_size, rank, "kernel_size")
    sizes = _fractional_sizes(rank, image, output_size, output_ratio)
    for axis, kernel, size in zip(axes, kernels, sizes, strict=True):
        room = image.shape[axis] - (rank == 3)
        if kernel < 1 or size < 0 or size + kernel - 1 > room:
            raise ValueError(
                "kernel_size must be at least 1, output_size at least 0 and their sum at most "
                f"{room + 1} in axis {axis} of input {image.shape}, got {kernels} and {sizes}"
            )
    samples = _samples(rank, image, _random_samples, key)
    state = candidates(image, rank, return_indices)
    for i in reversed(range(rank)):
        sample = samples[..., 1 - i if rank == 2 else i]
        starts = _random_starts(sample, image.shape[axes[i]], sizes[i], kernels[i])
        starts = jnp.expand_dims(starts, [axis for axis in axes if axis != axes[i]])
        windows = slide(larger, state, axes[i], kernels[i])
        take = functools.partial(jnp.take_along_axis, indices=starts, axis=axes[i], mode="clip")
        state = jax.tree.map(take, windows)
    return picked(state)


fractional_max_pool2d, fractional_max_pool3d = by_rank(_fractional_max_pool, 2, 3)


def _sizes(rank: int, image: Array, output_size: SizeOrNone) -> dict[int, int]:
    """The output's size along each spatial axis of `image`."""
    if not isinstance(output_size, int | Sequence):
        raise TypeError(f"output_size must be an int or {rank} of them, got {output_size}")
    sizes = (output_size,) * rank if isinstance(output_size, int) else tuple(output_size)
    if len(sizes) != rank or (rank == 1 and None in sizes):
        or_none = " or None" if rank > 1 else ""
        raise ValueError(
            f"output_size must be an int or {rank} of ints{or_none}, got {output_size}"
        )
    resolved = {
        axis: image.shape[axis] if size is None else size
        for axis, size in zip(spatial_axes(image, rank), sizes, strict=True)
    }
    if min(resolved.values()) < 0:
        raise ValueError(f"output_size must not be negative, got {output_size}")
    return resolved


def _fractional_sizes(
    rank: int,
    image: Array,
    output_size: Size | None,
    output_ratio: float | Sequence[float] | None,
) -> tuple[int, ...]:
    if output_size is not None:
        return ntuple(output_size, rank, "output_size")
    if output_ratio is None:
        raise ValueError("either output_size or output_ratio must be given")
    ratios = _ratios(rank, output_ratio)
    return tuple(
        int(image.shape[axis] * ratio)
        for axis, ratio in zip(spatial_axes(image, rank), ratios, strict=True)
    )


def _ratios(rank: int, output_ratio: float | Sequence[float]) -> tuple[float, ...]:
    single = not isinstance(output_ratio, Sequence)
    ratios = (output_ratio,) * rank if single else tuple(output_ratio)
    if len(ratios) != rank:
        raise ValueError(f"output_ratio must be a float or {rank} of them, got {output_ratio}")
    return ratios


def _samples(rank: int, image: Array, given: ArrayLike | None, key: Array | None) -> Array:
    """The random numbers of each sample and channel: (N, C, axes), (C, axes) if unbatched."""
    batched = image.ndim == rank + 2
    shape = (image.shape[0] if batched else 1, image.shape[-1], rank)
    if given is None:
        if key is None:
            raise ValueError("_random_samples or key must be given, to place the windows")
        samples = jax.random.uniform(key, shape, image.dtype)
    else:
        samples = jnp.asarray(given)
        if samples.ndim != 3 or samples.shape[0] < shape[0] or samples.shape[1:] != shape[1:]:
            raise ValueError(
                f"_random_samples must be (N, C, axes) = {shape}, got {samples.shape}"
            )
        if samples.dtype != image.dtype:
            raise TypeError(
                f"_random_samples must have input's dtype {image.dtype}, got {samples.dtype}"
            )
    return samples[: shape[0]] if batched else samples[0]


def _random_starts(sample: Array, length: int, size: int, kernel: int) -> Array:
    """Where the windows of each channel start, (N, C) to (N, size, C), or without N."""
    last = jnp.full((*sample.shape[:-1], min(size, 1), sample.shape[-1]), length - kernel)
    if size < 2:
        return last
    step = jnp.asarray(length - kernel, sample.dtype) / jnp.asarray(size - 1, sample.dtype)
    sample = jnp.expand_dims(sample, -2)
    window = jnp.arange(size - 1, dtype=sample.dtype)[:, None]
    starts = ((window + sample) * step).astype(int) - (sample * step).astype(int)
    return jnp.concatenate([starts, last], axis=-2)


class _AdaptiveAvgPool(nnx.Module):
    spatial_dims: ClassVar[int]

    def __init__(self, output_size: SizeOrNone) -> None:
        self.output_size = fixed(output_size)

    def __call__(self, input: ArrayLike) -> Array:
        return _adaptive_avg_pool(self.spatial_dims, input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """`adaptive_avg_pool1d` as a layer: (N, L, C) or (L, C)."""

    spatial_dims = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """`adaptive_avg_pool2d` as a layer: (N, H, W, C) or (H, W, C)."""

    spatial_dims = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """`adaptive_avg_pool3d` as a layer: (N, D, H, W, C) or (D, H, W, C)."""

    spatial_dims = 3


class _AdaptiveMaxPool(nnx.Module):
    spatial_dims: ClassVar[int]

    def __init__(self, output_size: SizeOrNone, return_indices: bool = False) -> None:
        self.output_size = fixed(output_size)
        self.return_indices = return_indices

    def __call__(self, input: ArrayLike) -> Array | tuple[Array, Array]:
        return _adaptive_max_pool(
            self.spatial_dims, input, self.output_size, self.return_indices
        )


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """`adaptive_max_pool1d` as a layer: (N, L, C) or (L, C)."""

    spatial_dims = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """`adaptive_max_pool2d` as a layer: (N, H, W, C) or (H, W, C)."""

    spatial_dims = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """`adaptive_max_pool3d` as a layer: (N, D, H, W, C) or (D, H, W, C)."""

    spatial_dims = 3


class _FractionalMaxPool(nnx.Module):
    spatial_dims: ClassVar[int]

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: ArrayLike | None = None,
        *,
        rngs: nnx.Rngs | None = None,
    ) -> None:
        rank = self.spatial_dims
        self.kernel_size = ntuple(kernel_size, rank, "kernel_size")
        if min(self.kernel_size) < 1:
            raise ValueError(f"kernel_size must be at least 1, got {kernel_size}")
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                "one of output_size and output_ratio must be given, and not both, "
                f"got {output_size} and {output_ratio}"
            )
        self.output_size = None
        if output_size is not None:
            self.output_size = ntuple(output_size, rank, "output_size")
        self.output_ratio = None
        if output_ratio is not None:
            self.output_ratio = _ratios(rank, output_ratio)
            if not all(0 < ratio < 1 for ratio in self.output_ratio):
                raise ValueError(f"output_ratio must lie between 0 and 1, got {output_ratio}")
        self.return_indices = return_indices
        given = None if _random_samples is None else jnp.asarray(_random_samples)
        self._random_samples: nnx.Variable[Any] = nnx.Variable(given)
        self.rngs = nnx.data(None) if rngs is None else rngs.dropout.fork()

    def __call__(self, input: ArrayLike) -> Array | tuple[Array, Array]:
        samples = self._random_samples.get_value()
        drawing = self.rngs if samples is None else None
        return _fractional_max_pool(
            self.spatial_dims,
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=samples,
            key=None if drawing is None else drawing(),
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """`fractional_max_pool2d` as a layer: (N, H, W, C) or (H, W, C).

    The windows lie where the variable `_random_samples` (N, C, 2) says, if it is filled, else
    where numbers from the stream `rngs.dropout` say. Raises ValueError where neither is there,
    unless one of output_size and output_ratio is given, and for ratios outside of (0, 1).
    """

    spatial_dims = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """`fractional_max_pool3d` as a layer: (N, D, H, W, C) or (D, H, W, C).

    Its variable `_random_samples` is (N, C, 3); all else is as in `FractionalMaxPool2d`.
    """

    spatial_dims = 3
