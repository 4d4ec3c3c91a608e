"""Who is told what a Trainer does, and who decides when it logs, evaluates, saves and stops.

This file is the same on both sides. Names and meanings are those of transformers, whose own
callbacks serve too.
Source: https://huggingface.co/docs/transformers/main_classes/callback
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

__all__ = [
    "TrainerState",
    "TrainerControl",
    "TrainerCallback",
    "DefaultFlowCallback",
    "EarlyStoppingCallback",
    "PrinterCallback",
    "ProgressCallback",
]


@dataclass
class TrainerState:
    """How far a training is, and all it logged; trainer_state.json holds it."""

    epoch: float = 0
    global_step: int = 0
    max_steps: int = 0
    logging_steps: float = 500
    eval_steps: float = 500
    save_steps: float = 500
    train_batch_size: int | None = None
    num_train_epochs: int = 0
    num_input_tokens_seen: int = 0
    total_flos: float = 0
    log_history: list[dict[str, float]] = field(default_factory=list)
    best_metric: float | None = None
    best_global_step: int | None = None
    best_model_checkpoint: str | None = None
    is_local_process_zero: bool = True
    is_world_process_zero: bool = True
    is_hyper_param_search: bool = False
    trial_name: str | None = None
    trial_params: dict[str, Any] | None = None
    stateful_callbacks: dict[str, Any] = field(default_factory=dict)

    def compute_steps(self, args: Any, max_steps: int) -> None:
        """The intervals in steps, of which a number below 1 is a share."""
        for name in ("logging_steps", "eval_steps", "save_steps"):
            steps = getattr(args, name)
            if steps is not None:
                setattr(self, name, math.ceil(max_steps * steps) if steps < 1 else steps)

    def save_to_json(self, json_path: str | Path) -> None:
        text = json.dumps(asdict(self), indent=2, sort_keys=True)
        Path(json_path).write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def load_from_json(cls, json_path: str | Path) -> TrainerState:
        """What a Trainer wrote, transformers' too. ValueError where it is no such file."""
        try:
            values = json.loads(Path(json_path).read_text(encoding="utf-8"))
            names = {f.name for f in fields(cls)}
            return cls(**{name: value for name, value in values.items() if name in names})
        except (json.JSONDecodeError, AttributeError) as error:
            raise ValueError(f"{json_path} is no state of a Trainer: {error}") from None


@dataclass
class TrainerControl:
    """What callbacks ask a Trainer for."""

    should_training_stop: bool = False
    should_epoch_stop: bool = False
    should_save: bool = False
    should_evaluate: bool = False
    should_log: bool = False


# What a Trainer takes back before it tells of an event.
RESETS = {
    "on_train_begin": ("should_training_stop",),
    "on_epoch_begin": ("should_epoch_stop",),
    "on_step_begin": ("should_log", "should_evaluate", "should_save"),
    "on_evaluate": ("should_evaluate",),
    "on_save": ("should_save",),
    "on_log": ("should_log",),
}


class TrainerCallback:
    """Methods named after events; each may change `control`, or return another one.

    They are called with (args, state, control) and, by keyword, model, processing_class,
    optimizer, lr_scheduler, and logs or metrics where there are some. An optimizer step is one
    call, compiled in JAX: the events inside of it (on_substep_end, on_pre_optimizer_step,
    on_optimizer_step) are not told.
    """

    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_predict(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any: ...


class DefaultFlowCallback(TrainerCallback):
    """Asks for logs, evaluations and checkpoints as the arguments' strategies say."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        step = state.global_step
        due = {
            kind: getattr(args, f"{kind}_strategy") == "steps"
            and step % getattr(state, f"{kind}_steps") == 0
            for kind in ("logging", "eval", "save")
        }
        last = step >= state.max_steps
        begun = args.eval_delay <= step
        control.should_log |= due["logging"] or (step == 1 and args.logging_first_step)
        control.should_evaluate |= begun and (
            due["eval"] or (last and args.eval_strategy == "steps")
        )
        control.should_save |= due["save"] or (last and args.save_strategy == "steps")
        control.should_training_stop |= last
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        control.should_log |= args.logging_strategy == "epoch"
        control.should_evaluate |= (
            args.eval_strategy == "epoch" and args.eval_delay <= state.epoch
        )
        control.should_save |= args.save_strategy == "epoch"
        return control


class EarlyStoppingCallback(TrainerCallback):
    """Ends the training when metric_for_best_model got no better in as many evaluations.

    Better means by more than `early_stopping_threshold`. How many were no better goes into
    trainer_state.json, and on from there when the training resumes.
    """

    COUNTER = "early_stopping_patience_counter"

    def __init__(
        self, early_stopping_patience: int = 1, early_stopping_threshold: float = 0.0
    ) -> None:
        self.early_stopping_patience = early_stopping_patience
        self.early_stopping_threshold = early_stopping_threshold

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        if args.metric_for_best_model is None or args.eval_strategy == "no":
            raise ValueError(
                "early stopping needs metric_for_best_model and an eval_strategy, got "
                f"{args.metric_for_best_model!r} and {args.eval_strategy!r}"
            )

    def on_evaluate(
        self,
        args: Any,
        state: Any,
        control: Any,
        metrics: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> Any:
        name = args.metric_for_best_model
        value = (metrics or {}).get(name if name.startswith("eval_") else f"eval_{name}")
        if value is None:
            return control
        best = state.best_metric
        gain = 0.0 if best is None else (value - best) * (1 if args.greater_is_better else -1)
        if best is None or gain > self.early_stopping_threshold:
            counter = 0
        else:
            counter = state.stateful_callbacks.get(self.COUNTER, 0) + 1
        state.stateful_callbacks[self.COUNTER] = counter
        control.should_training_stop |= counter >= self.early_stopping_patience
        return control


class PrinterCallback(TrainerCallback):
    """Prints what is logged."""

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        print(readable(kwargs.get("logs") or {}))


class ProgressCallback(TrainerCallback):
    """A bar on standard error that counts steps, and what is logged above it."""

    def __init__(self) -> None:
        self.bar: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        self.bar = tqdm(
            total=state.max_steps, initial=state.global_step, unit="step", dynamic_ncols=True
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        write = print if self.bar is None else self.bar.write
        write(str(readable(kwargs.get("logs") or {})))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        self.bar.close()
        self.bar = None


def readable(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers to four digits."""
    return {
        name: f"{value:.4g}" if isinstance(value, float) else value
        for name, value in logs.items()
        if name != "total_flos"
    }


def reporter(disable_tqdm: bool | None) -> TrainerCallback:
    """A progress bar, or just the printer where it is off or standard error no terminal."""
    off = not sys.stderr.isatty() if disable_tqdm is None else disable_tqdm
    return PrinterCallback() if off else ProgressCallback()
