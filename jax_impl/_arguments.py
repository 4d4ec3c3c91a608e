"""What layers need to read torch's arguments: an int or a tuple of them, and its draws."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx


def ntuple(value: int | Sequence[int], n: int, name: str) -> tuple[int, ...]:
    """`value` as a tuple of `n` ints: an int stands for all axes, as it does in torch.

    Raises ValueError, naming the argument, where a sequence has another length than `n`
    (a sequence of one is broadcast, as torch does).
    """
    if isinstance(value, int):
        return (value,) * n
    values = tuple(int(v) for v in value)
    if len(values) == 1:
        return values * n
    if len(values) != n:
        raise ValueError(
            f"{name} must be an int or a sequence of {n} ints, got {value!r} of length "
            f"{len(values)}"
        )
    return values


def uniform_param(
    rngs: nnx.Rngs, shape: Sequence[int], bound: float, dtype: jnp.dtype | None
) -> nnx.Param:
    """A parameter drawn from U(-bound, bound), float32 where no dtype is asked for."""
    draw = jax.random.uniform(
        rngs.params(), tuple(shape), dtype or jnp.float32, minval=-bound, maxval=bound
    )
    return nnx.Param(draw)


def fan_in_bound(fan_in: int) -> float:
    """1 / sqrt(fan_in): the bound of torch's default draw for Linear and convolution leaves.

    torch writes kaiming_uniform_(a=sqrt(5)), whose bound sqrt(6 / ((1 + a^2) fan_in)) is this.
    An empty fan draws zeros, as torch does.
    """
    return 1.0 / math.sqrt(fan_in) if fan_in > 0 else 0.0
