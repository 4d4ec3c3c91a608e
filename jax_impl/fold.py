"""Sliding blocks as columns (im2col) and their sum back into an image (col2im), channels last.

A block is C * kH * kW numbers. That axis is last here; inside it the order is torch's: the
channel, then the kernel's row, then its column. L counts the blocks of an image (H, W), row by
row: it is the product over both axes of
floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Unfold.html and Fold.html
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

from jax_impl._arguments import ntuple

__all__ = ["unfold", "fold", "Unfold", "Fold"]

Size = int | Sequence[int]


def unfold(
    input: ArrayLike,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Array:
    """The blocks under a sliding kernel: (N, H, W, C) to (N, L, C * kH * kW).

    Unbatched, (H, W, C) to (L, C * kH * kW). `padding` zeros stand on either side of H and W.
    Raises ValueError where an argument is out of range, where the input has another rank or an
    axis of size 0 (N may be 0), and where no block fits into it.
    """
    array = jnp.asarray(input)
    if array.ndim not in (3, 4) or 0 in array.shape[-3:]:
        raise ValueError(
            "input must be (N, H, W, C) or (H, W, C), of sizes that are not 0 but for N; "
            f"got shape {array.shape}"
        )
    *batch, height, width, _ = array.shape
    kernel, spacing, margin, step = _geometry(kernel_size, dilation, padding, stride)
    counts = _block_counts((height, width), kernel, spacing, margin, step)
    if min(counts) < 1:
        raise ValueError(
            f"no block fits: input {array.shape}, kernel_size {kernel}, dilation {spacing}, "
            f"padding {margin}"
        )
    array = jnp.pad(array, [(0, 0)] * len(batch) + [(m, m) for m in margin] + [(0, 0)])
    rows, columns = (
        [slice(k * d, k * d + (n - 1) * s + 1, s) for k in range(size)]
        for size, d, n, s in zip(kernel, spacing, counts, step, strict=True)
    )
    array = jnp.stack([array[..., column, :] for column in columns], axis=-1)
    array = jnp.stack([array[..., row, :, :, :] for row in rows], axis=-2)
    return array.reshape(*batch, math.prod(counts), math.prod(array.shape[-3:]))


def fold(
    input: ArrayLike,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Array:
    """The sum of blocks where they overlap: (N, L, C * kH * kW) to (N, H, W, C).

    Unbatched, (L, C * kH * kW) to (H, W, C). It is the transpose of `unfold`, not its inverse;
    `output_size` is (H, W), and what falls into the padding is dropped. Raises ValueError where
    an argument is out of range, where the input has another rank or an axis of size 0 (N may be
    0), and where L or the last axis does not fit the other arguments; NotImplementedError for
    integers.
    """
    array = jnp.asarray(input)
    if array.ndim not in (2, 3) or 0 in array.shape[-2:]:
        raise ValueError(
            "input must be (N, L, C * kH * kW) or (L, C * kH * kW), of sizes that are not 0 "
            f"but for N; got shape {array.shape}"
        )
    size = ntuple(output_size, 2, "output_size")
    kernel, spacing, margin, step = _geometry(kernel_size, dilation, padding, stride)
    *batch, length, features = array.shape
    channels, rest = divmod(features, math.prod(kernel))
    if rest:
        raise ValueError(
            f"kernel_size {kernel} must divide input's last axis, got {array.shape}"
        )
    counts = _block_counts(size, kernel, spacing, margin, step)
    if min(counts) < 1 or length != math.prod(counts):
        raise ValueError(
            f"output_size {size}, kernel_size {kernel}, dilation {spacing}, padding {margin}, "
            f"stride {step} make {counts[0]} * {counts[1]} blocks; got L = {length} in input "
            f"{array.shape}"
        )
    blocks_of = functools.partial(
        unfold, kernel_size=kernel, dilation=spacing, padding=margin, stride=step
    )
    if not jnp.issubdtype(array.dtype, jnp.inexact):
        raise NotImplementedError(f"input must be floating or complex, got {array.dtype}")
    image = jax.ShapeDtypeStruct((*batch, *size, channels), array.dtype)
    return jax.linear_transpose(blocks_of, image)(array)[0]


def _geometry(kernel_size: Size, dilation: Size, padding: Size, stride: Size) -> list[tuple]:
    values = {
        "kernel_size": ntuple(kernel_size, 2, "kernel_size"),
        "dilation": ntuple(dilation, 2, "dilation"),
        "padding": ntuple(padding, 2, "padding"),
        "stride": ntuple(stride, 2, "stride"),
    }
    for name, value in values.items():
        least = 0 if name == "padding" else 1
        if min(value) < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    return list(values.values())


def _block_counts(
    size: Sequence[int], kernel: tuple, dilation: tuple, padding: tuple, stride: tuple
) -> list[int]:
    return [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    ]


class Unfold(nnx.Module):
    """`unfold` as a layer."""

    def __init__(
        self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def __call__(self, input: ArrayLike) -> Array:
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(nnx.Module):
    """`fold` as a layer."""

    def __init__(
        self,
        output_size: Size,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ) -> None:
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def __call__(self, input: ArrayLike) -> Array:
        return fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )
