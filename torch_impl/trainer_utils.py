"""What a Trainer takes and gives, the order of its rows, and its folders of checkpoints.

This file is the same on both sides. Names and meanings are those of transformers.
Source: https://huggingface.co/docs/transformers/internal/trainer_utils
"""

from __future__ import annotations

import inspect
import random
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "seeded_permutation",
    "set_seed",
    "find_labels",
    "signature_columns",
    "accepts_loss_kwargs",
    "is_exempt",
    "split_outputs",
    "concatenated",
    "speed_metrics",
    "sort_checkpoints",
    "get_last_checkpoint",
    "rotate_checkpoints",
    "EvalPrediction",
    "PredictionOutput",
    "TrainOutput",
    "StepRecord",
]

CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def seeded_permutation(n: int, seed: int) -> np.ndarray:
    """torch.randperm(n) of a CPU generator with that seed, without torch.

    It is the order of an epoch in transformers' Trainer, whose seed grows by one an epoch: a
    Fisher-Yates shuffle by the 32-bit words of the same Mersenne twister.
    """
    words = np.random.MT19937()
    seeded: Any = np.random.RandomState(seed % 2**32).get_state(legacy=False)
    words.state = seeded
    order = list(range(n))
    for i, word in enumerate(words.random_raw(max(n - 1, 0)).tolist()):
        j = i + word % (n - i)
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def set_seed(seed: int) -> None:
    """Seeds Python's and NumPy's global streams, which a collator may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002


def find_labels(model: Any) -> list[str]:
    """The arguments of a model that hold labels, by their names."""
    return [name for name in _arguments(model) if "label" in name]


def signature_columns(model: Any, label_names: Sequence[str]) -> list[str]:
    """The columns that a model takes, and what labels may be called before collation."""
    return [*_arguments(model), "label", "label_ids", *label_names]


def accepts_loss_kwargs(model: Any) -> bool:
    """Whether a model takes num_items_in_batch, as those do that take any keyword."""
    declared = getattr(model, "accepts_loss_kwargs", None)
    if declared is not None:
        return declared
    return any(p.kind is p.VAR_KEYWORD for p in _parameters(model).values())


def _arguments(model: Any) -> list[str]:
    return list(_parameters(model))


def _parameters(model: Any) -> Mapping[str, inspect.Parameter]:
    call = model.forward if hasattr(model, "forward") else model.__call__
    return inspect.signature(call).parameters


def is_exempt(name: str) -> bool:
    """Whether a parameter goes without weight decay by its name, a dotted path."""
    lower = name.lower()
    parts = lower.split(".")
    return any(word in lower for word in ("bias", "layernorm", "rmsnorm")) or any(
        part == "norm" or part.endswith("_norm") for part in parts
    )


def split_outputs(outputs: Any, labelled: bool) -> tuple[Any, Any]:
    """(loss, all else: one array, or a tuple of them) of what a model returned.

    A mapping has its loss under "loss"; a tuple has it first, where there are labels. Raises
    ValueError where labels were given and no loss came.
    """
    if isinstance(outputs, Mapping):
        loss = outputs.get("loss")
        rest = tuple(v for k, v in outputs.items() if k != "loss" and v is not None)
    else:
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        first = hasattr(outputs, "_fields") and outputs._fields[0] == "loss"
        loss, rest = (outputs[0], outputs[1:]) if labelled or first else (None, outputs)
        rest = tuple(v for v in rest if v is not None)
    if labelled and loss is None:
        raise ValueError("the model returned no loss for its labels")
    return loss, rest[0] if len(rest) == 1 else rest


def concatenated(batches: Sequence[Any]) -> Any:
    """Batches one after another; where their second axes differ, filled up with -100."""
    if isinstance(batches[0], tuple):
        return tuple(concatenated(column) for column in zip(*batches, strict=True))
    arrays = [np.asarray(batch) for batch in batches]
    if arrays[0].ndim < 2:
        return np.concatenate([np.atleast_1d(array) for array in arrays])
    longest = max(array.shape[1] for array in arrays)
    return np.concatenate([_filled(array, longest) for array in arrays])


def _filled(array: np.ndarray, length: int) -> np.ndarray:
    widths = [(0, 0), (0, length - array.shape[1]), *[(0, 0)] * (array.ndim - 2)]
    return np.pad(array, widths, constant_values=-100)


def speed_metrics(
    split: str,
    start_time: float,
    num_samples: float | None = None,
    num_steps: float | None = None,
) -> dict[str, float]:
    """Seconds since `start_time`, and samples and steps a second, named after `split`."""
    runtime = time.time() - start_time
    result = {f"{split}_runtime": round(runtime, 4)}
    counts = {"samples": num_samples, "steps": num_steps}
    for name, count in counts.items():
        if count is not None and runtime > 0:
            result[f"{split}_{name}_per_second"] = round(count / runtime, 3)
    return result


def sort_checkpoints(output_dir: str | Path) -> list[Path]:
    """The folders checkpoint-1, checkpoint-2, ... of `output_dir`, by their numbers."""
    found = []
    folder = Path(output_dir)
    for child in folder.iterdir() if folder.is_dir() else ():
        match = CHECKPOINT.fullmatch(child.name)
        if match and child.is_dir():
            found.append((int(match[1]), child))
    return [child for _, child in sorted(found)]


def get_last_checkpoint(folder: str | Path) -> str | None:
    """The checkpoint of the most steps in `folder`, None where there is none."""
    found = sort_checkpoints(folder)
    return str(found[-1]) if found else None


def rotate_checkpoints(output_dir: str | Path, limit: int | None, best: str | None) -> None:
    """Removes the oldest checkpoints beyond `limit`, but never the last or the best one."""
    found = sort_checkpoints(output_dir)
    if not limit or limit < 0:
        return
    kept = {found[-1]} if found else set()
    if best is not None:
        kept |= {Path(best)} & set(found)
    spare = [checkpoint for checkpoint in found if checkpoint not in kept]
    for checkpoint in spare[: max(0, len(found) - max(limit, len(kept)))]:
        shutil.rmtree(checkpoint, ignore_errors=True)


class EvalPrediction:
    """What compute_metrics is given; unpacks into (predictions, label_ids)."""

    def __init__(self, predictions: Any, label_ids: Any) -> None:
        self.predictions = predictions
        self.label_ids = label_ids

    def __iter__(self) -> Any:
        return iter((self.predictions, self.label_ids))

    def __getitem__(self, index: int) -> Any:
        return (self.predictions, self.label_ids)[index]


class PredictionOutput(NamedTuple):
    """Predictions and labels as NumPy, all rows; labels None where the data had none."""

    predictions: Any
    label_ids: Any
    metrics: dict[str, float]


class TrainOutput(NamedTuple):
    """Steps done in all, the mean loss of this call's, and the last line of the log."""

    global_step: int
    training_loss: float
    metrics: dict[str, float]


class StepRecord(NamedTuple):
    """One optimizer step, for who compares them: by name, in this side's layout, as NumPy.

    losses are those of the micro-batches, as the model gave them; gradients are their sum, or
    their mean over the micro-batches, before clipping; parameters are those after the step.
    """

    step: int
    losses: list[float]
    grad_norm: float
    learning_rate: float
    gradients: dict[str, np.ndarray]
    parameters: dict[str, np.ndarray]
