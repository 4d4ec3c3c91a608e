"""d2l's pairings, executed: which loss, reduction and updater belong together in train_ch3.

The loop gives a hand-written updater the gradient of l.sum(), a built-in optimizer that of
l.mean(), and the hand-written updater divides by the batch size. So a loss of reduction 'none'
serves both, 'sum' the hand-written updater only, 'mean' the built-in one only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from compare.run import target
from compare.run.draw import generator

LOSSES = {"squared_loss": 1, "mse_loss / 2": 1, "mse_loss": 2}
"""Each loss, and how many times squared_loss it is: that one holds a 1/2."""


@dataclass(frozen=True)
class Pairing:
    """One pairing, run in float64 on both sides.

    expected  what its updates should be, over those of minibatch gradient descent on
              squared_loss: 1 where the pairing is right
    factor    what its first update is over the right one, per side: a mean over the parameters
    spread    the largest relative deviation from `expected`, over parameters and sides
    gap       the largest relative difference, over parameters and sides, after the last step,
              from torch's right pairing at `expected` times the learning rate
    """

    loss: str
    reduction: str
    updater: str
    expected: float
    factor: dict[str, float]
    spread: float
    gap: float

    @property
    def right(self) -> bool:
        return self.expected == 1

    def __str__(self) -> str:
        says = "right" if self.right else f"off by {self.expected:g}"
        return (
            f"{self.loss:<14}{self.reduction:<6}{self.updater:<14}{says:<15}"
            f"spread {self.spread:.1e}  gap {self.gap:.1e}"
        )


@dataclass(frozen=True)
class Path:
    """The parameters (w, then b) before training, after the first step, and after the last."""

    start: np.ndarray
    first: np.ndarray
    last: np.ndarray


def pairings(
    batch_size: int = 10, steps: int = 20, learning_rate: float = 0.03, seed: int = 0
) -> list[Pairing]:
    """All 18 pairings on d2l's linear regression: w = (2, -3.4), b = 4.2, noise 0.01.

    A learning rate that `expected` multiplies, up to 2 * batch_size times, must still descend:
    keep learning_rate * batch_size below 1/2. Raises ValueError for fewer than 2 steps.
    """
    if steps < 2:
        raise ValueError(f"steps must be at least 2, got {steps}")
    batches = regression_batches(batch_size, steps, seed)

    @cache
    def path(side: str, loss: str, reduction: str, updater: str, times: float = 1) -> Path:
        run = {"torch": _torch_path, "jax": _jax_path}[side]
        return run(batches, reduced(side, loss, reduction), updater, times * learning_rate)

    return [
        _measured(path, loss, reduction, updater, LOSSES[loss] * excess)
        for loss, (reduction, updater, excess) in product(LOSSES, excesses(batch_size))
    ]


def _measured(
    path: Callable[..., Path], loss: str, reduction: str, updater: str, expected: float
) -> Pairing:
    reference = ("squared_loss", "none", "hand-written")
    alike = path("torch", *reference, expected)
    factor, spread, gap = {}, 0.0, 0.0
    for side in target.SIDES:
        found, right = path(side, loss, reduction, updater), path(side, *reference)
        ratio = (found.first - found.start) / (right.first - right.start)
        factor[side] = float(ratio.mean())
        spread = max(spread, float(np.abs(ratio / expected - 1).max()))
        gap = max(gap, float(np.abs(found.last / alike.last - 1).max()))
    return Pairing(loss, reduction, updater, expected, factor, spread, gap)


def excesses(batch_size: int) -> list[tuple[str, str, float]]:
    """(reduction, updater, how many times too large its update is): the claim of the notes."""
    return [
        ("none", "hand-written", 1),
        ("none", "built-in", 1),
        ("sum", "hand-written", 1),
        ("sum", "built-in", batch_size),  # never divided by it
        ("mean", "hand-written", 1 / batch_size),  # divided twice
        ("mean", "built-in", 1),
    ]


def regression_batches(
    batch_size: int, steps: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Minibatches of d2l's synthetic data, drawn by NumPy: features (n, 2), labels (n, 1)."""
    rng = generator(seed, "pairings")
    X = rng.normal(size=(steps, batch_size, 2))
    y = X @ np.array([[2.0], [-3.4]]) + 4.2 + rng.normal(0, 0.01, (steps, batch_size, 1))
    return list(zip(X, y, strict=True))


@cache
def reduced(side: str, loss: str, reduction: str) -> Callable[[Any, Any], Any]:
    """One of LOSSES on `side`, as a function of (y_hat, y); the same object at every call."""
    by_hand = target.named("sgd.squared_loss", side)
    built_in = target.named("loss.mse_loss", side)

    def of(y_hat: Any, y: Any) -> Any:
        if loss == "squared_loss":
            whole = by_hand(y_hat, y)
            return whole if reduction == "none" else getattr(whole, reduction)()
        return built_in(y_hat, y, reduction=reduction) / (2 / LOSSES[loss])

    return of


def _torch_path(batches: list, loss: Callable, updater: str, learning_rate: float) -> Path:
    import torch

    net = target.named("sgd.LinearRegressionScratch", "torch")(2).double()
    with torch.no_grad():
        net.w.copy_(torch.tensor([[0.5], [-0.25]]))
    if updater == "built-in":
        update = torch.optim.SGD(net.parameters(), learning_rate)
    else:
        update = target.named("sgd.Updater", "torch")([net.w, net.b], learning_rate)
    batches = [tuple(map(torch.tensor, batch)) for batch in batches]

    def values() -> np.ndarray:
        return torch.cat([net.w.detach().ravel(), net.b.detach()]).numpy()

    return _path("torch", net, batches, loss, update, values)


def _jax_path(batches: list, loss: Callable, updater: str, learning_rate: float) -> Path:
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    with jax.enable_x64(True):
        net = target.named("sgd.LinearRegressionScratch", "jax")(2, rngs=nnx.Rngs(0))
        net.w.set_value(jnp.array([[0.5], [-0.25]], jnp.float64))
        net.b.set_value(jnp.zeros(1, jnp.float64))
        if updater == "built-in":
            update = nnx.Optimizer(net, optax.sgd(learning_rate), wrt=nnx.Param)
        else:
            update = target.named("sgd.Updater", "jax")([net.w, net.b], learning_rate)

        def values() -> np.ndarray:
            return np.concatenate([np.ravel(net.w[...]), np.ravel(net.b[...])])

        return _path("jax", net, batches, loss, update, values)


def _path(
    side: str, net: Any, batches: list, loss: Callable, update: Any, values: Callable
) -> Path:
    train_epoch = target.named("train_ch3.train_epoch_ch3", side)
    start = values()
    train_epoch(net, batches[:1], loss, update)
    first = values()
    train_epoch(net, batches[1:], loss, update)
    return Path(start, first, values())
