"""Resizing of torch.nn by interpolation. Images are (N, L, C), (N, H, W, C) or (N, D, H, W, C).

Every mode works axis by axis, each output pixel being a weighted sum of a few input pixels.
Which ones and how much is known from the sizes alone, so it is computed once, in NumPy and in
float64, where torch computes it in the input's precision.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

__all__ = [
    "upsample",
    "interpolate",
    "upsample_nearest",
    "upsample_bilinear",
    "Upsample",
    "UpsamplingNearest2d",
    "UpsamplingBilinear2d",
]

_ANY_RANK = ("nearest", "nearest-exact", "area")
_RANK = {"linear": 1, "bilinear": 2, "bicubic": 2, "lanczos": 2, "trilinear": 3}


def upsample(
    input: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Array:
    """`interpolate`, under the name that torch has deprecated; warns as torch does."""
    _warn_deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def interpolate(
    input: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Array:
    """The image at another size, given as `size` or as a multiple of the present one.

    Shapes: (N, *, C) to (N, *, C); `size` and `scale_factor` are one number, or one per axis
    of *. Modes: 'nearest' (of the pixels' lower corners), 'nearest-exact' (of their centres),
    'area' (the mean over the pixels covered), 'linear' for L, 'bilinear', 'bicubic' and
    'lanczos' for H W, 'trilinear' for D H W.

    align_corners puts the centres of the corner pixels on one another, else their outer
    corners. A scale_factor also is the step between pixels, even where it does not give a whole
    size, unless recompute_scale_factor derives the step from the sizes. antialias widens the
    kernel of a reduction, in modes 'bilinear', 'bicubic' and 'lanczos', which needs it.

    Gradients are for reverse mode only. Raises ValueError at options that exclude one another
    or that the mode does not have, or sizes that are not positive; TypeError at a size that is
    not integer, and at integer images but for the nearest modes; NotImplementedError at a mode
    that is unknown or for another number of axes.
    """
    image = jnp.asarray(input)
    rank = image.ndim - 2
    if mode in _ANY_RANK and align_corners is not None:
        raise ValueError(f"align_corners must be None in mode {mode!r}, got {align_corners}")
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and rank == 2):
        raise ValueError(
            "antialias is for modes 'bilinear', 'bicubic' and 'lanczos' and four axes, "
            f"got mode {mode!r} and input {image.shape}"
        )
    if not 1 <= rank <= 3 or _RANK.get(mode, rank if mode in _ANY_RANK else 0) != rank:
        raise NotImplementedError(
            f"mode must be one of {', '.join(_ANY_RANK)} for three to five axes, or one of "
            f"{', '.join(_RANK)} for {', '.join(str(n + 2) for n in _RANK.values())}, "
            f"got {mode!r} for input {image.shape}"
        )
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("mode 'lanczos' needs antialias=True and has no align_corners")
    if "nearest" not in mode and not jnp.issubdtype(image.dtype, jnp.floating):
        raise TypeError(f"input must be floating in mode {mode!r}, got {image.dtype}")
    present = image.shape[1:-1]
    sizes, factors = _target(present, size, scale_factor, recompute_scale_factor or False)
    if min(*present, *sizes) <= 0:
        raise ValueError(f"sizes must be positive, got {present} resized to {sizes}")

    output = image
    if image.dtype in (jnp.bfloat16, jnp.float16):
        output = image.astype(jnp.float32)
    kind = mode + " antialiased" if antialias else mode
    for axis, (n, target, factor) in enumerate(zip(present, sizes, factors, strict=True), 1):
        if "nearest" in mode:
            taps = _nearest(mode, n, target, factor, rank == 2, image.dtype == jnp.float64)
        else:
            taps = _taps(kind, n, target, factor, bool(align_corners))
        output = _weighted(output, taps, axis)
    return jnp.asarray(output, image.dtype)


def upsample_nearest(
    input: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Array:
    """`interpolate` in mode 'nearest', under a name that torch has deprecated; warns."""
    _warn_deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Array:
    """`interpolate` in mode 'bilinear' with align_corners, under a deprecated name; warns."""
    _warn_deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _warn_deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )


def _target(
    present: tuple[int, ...], size: Any, scale_factor: Any, recompute_scale_factor: bool
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """The size of every axis, and its scale factor where that is the step between pixels."""
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"one of size and scale_factor must be given, got {size} and {scale_factor}"
        )
    given = scale_factor if size is None else size
    values = tuple(given) if isinstance(given, Sequence) else (given,) * len(present)
    if len(values) != len(present):
        name = "scale_factor" if size is None else "size"
        raise ValueError(f"{name} must have one number per axis of {present}, got {given}")
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor is for scale_factor, got size")
        if not all(isinstance(value, int | np.integer) for value in values):
            raise TypeError(f"size must be integer, got {size}")
        return tuple(int(value) for value in values), (None,) * len(present)
    sizes = tuple(int(n * factor) for n, factor in zip(present, values, strict=True))
    return sizes, (None,) * len(present) if recompute_scale_factor else values


@dataclasses.dataclass(frozen=True, eq=False)
class _Taps:
    """Output o is the sum over k of weight[o, k] * input[index[o, k]], an input of `size`.

    An index of `size` stands for no pixel.
    """

    index: np.ndarray
    weight: np.ndarray
    size: int

    @functools.cached_property
    def transposed(self) -> _Taps:
        """The same weights, told from the input's pixels: what gradients need."""
        outputs, taps = self.index.shape
        output = np.repeat(np.arange(outputs), taps)
        order = np.argsort(self.index.ravel(), kind="stable")
        source = self.index.ravel()[order]
        order, source = order[source < self.size], source[source < self.size]
        counts = np.bincount(source, minlength=self.size)
        rank = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
        index = np.full((self.size, counts.max()), outputs)
        weight = np.zeros(index.shape)
        index[source, rank] = output[order]
        weight[source, rank] = self.weight.ravel()[order]
        return _Taps(index, weight, outputs)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _weighted(x: Array, taps: _Taps, axis: int) -> Array:
    """The sums that `taps` tells along `axis`, tap by tap."""
    outputs, count = taps.index.shape

    def pixels(index: ArrayLike) -> Array:
        return jnp.take(x, index, axis, mode="fill", fill_value=0)

    if count == 1 and (taps.weight == 1).all():
        return pixels(taps.index[:, 0])
    across = [1] * x.ndim
    across[axis] = outputs

    def add(total: Array, tap: tuple[Array, Array]) -> tuple[Array, None]:
        index, weight = tap
        return total + weight.reshape(across) * pixels(index), None

    none = jnp.zeros((*x.shape[:axis], outputs, *x.shape[axis + 1 :]), x.dtype)
    every_tap = jnp.asarray(taps.index.T), jnp.asarray(taps.weight.T, x.dtype)
    # Few taps are unrolled, which XLA fuses; the gradient gathers too, where scatters are slow.
    return jax.lax.scan(add, none, every_tap, unroll=min(count, 16))[0]


def _weighted_forward(x: Array, taps: _Taps, axis: int) -> tuple[Array, None]:
    return _weighted(x, taps, axis), None


def _weighted_backward(taps: _Taps, axis: int, _: None, cotangent: Array) -> tuple[Array]:
    return (_weighted(cotangent, taps.transposed, axis),)


_weighted.defvjp(_weighted_forward, _weighted_backward)


@functools.lru_cache(maxsize=256)
def _taps(
    kind: str, size: int, outputs: int, factor: float | None, align_corners: bool
) -> _Taps:
    """The taps of one axis, by torch's coordinate rules."""
    output = np.arange(outputs)
    if kind == "area":
        first, last = output * size // outputs, -(-(output + 1) * size // outputs)
        index = first[:, None] + np.arange((last - first).max())
        inside = index < last[:, None]
        weight = inside / (last - first)[:, None]
        return _Taps(np.where(inside, index, size), weight, size)
    if size == outputs and kind != "bicubic":
        return _Taps(output[:, None], np.ones((outputs, 1)), size)
    if align_corners:
        step = (size - 1) / (outputs - 1) if outputs > 1 else 0.0
    else:
        step = 1 / factor if factor else size / outputs
    if "antialiased" in kind:
        return _antialiased(kind.split()[0], (output + 0.5) * step, step, size)
    position = output * step if align_corners else (output + 0.5) * step - 0.5
    if kind == "bicubic":
        lower = np.floor(position).astype(int)
        index = lower[:, None] + np.arange(-1, 3)
        weight = _cubic(position[:, None] - index, -0.75)
        return _Taps(np.clip(index, 0, size - 1), weight, size)
    position = np.maximum(position, 0)
    lower = np.minimum(position.astype(int), size - 1)
    fraction = np.clip(position - lower, 0, 1)
    index = np.stack([lower, np.minimum(lower + 1, size - 1)], 1)
    return _Taps(index, np.stack([1 - fraction, fraction], 1), size)


@functools.lru_cache(maxsize=256)
def _nearest(
    kind: str, size: int, outputs: int, factor: float | None, planar: bool, double: bool
) -> _Taps:
    """The one pixel nearest to each output, rounded as torch rounds, so that ties agree.

    torch has a rule of its own for (H, W), that of the planar images here: float32 at every
    precision, and exact copies or doublings whatever the scale factor.
    """
    real = np.float64 if double and not planar else np.float32
    step = real(1 / factor) if factor else real(size) / real(outputs)
    output = np.arange(outputs)
    if kind == "nearest" and planar and outputs in (size, 2 * size):
        position = output // (outputs // size)
    elif kind == "nearest":
        position = output.astype(real) * step
    elif planar:
        position = (output + 0.5) * float(step)
    else:
        corner = (output.astype(real) + real(0.5)) * step - real(0.5)
        position = np.maximum(corner, 0).astype(float) + 0.5
    index = np.floor(position.astype(np.float32)).astype(int)
    return _Taps(np.minimum(index, size - 1)[:, None], np.ones((outputs, 1)), size)


def _antialiased(kernel: str, centre: np.ndarray, step: float, size: int) -> _Taps:
    """A kernel widened by the step where that is above 1, its weights adding up to 1."""
    reach = {"bilinear": 1, "bicubic": 2, "lanczos": 3}[kernel] * max(step, 1.0)
    first = np.maximum((centre - reach + 0.5).astype(int), 0)
    last = np.minimum((centre + reach + 0.5).astype(int), size)
    index = first[:, None] + np.arange((last - first).max())
    distance = (index - centre[:, None] + 0.5) / max(step, 1.0)
    if kernel == "bilinear":
        weight = np.maximum(1 - np.abs(distance), 0)
    elif kernel == "bicubic":
        weight = _cubic(distance, -0.5)
    else:
        weight = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
    inside = index < last[:, None]
    weight = np.where(inside, weight, 0)
    return _Taps(np.where(inside, index, size), weight / weight.sum(1, keepdims=True), size)


def _cubic(distance: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic convolution kernel (doi:10.1109/TASSP.1981.1163711)."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


class Upsample(nnx.Module):
    """`interpolate` as a layer."""

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        self.size = tuple(size) if isinstance(size, Sequence) else size
        if isinstance(scale_factor, Sequence):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def __call__(self, input: ArrayLike) -> Array:
        return interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )


class UpsamplingNearest2d(Upsample):
    """`interpolate` in mode 'nearest' as a layer."""

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """`interpolate` in mode 'bilinear' with align_corners, as a layer."""

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
