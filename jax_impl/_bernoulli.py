"""Masks of dropout with the very bits of jax.random.bernoulli, at a tenth of the time on a CPU.

JAX's Threefry-2x32 is a loop over whole arrays there. Written out, XLA fuses it into the use of
the mask, which is then never stored: the backward pass draws it again, from the same key.

Source: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3,
https://doi.org/10.1145/2063384.2063405.
"""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of four rounds and of the next four
_GROUPS = 5  # of four rounds, each ending in an injection of the key
_PARITY = np.uint32(0x1BD11BDA)
_MANTISSA = 23  # bits of a uniform float32 that are drawn


def bernoulli(key: Array, p: float, shape: tuple[int, ...]) -> Array:
    """True with probability p, as jax.random.bernoulli(key, p, shape) has it, bit for bit.

    It is jax.random's own for keys other than Threefry's, in float64 mode, and with
    jax_threefry_partitionable off.
    """
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    key = key if typed else jax.random.wrap_key_data(key)
    if key.shape or not _written_out(key) or math.prod(shape) >= 2**32:
        return jax.random.bernoulli(key, p, shape)
    # A uniform float32 is a multiple of 2^-23; the least one that is not below p:
    bound = math.ceil(float(np.float32(p)) * 2**_MANTISSA)
    return _below(jax.random.key_data(key), np.uint32(bound), shape)


def _written_out(key: Array) -> bool:
    narrow = jnp.result_type(float) == jnp.float32
    partitionable = getattr(jax.config, "jax_threefry_partitionable", True)
    return jax.random.key_impl(key) == "threefry2x32" and partitionable and narrow


@partial(jax.jit, static_argnums=2)
def _below(words: Array, bound: np.uint32, shape: tuple[int, ...]) -> Array:
    low = _positions(shape)
    bits = jnp.bitwise_xor(*_threefry(words[0], words[1], jnp.zeros_like(low), low))
    return bits >> np.uint32(32 - _MANTISSA) < bound


def _positions(shape: tuple[int, ...]) -> Array:
    """0, 1, 2, ... in rows."""
    positions = jnp.zeros(shape, jnp.uint32)
    for axis in range(len(shape)):
        stride = np.uint32(math.prod(shape[axis + 1 :]))
        positions += lax.broadcasted_iota(jnp.uint32, shape, axis) * stride
    return positions


def _threefry(first: Array, second: Array, high: Array, low: Array) -> tuple[Array, Array]:
    """The two words of the block (high, low) under the key (first, second): 20 rounds."""
    words = (first, second, first ^ second ^ _PARITY)
    high, low = high + first, low + second
    for group in range(1, 1 + _GROUPS):
        for distance in _ROTATIONS[(group - 1) % 2]:
            high = high + low
            low = _rotated(low, distance) ^ high
        high = high + words[group % 3]
        low = low + words[(group + 1) % 3] + np.uint32(group)
    return high, low


def _rotated(word: Array, distance: int) -> Array:
    return (word << np.uint32(distance)) | (word >> np.uint32(32 - distance))
