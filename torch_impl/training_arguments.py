"""How to train: transformers' TrainingArguments, by its names and with its defaults.

This file is the same on both sides.
Source: https://huggingface.co/docs/transformers/main_classes/trainer
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

__all__ = ["TrainingArguments"]

INTERVALS = ("no", "steps", "epoch")
CHOICES = {
    "eval_strategy": INTERVALS,
    "logging_strategy": INTERVALS,
    "save_strategy": (*INTERVALS, "best"),
    "lr_scheduler_type": ("linear", "cosine", "constant", "constant_with_warmup"),
    "optim": ("adamw_torch_fused", "adamw_torch"),
    "train_sampling_strategy": ("random", "sequential"),
}
OLD_NAMES = {"evaluation_strategy": "eval_strategy", "warmup_ratio": "warmup_steps"}
POSITIVE = (
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "gradient_accumulation_steps",
)
NOT_NEGATIVE = (
    *("learning_rate", "weight_decay", "adam_epsilon", "max_grad_norm"),
    *("warmup_steps", "eval_delay", "seed"),
)
NOTHING = (None, False, "", "no", "none", [], ["none"])


T = TypeVar("T")
# A setting of transformers' that is taken at its default and refused at any other value.
Only = Annotated[T, "at its default only"]


@dataclass
class TrainingArguments:
    """Every field of transformers' has its name and default; what it means is said there.

    Differences: one device a process, so "per device" is all. `optim` chooses a kernel in torch
    and nothing in JAX. `bf16` computes in bfloat16 with float32 parameters, on a CPU too.
    `disable_tqdm` None shows a bar where standard error is a terminal. evaluation_strategy and
    warmup_ratio are old names of eval_strategy and warmup_steps, below 1 a share of the steps.
    What only changes speed, hardware or who is told is taken and has no effect; what would
    change results and is not there raises NotImplementedError at any value but its default.

    Raises ValueError that names the field for a value that does not fit.
    """

    output_dir: str | None = None
    _: KW_ONLY
    per_device_train_batch_size: int = 8
    num_train_epochs: float = 3.0
    max_steps: int = -1
    learning_rate: float = 5e-5
    lr_scheduler_type: str = "linear"
    lr_scheduler_kwargs: dict[str, Any] | None = None
    warmup_steps: float = 0
    warmup_ratio: float | None = None
    optim: str = "adamw_torch_fused"
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    gradient_accumulation_steps: int = 1
    max_grad_norm: float = 1.0
    bf16: bool = False
    logging_strategy: str = "steps"
    logging_steps: float = 500
    logging_first_step: bool = False
    logging_nan_inf_filter: bool = True
    disable_tqdm: bool | None = None
    eval_strategy: str = "no"
    evaluation_strategy: str | None = None
    eval_steps: float | None = None
    eval_delay: float = 0
    per_device_eval_batch_size: int = 8
    prediction_loss_only: bool = False
    eval_on_start: bool = False
    save_only_model: bool = False
    save_strategy: str = "steps"
    save_steps: float = 500
    save_total_limit: int | None = None
    load_best_model_at_end: bool = False
    metric_for_best_model: str | None = None
    greater_is_better: bool | None = None
    ignore_data_skip: bool = False
    seed: int = 42
    data_seed: int | None = None
    use_cpu: bool = False
    dataloader_drop_last: bool = False
    remove_unused_columns: bool = True
    label_names: list[str] | None = None
    train_sampling_strategy: str = "random"

    # For the scripts that use a Trainer, which does not read them.
    do_train: bool = False
    do_eval: bool = False
    do_predict: bool = False
    resume_from_checkpoint: str | None = None

    # Without effect: speed and memory, names of runs, several processes, the Hub.
    average_tokens_across_devices: bool = True
    dataloader_in_order: bool = True
    dataloader_multiprocessing_context: str | None = None
    dataloader_num_workers: int = 0
    dataloader_persistent_workers: bool = False
    dataloader_pin_memory: bool = True
    dataloader_prefetch_factor: int | None = None
    ddp_backend: str | None = None
    ddp_broadcast_buffers: bool | None = None
    ddp_bucket_cap_mb: int | None = None
    ddp_find_unused_parameters: bool | None = None
    ddp_static_graph: bool | None = None
    ddp_timeout: int = 1800
    eval_accumulation_steps: int | None = None
    eval_use_gather_object: bool = False
    hub_always_push: bool = False
    hub_model_id: str | None = None
    hub_private_repo: bool | None = None
    hub_revision: str | None = None
    hub_strategy: str = "every_save"
    hub_token: str | None = None
    length_column_name: str = "length"
    local_rank: int = -1
    log_level: str = "passive"
    log_level_replica: str = "warning"
    log_on_each_node: bool = True
    project: str = "huggingface"
    run_name: str | None = None
    save_on_each_node: bool = False
    skip_memory_metrics: bool = True
    torch_empty_cache_steps: int | None = None
    trackio_bucket_id: str | None = None
    trackio_space_id: str | None = None
    trackio_static_space_id: Any = None
    use_cache: bool = False

    # Not there: at their defaults only.
    accelerator_config: Only[Any] = None
    activation_checkpointing: Only[bool | None] = None
    activation_checkpointing_kwargs: Only[Any] = None
    auto_find_batch_size: Only[bool] = False
    batch_eval_metrics: Only[bool] = False
    bf16_full_eval: Only[bool] = False
    debug: Only[Any] = ""
    deepspeed: Only[Any] = None
    enable_jit_checkpoint: Only[bool] = False
    eval_do_concat_batches: Only[bool] = True
    fp16: Only[bool] = False
    fp16_full_eval: Only[bool] = False
    fsdp: Only[Any] = None
    fsdp_config: Only[Any] = None
    full_determinism: Only[bool] = False
    gradient_checkpointing: Only[bool | None] = None
    gradient_checkpointing_kwargs: Only[Any] = None
    include_for_metrics: Only[list[str]] = field(default_factory=list)
    include_num_input_tokens_seen: Only[Any] = "no"
    label_smoothing_factor: Only[float] = 0.0
    liger_kernel_config: Only[Any] = None
    neftune_noise_alpha: Only[float | None] = None
    optim_args: Only[Any] = None
    optim_target_modules: Only[Any] = None
    parallelism_config: Only[Any] = None
    push_to_hub: Only[bool] = False
    report_to: Only[Any] = "none"
    restore_callback_states_from_checkpoint: Only[bool] = False
    tf32: Only[bool | None] = None
    torch_compile: Only[bool] = False
    torch_compile_backend: Only[Any] = None
    torch_compile_mode: Only[Any] = None
    use_liger_kernel: Only[bool] = False

    def __post_init__(self) -> None:
        self._take_old_names()
        self.output_dir = str(Path(self.output_dir or "trainer_output").expanduser())
        for name in CHOICES:
            value = getattr(self, name)
            setattr(self, name, getattr(value, "value", value))  # an enum of transformers'
        self._check()
        if self.eval_strategy != "no":
            self.do_eval = True
        if self.eval_strategy == "steps" and not self.eval_steps:
            self.eval_steps = self.logging_steps
        if self.load_best_model_at_end and self.metric_for_best_model is None:
            self.metric_for_best_model = "loss"
        if self.greater_is_better is None and self.metric_for_best_model is not None:
            self.greater_is_better = not self.metric_for_best_model.endswith("loss")
        self._check_intervals()

    def _take_old_names(self) -> None:
        defaults = {f.name: f.default for f in fields(self)}
        for old, new in OLD_NAMES.items():
            value = getattr(self, old)
            if value is None:
                continue
            if getattr(self, new) not in (defaults[new], value):
                raise ValueError(
                    f"{old} is the old name of {new}: got both, {value!r} and "
                    f"{getattr(self, new)!r}"
                )
            setattr(self, new, value)
            setattr(self, old, None)

    def _check(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            default = [] if f.name == "include_for_metrics" else f.default
            same = value == default or (value in NOTHING and default in NOTHING)
            if str(f.type).startswith("Only[") and not same:
                raise NotImplementedError(
                    f"{f.name} must be {default!r}, got {value!r}: not supported"
                )
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be in {allowed}, got {getattr(self, name)!r}")
        for name in POSITIVE:
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a positive int, got {getattr(self, name)!r}")
        for name in NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)!r}")
        for name in ("adam_beta1", "adam_beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)!r}")
        if self.max_steps == 0 or (self.max_steps < 0 and not self.num_train_epochs > 0):
            raise ValueError(
                "max_steps or num_train_epochs must be positive, got "
                f"{self.max_steps} and {self.num_train_epochs}"
            )

    def _check_intervals(self) -> None:
        for kind in ("logging", "eval", "save"):
            name, value = f"{kind}_steps", getattr(self, f"{kind}_steps")
            if getattr(self, f"{kind}_strategy") != "steps":
                continue
            if value is None or not value > 0 or (value > 1 and value != int(value)):
                raise ValueError(
                    f"{name} must be a positive int, or below 1 a share of all steps, "
                    f"got {value!r}"
                )
            setattr(self, name, int(value) if value >= 1 else value)
        best = self.load_best_model_at_end or self.save_strategy == "best"
        if best and self.metric_for_best_model is None:
            raise ValueError(
                "metric_for_best_model must be given where save_strategy is 'best'"
            )
        if not self.load_best_model_at_end or self.save_strategy == "best":
            return
        if self.eval_strategy != self.save_strategy:
            raise ValueError(
                "load_best_model_at_end needs an evaluation for each checkpoint: eval_strategy "
                f"is {self.eval_strategy!r}, save_strategy {self.save_strategy!r}"
            )
        if self.eval_strategy == "steps":
            turns = self.save_steps / (self.eval_steps or 1)
            mixed = (self.save_steps < 1) != ((self.eval_steps or 1) < 1)
            if mixed or not math.isclose(turns, round(turns)):
                raise ValueError(
                    "load_best_model_at_end needs save_steps to be a multiple of eval_steps, "
                    f"got {self.save_steps} and {self.eval_steps}"
                )

    @property
    def train_batch_size(self) -> int:
        return self.per_device_train_batch_size

    @property
    def eval_batch_size(self) -> int:
        return self.per_device_eval_batch_size

    def get_warmup_steps(self, num_training_steps: int) -> int:
        """warmup_steps, or its share of the steps, rounded up, where it is below 1."""
        if self.warmup_steps >= 1:
            return int(self.warmup_steps)
        return math.ceil(num_training_steps * self.warmup_steps)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
