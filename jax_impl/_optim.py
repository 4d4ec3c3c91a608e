"""What the optimizers share: torch's tensor arithmetic, bias corrections, checks, the tree.

torch's kernels compute a half (bfloat16, float16) in float32 and round it once an operation,
and they keep hyperparameters in float64 until a kernel takes them: in bfloat16 a beta of 0.999
would be 1. The operations below do the same, so that an optimizer reads as torch's
single-tensor form does and rounds where it rounds.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike

Scheduled: TypeAlias = float | Array | optax.Schedule


def unrounded(operation: Callable[..., Array]) -> Callable[..., Array]:
    """`operation` in the first argument's dtype, or in float32 where that is a half.

    An optimizer's last operation, the one that torch adds to the parameter in the same kernel,
    stays unrounded: `optax.apply_updates` adds a float32 update to a half and rounds the sum.
    """

    @functools.wraps(operation)
    def kernel(first: Array, *others: ArrayLike) -> Array:
        dtype = jnp.promote_types(first.dtype, jnp.float32)
        return operation(*(jnp.asarray(operand, dtype) for operand in (first, *others)))

    return kernel


def rounded(operation: Callable[..., Array]) -> Callable[..., Array]:
    """`unrounded`, then rounded to the first argument's dtype."""
    compute = unrounded(operation)

    @functools.wraps(operation)
    def kernel(first: Array, *others: ArrayLike) -> Array:
        return round_to(first.dtype, compute(first, *others))

    return kernel


def round_to(dtype: DTypeLike, value: Array) -> Array:
    """`value` in `dtype`; XLA may drop a mere cast to bfloat16 and back, but not this."""
    if dtype == jnp.bfloat16:
        value = lax.reduce_precision(value, exponent_bits=8, mantissa_bits=7)
    return value.astype(dtype)


@rounded
def add(x: Array, y: Array, alpha: ArrayLike = 1.0) -> Array:
    return x + alpha * y


@rounded
def mul(x: Array, y: Array) -> Array:
    return x * y


@rounded
def div(x: Array, y: Array) -> Array:
    return x / y


@rounded
def reciprocal(x: Array) -> Array:
    return 1 / x


@rounded
def sqrt(x: Array) -> Array:
    return jnp.sqrt(x)


@rounded
def lerp(start: Array, end: Array, weight: Array) -> Array:
    """start + weight (end - start), measured from the nearer end."""
    from_start = start + weight * (end - start)
    from_end = end - (1 - weight) * (end - start)
    return jnp.where(weight < 0.5, from_start, from_end)


@rounded
def addcmul(x: Array, a: Array, b: Array, value: ArrayLike = 1.0) -> Array:
    return x + value * a * b


@rounded
def addcdiv(x: Array, a: Array, b: Array, value: ArrayLike = 1.0) -> Array:
    return x + value * a / b


@unrounded
def scaled(x: Array, value: Array) -> Array:
    return value * x


@unrounded
def scaled_ratio(a: Array, b: Array, value: Array) -> Array:
    return value * a / b


@unrounded
def difference(x: Array, y: Array) -> Array:
    return x - y


def directed(
    grad: Array, param: Array | None, weight_decay: float = 0, maximize: bool = False
) -> Array:
    """The gradient to descend: negated to maximize, plus weight_decay times the parameter."""
    grad = -grad if maximize else grad
    return add(grad, given(param), weight_decay) if weight_decay != 0 else grad


def given(param: Array | None) -> Array:
    if param is None:
        raise ValueError("params must be given to update where weight_decay is not 0")
    return param


def leafwise(
    rule: Callable[..., tuple[Array | None, ...]], grads: Any, params: Any, *buffers: Any
) -> list[Any]:
    """`rule(grad, param, *buffers)` at each leaf; its results (update, *buffers) as trees.

    A tree that is absent, None, is None at each leaf, and a buffer that is absent stays so.
    """
    leaves, structure = jax.tree.flatten(grads)
    columns = [
        [None] * len(leaves) if tree is None else structure.flatten_up_to(tree)
        for tree in (params, *buffers)
    ]
    rows = [rule(*row) for row in zip(map(jnp.asarray, leaves), *columns, strict=True)]
    results = zip(*rows, strict=True) if rows else [()] * (1 + len(buffers))
    return [
        None if tree is None else structure.unflatten(column)
        for tree, column in zip((grads, *buffers), results, strict=True)
    ]


def buffers(params: Any, value: float = 0, wanted: bool = True) -> Any:
    """A tree like `params`, filled with `value`, or None where it is not wanted.

    Raises TypeError where a leaf is not of a real floating dtype: torch takes a complex one
    apart first, as `optax.contrib.split_real_and_imaginary` does around any optimizer.
    """
    for leaf in jax.tree.leaves(params):
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            raise TypeError(
                f"params must be floating point, got {jnp.result_type(leaf)}; for complex ones "
                "wrap the optimizer in optax.contrib.split_real_and_imaginary"
            )
    if not wanted:
        return None
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, value), params)


def counter() -> Array:
    """The count of steps taken, as optimizers of optax keep it: one for all parameters."""
    return jnp.zeros((), jnp.int32)


def one_more(step: Array) -> Array:
    return jnp.asarray(optax.safe_increment(step))


def real(value: ArrayLike) -> Array:
    """A scalar as precise as JAX is set to be: float64 with jax_enable_x64, else float32."""
    return jnp.asarray(value, jnp.result_type(float))


def at(hyperparameter: Scheduled, step: Array) -> float | Array:
    """A hyperparameter's value after `step` updates: a float as it is, else a real scalar."""
    value = hyperparameter(step) if callable(hyperparameter) else hyperparameter
    return value if isinstance(value, int | float) else real(value).reshape(())


def power(base: float | Array, exponent: ArrayLike) -> Array:
    """base ** exponent; in float32 by the logarithm, since a rounded base would lose more."""
    exponent = real(exponent)
    if exponent.dtype == jnp.float64 or (isinstance(base, int | float) and base <= 0):
        return real(base) ** exponent
    return jnp.exp(exponent * _log(base))


def complement_of_power(base: float | Array, exponent: ArrayLike) -> Array:
    """1 - base ** exponent, the bias correction.

    float64 is torch's own formula and keeps its rounding; in float32 the subtraction would
    leave 1 - 0.999 with four digits, and expm1 keeps all.
    """
    exponent = real(exponent)
    if exponent.dtype == jnp.float64 or (isinstance(base, int | float) and base <= 0):
        return 1 - real(base) ** exponent
    return -jnp.expm1(exponent * _log(base))


def _log(base: float | Array) -> float | Array:
    return math.log(base) if isinstance(base, int | float) else jnp.log(base)


def check(**hyperparameters: Scheduled) -> None:
    """Raises ValueError, naming it, where one is known to be negative, NaN or no scalar."""
    for name, value in hyperparameters.items():
        if callable(value):
            continue
        if jnp.size(value) != 1:
            raise ValueError(f"{name} must be a scalar, got shape {jnp.shape(value)}")
        if not isinstance(value, Tracer) and not value >= 0:
            raise ValueError(f"{name} must be at least 0, got {value}")


def check_betas(betas: tuple[Scheduled, float]) -> None:
    """Raises ValueError where a beta is known to lie outside [0, 1)."""
    for index, beta in enumerate(betas):
        if callable(beta) or isinstance(beta, Tracer):
            continue
        if not 0 <= beta < 1:
            raise ValueError(f"betas[{index}] must be at least 0 and less than 1, got {beta}")
