"""Early stopping on a validation set, on both sides: when each stops, and what it keeps.

An MLP learns 96 digits, a quarter of them labelled wrongly, so that it overfits soon; training
ends when the loss on 200 other digits has not improved for some epochs, and the best state is
put back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from compare.cases.training import Training, call
from compare.run import target
from compare.run.batches import digits
from compare.run.draw import Givens, generator

EPOCHS, PATIENCE, BATCH, RATE = 40, 3, 16, 0.2
NET = Training(
    "mlp.MLP",
    name="early stopping",
    init={"num_hiddens": 32},
    update=call("optim.SGD", lr=RATE),
)


@dataclass(frozen=True)
class Stopped:
    """One side's training: the validation loss of each epoch, the best one, what was kept.

    `best_epoch` counts from 1; `right` is how many validation digits the kept state classifies
    rightly; `kept` its parameters, by path, in torch's layout.
    """

    losses: list[float]
    best_epoch: int
    right: int
    kept: dict[str, np.ndarray]


def data(seed: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """(training images and labels, validation images and labels)."""
    images, labels = digits(seed).train
    rng = generator(seed, "wrong labels")
    noisy = np.where(rng.random(96) < 0.25, rng.integers(0, 10, 96), labels[:96])
    return (images[:96], noisy), (images[96:296], labels[96:296])


def trained(
    side: str, net: Any, updater: Any, seed: int, to_side: Any
) -> tuple[Any, list[float], int]:
    """(stopping with its net restored, validation losses, digits right) by d2l's train_ch3."""
    name = partial(target.named, side=side)
    train, validation = (tuple(map(to_side, part)) for part in data(seed))
    loss = name("loss.CrossEntropyLoss")(reduction="none")
    load, stopping = name("sgd.load_array"), name("overfitting.EarlyStopping")(PATIENCE)
    held_out = load(validation, 200, is_train=False)
    losses: list[float] = []

    def stop(net: Any) -> bool:
        losses.append(float(name("train_ch3.evaluate_loss")(net, held_out, loss)))
        return stopping(net, losses[-1])

    batches = load(train, BATCH, rng=generator(seed, "order"))
    run = name("train_ch3.train_ch3")
    run(net, batches, held_out, loss, EPOCHS, updater, stopping=stop)
    stopping.restore(net)
    right = name("train_ch3.evaluate_accuracy")(net, held_out) * 200
    return stopping, losses, round(float(right))


def on_torch(given: Givens, seed: int) -> Stopped:
    import torch

    from compare.run import torch_side

    net = torch_side.filled(torch_side.build(NET), given, torch.float64, "cpu")
    updater = torch.optim.SGD(net.parameters(), lr=RATE)
    to_side = partial(torch_side.tensor, dtype=torch.float64, device="cpu")
    stopping, losses, right = trained("torch", net, updater, seed, to_side)
    kept = {path: torch_side.numpy(values) for path, values in net.named_parameters()}
    return Stopped(losses, stopping.best_epoch, right, kept)


def on_jax(given: Givens, seed: int) -> Stopped:
    from flax import nnx

    from compare.run import jax_leaves, jax_train, state

    program = jax_train.Program(NET, given, "float64", "cpu")

    def to_side(array: np.ndarray) -> np.ndarray:
        return state.to_jax(array, "n c h w -> n h w c") if array.ndim == 4 else array

    with program.settings():
        net = program.leaves.merged(program.filled(given))
        rule = target.named("optim.SGD", "jax")(lr=RATE)
        updater = nnx.Optimizer(net, rule, wrt=nnx.Param)
        stopping, losses, right = trained("jax", net, updater, seed, to_side)
        kept = program.told("", jax_leaves.values(nnx.state(net, nnx.Param)))
    return Stopped(
        losses, stopping.best_epoch, right, {k: np.asarray(v) for k, v in kept.items()}
    )


def early_stopping(seed: int) -> dict[str, Stopped]:
    """Both sides from the same parameters, by side."""
    from compare.run import torch_side
    from compare.run.start import start

    given = start(NET, torch_side.leaves(NET), seed)
    return {"torch": on_torch(given, seed), "jax": on_jax(given, seed)}
