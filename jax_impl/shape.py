"""Rearrangements of torch.nn. Images are channels last; no value is computed, only moved.

Source: https://docs.pytorch.org/docs/stable/nn.html#vision-layers
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

__all__ = [
    "flatten",
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
    "Flatten",
    "Unflatten",
    "PixelShuffle",
    "PixelUnshuffle",
    "ChannelShuffle",
]


def flatten(input: ArrayLike, start_dim: int = 0, end_dim: int = -1) -> Array:
    """Axes start_dim to end_dim, both included, as one; a scalar becomes (1).

    An image flattened here has its channels running fastest, in torch they run slowest.
    Raises IndexError where there is no such axis, ValueError where end_dim comes first.
    """
    input = jnp.asarray(input)
    start = _axis("start_dim", start_dim, input.ndim)
    end = _axis("end_dim", end_dim, input.ndim)
    if start > end:
        raise ValueError(f"start_dim {start_dim} must not come after end_dim {end_dim}")
    size = math.prod(input.shape[start : end + 1])
    return input.reshape(*input.shape[:start], size, *input.shape[end + 1 :])


def pixel_shuffle(input: ArrayLike, upscale_factor: int) -> Array:
    """Channels spread over r x r blocks of pixels, r = upscale_factor (arXiv:1609.05158).

    Shapes: (*, H, W, C r^2) to (*, H r, W r, C); as in torch, the input's channels are ordered
    (C, row in block, column in block). Raises ValueError where r is not positive, there are
    fewer than three axes, or r^2 does not divide the channels.
    """
    input, r = _image(input), _positive("upscale_factor", upscale_factor)
    *batch, height, width, channels = input.shape
    if channels % r**2:
        raise ValueError(
            f"upscale_factor {r} squared must divide the {channels} channels of {input.shape}"
        )
    blocks = input.reshape(-1, height, width, channels // r**2, r, r)
    output = jnp.einsum("nhwcij->nhiwjc", blocks)
    return output.reshape(*batch, height * r, width * r, channels // r**2)


def pixel_unshuffle(input: ArrayLike, downscale_factor: int) -> Array:
    """The inverse of `pixel_shuffle`, r = downscale_factor.

    Shapes: (*, H r, W r, C) to (*, H, W, C r^2). Raises ValueError where r is not positive,
    there are fewer than three axes, or r does not divide height and width.
    """
    input, r = _image(input), _positive("downscale_factor", downscale_factor)
    *batch, height, width, channels = input.shape
    if height % r or width % r:
        raise ValueError(
            f"downscale_factor {r} must divide height {height} and width {width} "
            f"of {input.shape}"
        )
    blocks = input.reshape(-1, height // r, r, width // r, r, channels)
    output = jnp.einsum("nhiwjc->nhwcij", blocks)
    return output.reshape(*batch, height // r, width // r, channels * r**2)


def channel_shuffle(input: ArrayLike, groups: int) -> Array:
    """Channels ordered (groups, C / groups) reordered to (C / groups, groups).

    Shapes: (N, *, C) to (N, *, C) (arXiv:1707.01083). Raises ValueError where groups is not
    positive, there are fewer than three axes, or groups does not divide the channels.
    """
    input, groups = _image(input), _positive("groups", groups)
    *others, channels = input.shape
    if channels % groups:
        raise ValueError(
            f"groups {groups} must divide the {channels} channels of {input.shape}"
        )
    grouped = input.reshape(*others, groups, channels // groups)
    return jnp.swapaxes(grouped, -1, -2).reshape(input.shape)


def _axis(name: str, dim: int, ndim: int) -> int:
    """`dim` counted from the front; a scalar counts as one axis, as in torch."""
    axes = max(ndim, 1)
    if not -axes <= dim < axes:
        raise IndexError(f"{name} must be in [{-axes}, {axes - 1}], got {dim}")
    return dim % axes


def _image(input: ArrayLike) -> Array:
    array = jnp.asarray(input)
    if array.ndim < 3:
        raise ValueError(f"input must have three axes or more, got shape {array.shape}")
    return array


def _positive(name: str, value: int) -> int:
    if value <= 0:
        raise ValueError(f"{name} must be positive, got {value}")
    return value


class Flatten(nnx.Module):
    """`flatten` as a layer, from axis 1 unless told otherwise."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def __call__(self, input: ArrayLike) -> Array:
        return flatten(input, self.start_dim, self.end_dim)


class Unflatten(nnx.Module):
    """Axis `dim` as several, of sizes `unflattened_size`, one of which may be -1.

    Raises TypeError at sizes that are not a sequence of ints, ValueError where there are none
    or their product is not the axis, IndexError where there is no axis `dim`.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        sequence = isinstance(unflattened_size, tuple | list)
        if not sequence or not all(isinstance(n, int) for n in unflattened_size):
            raise TypeError(
                f"unflattened_size must be a tuple of ints, got {unflattened_size!r}"
            )
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def __call__(self, input: ArrayLike) -> Array:
        input = jnp.asarray(input)
        axis = _axis("dim", self.dim, input.ndim)
        sizes = self.unflattened_size
        before, size, after = input.shape[:axis], input.shape[axis], input.shape[axis + 1 :]
        known = math.prod(n for n in sizes if n != -1)
        inferred = sizes.count(-1)
        fits = size == known if inferred == 0 else known > 0 and size % known == 0
        if not sizes or inferred > 1 or not fits or min(sizes) < -1:
            raise ValueError(
                f"unflattened_size {sizes} must multiply up to the size of axis {self.dim} "
                f"of {input.shape}"
            )
        return input.reshape(*before, *(size // known if n == -1 else n for n in sizes), *after)


class PixelShuffle(nnx.Module):
    """`pixel_shuffle` as a layer."""

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = upscale_factor

    def __call__(self, input: ArrayLike) -> Array:
        return pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(nnx.Module):
    """`pixel_unshuffle` as a layer."""

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = downscale_factor

    def __call__(self, input: ArrayLike) -> Array:
        return pixel_unshuffle(input, self.downscale_factor)


class ChannelShuffle(nnx.Module):
    """`channel_shuffle` as a layer."""

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def __call__(self, input: ArrayLike) -> Array:
        return channel_shuffle(input, self.groups)
