"""A Trainer's parts and data: what it is made of, its batches, its log, its files of metrics.

This file is the same on both sides.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from jax_impl.trainer_callback import (
    RESETS,
    DefaultFlowCallback,
    TrainerControl,
    TrainerState,
    reporter,
)
from jax_impl.trainer_utils import (
    StepRecord,
    accepts_loss_kwargs,
    find_labels,
    seeded_permutation,
    set_seed,
    signature_columns,
)
from jax_impl.training_arguments import TrainingArguments

Batch = dict[str, Any]

_log = logging.getLogger(__name__)


class TrainerBase:
    """The neutral half; what knows a framework is below, raising NotImplementedError."""

    lengths: int | None = None
    """Lengths that the default collator pads to are multiples of this."""

    observer: Callable[[StepRecord], None] | None = None
    """Given a StepRecord after every optimizer step, which then waits for it."""

    def __init__(
        self,
        model: Any = None,
        args: TrainingArguments | None = None,
        data_collator: Callable[[list[Any]], Mapping[str, Any]] | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        model_init: Callable[[], Any] | None = None,
        compute_loss_func: Callable[..., Any] | None = None,
        compute_metrics: Callable[[Any], Mapping[str, Any]] | None = None,
        callbacks: Sequence[Any] | None = None,
        optimizers: tuple[Any, Any] = (None, None),
        optimizer_cls_and_kwargs: tuple[Any, dict[str, Any]] | None = None,
        preprocess_logits_for_metrics: Callable[[Any, Any], Any] | None = None,
        *,
        tokenizer: Any = None,
    ) -> None:
        if (model is None) == (model_init is None):
            kind = RuntimeError if model is None else ValueError
            raise kind("Trainer needs either a model or a model_init, and not both")
        if optimizer_cls_and_kwargs is not None:
            raise NotImplementedError("optimizer_cls_and_kwargs: give `optimizers` instead")
        if tokenizer is not None and processing_class is not None:
            raise ValueError("tokenizer is the old name of processing_class: got both")
        self.args = TrainingArguments("tmp_trainer") if args is None else args
        self.processing_class = tokenizer if processing_class is None else processing_class
        self.data_collator = data_collator or self._default_collator()
        self.train_dataset, self.eval_dataset = train_dataset, eval_dataset
        self.model_init, self.compute_loss_func = model_init, compute_loss_func
        self.compute_metrics = compute_metrics
        self.preprocess_logits_for_metrics = preprocess_logits_for_metrics
        self.optimizer, self.lr_scheduler = optimizers
        self._given_optimizers = optimizers
        if self.args.eval_strategy != "no" and eval_dataset is None:
            raise ValueError(
                f"eval_strategy is {self.args.eval_strategy!r} and there is no eval_dataset: "
                "pass one, or set eval_strategy to 'no'"
            )
        for name, dataset in self._datasets():
            if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
                raise TypeError(
                    f"{name} must have a length and numbered rows, got {type(dataset).__name__}"
                )
        self._seed()
        self._take_model(model if model_init is None else model_init())
        self.label_names = self.args.label_names
        if self.label_names is None:
            self.label_names = find_labels(self._model)
        self.model_accepts_loss_kwargs = accepts_loss_kwargs(self._model)
        self.is_in_train = False
        self.state, self.control = TrainerState(), TrainerControl()
        added = [c() if isinstance(c, type) else c for c in callbacks or ()]
        self.callbacks: list[Any] = [
            DefaultFlowCallback(),
            *added,
            reporter(self.args.disable_tqdm),
        ]
        Path(str(self.args.output_dir)).mkdir(parents=True, exist_ok=True)
        self._tell("on_init_end")

    def _datasets(self) -> list[tuple[str, Any]]:
        named = [("train_dataset", self.train_dataset)]
        if isinstance(self.eval_dataset, dict):
            named += [(f"eval_dataset[{k!r}]", v) for k, v in self.eval_dataset.items()]
        else:
            named.append(("eval_dataset", self.eval_dataset))
        return [(name, dataset) for name, dataset in named if dataset is not None]

    # Data.

    def epoch_order(self, epoch: int) -> Sequence[int] | np.ndarray:
        """The rows of train_dataset in the order of that epoch; override it for another one.

        transformers' own for the same seed: both sides, and its Trainer, see the same batches.
        """
        if self.args.train_sampling_strategy == "sequential":
            return range(len(self.train_dataset))
        seed = self._data_seed() if self.args.data_seed is None else self.args.data_seed
        return seeded_permutation(len(self.train_dataset), seed + epoch)

    def _data_seed(self) -> int:
        return self.args.seed

    def _batches(
        self,
        dataset: Any,
        order: Sequence[int] | np.ndarray,
        size: int,
        skipped: int = 0,
        drop_last: bool = False,
    ) -> Iterator[Batch]:
        """Collated batches, from number `skipped` on, each made one ahead of its use."""
        columns = None
        if self.args.remove_unused_columns:
            columns = set(signature_columns(self._model, self.label_names or ()))
        end = len(order) // size * size if drop_last else len(order)
        self._pass_begins()
        ahead: Batch | None = None
        for start in range(skipped * size, end, size):
            rows = [dataset[int(i)] for i in order[start : start + size]]
            batch = self._collated(rows, columns)
            if ahead is not None:
                yield ahead
            ahead = batch
        if ahead is not None:
            yield ahead

    def _collated(self, rows: list[Any], columns: set[str] | None) -> Batch:
        if columns is not None and isinstance(rows[0], Mapping):
            if not columns & set(rows[0]):
                raise ValueError(
                    f"no column of the data ({', '.join(rows[0])}) is an argument of "
                    f"{type(self._model).__name__} ({', '.join(sorted(columns))}): tokenize it "
                    "first, or set remove_unused_columns=False"
                )
            rows = [{k: v for k, v in row.items() if k in columns} for row in rows]
        return dict(self.data_collator(rows))

    def _default_collator(self) -> Any:
        """transformers' own: it pads where there is a tokenizer, else stacks equal rows."""
        from transformers import DataCollatorWithPadding, DefaultDataCollator

        if self.processing_class is None or not hasattr(self.processing_class, "pad"):
            return DefaultDataCollator(return_tensors="np")
        return DataCollatorWithPadding(
            self.processing_class, pad_to_multiple_of=self.lengths, return_tensors="np"
        )

    # Events, the log and files.

    def _tell(self, event: str, **facts: Any) -> None:
        for name in RESETS.get(event, ()):
            setattr(self.control, name, False)
        for callback in self.callbacks:
            method = getattr(callback, event, None)
            if method is None:
                continue
            told = {
                "processing_class": self.processing_class,
                "optimizer": self.optimizer,
                "lr_scheduler": self.lr_scheduler,
                **facts,
            }
            if not type(callback).__module__.endswith("impl.trainer_callback"):
                told["model"] = self.model  # in JAX it costs something to get
            self.control = method(self.args, self.state, self.control, **told) or self.control

    def add_callback(self, callback: Any) -> None:
        """Adds a callback, or a class of them to make one of."""
        self.callbacks.append(callback() if isinstance(callback, type) else callback)

    def pop_callback(self, callback: Any) -> Any:
        """Takes out that callback, or the first of that class, and returns it; None if none."""
        for found in self.callbacks:
            if found is callback or (isinstance(callback, type) and type(found) is callback):
                self.callbacks.remove(found)
                return found
        return None

    def remove_callback(self, callback: Any) -> None:
        self.pop_callback(callback)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds a line to state.log_history, with the epoch and the step."""
        if self.state.epoch is not None:
            logs["epoch"] = self.state.epoch
        self.state.log_history.append({**logs, "step": self.state.global_step})
        self._tell("on_log", logs=logs)

    def log_metrics(self, split: str, metrics: Mapping[str, float]) -> None:
        """Prints metrics, one a line."""
        print(f"***** {split} metrics *****")
        width = max(map(len, metrics), default=0)
        for name in sorted(metrics):
            value = metrics[name]
            shown = f"{value:.4f}" if isinstance(value, float) else value
            print(f"  {name:<{width}} = {shown}")

    def save_metrics(
        self, split: str, metrics: Mapping[str, float], combined: bool = True
    ) -> None:
        """Writes SPLIT_results.json in output_dir, and adds to all_results.json if combined."""
        folder = Path(str(self.args.output_dir))
        _write_json(folder / f"{split}_results.json", dict(metrics))
        if combined:
            file = folder / "all_results.json"
            found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
            _write_json(file, {**found, **metrics})

    def save_state(self) -> None:
        """Writes trainer_state.json in output_dir."""
        self.state.save_to_json(Path(str(self.args.output_dir)) / "trainer_state.json")

    def save_model(self, output_dir: str | Path | None = None) -> None:
        """Writes model, tokenizer and training_args.json into a folder, output_dir by default.

        A model that has save_pretrained writes itself; of another one model.safetensors holds
        the parameters.
        """
        folder = Path(str(self.args.output_dir) if output_dir is None else output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self._write_model(folder)
        tokenizer = self.processing_class or getattr(self.data_collator, "tokenizer", None)
        if tokenizer is not None:
            tokenizer.save_pretrained(str(folder))
        shown = {k: v for k, v in asdict(self.args).items() if k != "hub_token"}
        _write_json(folder / "training_args.json", shown)

    def is_world_process_zero(self) -> bool:
        return True

    def is_local_process_zero(self) -> bool:
        return True

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> float:
        """6 tokens parameters, where the model counts its parameters; else 0."""
        if "input_ids" not in inputs or not hasattr(self._model, "num_parameters"):
            return 0.0
        count = self._model.num_parameters(exclude_embeddings=True)
        return 6.0 * int(np.prod(inputs["input_ids"].shape)) * count

    # What knows a framework.

    @property
    def model(self) -> Any:
        """The model; while it trains, as it is after the last step."""
        self._write_back()
        return self._model

    @model.setter
    def model(self, model: Any) -> None:
        self._take_model(model)

    _model: Any

    def _write_back(self) -> None:
        """Gives the model what its training keeps elsewhere."""

    def _seed(self) -> None:
        set_seed(self.args.seed)

    def _take_model(self, model: Any) -> None:
        raise NotImplementedError

    def _pass_begins(self) -> None:
        """A pass over a data set is about to begin."""

    def _write_model(self, folder: Path) -> None:
        raise NotImplementedError

    def _read_model(self, folder: Path) -> None:
        raise NotImplementedError


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=4, sort_keys=True, default=str)
    file.write_text(f"{text}\n", encoding="utf-8")
