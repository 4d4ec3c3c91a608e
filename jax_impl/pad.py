"""Padding: the function `pad` and the padding layers of `torch.nn`, channels last.

A padding lists (low, high) of one axis after the other, the last axis first; a negative int
crops. Which axis is the last follows from what torch's documentation names:

- `pad` in mode 'constant' names no channel axis: the axes are the array's own, as in torch;
- the other modes of `pad`, and all layers, name C, which is last here: the list starts at the
  last spatial axis and C is never padded.

So `ZeroPad2d((1, 1, 2, 2))` pads W by 1 and H by 2 of a (N, H, W, C) array, and
`pad(input, (0, 0, 1, 1, 2, 2))`, whose first pair is that of C, does the same.

Source: https://docs.pytorch.org/docs/stable/nn.html#padding-layers and, for the function,
https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pad.html
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jax import Array, lax
from jax.typing import ArrayLike

from jax_impl._arguments import ntuple

__all__ = [
    "pad",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
]

Widths = list[tuple[int, int]]

_NUMPY_MODE = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(
    input: ArrayLike,
    pad: Sequence[int],
    mode: str = "constant",
    value: float | None = None,
) -> Array:
    """`input` with pad[0] entries before its last axis and pad[1] after, pad[2:4] one axis up.

    What each mode makes of [a, b, c] and (2, 2):

    - 'constant': [v, v, a, b, c, v, v] with v = `value`, or 0. Any number of axes, counted from
      the array's own last one.
    - 'reflect': [c, b, a, b, c, b, a]. A padding must be less than the size of its axis.
    - 'replicate': [a, a, a, b, c, c, c].
    - 'circular': [b, c, a, b, c, a, b]. A padding is at most the size of its axis.

    The last three take all spatial axes, 1 to 3 of them, of a channels-last array: (N, *, C) or
    (*, C) in, the same out with every size in * changed by low + high. Where one side
    crops and the other grows, 'circular' crops first and the other two last.

    Raises ValueError where `pad` has an odd length or too many axes, grows an axis by more than
    the mode allows or crops more than there is, where 'reflect' or 'replicate' meets an empty
    axis (the batch may be empty) or would leave nothing of every axis, and where `value` goes
    with another mode than 'constant'; NotImplementedError for an unknown mode or a number of
    axes that it does not take; TypeError where `pad` is not a sequence of ints.
    """
    array = jnp.asarray(input)
    pairs = _front_to_back(pad, array.shape)
    if mode == "constant":
        widths = [(0, 0)] * (array.ndim - len(pairs)) + pairs
        _check_crop(array.shape, widths)
        fill = jnp.asarray(0 if value is None else value).astype(array.dtype)
        return lax.pad(array, fill, [(low, high, 0) for low, high in widths])
    if mode not in _NUMPY_MODE:
        raise NotImplementedError(
            f"mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}"
        )
    if value:
        raise ValueError(f"value goes with mode 'constant', got {value} with mode {mode!r}")
    if len(pairs) not in (1, 2, 3) or array.ndim - len(pairs) not in (1, 2):
        raise NotImplementedError(
            f"mode {mode!r} pads all spatial axes, 1 to 3 of them, of an input (N, *, C) or "
            f"(*, C); got a pad for {len(pairs)} axes and an input of shape {array.shape}"
        )
    widths = [(0, 0)] * (array.ndim - len(pairs) - 1) + pairs + [(0, 0)]
    if mode == "circular":
        _check_crop(array.shape, widths)
        return _extend(_crop(array, widths), widths, mode)
    _check_extension(array.shape, widths, len(pairs))
    return _crop(_extend(array, widths, mode), widths)


def _front_to_back(pad: Sequence[int], shape: tuple[int, ...]) -> Widths:
    if isinstance(pad, int) or not all(isinstance(n, int) for n in pad):
        raise TypeError(f"pad must be a sequence of ints, two an axis, got {pad!r}")
    if len(pad) % 2 or len(pad) > 2 * len(shape):
        raise ValueError(
            f"pad must hold two ints an axis, for at most the {len(shape)} axes of an input of "
            f"shape {shape}; got {tuple(pad)}"
        )
    return list(zip(pad[::2], pad[1::2], strict=True))[::-1]


def _check_crop(shape: tuple[int, ...], widths: Widths) -> None:
    for size, (low, high) in zip(shape, widths, strict=True):
        if size + min(low, 0) + min(high, 0) < 0:
            raise ValueError(f"pad {(low, high)} crops more than {size}, in an input {shape}")


def _check_extension(shape: tuple[int, ...], widths: Widths, spatial_dims: int) -> None:
    if 0 in shape[-spatial_dims - 1 :]:
        raise ValueError(f"input must not be empty, but for its batch; got shape {shape}")
    padded = list(zip(shape, widths, strict=True))[-spatial_dims - 1 : -1]
    left = [size + low + high for size, (low, high) in padded]
    # torch refuses an empty plane only where each of its axes is empty.
    if max(left) < 1 or min(left) < 0:
        size, pair = padded[left.index(min(left))]
        raise ValueError(f"pad {pair} leaves nothing of {size}, in an input {shape}")


def _crop(input: Array, widths: Widths) -> Array:
    starts = [max(-low, 0) for low, _ in widths]
    stops = [n - max(-high, 0) for n, (_, high) in zip(input.shape, widths, strict=True)]
    return lax.slice(input, starts, stops)


def _extend(input: Array, widths: Widths, mode: str) -> Array:
    growth = [(max(low, 0), max(high, 0)) for low, high in widths]
    for size, pair in zip(input.shape, growth, strict=True):
        limit = {"reflect": size - 1, "circular": size}.get(mode, max(pair))
        if any(pair) and max(pair) > limit:
            raise ValueError(
                f"mode {mode!r} pads an axis of size {size} by at most {limit}, got {pair}"
            )
    return jnp.pad(input, growth, _NUMPY_MODE[mode])


class _PadNd(nnx.Module):
    spatial_dims: int
    mode: str

    def __init__(self, padding: int | Sequence[int]) -> None:
        self.padding = ntuple(padding, 2 * self.spatial_dims, "padding")

    def __call__(self, input: ArrayLike) -> Array:
        return pad(input, self.padding, self.mode)

    def _check_rank(self, input: ArrayLike) -> None:
        rank, n = jnp.ndim(input), self.spatial_dims
        if rank not in (n + 1, n + 2):
            raise ValueError(f"input: expected {n + 1}D or {n + 2}D input (got {rank}D input)")


class _ConstantPadNd(_PadNd):
    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def __call__(self, input: ArrayLike) -> Array:
        self._check_rank(input)
        return pad(input, (0, 0, *self.padding), "constant", self.value)


class _ReflectionPadNd(_PadNd):
    mode = "reflect"


class _ReplicationPadNd(_PadNd):
    mode = "replicate"


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)


class _CircularPadNd(_PadNd):
    mode = "circular"

    def __call__(self, input: ArrayLike) -> Array:
        self._check_rank(input)
        return super().__call__(input)


class ConstantPad1d(_ConstantPadNd):
    """`value` around L: (N, L, C) or (L, C) in and out, L + left + right long.

    `padding` is an int or (left, right). Raises ValueError for another rank of the input, and
    where a negative padding crops more than there is.
    """

    spatial_dims = 1


class ConstantPad2d(_ConstantPadNd):
    """`ConstantPad1d` over (H, W) of (N, H, W, C) or (H, W, C), from W on."""

    spatial_dims = 2


class ConstantPad3d(_ConstantPadNd):
    """`ConstantPad1d` over (D, H, W) of (N, D, H, W, C) or (D, H, W, C), from W on."""

    spatial_dims = 3


class ReflectionPad1d(_ReflectionPadNd):
    """L mirrored at its edge entries: (N, L, C) or (L, C) in and out, L + left + right long.

    `padding` is an int or (left, right), each less than L. Raises as `pad` does.
    """

    spatial_dims = 1


class ReflectionPad2d(_ReflectionPadNd):
    """`ReflectionPad1d` over (H, W) of (N, H, W, C) or (H, W, C), from W on."""

    spatial_dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    """`ReflectionPad1d` over (D, H, W) of (N, D, H, W, C) or (D, H, W, C), from W on."""

    spatial_dims = 3


class ReplicationPad1d(_ReplicationPadNd):
    """L's edge entries repeated: (N, L, C) or (L, C) in and out, L + left + right long.

    `padding` is an int or (left, right). Raises as `pad` does.
    """

    spatial_dims = 1


class ReplicationPad2d(_ReplicationPadNd):
    """`ReplicationPad1d` over (H, W) of (N, H, W, C) or (H, W, C), from W on."""

    spatial_dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    """`ReplicationPad1d` over (D, H, W) of (N, D, H, W, C) or (D, H, W, C), from W on."""

    spatial_dims = 3


class ZeroPad1d(_ZeroPadNd):
    """`ConstantPad1d` with the value 0."""

    spatial_dims = 1


class ZeroPad2d(_ZeroPadNd):
    """`ZeroPad1d` over (H, W) of (N, H, W, C) or (H, W, C), from W on."""

    spatial_dims = 2


class ZeroPad3d(_ZeroPadNd):
    """`ZeroPad1d` over (D, H, W) of (N, D, H, W, C) or (D, H, W, C), from W on."""

    spatial_dims = 3


class CircularPad1d(_CircularPadNd):
    """L continued from its other end: (N, L, C) or (L, C) in and out, L + left + right long.

    `padding` is an int or (left, right), each at most L. Raises ValueError for another rank of
    the input, else as `pad` does.
    """

    spatial_dims = 1


class CircularPad2d(_CircularPadNd):
    """`CircularPad1d` over (H, W) of (N, H, W, C) or (H, W, C), from W on."""

    spatial_dims = 2


class CircularPad3d(_CircularPadNd):
    """`CircularPad1d` over (D, H, W) of (N, D, H, W, C) or (D, H, W, C), from W on."""

    spatial_dims = 3
