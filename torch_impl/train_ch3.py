"""d2l's training loop of chapter 3, for a hand-written update and for a built-in optimizer.

Names: Dive into Deep Learning, first edition, 3.6. The loss keeps the batch (reduction 'none'):
the hand-written update wants the gradient of its sum, since it divides by the batch size
itself, a built-in optimizer the gradient of its mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

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


def parameters(net: nn.Module) -> list[nn.Parameter]:
    """Every parameter of `net`, once, in the order of their definition."""
    return list(net.parameters())


def weights(net: nn.Module) -> list[nn.Parameter]:
    """The parameters that penalties are for: those of two axes or more, so no bias."""
    return [param for param in parameters(net) if param.ndim >= 2]


def accuracy(y_hat: Tensor, y: Tensor) -> float:
    """How many predictions are right: a count, not a share.

    Shapes: y_hat (n, classes), whose largest entry is the prediction, or predictions shaped as
    y (n).
    """
    if len(y_hat.shape) > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(dim=1)
    cmp = y_hat.type(y.dtype) == y
    return float(cmp.sum())


def evaluate_accuracy(
    net: Callable[[Tensor], Tensor], data_iter: Iterable[tuple[Tensor, Tensor]]
) -> float:
    """The share of examples that `net` predicts rightly; a module is left in evaluation mode.

    Raises ValueError where data_iter yields nothing.
    """
    if isinstance(net, nn.Module):
        net.eval()
    metric = Accumulator(2)
    with torch.no_grad():
        for X, y in data_iter:
            metric.add(accuracy(net(X), y), y.numel())
    return metric.mean(0)


def evaluate_loss(
    net: Callable[[Tensor], Tensor],
    data_iter: Iterable[tuple[Tensor, Tensor]],
    loss: Callable[[Tensor, Tensor], Tensor],
) -> float:
    """The mean over all examples of a loss of reduction 'none'; else as `evaluate_accuracy`."""
    if isinstance(net, nn.Module):
        net.eval()
    metric = Accumulator(2)
    with torch.no_grad():
        for X, y in data_iter:
            l = loss(net(X), y)
            metric.add(l.sum(), l.numel())
    return metric.mean(0)


def train_epoch_ch3(
    net: Callable[[Tensor], Tensor],
    train_iter: Iterable[tuple[Tensor, Tensor]],
    loss: Callable[[Tensor, Tensor], Tensor],
    updater: torch.optim.Optimizer | Callable[[int], None],
    *,
    penalty: Callable[[Any], Tensor] | None = None,
) -> tuple[float, float]:
    """One epoch in training mode; (training loss, training accuracy), each a mean.

    A built-in optimizer follows l.mean().backward(), a hand-written `updater(batch_size)`
    l.sum().backward(). `penalty(net)`, a scalar, is added to the loss of every example, and
    counts in the loss that is returned. Raises ValueError where train_iter yields nothing.
    """
    if isinstance(net, nn.Module):
        net.train()
    metric = Accumulator(3)
    for X, y in train_iter:
        y_hat = net(X)
        l = loss(y_hat, y)
        if penalty is not None:
            l = l + penalty(net)
        if isinstance(updater, torch.optim.Optimizer):
            updater.zero_grad()
            l.mean().backward()
            updater.step()
        else:
            l.sum().backward()
            updater(X.shape[0])
        metric.add(l.detach().sum(), accuracy(y_hat, y), y.numel())
    return metric.mean(0), metric.mean(1)


def train_ch3(
    net: Callable[[Tensor], Tensor],
    train_iter: Iterable[tuple[Tensor, Tensor]],
    test_iter: Iterable[tuple[Tensor, Tensor]],
    loss: Callable[[Tensor, Tensor], Tensor],
    num_epochs: int,
    updater: torch.optim.Optimizer | Callable[[int], None],
    *,
    penalty: Callable[[Any], Tensor] | None = None,
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


def get_fashion_mnist_labels(labels: Iterable[int | Tensor]) -> list[str]:
    """What the classes of Fashion-MNIST are called."""
    text_labels = ("t-shirt", "trouser", "pullover", "dress", "coat")
    text_labels += ("sandal", "shirt", "sneaker", "bag", "ankle boot")
    return [text_labels[int(i)] for i in labels]


def predict(
    net: Callable[[Tensor], Tensor], test_iter: Iterable[tuple[Tensor, Tensor]], n: int = 6
) -> tuple[Tensor, Tensor]:
    """(true classes, predicted classes) of the first n examples of the first minibatch.

    Raises ValueError where test_iter yields nothing. d2l calls it predict_ch3.
    """
    batch = next(iter(test_iter), None)
    if batch is None:
        raise ValueError("test_iter yields no minibatch")
    if isinstance(net, nn.Module):
        net.eval()
    X, y = batch
    with torch.no_grad():
        return y[:n], net(X[:n]).argmax(dim=1)


class Accumulator:
    """n running sums."""

    def __init__(self, n: int) -> None:
        self.data = [0.0] * n

    def add(self, *args: float | Tensor) -> None:
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
