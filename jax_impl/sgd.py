"""d2l's linear regression from nothing: data, minibatches, model, loss, update.

Names and formulas: Dive into Deep Learning, 3.1 to 3.5. What is drawn is drawn from a
jax.random `key`, or by the NumPy Generator `rng`: then the torch side draws the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

from jax_impl._d2l import normal, zeros
from jax_impl.linear import Linear

__all__ = [
    "synthetic_data",
    "data_iter",
    "load_array",
    "linreg",
    "squared_loss",
    "sgd",
    "Updater",
    "LinearRegressionScratch",
    "LinearRegression",
]


def synthetic_data(
    w: ArrayLike,
    b: ArrayLike,
    num_examples: int,
    *,
    rng: np.random.Generator | None = None,
    key: Array | None = None,
) -> tuple[Array, Array]:
    """Features X ~ N(0, 1), (num_examples, len(w)), and y = X w + b + N(0, 0.01^2).

    w has shape (features) or (features, 1), y (num_examples, 1). `rng` draws X, then the noise.
    Raises ValueError where neither rng nor key is given.
    """
    w = jnp.asarray(w)
    if rng is not None:
        X = jnp.asarray(rng.normal(0, 1, (num_examples, len(w))), w.dtype)
        noise = jnp.asarray(rng.normal(0, 0.01, num_examples), w.dtype)
    else:
        for_X, for_noise = jax.random.split(_drawable(key))
        X = jax.random.normal(for_X, (num_examples, len(w)), w.dtype)
        noise = 0.01 * jax.random.normal(for_noise, (num_examples,), w.dtype)
    y = jnp.matmul(X, w).reshape(num_examples) + b + noise
    return X, y.reshape(-1, 1)


def data_iter(
    batch_size: int,
    features: Array | np.ndarray,
    labels: Array | np.ndarray,
    *,
    indices: Iterable[int] | None = None,
    rng: np.random.Generator | None = None,
    key: Array | None = None,
) -> Iterator[tuple[Array | np.ndarray, Array | np.ndarray]]:
    """One epoch of minibatches in random order; the last one holds what is left.

    `indices` gives the order of the examples itself. NumPy arrays give NumPy minibatches.
    Raises ValueError for a batch_size below 1, where features and labels differ in length, and
    where none of indices, rng and key is given.
    """
    _check_data(batch_size, features, labels)
    if indices is not None:
        order = np.fromiter(indices, np.int64)
    elif rng is not None:
        order = rng.permutation(len(features))
    else:
        order = np.asarray(jax.random.permutation(_drawable(key), len(features)))
    return (
        (features[order[i : i + batch_size]], labels[order[i : i + batch_size]])
        for i in range(0, len(order), batch_size)
    )


def _drawable(key: Array | None) -> Array:
    if key is None:
        raise ValueError(
            "give rng= (a NumPy Generator) or key= (a jax.random key) to draw from"
        )
    return key


def _check_data(
    batch_size: int, features: Array | np.ndarray, labels: Array | np.ndarray
) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if len(features) != len(labels):
        raise ValueError(
            f"features and labels must be equally many, got {len(features)} and {len(labels)}"
        )


class _Batches:
    """What `load_array` gives: each iteration is an epoch of its own."""

    def __init__(
        self,
        data_arrays: tuple[Array | np.ndarray, Array | np.ndarray],
        batch_size: int,
        is_train: bool,
        rng: np.random.Generator | None,
        key: Array | None,
    ) -> None:
        self.features, self.labels = data_arrays
        _check_data(batch_size, self.features, self.labels)
        self.batch_size, self.is_train, self.rng = batch_size, is_train, rng
        self.key = _drawable(key) if is_train and rng is None else None

    def __len__(self) -> int:
        return -(-len(self.features) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array | np.ndarray, Array | np.ndarray]]:
        indices = None if self.is_train else range(len(self.features))
        key = None
        if self.key is not None:
            self.key, key = jax.random.split(self.key)
        return data_iter(
            self.batch_size, self.features, self.labels, indices=indices, rng=self.rng, key=key
        )


def load_array(
    data_arrays: tuple[Array | np.ndarray, Array | np.ndarray],
    batch_size: int,
    is_train: bool = True,
    *,
    rng: np.random.Generator | None = None,
    key: Array | None = None,
) -> _Batches:
    """(features, labels) as minibatches that can be read again: shuffled anew for training.

    The last minibatch of an epoch holds what is left. Raises ValueError as `data_iter` does.
    """
    return _Batches(data_arrays, batch_size, is_train, rng, key)


def linreg(X: ArrayLike, w: ArrayLike, b: ArrayLike) -> Array:
    """X w + b. Shapes: X (n, features), w (features, 1), b (1); result (n, 1)."""
    return jnp.matmul(X, w) + b


def squared_loss(y_hat: ArrayLike, y: ArrayLike) -> Array:
    """(y_hat - y)^2 / 2, of y_hat's shape; y may be shaped otherwise.

    Raises ValueError where the two differ in size.
    """
    y_hat, y = jnp.asarray(y_hat), jnp.asarray(y)
    if y_hat.size != y.size:
        raise ValueError(f"y_hat {y_hat.shape} and y {y.shape} must be equally many")
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(
    params: Iterable[nnx.Variable], lr: float, batch_size: int, *, grads: Iterable[jax.Array]
) -> None:
    """param -= lr * grad / batch_size, in place: each Variable is given its new value.

    The division belongs to a loss that was summed over the batch. `grads` holds one gradient
    for each of `params`, in the same order: JAX keeps none on the leaf itself. Raises
    ValueError where the two differ in length or in a shape. Source: Dive into Deep Learning,
    3.4.
    """
    params, grads = list(params), list(grads)
    shapes = [[tuple(jnp.shape(one)) for one in leaves] for leaves in (params, grads)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"grads must pair with params: params have {shapes[0]}, grads {shapes[1]}"
        )
    stepped = _stepped([param[...] for param in params], grads, lr, batch_size)
    for param, value in zip(params, stepped, strict=True):
        param[...] = value


@jax.jit
def _stepped(
    values: list[Array], grads: list[Array], lr: ArrayLike, batch_size: ArrayLike
) -> list[Array]:
    pairs = zip(values, grads, strict=True)
    return [value - lr * grad / batch_size for value, grad in pairs]


class Updater:
    """A hand-written updater: `sgd` of `params` at the learning rate `lr`."""

    def __init__(self, params: Iterable[nnx.Variable], lr: float) -> None:
        self.params = list(params)
        self.lr = lr

    def __call__(self, batch_size: int, *, grads: Iterable[jax.Array]) -> None:
        sgd(self.params, self.lr, batch_size, grads=grads)


class LinearRegressionScratch(nnx.Module):
    """`linreg` with its parameters: `w` (num_inputs, 1) from N(0, sigma^2), `b` (1) zero."""

    def __init__(self, num_inputs: int, sigma: float = 0.01, *, rngs: nnx.Rngs) -> None:
        self.w = nnx.Param(normal(rngs, (num_inputs, 1), sigma))
        self.b = nnx.Param(zeros(1))

    def __call__(self, X: ArrayLike) -> Array:
        return linreg(X, self.w[...], self.b[...])


class LinearRegression(nnx.Module):
    """The same by a built-in layer, `net`, its weight from N(0, sigma^2), its bias zero."""

    def __init__(self, num_inputs: int, sigma: float = 0.01, *, rngs: nnx.Rngs) -> None:
        self.net = Linear(num_inputs, 1, rngs=rngs)
        self.net.weight[...] = normal(rngs, (num_inputs, 1), sigma)
        self.net.bias = nnx.Param(zeros(1))

    def __call__(self, X: ArrayLike) -> Array:
        return self.net(X)
