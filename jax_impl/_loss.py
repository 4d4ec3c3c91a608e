"""What the losses share: torch's reductions and warnings, its slopes at kinks, label checks.

bfloat16 and float16 are computed in float32 and rounded once, at the result.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

_HALVES = {jnp.dtype(jnp.bfloat16), jnp.dtype(jnp.float16)}
_P = ParamSpec("_P")


def in_float32(function: Callable[_P, Array]) -> Callable[_P, Array]:
    """`function` in float32, rounded once at its end, where its floats are of one half type."""
    compute: Callable[..., Array] = function

    @functools.wraps(function)
    def widened(*args: Any, **kwargs: Any) -> Array:
        dtypes = {value.dtype for value in (*args, *kwargs.values()) if _is_float(value)}
        if len(dtypes) != 1 or not dtypes <= _HALVES:
            return function(*args, **kwargs)
        kwargs = {name: widen(value) for name, value in kwargs.items()}
        return compute(*map(widen, args), **kwargs).astype(dtypes.pop())

    return widened


def _is_float(value: Any) -> bool:
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jnp.inexact)


def widen(value: Any) -> Any:
    """float32 for an array of a half type; anything else as it is."""
    half = _is_float(value) and value.dtype in _HALVES
    return jnp.asarray(value, jnp.float32) if half else value


def chosen_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """`reduction`, or what the deprecated arguments say, with a warning."""
    if size_average is not None or reduce is not None:
        averaged = "mean" if size_average in (None, True) else "sum"
        reduction = averaged if reduce in (None, True) else "none"
        message = "size_average and reduce are deprecated, use reduction={!r} instead"
        warnings.warn(message.format(reduction), stacklevel=4)
    if reduction == "elementwise_mean":
        warnings.warn("reduction='elementwise_mean' is deprecated, use 'mean'", stacklevel=4)
        reduction = "mean"
    return reduction


def reduced(loss: Array, reduction: str) -> Array:
    """`loss` itself, its mean (NaN where it is empty) or its sum, by `reduction`."""
    if reduction == "none":
        return loss
    if reduction == "mean":
        return jnp.mean(loss)
    if reduction == "sum":
        return jnp.sum(loss)
    raise ValueError(f"reduction must be 'none', 'mean' or 'sum', got {reduction!r}")


def paired(input: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    """Both as arrays; a UserWarning where their shapes differ and will be broadcast."""
    input, target = jnp.asarray(input), jnp.asarray(target)
    if input.shape != target.shape:
        warnings.warn(
            f"target has shape {target.shape} and input {input.shape}: they are broadcast, "
            "which is likely to give incorrect results; give them the same shape",
            stacklevel=4,
        )
    return input, target


def is_concrete(*arrays: Array) -> bool:
    """Whether the values can be looked at, as they can outside of jit, vmap and grad."""
    return not any(isinstance(array, Tracer) for array in arrays)


def check_labels(label: Array, low: int, high: int, counts: ArrayLike = True) -> Array:
    """Where low <= label < high; raises IndexError where one that counts is known not to be."""
    valid = (label >= low) & (label < high)
    wrong = jnp.asarray(counts) & ~valid
    if is_concrete(wrong) and wrong.any():
        raise IndexError(f"target must hold labels in [{low}, {high}), got {label[wrong][0]}")
    return valid


def integers(values: ArrayLike | Sequence[int], name: str = "target") -> Array:
    """A signed integer array; raises TypeError where `values` holds anything else."""
    values = jnp.asarray(values)
    if not jnp.issubdtype(values.dtype, jnp.integer):
        raise TypeError(f"{name} must hold integers here, got {values.dtype}")
    return values.astype(jnp.promote_types(values.dtype, jnp.int32))


def sign(x: Array) -> Array:
    """-1, 0 or 1; NaN has 0, as in torch."""
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)


@jax.custom_jvp
def absolute(x: Array) -> Array:
    """|x|; gradient 0 at 0 and at NaN."""
    return jnp.abs(x)


@absolute.defjvp
def _absolute_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    if jnp.iscomplexobj(x):
        return jax.jvp(jnp.abs, (x,), (tangent,))
    return jnp.abs(x), sign(x) * tangent


@jax.custom_jvp
def positive_part(x: Array) -> Array:
    """max(x, 0); gradient 1 at 0, and 0 at NaN, which stays NaN."""
    return jnp.maximum(x, 0)


@positive_part.defjvp
def _positive_part_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    return jnp.maximum(x, 0), jnp.where(x >= 0, tangent, 0)


class Loss(nnx.Module):
    """A loss without leaves; `reduction` is 'none', 'mean' or 'sum'."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        self.reduction = chosen_reduction(size_average, reduce, reduction)


class WeightedLoss(Loss):
    """A loss with given weights, a buffer: no gradient is asked for it."""

    def __init__(
        self,
        weight: ArrayLike | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.weight = buffer(weight)


def buffer(values: ArrayLike | None) -> nnx.BatchStat[Array] | None:
    """What torch registers as a buffer, in the collection that holds all of ours, or None."""
    return None if values is None else nnx.BatchStat(jnp.asarray(values))


def held(variable: nnx.Variable[Array] | None) -> Array | None:
    """The array of a buffer that may be absent."""
    return None if variable is None else variable[...]
