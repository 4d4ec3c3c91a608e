"""A Trainer's training: its steps, what is due after each, and checkpoints to go on from.

This file is the same on both sides.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jax_impl._trainer_base import Batch
from jax_impl._trainer_evaluate import TrainerEvaluate
from jax_impl.trainer_callback import TrainerState
from jax_impl.trainer_utils import (
    TrainOutput,
    get_last_checkpoint,
    rotate_checkpoints,
    speed_metrics,
)

STATE = "trainer_state.json"


class Plan(NamedTuple):
    """batches and updates an epoch, updates and epochs in all, rows seen in all."""

    batches: int
    updates: int
    max_steps: int
    epochs: int
    rows: float


class TrainerTrain(TrainerEvaluate):
    """`train`, and what it writes."""

    def train(self, resume_from_checkpoint: str | Path | bool | None = None) -> TrainOutput:
        """Trains, from the start or on from a checkpoint: a folder, or True for the last one.

        A training that goes on ends with the parameters, bit for bit, that it would have ended
        with, if the collator draws no random numbers. Raises ValueError where there is nothing
        to train on or no checkpoint to go on from.
        """
        checkpoint = self._found_checkpoint(resume_from_checkpoint)
        plan = self._plan()
        if self.model_init is not None:
            self._seed()
            self._take_model(self.model_init())
            self.optimizer, self.lr_scheduler = self._given_optimizers
        self.state = TrainerState(train_batch_size=self.args.train_batch_size)
        if checkpoint is not None:
            self._read_model(checkpoint)
            self.state = TrainerState.load_from_json(checkpoint / STATE)
            best = self.state.best_model_checkpoint
            if best is not None and not Path(best).is_dir():
                self.state.best_model_checkpoint = None
        self.state.compute_steps(self.args, plan.max_steps)
        self.state.max_steps, self.state.num_train_epochs = plan.max_steps, plan.epochs
        self._training_begins(plan.max_steps)
        if checkpoint is not None:
            self._read_training(checkpoint)
        self.is_in_train = True
        try:
            return self._train(plan, checkpoint)
        finally:
            self.is_in_train = False
            self._training_ends()

    def _plan(self) -> Plan:
        args = self.args
        if self.train_dataset is None:
            raise ValueError("train needs a train_dataset")
        rows = len(self.train_dataset)
        size = args.train_batch_size
        batches = rows // size if args.dataloader_drop_last else math.ceil(rows / size)
        if batches == 0:
            raise ValueError(
                f"train_dataset has {rows} rows, no batch of {size} with dataloader_drop_last="
                f"{args.dataloader_drop_last}"
            )
        updates = math.ceil(batches / args.gradient_accumulation_steps)
        if args.max_steps > 0:
            seen = args.max_steps * size * args.gradient_accumulation_steps
            return Plan(
                batches, updates, args.max_steps, math.ceil(args.max_steps / updates), seen
            )
        max_steps = math.ceil(args.num_train_epochs * updates)
        epochs = math.ceil(args.num_train_epochs)
        return Plan(batches, updates, max_steps, epochs, rows * args.num_train_epochs)

    def _train(self, plan: Plan, checkpoint: Path | None) -> TrainOutput:
        start_time = time.time()
        first = self._last_logged = self.state.global_step
        self._pending: list[tuple[Any, int]] = []
        self._interval_loss, self._total_loss = np.float32(0), 0.0
        self._grad_norm: Any = None
        self._rate = 0.0
        epochs_done, updates_done = divmod(first, plan.updates)
        if self.args.ignore_data_skip:
            updates_done = 0
        self._tell("on_train_begin")
        if self.args.eval_on_start:
            self.evaluate()
        for epoch in range(epochs_done, plan.epochs):
            skipped = updates_done if epoch == epochs_done else 0
            resumed = checkpoint if epoch == epochs_done else None
            self._tell("on_epoch_begin")
            self._epoch(epoch, plan, skipped, resumed)
            self._tell("on_epoch_end")
            self._do_what_is_due()
            if self.control.should_training_stop:
                break
        return self._finished(plan, start_time, first)

    def _epoch(self, epoch: int, plan: Plan, skipped: int, checkpoint: Path | None) -> None:
        size = self.args.gradient_accumulation_steps
        if checkpoint is not None and skipped == 0:
            self._read_random(checkpoint)
        batches = self._batches(
            self.train_dataset,
            self.epoch_order(epoch),
            self.args.train_batch_size,
            skipped * size,
            self.args.dataloader_drop_last,
        )
        for update in range(skipped, plan.updates):
            group = list(islice(batches, size))
            if checkpoint is not None and update == skipped > 0:
                self._read_random(checkpoint)
            self._tell("on_step_begin")
            self._update(group)
            self.state.global_step += 1
            done = min((update + 1) * size, plan.batches)
            self.state.epoch = epoch + done / plan.batches
            self._tell("on_step_end")
            self._do_what_is_due()
            if self.control.should_epoch_stop or self.control.should_training_stop:
                break

    def _update(self, group: list[Batch]) -> None:
        """One optimizer step; its losses stay where they are until they are logged."""
        items = None
        counted = self.model_accepts_loss_kwargs or self.compute_loss_func is not None
        if counted and all("labels" in batch for batch in group):
            items = sum(int((np.asarray(batch["labels"]) != -100).sum()) for batch in group)
        divisor = 1 if counted and (items is not None or self.compute_loss_func) else len(group)
        self._rate = self._learning_rate()
        losses, self._grad_norm = self._optimizer_step(group, divisor, items)
        since = 1 + self.state.global_step - self._last_logged
        self._pending += [(loss, since) for loss in losses]
        self.state.total_flos += sum(self.floating_point_ops(batch) for batch in group)

    def _drain(self) -> float:
        """The sum of the losses since the last log, in float32 as transformers has it.

        With logging_nan_inf_filter a loss that is none counts as the mean of those before.
        """
        losses = self._fetched([loss for loss, _ in self._pending])
        total = self._interval_loss
        for loss, (_, since) in zip(losses, self._pending, strict=True):
            odd = self.args.logging_nan_inf_filter and not np.isfinite(loss)
            total = np.float32(total + (total / since if odd else loss))
        self._pending, self._interval_loss = [], total
        return float(total)

    def _do_what_is_due(self) -> None:
        if self.control.should_log and self.state.global_step > self._last_logged:
            loss = self._drain()
            logs = {
                "loss": loss / (self.state.global_step - self._last_logged),
                "grad_norm": float(self._fetched([self._grad_norm])[0]),
                "learning_rate": self._rate,
            }
            self._interval_loss = np.float32(0)
            self._total_loss += loss
            self._last_logged = self.state.global_step
            self.log(logs)
        if self.control.should_evaluate:
            better = self._is_best(self.evaluate())
            if self.args.save_strategy == "best":
                self.control.should_save = better
        if self.control.should_save:
            self._save_checkpoint()
            self._tell("on_save")

    def _is_best(self, metrics: dict[str, float]) -> bool:
        name = self.args.metric_for_best_model
        if name is None:
            return False
        name = name if name.startswith("eval_") else f"eval_{name}"
        if name not in metrics:
            raise KeyError(
                f"metric_for_best_model is {name!r}, and the evaluation gives "
                f"{', '.join(metrics)}"
            )
        value, best = metrics[name], self.state.best_metric
        better = best is None or (value > best if self.args.greater_is_better else value < best)
        if better:
            self.state.best_metric = value
            if self.args.save_strategy != "no":
                self.state.best_global_step = self.state.global_step
        return better

    def _finished(self, plan: Plan, start_time: float, first: int) -> TrainOutput:
        self._total_loss += self._drain()
        steps = self.state.global_step - first
        metrics = speed_metrics(
            "train", start_time, plan.rows * steps / max(plan.max_steps, 1), steps
        )
        loss = self._total_loss / max(steps, 0.001)
        metrics |= {"total_flos": self.state.total_flos, "train_loss": loss}
        self.log(metrics)
        best = self.state.best_model_checkpoint
        if self.args.load_best_model_at_end and best is not None:
            self._read_model(Path(best))
        if best is not None and self.args.save_total_limit == 1:
            for checkpoint in Path(str(self.args.output_dir)).glob("checkpoint-*"):
                if checkpoint != Path(best):
                    shutil.rmtree(checkpoint, ignore_errors=True)
        self._tell("on_train_end")
        return TrainOutput(self.state.global_step, loss, metrics)

    # Checkpoints.

    def _save_checkpoint(self) -> None:
        """Writes checkpoint-STEP, whole or not at all: under another name first."""
        output_dir = Path(str(self.args.output_dir))
        folder = output_dir / f"checkpoint-{self.state.global_step}"
        unfinished = output_dir / f"tmp-{folder.name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        self.save_model(unfinished)
        if self.state.best_global_step:
            best = output_dir / f"checkpoint-{self.state.best_global_step}"
            if best == folder or best.is_dir():
                self.state.best_model_checkpoint = str(best)
        if not self.args.save_only_model:
            self._write_training(unfinished)
            self._write_random(unfinished)
        self.state.save_to_json(unfinished / STATE)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(unfinished, folder)
        rotate_checkpoints(
            output_dir, self.args.save_total_limit, self.state.best_model_checkpoint
        )

    def _found_checkpoint(self, wanted: str | Path | bool | None) -> Path | None:
        if wanted is None or wanted is False:
            return None
        if wanted is True:
            last = get_last_checkpoint(str(self.args.output_dir))
            if last is None:
                raise ValueError(f"no checkpoint to go on from in {self.args.output_dir}")
            wanted = last
        folder = Path(str(wanted))
        if not (folder / STATE).is_file():
            raise ValueError(f"{folder} is no checkpoint to go on from: it has no {STATE}")
        return folder

    # What knows a framework.

    def _training_begins(self, max_steps: int) -> None:
        """Makes the optimizer and the schedule, unless they were given."""
        raise NotImplementedError

    def _training_ends(self) -> None:
        """Whether it came to its end or not."""

    def _learning_rate(self) -> float:
        """That of the next step."""
        raise NotImplementedError

    def _optimizer_step(
        self, group: list[Batch], divisor: int, num_items: int | None
    ) -> tuple[list[Any], Any]:
        """(micro-batches' losses over `divisor`, norm of their gradients' sum before clipping).

        Both may be still on their way. `num_items` goes to a model, or a compute_loss_func,
        that scales its loss by it.
        """
        raise NotImplementedError

    def _write_training(self, folder: Path) -> None:
        """The states of the optimizer and the schedule."""
        raise NotImplementedError

    def _read_training(self, folder: Path) -> None:
        raise NotImplementedError

    def _write_random(self, folder: Path) -> None:
        """The states of what is random."""
        raise NotImplementedError

    def _read_random(self, folder: Path) -> None:
        raise NotImplementedError
