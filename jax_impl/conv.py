"""Convolutions and transposed convolutions of torch.nn, channels last.

A convolution of torch is a cross-correlation: with k over the kernel's positions,

    output[n, p, o] = bias[o] + sum over k, i of
        weight[k, i, o] * input[n, stride * p + dilation * k - padding, i]

where the input is 0 outside of its axes and, with `groups`, o meets the inputs i of its own
group only. A transposed convolution is the transpose of that linear map: it scatters where a
convolution gathers, output[stride * p + dilation * k - padding] += weight[k] * input[p].

N is the batch, which may be left out, C the channels, * one to three spatial axes. Weights are
(*kernel_size, in / groups, out), and (*kernel_size, in, out / groups) where transposed. Input,
weight and bias have one dtype, which is the output's. Sizes are ints, or a sequence of one per
spatial axis.

Source: https://docs.pytorch.org/docs/stable/nn.html#convolution-layers
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jax_impl._arguments import fan_in_bound, ntuple, uniform_param
from jax_impl._convolve import Window, convolve, convolve_transpose
from jax_impl._windows import by_rank
from jax_impl.pad import pad

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

Size = int | Sequence[int]


def _conv(
    rank: int,
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Array:
    """Convolution, (N, *, in) to (N, *, out), both without N where the input is.

    A spatial size L becomes floor((L + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
    `padding` counts the zeros on either side; 'valid' is 0, 'same' keeps L at stride 1, an odd
    zero on the right. As in torch, an input without channels gives an output without channels.

    Raises ValueError where an argument is out of range or does not fit the others, TypeError
    where the dtypes differ.
    """
    x, w, b = _operands(rank, input, weight, bias, groups)
    *kernel, inputs, outputs = w.shape
    if inputs * groups != x.shape[-1] or outputs == 0 or outputs % groups:
        raise ValueError(
            "weight must be (*kernel_size, in / groups, out), in the channels of the input and "
            f"out a multiple of groups; got weight {w.shape}, input {x.shape}, groups {groups}"
        )
    strides = _ints(rank, "stride", stride, least=1)
    spacing = _ints(rank, "dilation", dilation, least=1)
    pads = _pads(rank, padding, kernel, strides, spacing)
    if min(map(min, pads)) < 0:
        raise ValueError(f"padding must be at least 0, got {padding}")
    window = Window(
        size=x.shape[-rank - 1 : -1],
        kernel=tuple(kernel),
        stride=strides,
        pads=pads,
        dilation=spacing,
        spread=(1,) * rank,
        groups=groups,
    )
    if min(window.output) < 1:
        raise ValueError(
            f"kernel_size {window.kernel} with dilation {spacing} is larger than the padded "
            f"input: spatial sizes {window.size}, padding {padding!r}"
        )
    output = _affine(convolve, x, w, b, window, outputs)
    return output if x.shape[-1] else output[..., :0]


conv1d, conv2d, conv3d = by_rank(_conv)


def _conv_transpose(
    rank: int,
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Array:
    """Transposed convolution, (N, *, in) to (N, *, out), both without N where the input is.

    L becomes (L - 1) stride - 2 padding + dilation (kernel - 1) + 1 + output_padding: `padding`
    is cropped from either side, and `output_padding`, less than the stride or the dilation,
    adds on the right what a convolution with that stride may have left out.

    Raises ValueError where an argument is out of range or does not fit the others, TypeError
    where the dtypes differ.
    """
    x, w, b = _operands(rank, input, weight, bias, groups)
    *kernel, inputs, group_outputs = w.shape
    if inputs != x.shape[-1] or 0 in (inputs, group_outputs) or inputs % groups:
        raise ValueError(
            "weight must be (*kernel_size, in, out / groups), in the channels of the input and "
            f"a multiple of groups; got weight {w.shape}, input {x.shape}, groups {groups}"
        )
    strides = _ints(rank, "stride", stride, least=1)
    spacing = _ints(rank, "dilation", dilation, least=1)
    crop = _ints(rank, "padding", padding, least=0)
    extra = _ints(rank, "output_padding", output_padding, least=0)
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, spacing, strict=True)):
        raise ValueError(
            f"output_padding must be less than stride or dilation, got {extra}, "
            f"stride {strides} and dilation {spacing}"
        )
    spatial = x.shape[-rank - 1 : -1]
    sizes = _transposed_sizes(spatial, kernel, strides, crop, spacing)
    window = Window(
        size=tuple(map(sum, zip(sizes, extra, strict=True))),
        kernel=tuple(kernel),
        stride=strides,
        pads=tuple((c, c - e) for c, e in zip(crop, extra, strict=True)),
        dilation=spacing,
        spread=(1,) * rank,
        groups=groups,
    )
    if min(window.size) < 1:
        raise ValueError(f"padding {crop} crops all of the output, whose sizes are {sizes}")
    swapped = jnp.swapaxes(w, -1, -2)
    return _affine(convolve_transpose, x, swapped, b, window, group_outputs * groups)


conv_transpose1d, conv_transpose2d, conv_transpose3d = by_rank(_conv_transpose)


def _operands(
    rank: int, input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None, groups: int
) -> tuple[Array, Array, Array | None]:
    """The operands as arrays, once what no convolution takes is refused."""
    x, w = jnp.asarray(input), jnp.asarray(weight)
    b = None if bias is None else jnp.asarray(bias)
    _check_rank(rank, x.shape)
    if w.ndim != rank + 2 or 0 in w.shape[:rank]:
        raise ValueError(
            f"weight must have {rank + 2} axes, no kernel size 0; got shape {w.shape}"
        )
    if x.size == 0 and 0 not in (x.shape[-1], *x.shape[: -rank - 1]):
        raise ValueError(f"input may be empty in N or C only, got shape {x.shape}")
    if groups < 1:
        raise ValueError(f"groups must be positive, got {groups}")
    dtypes = [array.dtype for array in (x, w, b) if array is not None]
    if len(set(dtypes)) > 1:
        names = ", ".join(map(str, dtypes))
        raise TypeError(f"input, weight and bias must have one dtype, got {names}")
    return x, w, b


def _check_rank(rank: int, shape: tuple[int, ...]) -> None:
    if len(shape) not in (rank + 1, rank + 2):
        axes = ", ".join("DHW"[-rank:] if rank > 1 else "L")
        raise ValueError(f"input must be (N, {axes}, C) or ({axes}, C), got shape {shape}")


def _ints(rank: int, name: str, value: Size, least: int) -> tuple[int, ...]:
    values = ntuple(value, rank, name)
    if min(values) < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return values


def _pads(
    rank: int,
    padding: Size | str,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> tuple[tuple[int, int], ...]:
    """The entries added before and after each spatial axis."""
    if padding == "valid":
        return ((0, 0),) * rank
    if padding == "same":
        if max(strides) > 1:
            raise ValueError(f"padding='same' needs stride 1, got {tuple(strides)}")
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise ValueError(f"padding must be ints, 'same' or 'valid', got {padding!r}")
    return tuple((p, p) for p in ntuple(padding, rank, "padding"))


def _transposed_sizes(
    spatial: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> list[int]:
    """The spatial sizes of a transposed convolution's output, output_padding apart."""
    return [
        (size - 1) * s - 2 * p + d * (k - 1) + 1
        for size, k, s, p, d in zip(spatial, kernel, strides, padding, dilation, strict=True)
    ]


def _affine(
    linear: Callable[[Array, Array, Window], Array],
    x: Array,
    w: Array,
    b: Array | None,
    window: Window,
    outputs: int,
) -> Array:
    """linear(x, w) + b, where `linear` takes batches and `x` may be without.

    The CPU computes half types in float32 and rounds once, as torch does there.
    """
    if b is not None and b.shape != (outputs,):
        raise ValueError(f"bias must have shape {(outputs,)}, got {b.shape}")
    dtype = x.dtype
    if dtype in (jnp.bfloat16, jnp.float16) and jax.default_backend() == "cpu":
        x, w, b = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (x, w, b))
    batched = x.ndim == len(window.size) + 2
    y = linear(x if batched else x[None], w, window)
    y = y if batched else y[0]
    return (y if b is None else y + b).astype(dtype)


class _ConvNd(nnx.Module):
    spatial_dims: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        n = self.spatial_dims
        if groups < 1:
            raise ValueError(f"groups must be a positive integer, got {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels < 0 or channels % groups:
                raise ValueError(
                    f"{name} must be a multiple of groups {groups}, got {channels}"
                )
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                "padding_mode must be 'zeros', 'reflect', 'replicate' or 'circular', "
                f"got {padding_mode!r}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _ints(n, "kernel_size", kernel_size, least=0)
        self.stride = ntuple(stride, n, "stride")
        self.padding = padding if isinstance(padding, str) else ntuple(padding, n, "padding")
        self.dilation = ntuple(dilation, n, "dilation")
        self.output_padding = (0,) * n
        self.groups = groups
        self.padding_mode = padding_mode
        _pads(n, self.padding, self.kernel_size, self.stride, self.dilation)

        if self.transposed:
            fan, channels = out_channels // groups, (in_channels, out_channels // groups)
        else:
            fan, channels = in_channels // groups, (in_channels // groups, out_channels)
        bound = fan_in_bound(fan * math.prod(self.kernel_size))

        def leaf(*shape: int) -> nnx.Param[Array]:
            drawn = uniform_param(
                rngs, shape, bound, None if dtype is None else jnp.dtype(dtype)
            )
            return nnx.Param(jax.device_put(drawn[...], device))

        self.weight = leaf(*self.kernel_size, *channels)
        self.bias = leaf(out_channels) if bias else None

    def _leaves(self) -> tuple[Array, Array | None]:
        return self.weight[...], None if self.bias is None else self.bias[...]

    def __call__(self, input: ArrayLike) -> Array:
        n, padding = self.spatial_dims, self.padding
        if self.padding_mode != "zeros":
            pads = _pads(n, padding, self.kernel_size, self.stride, self.dilation)
            input = pad(input, [p for pair in pads[::-1] for p in pair], self.padding_mode)
            padding = 0
        weight, bias = self._leaves()
        return _conv(n, input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv1d(_ConvNd):
    """`conv1d` as a layer: `weight` (kernel, in / groups, out) and `bias` (out) or None.

    Both are drawn from U(-b, b), b = 1 / sqrt(in / groups * prod(kernel_size)). `padding_mode`
    says what the padding is made of: zeros, or as the mode of that name does in `pad`. Raises
    ValueError for channels that `groups` does not divide, and for an unknown padding or mode.
    """

    spatial_dims = 1


class Conv2d(_ConvNd):
    """`Conv1d` over (H, W): `weight` (kH, kW, in / groups, out)."""

    spatial_dims = 2


class Conv3d(_ConvNd):
    """`Conv1d` over (D, H, W): `weight` (kD, kH, kW, in / groups, out)."""

    spatial_dims = 3


class _ConvTransposeNd(_ConvNd):
    padding: tuple[int, ...]
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f"padding_mode must be 'zeros' here, got {padding_mode!r}")
        if isinstance(padding, str):
            raise TypeError(f"padding must be ints here, got {padding!r}")
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            device=device,
            dtype=dtype,
            rngs=rngs,
        )
        self.output_padding = ntuple(output_padding, self.spatial_dims, "output_padding")

    def __call__(self, input: ArrayLike, output_size: Sequence[int] | None = None) -> Array:
        return _conv_transpose(
            self.spatial_dims,
            input,
            *self._leaves(),
            self.stride,
            self.padding,
            self._output_padding(jnp.shape(input), output_size),
            self.groups,
            self.dilation,
        )

    def _output_padding(
        self, shape: tuple[int, ...], output_size: Sequence[int] | None
    ) -> tuple[int, ...]:
        """What makes the output `output_size` large."""
        if output_size is None:
            return self.output_padding
        n = self.spatial_dims
        _check_rank(n, shape)
        if len(output_size) not in (n, len(shape)):
            raise ValueError(
                f"output_size must be the {n} spatial sizes or a whole shape of {len(shape)}, "
                f"got {tuple(output_size)}"
            )
        sizes = tuple(output_size if len(output_size) == n else output_size[-n - 1 : -1])
        least = _transposed_sizes(
            shape[-n - 1 : -1], self.kernel_size, self.stride, self.padding, self.dilation
        )
        most = [size + s - 1 for size, s in zip(least, self.stride, strict=True)]
        if not all(
            low <= size <= high for low, size, high in zip(least, sizes, most, strict=True)
        ):
            raise ValueError(
                f"output_size must be from {least} to {most} for input {shape}, got {sizes}"
            )
        return tuple(size - low for size, low in zip(sizes, least, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    """`conv_transpose1d` as a layer: `weight` (kernel, in, out / groups), `bias` (out) or None.

    Both are drawn from U(-b, b), b = 1 / sqrt(out / groups * prod(kernel_size)). A call may
    give `output_size`, the spatial sizes or the whole shape, in place of `output_padding`.
    Raises ValueError for a size out of reach, channels that `groups` does not divide and any
    `padding_mode` but 'zeros'; TypeError for a string as `padding`.
    """

    spatial_dims = 1


class ConvTranspose2d(_ConvTransposeNd):
    """`ConvTranspose1d` over (H, W): `weight` (kH, kW, in, out / groups)."""

    spatial_dims = 2


class ConvTranspose3d(_ConvTransposeNd):
    """`ConvTranspose1d` over (D, H, W): `weight` (kD, kH, kW, in, out / groups)."""

    spatial_dims = 3
