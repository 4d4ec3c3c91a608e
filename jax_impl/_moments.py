"""What the normalisations share: checked arguments, mean and variance, the scaling by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike


def wide(dtype: DTypeLike) -> jnp.dtype:
    """The type to compute in: float32 for half precision, otherwise the type itself."""
    return jnp.promote_types(dtype, jnp.float32)


def floating(input: ArrayLike, least_rank: int = 0) -> Array:
    """`input` as an array; raises TypeError unless it is real floating-point."""
    array = jnp.asarray(input)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"input must be a real floating-point array, got dtype {array.dtype}")
    if array.ndim < least_rank:
        raise ValueError(f"input must have at least {least_rank} axes, got shape {array.shape}")
    return array


def fitting_leaves(
    dtype: DTypeLike, shape: Sequence[int], **leaves: ArrayLike | None
) -> list[Array | None]:
    """The leaves as arrays, None for an absent one; ValueError where one has another shape.

    TypeError where one has a type that torch refuses: neither the input's own, nor float32
    beside input of half precision.
    """
    allowed = tuple(dict.fromkeys((jnp.dtype(dtype), wide(dtype))))
    fitting = {k: None if leaf is None else jnp.asarray(leaf) for k, leaf in leaves.items()}
    for name, leaf in fitting.items():
        if leaf is not None and leaf.shape != tuple(shape):
            raise ValueError(f"{name} must have shape {tuple(shape)}, got {leaf.shape}")
        if leaf is not None and leaf.dtype not in allowed:
            types = " or ".join(map(str, allowed))
            raise TypeError(f"{name} must be {types} for {dtype} input, got {leaf.dtype}")
    return list(fitting.values())


def moments(
    x: Array, axes: Sequence[int], axis_name: str | None = None
) -> tuple[Array, Array, Array]:
    """(x - mean, mean, biased variance) over `axes`, and over the devices of `axis_name`."""

    def average(values: Array) -> Array:
        local = values.mean(tuple(axes), keepdims=True)
        return local if axis_name is None else lax.pmean(local, axis_name)

    return moments_by(average, x)


def moments_by(average: Callable[[Array], Array], x: Array) -> tuple[Array, Array, Array]:
    """(x - mean, mean, biased variance), where `average` gives what broadcasts against x.

    Two passes over x. The second one also yields the rounding error of the first mean, which
    is taken off: at mean 1e4 this keeps some 10 bits that float32 loses otherwise. No result
    depends on the first mean, so no gradient has to pass through it.
    """
    first = lax.stop_gradient(average(x))
    shifted = x - first
    error = average(shifted)
    variance = average(jnp.square(shifted)) - jnp.square(error)
    mean = jnp.where(jnp.isinf(first), first, first + error)
    return shifted - error, mean, jnp.where(variance < 0, 0, variance)


def scaled(
    centered: Array, variance: Array, weight: Array | None, bias: Array | None, eps: float
) -> Array:
    """centered / sqrt(variance + eps) * weight + bias, one multiplication per element."""
    scale = lax.rsqrt(variance + eps)
    if weight is not None:
        scale = scale * weight.astype(scale.dtype)
    output = centered * scale
    return output if bias is None else output + bias.astype(output.dtype)


def filled(
    kind: type[nnx.Variable],
    fill: float,
    shape: int | Sequence[int],
    device: jax.Device | None,
    dtype: DTypeLike | None,
    present: bool = True,
) -> Any:
    """A variable of one value throughout, float32 by default; None where it is not wanted."""
    return kind(jnp.full(shape, fill, dtype or jnp.float32, device=device)) if present else None


def value(variable: nnx.Variable | None) -> Array | None:
    """The array in a variable; None for an absent one."""
    return None if variable is None else variable[...]
