"""d2l's training loop of chapter 3, for a hand-written update and for a built-in optimizer.

Names: Dive into Deep Learning, first edition, 3.6. The loss keeps the batch (reduction 'none'):
the hand-written update wants the gradient of its sum, since it divides by the batch size
itself, a built-in optimizer the gradient of its mean. Forward and backward pass are compiled
once for each shape of minibatch; what a net, a loss or a penalty reads from outside of `net` is
fixed by then, so whatever learns must be part of `net`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

__all__ = [
    "parameters",
    "weights",
    "accuracy",
    "evaluate_accuracy",
    "evaluate_loss",
    "train_epoch_ch3",
    "train_ch3",
    "get_fashion_mnist_labels",
    "predict",
    "Accumulator",
]

Batch = tuple[Array | np.ndarray, Array | np.ndarray]


def parameters(net: nnx.Module) -> list[nnx.Param]:
    """Every parameter of `net`, once, in NNX's order: sorted by path, not as defined."""
    return [node for _, node in nnx.iter_graph(net) if isinstance(node, nnx.Param)]


def weights(net: nnx.Module) -> list[nnx.Param]:
    """The parameters that penalties are for: those of two axes or more, so no bias."""
    return [param for param in parameters(net) if param.ndim >= 2]


def accuracy(y_hat: ArrayLike, y: ArrayLike) -> float:
    """How many predictions are right: a count, not a share.

    Shapes: y_hat (n, classes), whose largest entry is the prediction, or predictions shaped as
    y (n).
    """
    return float(_correct(jnp.asarray(y_hat), jnp.asarray(y)))


def _correct(y_hat: Array, y: Array) -> Array:
    if len(y_hat.shape) > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(axis=1)
    return (y_hat.astype(y.dtype) == y).sum()


def evaluate_accuracy(net: Callable[[Any], Array], data_iter: Iterable[Batch]) -> float:
    """The share of examples that `net` predicts rightly; a module is left in evaluation mode.

    Raises ValueError where data_iter yields nothing.
    """
    scores = _evaluated(net)
    metric = Accumulator(2)
    for X, y in data_iter:
        metric.add(accuracy(scores(X), y), y.size)
    return metric.mean(0)


def _evaluated(net: Callable[[Any], Array]) -> Callable[[Any], Array]:
    """`net` in evaluation mode and compiled, where it is a module; a function as it is."""
    if not isinstance(net, nnx.Module):
        return net
    net.eval()
    return partial(_forward, net)


@nnx.jit
def _forward(net: Callable[[Any], Array], X: Array) -> Array:
    return net(X)


def evaluate_loss(
    net: Callable[[Any], Array],
    data_iter: Iterable[Batch],
    loss: Callable[[Array, Array], Array],
) -> float:
    """The mean over all examples of a loss of reduction 'none'; else as `evaluate_accuracy`."""
    scores = _evaluated(net)
    metric = Accumulator(2)
    for X, y in data_iter:
        l = loss(scores(X), jnp.asarray(y))
        metric.add(l.sum(), l.size)
    return metric.mean(0)


def train_epoch_ch3(
    net: nnx.Module,
    train_iter: Iterable[Batch],
    loss: Callable[[Array, Array], Array],
    updater: nnx.Optimizer | Callable[..., None],
    *,
    penalty: Callable[[Any], Array] | None = None,
) -> tuple[float, float]:
    """One epoch in training mode; (training loss, training accuracy), each a mean.

    A built-in optimizer, nnx.Optimizer(net, an optax transformation, wrt=nnx.Param), is given
    the gradient of l.mean(), a hand-written `updater(batch_size, grads=...)` that of l.sum():
    one array for each of its `params`, or, where it has no such attribute, of
    `parameters(net)`. `penalty(net)`, a scalar, is added to the loss of every example, and
    counts in the loss that is returned. Raises ValueError where train_iter yields nothing, or
    updater.params has a parameter that is not one of net's; TypeError for a net that is no
    module.
    """
    if not isinstance(net, nnx.Module):
        raise TypeError(
            "net must be an nnx.Module, through which JAX finds what to differentiate by, "
            f"got {type(net).__name__}"
        )
    net.train()
    loss, penalty = _fixed(loss), _fixed(penalty)
    metric = Accumulator(3)
    for X, y in train_iter:
        if isinstance(updater, nnx.Optimizer):
            l, correct = _optimizer_step(net, updater, X, y, loss, penalty)
        else:
            l, correct, grads = _gradients(net, X, y, loss, penalty)
            updater(X.shape[0], grads=_in_order_of(updater, net, grads))
        metric.add(l, correct, y.size)
    return metric.mean(0), metric.mean(1)


