"""What study notes use of torch tensors: filled and drawn ones, two-tensor max and min, norms.

As in torch, dtype None is float32 (an input's own in `*_like`). What is drawn takes a
jax.random `key`. Source: https://docs.pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike

__all__ = [
    "normal",
    "randn",
    "ones",
    "zeros",
    "ones_like",
    "zeros_like",
    "max",
    "min",
    "norm",
]


def normal(
    mean: ArrayLike = 0.0,
    std: ArrayLike = 1.0,
    size: Sequence[int] | None = None,
    *,
    dtype: DTypeLike | None = None,
    device: jax.Device | None = None,
    key: Array,
) -> Array:
    """Draws from N(mean, std^2), without gradient to either.

    mean and std are numbers or tensors that broadcast; `size` is the shape where both are
    numbers. Raises ValueError where std is known to be negative, where both are numbers and no
    size is given, and where a size is given beside a tensor.
    """
    shape = jnp.broadcast_shapes(jnp.shape(mean), jnp.shape(std))
    if (size is None) == (jnp.ndim(mean) == jnp.ndim(std) == 0):
        raise ValueError("size must be given where mean and std are numbers, and only there")
    if not isinstance(std, Tracer) and (np.asarray(std) < 0).any():
        raise ValueError(f"std must be at least 0, got {std}")
    if dtype is None:
        tensors = [a for a in (mean, std) if jnp.ndim(a)]
        dtype = jnp.result_type(*tensors) if tensors else jnp.float32
    draw = jax.random.normal(key, shape if size is None else tuple(size), dtype)
    mean, std = (lax.stop_gradient(jnp.asarray(a, dtype)) for a in (mean, std))
    return jax.device_put(mean + std * draw, device)


def randn(
    *size: int | Sequence[int],
    dtype: DTypeLike | None = None,
    device: jax.Device | None = None,
    key: Array,
) -> Array:
    """Draws from N(0, 1), of shape `size`: ints, or one sequence of them."""
    draw = jax.random.normal(key, _shape(size), dtype or jnp.float32)
    return jax.device_put(draw, device)


def ones(
    *size: int | Sequence[int],
    dtype: DTypeLike | None = None,
    device: jax.Device | None = None,
) -> Array:
    """Ones of shape `size`: ints, or one sequence of them."""
    return jnp.ones(_shape(size), dtype or jnp.float32, device=device)


def zeros(
    *size: int | Sequence[int],
    dtype: DTypeLike | None = None,
    device: jax.Device | None = None,
) -> Array:
    """Zeros of shape `size`: ints, or one sequence of them."""
    return jnp.zeros(_shape(size), dtype or jnp.float32, device=device)


def ones_like(
    input: ArrayLike, *, dtype: DTypeLike | None = None, device: jax.Device | None = None
) -> Array:
    """Ones of input's shape and, unless told otherwise, its dtype."""
    return jnp.ones_like(input, dtype=dtype, device=device)


def zeros_like(
    input: ArrayLike, *, dtype: DTypeLike | None = None, device: jax.Device | None = None
) -> Array:
    """Zeros of input's shape and, unless told otherwise, its dtype."""
    return jnp.zeros_like(input, dtype=dtype, device=device)


def max(input: ArrayLike, other: ArrayLike) -> Array:
    """The larger of two broadcast tensors, element by element.

    NaN wins, with the gradient going to both; equal elements get half of it each.
    """
    return _extreme(jnp.maximum, jnp.less, *_alike(input, other))


def min(input: ArrayLike, other: ArrayLike) -> Array:
    """The smaller of two broadcast tensors; NaN and gradients are as in `max`."""
    return _extreme(jnp.minimum, jnp.greater, *_alike(input, other))


def norm(
    input: ArrayLike,
    p: float | str | None = "fro",
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    out: None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """(sum |x|^p)^(1/p) over the axes `dim`, all where it is None.

    p 'fro' and None are 2; inf and -inf the largest and smallest |x|; 0 the number of non-zero
    x; 'nuc' the sum of the singular values over two axes. Where the norm is 0 so is its
    gradient; at p inf, elements of the same |x| share it. Raises ValueError at other strings,
    at 'nuc' without two axes, and over no elements where p is negative or inf; TypeError where
    the input is not floating; NotImplementedError at `out`.
    """
    if out is not None:
        raise NotImplementedError("out is not supported: arrays are not written to")
    x = jnp.asarray(input, dtype)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"input must be floating, got {x.dtype}")
    axes = tuple(range(x.ndim)) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = tuple(_axis(axis, x.ndim) for axis in axes) if x.ndim else ()
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    if p == "nuc":
        if len(axes) != 2:
            raise ValueError(f"dim must be two axes for the nuclear norm, got {axes}")
        result = _nuclear_norm(wide, axes)
    elif isinstance(p, str) and (p != "fro" or (dim is not None and len(axes) > 2)):
        raise ValueError(f"p must be a number, 'nuc', or 'fro' over up to 2 axes, got {p!r}")
    else:
        power = 2.0 if p is None or isinstance(p, str) else float(p)
        result = _power_norm(wide, power, axes)
    result = result.astype(x.dtype)
    return result if keepdim else jnp.squeeze(result, axes)


