"""torch's half of a training run in lockstep: one Record a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import torch

from compare.cases.training import Training
from compare.run import torch_side
from compare.run.batches import Batch, evaluation, test_inputs
from compare.run.draw import Givens
from compare.run.objective import EVALUATIONS, objective
from compare.run.record import Record
from compare.run.torch_update import Update, default_dtype

Arrays = dict[str, np.ndarray]


def train(
    training: Training,
    given: Givens,
    batches: Iterable[Batch],
    test: tuple[np.ndarray, ...],
    precision: str,
    device: str,
    twin: bool = False,
) -> Iterator[Record]:
    """Trains from the given leaves; yields what each step computed, in the order of computing.

    Names: "lr" and "loss"; "grad/", "grad_norm" before clipping; "moment/", "update/" and
    "buffer/" after the update. In float32 the parameters after it come along; of a `twin` they
    and the loss are all. The last Record holds the evaluation on `test`, where there is one.
    """
    dtype = getattr(torch, precision)
    with default_dtype(dtype):
        model = torch_side.filled(torch_side.build(training), given, dtype, device).train()
        update = Update(training, dict(model.named_parameters()))
    goal = objective(training, "torch")
    kept = partial(torch_side.kept_buffers, model, given)
    for batch in batches:
        with default_dtype(dtype):
            torch_side.fill_masks(model, batch.masks, dtype, device)
            examples = [torch_side.tensor(array, dtype, device) for array in batch.arrays]
            losses = goal(model, *examples)
            (losses.sum() if training.by_hand else losses.mean()).backward()
            loss = {"loss": torch_side.numpy(losses.mean())}
            # In a function of its own, so that no array of a step outlives it: they are large.
            size = len(batch.arrays[0])
            yield _brief(update, loss, size) if twin else _whole(update, loss, size, kept)
    if test:
        yield Record("torch", precision, evaluated(training, model, test, dtype, device))


def _whole(update: Update, loss: Arrays, size: int, buffers: Callable[[], Arrays]) -> Record:
    arrays = {**update.rates(), **loss}
    arrays |= {f"grad/{k}": gradient(p) for k, p in update.parameters.items()}
    arrays |= update.clipped()
    before = {k: torch_side.numpy(p) for k, p in update.parameters.items()}
    update.step(size)
    arrays |= update.moments()
    after = {k: torch_side.numpy(p) for k, p in update.parameters.items()}
    arrays |= {f"update/{k}": after[k] - before[k] for k in after}
    narrow = loss["loss"].dtype == np.float32
    return Record(
        "torch", loss["loss"].dtype.name, arrays | buffers(), parameters=after if narrow else {}
    )


def _brief(update: Update, loss: Arrays, size: int) -> Record:
    update.clipped()
    update.step(size)
    after = {k: torch_side.numpy(p) for k, p in update.parameters.items()}
    return Record("torch", "float32", loss, parameters=after)


def gradient(parameter: torch.nn.Parameter) -> np.ndarray:
    """Its gradient; zeros where the loss did not depend on it."""
    grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    return torch_side.numpy(grad)


@torch.no_grad()
def evaluated(
    training: Training,
    model: torch.nn.Module,
    test: tuple[np.ndarray, ...],
    dtype: torch.dtype,
    device: str,
) -> dict[str, np.ndarray]:
    """The objective's evaluation on the test arrays, in eval mode."""
    model.eval()
    parts = [
        EVALUATIONS[training.objective](
            model, *(torch_side.tensor(array, dtype, device) for array in arrays)
        )
        for arrays in test_inputs(training, test)
    ]
    return evaluation(test, [{k: torch_side.numpy(v) for k, v in p.items()} for p in parts])
