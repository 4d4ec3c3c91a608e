"""A Trainer's evaluations and predictions.

This file is the same on both sides.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np

from jax_impl._trainer_base import Batch, TrainerBase
from jax_impl.trainer_utils import (
    EvalPrediction,
    PredictionOutput,
    concatenated,
    speed_metrics,
)


class Pass(NamedTuple):
    """Each row's loss, the outputs and labels of all rows, each None if there is none."""

    losses: np.ndarray | None
    predictions: Any
    label_ids: Any
    rows: int


class TrainerEvaluate(TrainerBase):
    """`evaluate` and `predict`; dataloader_drop_last drops a short batch here too."""

    def evaluate(
        self, eval_dataset: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The mean loss over the rows, what compute_metrics finds, and speed; logged too.

        Of a dict of data sets each is evaluated, its name in the prefix. Raises ValueError
        where there is no data set.
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if dataset is None:
            raise ValueError("evaluate needs an eval_dataset, here or in the Trainer")
        if isinstance(dataset, dict):
            return {
                name: value
                for part, rows in dataset.items()
                for name, value in self.evaluate(rows, f"{metric_key_prefix}_{part}").items()
            }
        start_time = time.time()
        loss_only = self.compute_metrics is None or self.args.prediction_loss_only
        found = self._pass(dataset, loss_only)
        metrics = self._metrics(found, metric_key_prefix)
        metrics |= self._speed(metric_key_prefix, start_time, found.rows)
        self.log(metrics)
        self._tell("on_evaluate", metrics=metrics)
        return metrics

    def predict(self, test_dataset: Any, metric_key_prefix: str = "test") -> PredictionOutput:
        """All rows' outputs, without the loss; labels and metrics where the data has labels."""
        start_time = time.time()
        found = self._pass(test_dataset, self.args.prediction_loss_only)
        metrics = self._metrics(found, metric_key_prefix)
        metrics |= self._speed(metric_key_prefix, start_time, found.rows)
        self._tell("on_predict", metrics=metrics)
        return PredictionOutput(found.predictions, found.label_ids, metrics)

    def _speed(self, prefix: str, start_time: float, rows: int) -> dict[str, float]:
        steps = math.ceil(rows / self.args.eval_batch_size)
        return speed_metrics(prefix, start_time, rows, steps)

    def _pass(self, dataset: Any, loss_only: bool) -> Pass:
        """Losses stay where they were computed until the last batch is on its way."""
        losses, counts, predictions, labels = [], [], [], []
        self._evaluation_begins()
        order = range(len(dataset))
        size, drop_last = self.args.eval_batch_size, self.args.dataloader_drop_last
        for batch in self._batches(dataset, order, size, drop_last=drop_last):
            names = self.label_names or ()
            labelled = bool(names) and all(batch.get(name) is not None for name in names)
            loss, outputs = self._prediction_step(batch, labelled)
            if labelled:
                losses.append(loss)
                counts.append(len(batch[next(iter(names))]))
            if not loss_only:
                given = tuple(np.asarray(batch[name]) for name in names) if labelled else None
                if given is not None:
                    labels.append(given[0] if len(given) == 1 else given)
                if self.preprocess_logits_for_metrics is not None:
                    known = None if given is None else labels[-1]
                    outputs = self.preprocess_logits_for_metrics(outputs, known)
                predictions.append(outputs)
            self._tell("on_prediction_step")
        each = np.repeat(np.asarray(self._fetched(losses)), counts) if losses else None
        return Pass(
            each,
            concatenated(self._fetched(predictions)) if predictions else None,
            concatenated(labels) if labels else None,
            len(dataset),
        )

    def _metrics(self, found: Pass, prefix: str) -> dict[str, float]:
        metrics: dict[str, Any] = {}
        named: dict[str, Any] = {}
        complete = found.predictions is not None and found.label_ids is not None
        if self.compute_metrics is not None and complete:
            computed = self.compute_metrics(EvalPrediction(found.predictions, found.label_ids))
            named = {name: _plain(value) for name, value in computed.items()}
        if found.losses is not None:
            finite = np.isfinite(found.losses)
            skip = self.args.logging_nan_inf_filter and finite.any()
            losses = found.losses[finite] if skip else found.losses
            metrics[f"{prefix}_loss"] = losses.mean().item()
        start = f"{prefix}_"
        named = {k if k.startswith(start) else start + k: v for k, v in named.items()}
        return {**metrics, **{k: v for k, v in named.items() if k not in metrics}}

    # What knows a framework.

    def _evaluation_begins(self) -> None:
        """Puts the model into evaluation mode."""
        raise NotImplementedError

    def _prediction_step(self, batch: Batch, labelled: bool) -> tuple[Any, Any]:
        """(loss, outputs), still on their way; the loss None unless `labelled`."""
        raise NotImplementedError

    def _fetched(self, tree: Any) -> Any:
        """Arrays of the framework, in lists and tuples, as NumPy."""
        raise NotImplementedError


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic | np.ndarray) else value
