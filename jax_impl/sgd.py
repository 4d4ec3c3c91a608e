"""d2l's hand-written update: minibatch stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable

import jax
from flax import nnx

__all__ = ["sgd"]


def sgd(
    params: Iterable[nnx.Variable], lr: float, batch_size: int, *, grads: Iterable[jax.Array]
) -> None:
    """param -= lr * grad / batch_size, in place: each Variable is given its new value.

    The division belongs to a loss that was summed over the batch. `grads` holds one gradient
    for each of `params`, in the same order: JAX keeps none on the leaf itself. Raises
    ValueError where the two differ in length. Source: Dive into Deep Learning, 3.4.
    """
    for param, grad in zip(params, grads, strict=True):
        param[...] = param[...] - lr * grad / batch_size
