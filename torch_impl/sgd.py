"""d2l's linear regression from nothing: data, minibatches, model, loss, update.

Names and formulas: Dive into Deep Learning, 3.1 to 3.5. What is drawn is drawn by torch, or by
the NumPy Generator `rng`: then the JAX side draws the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

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
    w: Tensor, b: float | Tensor, num_examples: int, *, rng: np.random.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Features X ~ N(0, 1), (num_examples, len(w)), and y = X w + b + N(0, 0.01^2).

    w has shape (features) or (features, 1), y (num_examples, 1). `rng` draws X, then the noise.
    """
    if rng is None:
        X = torch.normal(0, 1, (num_examples, len(w)), dtype=w.dtype, device=w.device)
        noise = torch.normal(0, 0.01, (num_examples,), dtype=w.dtype, device=w.device)
    else:
        X = torch.as_tensor(rng.normal(0, 1, (num_examples, len(w)))).to(w)
        noise = torch.as_tensor(rng.normal(0, 0.01, num_examples)).to(w)
    y = torch.matmul(X, w).reshape(num_examples) + b + noise
    return X, y.reshape(-1, 1)


def data_iter(
    batch_size: int,
    features: Tensor,
    labels: Tensor,
    *,
    indices: Iterable[int] | None = None,
    rng: np.random.Generator | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of minibatches in random order; the last one holds what is left.

    `indices` gives the order of the examples itself. Raises ValueError for a batch_size below
    1, and where features and labels differ in length.
    """
    _check_data(batch_size, features, labels)
    if indices is not None:
        order = torch.as_tensor(np.fromiter(indices, np.int64))
    elif rng is not None:
        order = torch.as_tensor(rng.permutation(len(features)))
    else:
        order = torch.randperm(len(features))
    return (
        (features[order[i : i + batch_size]], labels[order[i : i + batch_size]])
        for i in range(0, len(order), batch_size)
    )


def _check_data(batch_size: int, features: Tensor, labels: Tensor) -> None:
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
        data_arrays: tuple[Tensor, Tensor],
        batch_size: int,
        is_train: bool,
        rng: np.random.Generator | None,
    ) -> None:
        self.features, self.labels = data_arrays
        _check_data(batch_size, self.features, self.labels)
        self.batch_size, self.is_train, self.rng = batch_size, is_train, rng

    def __len__(self) -> int:
        return -(-len(self.features) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        indices = None if self.is_train else range(len(self.features))
        return data_iter(
            self.batch_size, self.features, self.labels, indices=indices, rng=self.rng
        )


def load_array(
    data_arrays: tuple[Tensor, Tensor],
    batch_size: int,
    is_train: bool = True,
    *,
    rng: np.random.Generator | None = None,
) -> _Batches:
    """(features, labels) as minibatches that can be read again: shuffled anew for training.

    The last minibatch of an epoch holds what is left. Raises ValueError as `data_iter` does.
    """
    return _Batches(data_arrays, batch_size, is_train, rng)


def linreg(X: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """X w + b. Shapes: X (n, features), w (features, 1), b (1); result (n, 1)."""
    return torch.matmul(X, w) + b


def squared_loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """(y_hat - y)^2 / 2, of y_hat's shape; y may be shaped otherwise.

    Raises ValueError where the two differ in size.
    """
    if y_hat.numel() != y.numel():
        raise ValueError(
            f"y_hat {tuple(y_hat.shape)} and y {tuple(y.shape)} must be equally many"
        )
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params: Iterable[Tensor], lr: float, batch_size: int) -> None:
    """param -= lr * grad / batch_size, in place, and the gradients are zeroed.

    The division belongs to a loss that was summed over the batch. `params` are leaves whose
    `.grad` is filled; one without a gradient is left alone. Source: Dive into Deep Learning,
    3.4.
    """
    with torch.no_grad():
        for param in params:
            grad = param.grad
            if grad is not None:
                param -= lr * grad / batch_size
                grad.zero_()


class Updater:
    """A hand-written updater: `sgd` of `params` at the learning rate `lr`."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = list(params)
        self.lr = lr

    def __call__(self, batch_size: int) -> None:
        sgd(self.params, self.lr, batch_size)


class LinearRegressionScratch(nn.Module):
    """`linreg` with its parameters: `w` (num_inputs, 1) from N(0, sigma^2), `b` (1) zero."""

    def __init__(self, num_inputs: int, sigma: float = 0.01) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.normal(0, sigma, (num_inputs, 1)))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, X: Tensor) -> Tensor:
        return linreg(X, self.w, self.b)


class LinearRegression(nn.Module):
    """The same by a built-in layer, `net`, its weight from N(0, sigma^2), its bias zero."""

    def __init__(self, num_inputs: int, sigma: float = 0.01) -> None:
        super().__init__()
        self.net = nn.Linear(num_inputs, 1)
        nn.init.normal_(self.net.weight, 0, sigma)
        nn.init.zeros_(self.net.bias)

    def forward(self, X: Tensor) -> Tensor:
        return self.net(X)
