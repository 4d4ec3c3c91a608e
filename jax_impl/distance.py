"""Similarity of and distance between vectors, as torch.nn has them; axes stay where they are.

Source: https://docs.pytorch.org/docs/stable/nn.html#distance-functions
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array, lax
from jax.typing import ArrayLike

from jax_impl.tensor import norm

__all__ = [
    "cosine_similarity",
    "pairwise_distance",
    "pdist",
    "CosineSimilarity",
    "PairwiseDistance",
]


def cosine_similarity(x1: ArrayLike, x2: ArrayLike, dim: int = 1, eps: float = 1e-8) -> Array:
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along axis `dim`.

    Shapes: x1 and x2 broadcast to (*, D, *), D on axis `dim`; output (*, *). A zero vector
    gives 0. A norm below eps is raised to it in the value alone: gradients pass it by, as in
    torch. Raises IndexError where there is no axis `dim`, TypeError at integers.
    """
    x1, x2, dtype = _floating(x1, x2)
    x1, x2 = jnp.broadcast_arrays(x1, x2)
    directions = _direction(x1, dim, eps) * _direction(x2, dim, eps)
    return directions.sum(dim if x1.ndim else None).astype(dtype)


def pairwise_distance(
    x1: ArrayLike,
    x2: ArrayLike,
    p: float = 2.0,
    eps: float = 1e-6,
    keepdim: bool = False,
) -> Array:
    """The p-norm of x1 - x2 + eps along the last axis.

    Shapes: x1 and x2 broadcast to (*, D); output (*), or (*, 1) with keepdim. p is any that
    `norm` takes. Raises TypeError at integers.
    """
    x1, x2, dtype = _floating(x1, x2)
    return norm(x1 - x2 + eps, p, -1, keepdim).astype(dtype)


def pdist(input: ArrayLike, p: float = 2) -> Array:
    """The p-norm distance of every two rows i < j, in the order (0, 1), (0, 2), ...

    Shapes: input (N, M), output (N (N - 1) / 2). The gradient of a distance of 0 is 0; at p
    inf every column that reaches the maximum gets the whole gradient. Raises ValueError where
    p is negative or input has not two axes, TypeError at integers.
    """
    input, _, dtype = _floating(input, input)
    if input.ndim != 2:
        raise ValueError(f"input must have two axes, got shape {input.shape}")
    if p < 0:
        raise ValueError(f"p must be at least 0, got {p}")
    first, second = np.triu_indices(input.shape[0], 1)
    difference = input[first] - input[second]
    if difference.size == 0:
        return jnp.zeros(len(first), dtype)
    return _row_norm(difference, float(p)).astype(dtype)


def _floating(x1: ArrayLike, x2: ArrayLike) -> tuple[Array, Array, jnp.dtype]:
    """Both in the precision to compute in, float32 at least, and the dtype of the result."""
    dtype = jnp.result_type(x1, x2)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(f"inputs must be floating, got {dtype}")
    wide = jnp.promote_types(dtype, jnp.float32)
    return jnp.asarray(x1, wide), jnp.asarray(x2, wide), dtype


def _direction(x: Array, dim: int, eps: float) -> Array:
    length = norm(x, 2, dim, keepdim=True)
    raised = length + lax.stop_gradient(eps - length)
    return x / jnp.where(length < eps, raised, length)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _row_norm(x: Array, p: float) -> Array:
    """`norm` of every row but with torch.pdist's gradients, and NaN at p 0 where a NaN is."""
    if p == 0:
        return jnp.minimum(jnp.ceil(jnp.abs(x)), 1).sum(1)
    return norm(x, p, 1)


@_row_norm.defjvp
def _row_norm_jvp(
    p: float, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    result = _row_norm(x, p)
    size, largest = jnp.abs(x), result[:, None]
    if p == 0:
        slope = jnp.zeros_like(x)
    elif p == 1:
        slope = jnp.sign(x)
    elif p == math.inf:
        slope = jnp.sign(x) * (1 - jnp.minimum(1, jnp.ceil(jnp.abs(size - largest))))
    else:
        safe = jnp.where(largest == 0, 1, largest)
        slope = x / safe if p == 2 else jnp.sign(x) * (size / safe) ** (p - 1)
        slope = jnp.where((largest == 0) | ((p < 1) & (x == 0)), 0, slope)
    return result, (tangent * slope).sum(1)


class CosineSimilarity(nnx.Module):
    """`cosine_similarity` as a layer."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        self.dim = dim
        self.eps = eps

    def __call__(self, x1: ArrayLike, x2: ArrayLike) -> Array:
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(nnx.Module):
    """`pairwise_distance` as a layer; its argument and attribute `norm` is p, as in torch."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def __call__(self, x1: ArrayLike, x2: ArrayLike) -> Array:
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