def _fixed(function: Any) -> Any:
    """A module by its bound method, which jit takes for a constant as it does a function."""
    return function.__call__ if isinstance(function, nnx.Module) else function


@partial(nnx.jit, static_argnames=("loss", "penalty"))
def _optimizer_step(
    net: Any, updater: nnx.Optimizer, X: Any, y: Any, loss: Callable, penalty: Any
) -> tuple[Array, Array]:
    (_, (l, correct)), grads = _backward(net, X, y, loss, penalty, jnp.mean)
    updater.update(net, grads)
    return l, correct


@partial(nnx.jit, static_argnames=("loss", "penalty"))
def _gradients(
    net: Any, X: Any, y: Any, loss: Callable, penalty: Any
) -> tuple[Array, Array, list[Array]]:
    (_, (l, correct)), grads = _backward(net, X, y, loss, penalty, jnp.sum)
    return l, correct, [grad.get_value() for _, grad in nnx.to_flat_state(grads)]


def _backward(
    net: Any, X: Any, y: Any, loss: Callable, penalty: Any, reduction: Callable
) -> tuple[tuple[Array, tuple[Array, Array]], nnx.State]:
    def reduced(net: Any) -> tuple[Array, tuple[Array, Array]]:
        y_hat = net(X)
        l = loss(y_hat, y)
        if penalty is not None:
            l = l + penalty(net)
        return reduction(l), (l.sum(), _correct(y_hat, y))

    return nnx.value_and_grad(reduced, has_aux=True)(net)


def _in_order_of(updater: Any, net: nnx.Module, grads: list[Array]) -> list[Array]:
    if not hasattr(updater, "params"):
        return grads
    pairs = zip(parameters(net), grads, strict=True)
    grad_of = {id(param): grad for param, grad in pairs}
    strangers = [param for param in updater.params if id(param) not in grad_of]
    if strangers:
        raise ValueError(
            f"updater.params holds {len(strangers)} parameters that are not net's, the first "
            f"of shape {strangers[0].shape}"
        )
    return [grad_of[id(param)] for param in updater.params]


def train_ch3(
    net: nnx.Module,
    train_iter: Iterable[Batch],
    test_iter: Iterable[Batch],
    loss: Callable[[Array, Array], Array],
    num_epochs: int,
    updater: nnx.Optimizer | Callable[..., None],
    *,
    penalty: Callable[[Any], Array] | None = None,
    stopping: Callable[[Any], bool] | None = None,
) -> list[tuple[float, float, float]]:
    """Trains for num_epochs; (training loss, training accuracy, test accuracy) of each.

    train_iter and test_iter are read once an epoch, so generators do not serve: `load_array`
    does. `stopping(net)` is asked after each epoch, and ends the training when it says True.
    """
    history = []
    for _ in range(num_epochs):
        train_metrics = train_epoch_ch3(net, train_iter, loss, updater, penalty=penalty)
        history.append((*train_metrics, evaluate_accuracy(net, test_iter)))
        if stopping is not None and stopping(net):
            break
    return history


def get_fashion_mnist_labels(labels: Iterable[int | Array]) -> list[str]:
    """What the classes of Fashion-MNIST are called."""
    text_labels = ("t-shirt", "trouser", "pullover", "dress", "coat")
    text_labels += ("sandal", "shirt", "sneaker", "bag", "ankle boot")
    return [text_labels[int(i)] for i in labels]


def predict(
    net: Callable[[Any], Array], test_iter: Iterable[Batch], n: int = 6
) -> tuple[Array | np.ndarray, Array]:
    """(true classes, predicted classes) of the first n examples of the first minibatch.

    Raises ValueError where test_iter yields nothing. d2l calls it predict_ch3.
    """
    batch = next(iter(test_iter), None)
    if batch is None:
        raise ValueError("test_iter yields no minibatch")
    X, y = batch
    return y[:n], _evaluated(net)(X[:n]).argmax(axis=1)


class Accumulator:
    """n running sums."""

    def __init__(self, n: int) -> None:
        self.data = [0.0] * n

    def add(self, *args: float | Array) -> None:
        """Adds one number to each sum."""
        self.data = [a + float(b) for a, b in zip(self.data, args, strict=True)]

    def reset(self) -> None:
        self.data = [0.0] * len(self.data)

    def mean(self, idx: int) -> float:
        """Sum `idx` over the last one, the count; ValueError where nothing was counted."""
        if self.data[-1] == 0:
            raise ValueError(
                "no example was read: was the data a generator that is used up? load_array "
                "gives minibatches that can be read again"
            )
        return self.data[idx] / self.data[-1]

    def __getitem__(self, idx: int) -> float:
        return self.data[idx]
