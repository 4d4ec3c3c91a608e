"""Fine-tuning as transformers' Trainer does it, step for step: AdamW, clipping, a schedule.

`Trainer` takes transformers' arguments, models and callbacks; its order of rows, its random
streams, its log and its checkpoints are the same too, so that with the same seed both end with
the same parameters. It runs on one device. What is new: batches may be NumPy's.
Source: https://huggingface.co/docs/transformers/main_classes/trainer
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from torch_impl._trainer_base import Batch
from torch_impl._trainer_train import TrainerTrain
from torch_impl.optim import clip_grad_norm_
from torch_impl.optim_adam import AdamW
from torch_impl.schedule_warmup import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)
from torch_impl.trainer_utils import (
    EvalPrediction,
    PredictionOutput,
    StepRecord,
    TrainOutput,
    is_exempt,
    split_outputs,
)
from torch_impl.training_arguments import TrainingArguments

__all__ = [
    "decay_parameter_names",
    "EvalPrediction",
    "PredictionOutput",
    "StepRecord",
    "TrainOutput",
    "Trainer",
    "TrainingArguments",
]

WEIGHTS, OPTIMIZER, SCHEDULER, RANDOM = (
    "model.safetensors",
    "optimizer.pt",
    "scheduler.pt",
    "rng_state.pth",
)


def decay_parameter_names(model: nn.Module) -> list[str]:
    """The parameters that weight decay is for: no bias, and nothing of a normalisation."""
    found = []
    for prefix, module in model.named_modules():
        if isinstance(module, nn.LayerNorm):
            continue
        for name, _ in module.named_parameters(prefix, recurse=False):
            if not is_exempt(name):
                found.append(name)
    return found


class Trainer(TrainerTrain):
    """Trains, evaluates and predicts, in transformers' terms.

    model              returns its loss first, or as `loss`, where it is given labels
    args               TrainingArguments; by default those of a folder tmp_trainer
    data_collator      makes a batch, a dict, of a list of rows; by default it pads them with
                       `processing_class`, the tokenizer, which is saved with the model
    train_dataset, eval_dataset   rows by number; eval_dataset may be a dict of data sets
    model_init         makes the model, anew for each training
    compute_loss_func  (outputs, labels, num_items_in_batch) -> loss, in place of the model's
    compute_metrics    (EvalPrediction) -> dict of metrics
    callbacks          see `trainer_callback`
    optimizers         (optimizer, schedule), each None for AdamW and the arguments' schedule
    preprocess_logits_for_metrics   (outputs, labels) -> what is kept as predictions
    tokenizer          the old name of processing_class

    The model is moved to a GPU where there is one, unless use_cpu.
    """

    def _seed(self) -> None:
        super()._seed()
        torch.manual_seed(self.args.seed)

    def _take_model(self, model: nn.Module) -> None:
        gpu = torch.cuda.is_available() and not self.args.use_cpu
        self.device = torch.device("cuda" if gpu else "cpu")
        self._model = model.to(self.device)

    def _data_seed(self) -> int:
        return torch.initial_seed()

    def _pass_begins(self) -> None:
        torch.empty((), dtype=torch.int64).random_()  # a DataLoader draws a seed for workers

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        return {
            name: torch.as_tensor(value).to(self.device)
            if isinstance(value, Tensor | np.ndarray)
            else value
            for name, value in batch.items()
        }

    def _loss(
        self, inputs: dict[str, Any], labelled: bool, num_items: int | None
    ) -> tuple[Tensor | None, Any]:
        labels = inputs.pop("labels", None) if self.compute_loss_func is not None else None
        if self.model_accepts_loss_kwargs and num_items is not None:
            inputs["num_items_in_batch"] = torch.tensor(num_items, device=self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.args.bf16):
            outputs = self._model(**inputs)
        if self.compute_loss_func is not None and labels is not None:
            loss = self.compute_loss_func(outputs, labels, num_items_in_batch=num_items)
            return loss, split_outputs(outputs, False)[1]
        return split_outputs(outputs, labelled)

    # Training.

    def _training_begins(self, max_steps: int) -> None:
        self._model.zero_grad()
        if self._given_optimizers[0] is None and self.optimizer is None:
            self.optimizer = self._make_optimizer()
        if self._given_optimizers[1] is None:
            self.lr_scheduler = self._make_schedule(max_steps)

    def _make_optimizer(self) -> torch.optim.Optimizer:
        args, decayed = self.args, set(decay_parameter_names(self._model))
        named = [(n, p) for n, p in self._model.named_parameters() if p.requires_grad]
        groups = [
            {
                "params": [p for n, p in named if n in decayed],
                "weight_decay": args.weight_decay,
            },
            {"params": [p for n, p in named if n not in decayed], "weight_decay": 0.0},
        ]
        return AdamW(
            groups,
            lr=args.learning_rate,
            betas=(args.adam_beta1, args.adam_beta2),
            eps=args.adam_epsilon,
            fused=args.optim == "adamw_torch_fused" or None,
        )

    def _make_schedule(self, max_steps: int) -> torch.optim.lr_scheduler.LRScheduler:
        args, warmup = self.args, self.args.get_warmup_steps(max_steps)
        options = args.lr_scheduler_kwargs or {}
        optimizer = self.optimizer
        match args.lr_scheduler_type:
            case "linear":
                make = get_linear_schedule_with_warmup
                return make(optimizer, warmup, max_steps, **options)
            case "cosine":
                make = get_cosine_schedule_with_warmup
                return make(optimizer, warmup, max_steps, **options)
            case kind:
                warmup = 0 if kind == "constant" else warmup
                return get_constant_schedule_with_warmup(optimizer, warmup, **options)

    def _learning_rate(self) -> float:
        return float(self.lr_scheduler.get_last_lr()[0])

    def _optimizer_step(
        self, group: list[Batch], divisor: int, num_items: int | None
    ) -> tuple[list[Tensor], Tensor]:
        self._model.train()
        losses = []
        for batch in group:
            loss, _ = self._loss(self._inputs(batch), True, num_items)
            assert loss is not None
            loss = loss / divisor
            loss.backward()
            losses.append(loss.detach())
        parameters = list(self._model.parameters())
        kept = self._gradients() if self.observer else {}
        bound = self.args.max_grad_norm if self.args.max_grad_norm > 0 else float("inf")
        grad_norm = clip_grad_norm_(parameters, bound)
        self.optimizer.step()
        if self.observer is not None:
            self._report(losses, divisor, grad_norm, kept)
        self.lr_scheduler.step()
        self._model.zero_grad()
        return losses, grad_norm

    def _gradients(self) -> dict[str, np.ndarray]:
        named = self._model.named_parameters()
        return {
            n: p.grad.cpu().numpy(force=True).copy() for n, p in named if p.grad is not None
        }

    def _report(
        self,
        losses: list[Tensor],
        divisor: int,
        grad_norm: Tensor,
        gradients: dict[str, np.ndarray],
    ) -> None:
        named = self._model.named_parameters()
        record = StepRecord(
            self.state.global_step + 1,
            [float(loss) * divisor for loss in losses],
            float(grad_norm),
            self._rate,
            gradients,
            {name: p.numpy(force=True).copy() for name, p in named},
        )
        assert self.observer is not None
        self.observer(record)

    # Evaluation.

    def _evaluation_begins(self) -> None:
        self._model.eval()

    def _prediction_step(self, batch: Batch, labelled: bool) -> tuple[Tensor | None, Any]:
        items = None
        if labelled and "labels" in batch:
            items = int((np.asarray(batch["labels"]) != -100).sum())
        with torch.no_grad():
            return self._loss(self._inputs(batch), labelled, items)

    def _fetched(self, tree: Any) -> Any:
        if isinstance(tree, Mapping):
            return {name: self._fetched(value) for name, value in tree.items()}
        if isinstance(tree, list | tuple):
            return type(tree)(self._fetched(value) for value in tree)
        if not isinstance(tree, Tensor):
            return tree
        wide = tree.float() if tree.dtype in (torch.bfloat16, torch.float16) else tree
        return wide.numpy(force=True)

    # Files, by the names that transformers' Trainer reads.

    def _write_model(self, folder: Path) -> None:
        if hasattr(self._model, "save_pretrained"):
            self._model.save_pretrained(str(folder))
        else:
            save_model(self._model, str(folder / WEIGHTS))

    def _read_model(self, folder: Path) -> None:
        load_model(self._model, folder / WEIGHTS, device=str(self.device))

    def _write_training(self, folder: Path) -> None:
        torch.save(self.optimizer.state_dict(), folder / OPTIMIZER)
        torch.save(self.lr_scheduler.state_dict(), folder / SCHEDULER)

    def _read_training(self, folder: Path) -> None:
        if not (folder / OPTIMIZER).is_file():
            return
        state = torch.load(folder / OPTIMIZER, map_location=self.device, weights_only=True)
        self.optimizer.load_state_dict(state)
        self.lr_scheduler.load_state_dict(torch.load(folder / SCHEDULER, weights_only=True))

    def _write_random(self, folder: Path) -> None:
        states = {
            "python": random.getstate(),
            "numpy": np.random.get_state(),  # noqa: NPY002
            "cpu": torch.random.get_rng_state(),
        }
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.random.get_rng_state()
        torch.save(states, folder / RANDOM)

    def _read_random(self, folder: Path) -> None:
        if not (folder / RANDOM).is_file():
            return
        states = torch.load(folder / RANDOM, weights_only=False)
        random.setstate(states["python"])
        np.random.set_state(states["numpy"])  # noqa: NPY002
        torch.random.set_rng_state(states["cpu"])
        if "cuda" in states and self.device.type == "cuda":
            torch.cuda.random.set_rng_state(states["cuda"])
