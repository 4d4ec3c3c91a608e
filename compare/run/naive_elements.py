"""Naive ports that are wrong, or careless, in small numbers alone. Never import it to compute.

The planted faults of compare/cases/planted_elements.py name these: where the largest number of
an array is right, only a look at each element, or at the bits that are lost, can tell.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jax_impl import activation, norm

ROOT = 80**-0.5
"""What attention over 80 features multiplies its scores by."""


def floored_softmax(input, dim=None):
    """Kept from 0, so that a logarithm may follow."""
    return jnp.maximum(activation.softmax(input, dim), 1e-12)


def masked_softmax(input, mask, by):
    """A finite mask constant: exp(by) of the largest weight is left where torch has none."""
    return jax.nn.softmax(input + by * (1 - mask), -1)


def torch_masked_softmax(input: Any, mask: Any) -> Any:
    """torch's half of that: what is masked out has no weight."""
    return input.masked_fill(mask == 0, float("-inf")).softmax(-1)


def scaled_softmax(input):
    """A scale that was computed in float32 and kept as a number."""
    return jax.nn.softmax(input * float(np.float32(ROOT)), -1)


def torch_scaled_softmax(input: Any) -> Any:
    """torch's half of that."""
    return (input * ROOT).softmax(-1)


def complement_of_sigmoid(input):
    """1 - sigmoid(x) for sigmoid(-x): small ones lose what the 1 has no room for."""
    return 1 - jax.nn.sigmoid(-input)


def softplus_by_log(input, beta=1.0, threshold=20.0):
    """log(1 + exp(x)) for log1p(exp(x))."""
    return jnp.log(1 + jnp.exp(beta * input)) / beta


def elu_by_exp(input, alpha=1.0):
    """exp(x) - 1 for expm1(x)."""
    return jnp.where(input > 0, input, alpha * (jnp.exp(jnp.minimum(input, 0)) - 1))


def distance_by_products(x1, x2, eps=1e-6):
    """|a|^2 + |b|^2 - 2ab: near points far from zero cancel."""
    moved = x1 + eps
    squares = (moved * moved).sum(-1) + (x2 * x2).sum(-1) - 2 * (moved * x2).sum(-1)
    return jnp.sqrt(squares)


class FastBatchNorm2d(norm.BatchNorm2d):
    """The batch's variance as E[x^2] - E[x]^2, as Flax computes it by default."""

    def __call__(self, input: jax.Array) -> jax.Array:
        axes = (0, 1, 2)
        mean = input.mean(axes)
        variance = jnp.square(input).mean(axes) - jnp.square(mean)
        super().__call__(input)  # which keeps the buffers
        scaled = (input - mean) * lax.rsqrt(variance + self.eps)
        return scaled * self.weight[...] + self.bias[...]
