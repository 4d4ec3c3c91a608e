"""Pooling over fixed windows: maximum and its inverse, average and power average.

Images are channels last: (N, *, C) or unbatched (*, C), * being 1, 2 or 3 spatial axes. A
`kernel_size`, `stride`, `padding` or `dilation` is an int or one per spatial axis.

Along an axis of size L the windows start at o * stride - padding and number
floor((L + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1. With `ceil_mode` the floor
is a ceil, but a window that would start in the padding on the right is left out.

Source: https://docs.pytorch.org/docs/stable/nn.html#pooling-layers
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike

from jax_impl._arguments import ntuple
from jax_impl._windows import (
    Candidates,
    Window,
    by_rank,
    candidates,
    fixed,
    larger,
    pad_candidates,
    picked,
    read_image,
    read_windows,
    slide,
    spatial_axes,
    window_sizes,
)

__all__ = [
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
]

Size = int | Sequence[int]

_INTEGERS = ("uint8", "int8", "int16", "int32", "int64")


def _max_pool(
    rank: int,
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Array | tuple[Array, Array]:
    """The largest element of each window, whose taps lie `dilation` apart; padding never wins.

    The first of equal elements is chosen, a NaN before any number and the last NaN of several;
    the gradient goes to the chosen one. With `return_indices` also its position: an integer,
    flat (row-major) over the spatial axes of `input`, in the output's shape.

    Input (N, *, C) or (*, C), of a floating dtype or 8 to 64 bit integers. Raises ValueError
    for another shape, kernel_size, stride or dilation < 1, a padding that is negative or more
    than half of kernel_size, or an empty output; TypeError for another dtype.
    """
    image = read_image(input, rank, _INTEGERS)
    windows = read_windows(rank, image, kernel_size, stride, padding, dilation, ceil_mode)
    return picked(_largest(candidates(image, rank, return_indices), windows))


max_pool1d, max_pool2d, max_pool3d = by_rank(_max_pool)


def _max_unpool(
    rank: int,
    input: ArrayLike,
    indices: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Array:
    """Puts each element at its flat position in a plane of zeros: undoes `max_pool`.

    Input and indices (N, *, C) or (*, C); the output's spatial axes have size
    (L - 1) stride - 2 padding + kernel_size, or `output_size`, given for the spatial axes alone
    or as the shape (N, *, C) of an image. Of several elements with one position the last stays
    (on a GPU, any), and the gradient of that position goes to all of them, as in torch.

    Raises ValueError where the shapes differ or an `output_size` is a stride or more away from
    that size, TypeError for indices that are not integers or input that is not floating, and
    IndexError for indices outside the plane; under jit, a plane and channel with such an index
    is NaN.
    """
    image, positions = read_image(input, rank), jnp.asarray(indices)
    if not jnp.issubdtype(positions.dtype, jnp.integer):
        raise TypeError(f"indices must be integers, got {positions.dtype}")
    if positions.shape != image.shape:
        raise ValueError(f"indices {positions.shape} must have input's shape {image.shape}")
    plane = _unpooled_plane(rank, image, kernel_size, stride, padding, output_size)
    batch, size = image.shape[: -rank - 1], math.prod(plane)
    columns = (math.prod(batch), math.prod(image.shape[-rank - 1 : -1]), image.shape[-1])
    positions = positions.reshape(columns)
    inside = (positions >= 0) & (positions < size)
    concrete = not isinstance(inside, Tracer)
    if concrete and not inside.all():
        raise IndexError(
            f"indices must be flat positions in a plane {plane}, 0 to {size - 1}, "
            f"got {positions[~inside][0]}"
        )
    output = _place(image.reshape(columns), positions, size)
    if not concrete:
        output = jnp.where(inside.all(axis=1, keepdims=True), output, jnp.nan)
    return output.reshape(*batch, *plane, image.shape[-1])


max_unpool1d, max_unpool2d, max_unpool3d = by_rank(_max_unpool)


def _avg_pool(
    rank: int,
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The sum of each window over its size, cut off at the end of the padding on the right.

    Without `count_include_pad` the size counts elements of `input` alone; `divisor_override`
    stands in for it.

    Input (N, *, C) or (*, C), of a floating dtype (16 bit floats are summed in float32) or
    int32 or int64 (which round towards zero). Raises ValueError for another shape, kernel_size
    or stride < 1, a padding that is negative or more than half of kernel_size, an empty output,
    divisor_override 0 or, over three axes, a kernel larger than the unpadded input (as torch
    does); TypeError for another dtype.
    """
    image = read_image(input, rank, ("int32", "int64"))
    windows = read_windows(rank, image, kernel_size, stride, padding, 1, ceil_mode)
    if rank == 3 and any(w.length < w.kernel for w in windows.values()):
        raise ValueError(f"kernel_size {kernel_size} must fit into input {image.shape}")
    if divisor_override == 0:
        raise ValueError("divisor_override must not be 0")
    floating = jnp.issubdtype(image.dtype, jnp.floating)
    total = image.astype(jnp.promote_types(image.dtype, jnp.float32)) if floating else image
    edges = [(w.padding, w.overhang) for w in windows.values()]
    total = jnp.pad(total, [(0, 0)] * (image.ndim - 1 - rank) + [*edges, (0, 0)])
    for axis, window in reversed(windows.items()):
        total = slide(operator.add, total, axis, window.kernel, window.stride)
    divisor = divisor_override or window_sizes(windows, count_include_pad, image.ndim)
    if not floating:
        return lax.div(total, jnp.broadcast_to(divisor, total.shape).astype(total.dtype))
    return (total / jnp.asarray(divisor, total.dtype)).astype(image.dtype)


