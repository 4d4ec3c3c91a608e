"""The multilayer perceptron by hand, and by built-in layers.

Names and formulas: Dive into Deep Learning, 5.2. Both give scores, for CrossEntropyLoss.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

from jax_impl._d2l import flat, normal, zeros
from jax_impl.linear import Linear

__all__ = ["relu", "MLPScratch", "MLP"]


def relu(X: ArrayLike) -> Array:
    """max(X, 0) as the larger of two arrays: gradient 1/2 at 0, where the built-in has 0."""
    a = jnp.zeros_like(X)
    return jnp.maximum(X, a)


class MLPScratch(nnx.Module):
    """Images (n, h=28, w=28, c=1) to scores (n, num_outputs): relu(X W1 + b1) W2 + b2.

    Weights are (inputs, outputs), drawn from N(0, sigma^2); `b1` and `b2` are zero.
    """

    def __init__(
        self,
        num_inputs: int = 784,
        num_outputs: int = 10,
        num_hiddens: int = 256,
        sigma: float = 0.01,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.W1 = nnx.Param(normal(rngs, (num_inputs, num_hiddens), sigma))
        self.b1 = nnx.Param(zeros(num_hiddens))
        self.W2 = nnx.Param(normal(rngs, (num_hiddens, num_outputs), sigma))
        self.b2 = nnx.Param(zeros(num_outputs))

    def __call__(self, X: ArrayLike) -> Array:
        X = flat(X)
        H = relu(jnp.matmul(X, self.W1[...]) + self.b1[...])
        return jnp.matmul(H, self.W2[...]) + self.b2[...]


class MLP(nnx.Module):
    """Images (n, h=28, w=28, c=1) to scores (n, num_outputs): `hidden`, ReLU, `out`.

    Weights are drawn from N(0, sigma^2), biases as nn.Linear draws them.
    """

    def __init__(
        self,
        num_inputs: int = 784,
        num_outputs: int = 10,
        num_hiddens: int = 256,
        sigma: float = 0.01,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.hidden = Linear(num_inputs, num_hiddens, rngs=rngs)
        self.out = Linear(num_hiddens, num_outputs, rngs=rngs)
        for layer in (self.hidden, self.out):
            layer.weight[...] = normal(rngs, layer.weight.shape, sigma)

    def __call__(self, X: ArrayLike) -> Array:
        return self.out(jax.nn.relu(self.hidden(flat(X))))
