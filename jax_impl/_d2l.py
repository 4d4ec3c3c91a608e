"""What d2l's nets share: flattening in torch's order, and parameters from N(0, sigma^2)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike


def flat(X: ArrayLike) -> Array:
    """(n, *, c) to (n, features), channels first again: weights keep torch's order of rows."""
    X = jnp.asarray(X)
    return jnp.moveaxis(X, -1, 1).reshape(X.shape[0], -1)


def normal(rngs: nnx.Rngs, shape: tuple[int, ...], sigma: float) -> Array:
    """A float32 draw from N(0, sigma^2)."""
    return sigma * jax.random.normal(rngs.params(), shape, jnp.float32)


def zeros(size: int) -> Array:
    """float32 zeros, whether or not 64 bits are enabled."""
    return jnp.zeros(size, jnp.float32)