def avg_pool1d(
    input: ArrayLike,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """`avg_pool2d` over one axis, without `divisor_override`, which torch lacks here."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


avg_pool2d, avg_pool3d = by_rank(_avg_pool, 2, 3)


def _lp_pool(
    rank: int,
    input: ArrayLike,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Array:
    """(sum of x^p)^(1/p) over each window, p = `norm_type`; for p = inf the largest |x|.

    An odd p keeps signs inside the sum, and the root of a negative one is NaN. Where the sum is
    0 the gradient is 0. A window cut off by `ceil_mode` is scaled up to a whole one, as in
    torch: its mean, times the kernel's size. p = -inf gives the smallest |x|. Integers are
    taken as float32 where p is finite.

    Shapes and errors are those of `avg_pool`; ValueError where p is 0.
    """
    image = read_image(input, rank, _INTEGERS)
    if norm_type == 0:
        raise ValueError("norm_type must not be 0")
    if math.isinf(norm_type):
        windows = read_windows(rank, image, kernel_size, stride, 0, 1, ceil_mode)
        upright = jnp.where(image < 0, -image, lax.stop_gradient(abs(image)))
        size = jnp.where(image > 0, image, upright)
        if norm_type > 0:
            return _largest(Candidates(size), windows).value
        return -_largest(Candidates(-size), windows).value
    if not jnp.issubdtype(image.dtype, jnp.floating):
        image = image.astype(jnp.float32)
    exponent = int(norm_type) if float(norm_type).is_integer() else norm_type
    mean = _avg_pool(rank, image**exponent, kernel_size, stride, ceil_mode=ceil_mode)
    whole = math.prod(ntuple(kernel_size, rank, "kernel_size"))
    # torch's gradient passes through a sign, 0 for NaN too: p = 1 shows it, else NaN stays NaN.
    flat = (mean == 0) | jnp.isnan(mean) if norm_type == 1 else mean == 0
    return (jnp.where(flat, lax.stop_gradient(abs(mean)), mean) * whole) ** (1 / norm_type)


lp_pool1d, lp_pool2d, lp_pool3d = by_rank(_lp_pool)


def _largest(state: Candidates, windows: dict[int, Window]) -> Candidates:
    """The largest candidate of each window."""
    for axis, window in reversed(windows.items()):
        state = pad_candidates(state, axis, window.padding, window.overhang)
        state = slide(larger, state, axis, window.kernel, window.stride, window.dilation)
    return state


def _unpooled_plane(
    rank: int,
    image: Array,
    kernel_size: Size,
    stride: Size | None,
    padding: Size,
    output_size: Sequence[int] | None,
) -> tuple[int, ...]:
    """The spatial sizes of what `image` was pooled from; `output_size` where it can be."""
    kernels = ntuple(kernel_size, rank, "kernel_size")
    strides = kernels if stride is None else ntuple(stride, rank, "stride")
    paddings = ntuple(padding, rank, "padding")
    if rank == 3 and min(strides) < 1:
        raise ValueError(f"stride must be at least 1, got {strides}")
    plane = tuple(
        (image.shape[axis] - 1) * step - 2 * pad + kernel
        for axis, kernel, step, pad in zip(
            spatial_axes(image, rank), kernels, strides, paddings, strict=True
        )
    )
    if output_size is not None:
        if isinstance(output_size, int):
            raise TypeError(f"output_size must be a sequence of ints, got {output_size}")
        asked = tuple(output_size)
        if len(asked) not in (rank, rank + 2):
            raise ValueError(
                f"output_size must be {rank} spatial sizes or a shape (N, *, C), got {asked}"
            )
        asked = asked[1:-1] if len(asked) == rank + 2 else asked
        for size, default, step in zip(asked, plane, strides, strict=True):
            if not default - step < size < default + step:
                raise ValueError(
                    f"output_size must lie within a stride {strides} of {plane}, got {asked}"
                )
        plane = asked
    if min(plane) < 0:
        raise ValueError(f"the output would have spatial sizes {plane}")
    return plane


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _place(values: Array, positions: Array, size: int) -> Array:
    """Zeros (N, `size`, C) with `values` (N, P, C) at their `positions` in each (n, c)."""
    return _cells(values, positions, size).set(values)


@_place.defjvp
def _place_jvp(
    size: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    # The transpose of add, unlike that of set, reads a cell for each element that went to it.
    tangent = tangents[0]
    return _place(*primals, size), _cells(tangent, primals[1], size).add(tangent)


def _cells(values: Array, positions: Array, size: int) -> Any:
    batch, _, channels = values.shape
    zeros = jnp.zeros((batch, size, channels), values.dtype)
    return zeros.at[jnp.arange(batch)[:, None, None], positions, jnp.arange(channels)]


class _MaxPool(nnx.Module):
    spatial_dims: ClassVar[int]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = fixed(kernel_size)
        self.stride = self.kernel_size if stride is None else fixed(stride)
        self.padding = fixed(padding)
        self.dilation = fixed(dilation)
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def __call__(self, input: ArrayLike) -> Array | tuple[Array, Array]:
        return _max_pool(
            self.spatial_dims,
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool1d(_MaxPool):
    """`max_pool1d` as a layer: (N, L, C) or (L, C)."""

    spatial_dims = 1


class MaxPool2d(_MaxPool):
    """`max_pool2d` as a layer: (N, H, W, C) or (H, W, C)."""

    spatial_dims = 2


class MaxPool3d(_MaxPool):
    """`max_pool3d` as a layer: (N, D, H, W, C) or (D, H, W, C)."""

    spatial_dims = 3


class _MaxUnpool(nnx.Module):
    spatial_dims: ClassVar[int]

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0
    ) -> None:
        self.kernel_size = ntuple(kernel_size, self.spatial_dims, "kernel_size")
        self.stride = (
            self.kernel_size if stride is None else ntuple(stride, self.spatial_dims, "stride")
        )
        self.padding = ntuple(padding, self.spatial_dims, "padding")

    def __call__(
        self, input: ArrayLike, indices: ArrayLike, output_size: Sequence[int] | None = None
    ) -> Array:
        return _max_unpool(
            self.spatial_dims,
            input,
            indices,
            self.kernel_size,
            self.stride,
            self.padding,
            output_size,
        )


class MaxUnpool1d(_MaxUnpool):
    """`max_unpool1d` as a layer: (N, L, C) or (L, C)."""

    spatial_dims = 1


class MaxUnpool2d(_MaxUnpool):
    """`max_unpool2d` as a layer: (N, H, W, C) or (H, W, C)."""

    spatial_dims = 2


class MaxUnpool3d(_MaxUnpool):
    """`max_unpool3d` as a layer: (N, D, H, W, C) or (D, H, W, C)."""

    spatial_dims = 3


class _AvgPool(nnx.Module):
    spatial_dims: ClassVar[int]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = fixed(kernel_size)
        self.stride = self.kernel_size if stride is None else fixed(stride)
        self.padding = fixed(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def __call__(self, input: ArrayLike) -> Array:
        return _avg_pool(
            self.spatial_dims,
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool1d(_AvgPool):
    """`avg_pool1d` as a layer: (N, L, C) or (L, C)."""

    spatial_dims = 1

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)


class AvgPool2d(_AvgPool):
    """`avg_pool2d` as a layer: (N, H, W, C) or (H, W, C)."""

    spatial_dims = 2


class AvgPool3d(_AvgPool):
    """`avg_pool3d` as a layer: (N, D, H, W, C) or (D, H, W, C)."""

    spatial_dims = 3


class _LPPool(nnx.Module):
    spatial_dims: ClassVar[int]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Size,
        stride: Size | None = None,
        ceil_mode: bool = False,
    ) -> None:
        self.norm_type = norm_type
        self.kernel_size = fixed(kernel_size)
        self.stride = None if stride is None else fixed(stride)
        self.ceil_mode = ceil_mode

    def __call__(self, input: ArrayLike) -> Array:
        return _lp_pool(
            self.spatial_dims,
            input,
            self.norm_type,
            self.kernel_size,
            self.stride,
            self.ceil_mode,
        )


class LPPool1d(_LPPool):
    """`lp_pool1d` as a layer: (N, L, C) or (L, C)."""

    spatial_dims = 1


class LPPool2d(_LPPool):
    """`lp_pool2d` as a layer: (N, H, W, C) or (H, W, C)."""

    spatial_dims = 2


class LPPool3d(_LPPool):
    """`lp_pool3d` as a layer: (N, D, H, W, C) or (D, H, W, C)."""

    spatial_dims = 3