def _shape(size: tuple[int | Sequence[int], ...]) -> tuple[int, ...]:
    if len(size) == 1 and isinstance(size[0], Sequence):
        return tuple(size[0])
    return tuple(int(n) for n in size)  # pyright: ignore[reportArgumentType]


def _alike(input: ArrayLike, other: ArrayLike) -> list[Array]:
    """Both, promoted to one dtype and broadcast to one shape."""
    dtype = jnp.result_type(input, other)
    return jnp.broadcast_arrays(jnp.asarray(input, dtype), jnp.asarray(other, dtype))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _extreme(
    pick: Callable[[Array, Array], Array],
    loses: Callable[[Array, Array], Array],
    first: Array,
    second: Array,
) -> Array:
    return pick(first, second)


@_extreme.defjvp
def _extreme_jvp(
    pick: Callable[[Array, Array], Array],
    loses: Callable[[Array, Array], Array],
    primals: tuple[Array, Array],
    tangents: tuple[Array, Array],
) -> tuple[Array, Array]:
    first, second = primals
    share = jnp.where(first == second, 0.5, 1.0).astype(first.dtype)
    from_first = jnp.where(loses(first, second), 0, tangents[0] * share)
    from_second = jnp.where(loses(second, first), 0, tangents[1] * share)
    return pick(first, second), from_first + from_second


def _axis(dim: int, ndim: int) -> int:
    """`dim` counted from the front; a scalar counts as one axis, as in torch."""
    axes = ndim or 1
    if not -axes <= dim < axes:
        raise IndexError(f"dim must be in [{-axes}, {axes - 1}], got {dim}")
    return dim % axes


def _nuclear_norm(x: Array, axes: tuple[int, ...]) -> Array:
    """The sum of singular values of the matrices on two axes, which are kept with size 1."""
    values = jnp.linalg.svd(jnp.moveaxis(x, axes, (-2, -1)), compute_uv=False)
    return jnp.expand_dims(values.sum(-1), axes)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2))
def _power_norm(x: Array, p: float, axes: tuple[int, ...]) -> Array:
    """(sum |x|^p)^(1/p) over `axes`, which are kept with size 1."""
    if math.prod(x.shape[axis] for axis in axes) == 0 and (p < 0 or p == math.inf):
        raise ValueError(f"the {p}-norm over no elements is not defined, got shape {x.shape}")
    size = jnp.abs(x)
    if p == math.inf:
        return size.max(axes, keepdims=True)
    if p == -math.inf:
        return size.min(axes, keepdims=True)
    if p == 0:
        return (x != 0).sum(axes, keepdims=True).astype(x.dtype)
    if p == 1:
        return size.sum(axes, keepdims=True)
    if p == 2:
        return jnp.sqrt(jnp.square(x).sum(axes, keepdims=True))
    return (size**p).sum(axes, keepdims=True) ** (1 / p)


@_power_norm.defjvp
def _power_norm_jvp(
    p: float, axes: tuple[int, ...], primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    result = _power_norm(x, p, axes)
    size = jnp.abs(x)
    # torch's sign of NaN is 0.
    sign = jnp.where(x > 0, 1, jnp.where(x < 0, -1, 0)).astype(x.dtype)
    if p == 0:
        slope = jnp.zeros_like(x)
    elif p == 1:
        slope = sign
    elif math.isinf(p):
        reached = (size == result) | jnp.isnan(x)
        slope = sign * reached / reached.sum(axes, keepdims=True)
    elif p < 1:
        slope = jnp.where(x == 0, 0, sign * size ** (p - 1)) * result ** (1 - p)
    else:
        safe = jnp.where(result == 0, 1, result)
        direction = sign * size ** (p - 1) if p < 2 else x * size ** (p - 2)
        slope = x / safe if p == 2 else direction / safe ** (p - 1)
    return result, (tangent * slope).sum(axes, keepdims=True)
