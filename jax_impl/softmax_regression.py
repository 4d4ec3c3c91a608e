"""Softmax regression by hand, and by built-in layers.

Names and formulas: Dive into Deep Learning, 4.4 and 4.5. The hand-written net gives
probabilities, for `cross_entropy`; the built-in one gives scores, for CrossEntropyLoss.
"""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from jax_impl._d2l import flat, normal, zeros
from jax_impl.linear import Linear

__all__ = ["softmax", "cross_entropy", "SoftmaxRegressionScratch", "SoftmaxRegression"]


def softmax(X: ArrayLike) -> Array:
    """exp(X) / sum of exp(X) over the classes. Shapes: X (n, classes), the same out.

    As in the book nothing is subtracted first: a score beyond 88 overflows in float32, and its
    row is NaN.
    """
    X_exp = jnp.exp(X)
    return X_exp / X_exp.sum(1, keepdims=True)


def cross_entropy(y_hat: ArrayLike, y: ArrayLike) -> Array:
    """-log of the probability given to the right class.

    Shapes: y_hat (n, classes), y (n) integers, result (n). Raises IndexError for a class that
    does not exist; under jit its loss is NaN.
    """
    y_hat, y = jnp.asarray(y_hat), jnp.asarray(y)
    classes = y_hat.shape[1]
    wrong = (y < -classes) | (y >= classes)
    if not isinstance(wrong, Tracer) and wrong.any():
        raise IndexError(f"y must hold classes below {classes}, got {y[wrong][0]}")
    rows = jnp.arange(len(y_hat))
    return -jnp.log(y_hat.at[rows, y].get(mode="fill", fill_value=jnp.nan))


class SoftmaxRegressionScratch(nnx.Module):
    """Images (n, h=28, w=28, c=1) to probabilities (n, num_outputs): softmax(X W + b).

    `W` (num_inputs, num_outputs) is drawn from N(0, sigma^2), `b` (num_outputs) is zero.
    """

    def __init__(
        self,
        num_inputs: int = 784,
        num_outputs: int = 10,
        sigma: float = 0.01,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.W = nnx.Param(normal(rngs, (num_inputs, num_outputs), sigma))
        self.b = nnx.Param(zeros(num_outputs))

    def __call__(self, X: ArrayLike) -> Array:
        X = flat(X)
        return softmax(jnp.matmul(X, self.W[...]) + self.b[...])


class SoftmaxRegression(nnx.Module):
    """Images (n, h=28, w=28, c=1) to scores (n, num_outputs): flatten and `linear`.

    The weight is drawn from N(0, sigma^2), the bias as nn.Linear draws it.
    """

    def __init__(
        self,
        num_inputs: int = 784,
        num_outputs: int = 10,
        sigma: float = 0.01,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.linear = Linear(num_inputs, num_outputs, rngs=rngs)
        self.linear.weight[...] = normal(rngs, self.linear.weight.shape, sigma)

    def __call__(self, X: ArrayLike) -> Array:
        return self.linear(flat(X))
