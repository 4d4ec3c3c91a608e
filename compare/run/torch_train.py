"""torch's half of a training run in lockstep: one Record a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from compare.cases.case import Training
from compare.run import target, torch_side
from compare.run.draw import Givens
from compare.run.record import Record


def train(
    training: Training,
    given: Givens,
    batches: Iterable[tuple],
    test: tuple[np.ndarray, np.ndarray],
    precision: str,
    device: str,
) -> Iterator[Record]:
    """Trains from the given leaves; yields loss, gradients, updates and buffers of each step.

    The last Record holds `correct`: how many of the `test` images it classifies rightly.
    """
    dtype = getattr(torch, precision)
    model = torch_side.filled(torch_side.build(training), given, dtype, device).train()
    loss_of, update = (target.named(name, "torch") for name in (training.loss, training.update))
    parameters = dict(model.named_parameters())
    for images, labels in batches:
        x = torch_side.tensor(images, dtype, device)
        loss = loss_of(model(x), torch_side.tensor(labels, dtype, device), reduction="sum")
        loss.backward()
        arrays = {"loss": torch_side.numpy(loss.detach() / len(images))}
        arrays |= {
            f"grad/{k}": torch_side.numpy(torch.zeros_like(p) if p.grad is None else p.grad)
            for k, p in parameters.items()
        }
        before = {k: torch_side.numpy(p) for k, p in parameters.items()}
        update(parameters.values(), training.learning_rate, len(images))
        arrays |= {
            f"update/{k}": torch_side.numpy(p) - before[k] for k, p in parameters.items()
        }
        arrays |= torch_side.kept_buffers(model, given)
        yield Record("torch", precision, arrays)
    yield Record("torch", precision, {"correct": correct(model, test, dtype, device)})


@torch.no_grad()
def correct(
    model: torch.nn.Module, test: tuple[np.ndarray, np.ndarray], dtype: torch.dtype, device: str
) -> np.ndarray:
    """How many of the test images the model classifies rightly, in eval mode."""
    images, labels = test
    model.eval()
    scores = model(torch_side.tensor(images, dtype, device))
    model.train()
    return np.sum(torch_side.numpy(scores).argmax(-1) == labels)
