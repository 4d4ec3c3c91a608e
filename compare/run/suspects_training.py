"""Known mistakes of a training outside of its update: buffers left behind, batches mixed up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch

from compare.cases.training import Training
from compare.run import target, torch_side, torch_train
from compare.run.batches import Batch, Batches, dataset
from compare.run.draw import Givens
from compare.run.start import start
from compare.run.suspects_update import Mistake

NEAR = 200
"""Among how many batches, those nearest to the step that parted, another one is looked for."""

ALIKE = 1e-9
"""How nearly a loss must be that of a batch for the whole run to be tried with it."""


def buffers(training: Training) -> Iterator[Mistake]:
    """The model's buffers stay as they were at first, its counts of calls too or not."""
    for counts in (True, False):
        arguments = {"_target": training.torch or training.target, "_counts": counts}
        rest = "and counts of batches " if counts else ""
        yield Mistake(
            "buffers not updated",
            "gotcha 8",
            f"the model's running statistics {rest}stay as they were on the JAX side",
            "carry the model's state from step to step: nnx.state(model) after the call "
            "(mutable=['batch_stats'] in Linen)",
            {"torch": f"{__name__}:still", "init": {**(training.init or {}), **arguments}},
        )


def still(_target: str, _counts: bool, **init: Any) -> torch.nn.Module:
    """The model that `_target` makes, each of its calls followed by its buffers of before."""
    model = target.named(_target, "torch")(**init)
    for module in model.modules():
        held = [
            name
            for name, buffer in module.named_buffers(recurse=False)
            if _counts or buffer.is_floating_point()
        ]
        if held:
            keep(module, held)
    return model


def keep(module: torch.nn.Module, names: list[str]) -> None:
    """Puts those buffers back after each call.

    As tensors of their own: the call's gradient may need what it wrote.
    """
    before: dict[str, torch.Tensor] = {}

    def remember(module: torch.nn.Module, args: Any) -> None:
        before.update({name: getattr(module, name).clone() for name in names})

    def restore(module: torch.nn.Module, args: Any, out: Any) -> None:
        for name, buffer in before.items():
            setattr(module, name, buffer)

    module.register_forward_pre_hook(remember)
    module.register_forward_hook(restore)


def swapped(step: int, other: int) -> Mistake:
    """The batches of two steps in each other's place, told when both steps have been taken."""
    return Mistake(
        "batches swapped",
        "training",
        f"the batches of steps {step} and {other} are swapped on the JAX side",
        "one order of batches for both sides: one generator, one worker, one epoch count",
        {"swap": (step, other)},
        last=max(step, other),
    )


def batches_taken(
    training: Training, step: int, loss: float, seed: int, device: str
) -> list[int]:
    """The other steps whose batch would give torch the loss `loss` at `step`, nearest first."""
    batches = Batches(training, dataset(training, seed), seed)
    here = reached(training, batches, step, seed, device)
    others = sorted(range(len(batches)), key=lambda other: abs(other - step))[1 : NEAR + 1]
    wanted = set(others)
    losses = {
        other: loss_on(training, here, batch, device)
        for other, batch in enumerate(batches)
        if other in wanted
    }
    return [other for other in others if abs(losses[other] - loss) <= ALIKE * abs(loss)]


def reached(training: Training, batches: Batches, step: int, seed: int, device: str) -> Givens:
    """torch's leaves before `step`, in float64."""
    given = start(training, torch_side.leaves(training), seed)
    leaves = dict(given.leaves)
    run = torch_train.train(training, given, islice(batches, step), (), "float64", device)
    for record in run:
        for name, values in record.arrays.items():
            kind, _, path = name.partition("/")
            if kind == "update":
                leaves[path] = leaves[path] + values
            if kind == "buffer":
                leaves[path] = values
    return replace(given, leaves=leaves)


def loss_on(training: Training, given: Givens, batch: Batch, device: str) -> float:
    """torch's loss of `batch` at those leaves."""
    record = next(torch_train.train(training, given, [batch], (), "float64", device))
    return float(np.asarray(record.arrays["loss"]))
