"""What the learning rate schedules share."""

from __future__ import annotations

import math
from typing import TypeAlias

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jax_impl._optim import real

Epoch: TypeAlias = int | Array


class Schedule:
    """What all share: the step that is asked for, counted from last_epoch, and the dtype."""

    last_epoch: int

    def __call__(self, step: Epoch) -> Array:
        rate = real(self._rate(self._epoch(step)))
        return jnp.broadcast_to(rate, jnp.broadcast_shapes(rate.shape, jnp.shape(step)))

    def _epoch(self, step: Epoch) -> Epoch:
        if isinstance(step, int):
            return step + self.last_epoch + 1
        steps = jnp.asarray(step)
        unsigned = jnp.issubdtype(steps.dtype, jnp.unsignedinteger)
        return (steps.astype(int) if unsigned else steps) + self.last_epoch + 1

    def _rate(self, epoch: Epoch) -> ArrayLike:
        raise NotImplementedError


def cosine(left: Array) -> Array:
    """(1 + cos(pi (1 - left))) / 2, from 1 to 0 as `left` does.

    As a squared sine it keeps its accuracy near 0, where 1 + cos cancels.
    """
    return jnp.sin(math.pi / 2 * left) ** 2
