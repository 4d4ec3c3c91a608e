"""Fine-tuning as transformers' Trainer does it, step for step: AdamW, clipping, a schedule.

`Trainer` stands where `transformers.Trainer` stood: its arguments, its order of rows, its log,
its files and its callbacks, around an nnx.Module. It runs on one device; an optimizer step is
one compiled call that nothing waits for until a loss is logged. A step is compiled for every
length that batches have: the default collator pads to multiples of 32, and one of your own
should have a `pad_to_multiple_of` too.
Source: https://huggingface.co/docs/transformers/main_classes/trainer
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from safetensors import safe_open
from safetensors.flax import load_file, save_file

from jax_impl._trainer_base import Batch
from jax_impl._trainer_step import Arrays, Forward, Leaves, Rule, Steps
from jax_impl._trainer_train import TrainerTrain
from jax_impl.normalization import LayerNorm
from jax_impl.schedule_warmup import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)
from jax_impl.trainer_utils import (
    EvalPrediction,
    PredictionOutput,
    StepRecord,
    TrainOutput,
    is_exempt,
)
from jax_impl.training_arguments import TrainingArguments

__all__ = [
    "decay_parameter_names",
    "EvalPrediction",
    "PredictionOutput",
    "StepRecord",
    "TrainOutput",
    "Trainer",
    "TrainingArguments",
]

WEIGHTS, OPTIMIZER, HELD, RANDOM = (
    "model.safetensors",
    "optimizer.safetensors",
    "module_state.safetensors",
    "rng_state.json",
)
# What ids a batch may hold, by the names that configs have; under jit a wrong one is just NaN.
LIMITS = {
    "labels": "num_labels",
    "input_ids": "vocab_size",
    "token_type_ids": "type_vocab_size",
}


def decay_parameter_names(model: nnx.Module) -> list[str]:
    """The parameters that weight decay is for: no bias, and nothing of a normalisation."""
    found = []
    for path, module in nnx.iter_modules(model):
        if isinstance(module, LayerNorm | nnx.LayerNorm):
            continue
        for leaf, variable in vars(module).items():
            name = ".".join(map(str, (*path, leaf)))
            if isinstance(variable, nnx.Param) and not is_exempt(name):
                found.append(name)
    return found


class Trainer(TrainerTrain):
    """Trains, evaluates and predicts, in transformers' terms.

    model              an nnx.Module, which returns its loss first, or as `loss`, where it is
                       given labels; its dropout draws anew from args.seed
    args               TrainingArguments; by default those of a folder tmp_trainer
    data_collator      makes a batch, a dict, of a list of rows; by default it pads them with
                       `processing_class`, the tokenizer, which is saved with the model
    train_dataset, eval_dataset   rows by number; eval_dataset may be a dict of data sets
    model_init         makes the model, anew for each training
    compute_loss_func  (outputs, labels, num_items_in_batch) -> loss, in place of the model's
    compute_metrics    (EvalPrediction) -> dict of metrics
    callbacks          see `trainer_callback`
    optimizers         (an optax transformation of dicts of arrays, with its own rate; a
                       schedule, step -> rate), each None for AdamW and the arguments' schedule
    preprocess_logits_for_metrics   (outputs, labels) -> what is kept as predictions
    tokenizer          the old name of processing_class

    The model is moved to JAX's first device, or to the CPU with use_cpu. While it trains, its
    arrays are given to the next step: only `trainer.model` has those of now. Raises TypeError
    for what is no nnx.Module, IndexError for labels or tokens that its config has not.
    """

    lengths = 32
    _params: Arrays | None = None
    _written: Arrays | None = None
    _rest: Arrays | None = None
    _opt_state: Any = None

    def _take_model(self, model: nnx.Module) -> None:
        if not isinstance(model, nnx.Module):
            raise TypeError(f"model must be an nnx.Module, got {type(model).__name__}")
        self.device = (jax.devices("cpu") if self.args.use_cpu else jax.devices())[0]
        self._model, self._params, self._opt_state = model, None, None
        state = nnx.state(model)
        moved = Leaves(state)
        placed = jax.device_put(moved.values(), self.device)
        nnx.update(model, moved.state(placed))
        _reseed(model, self.args.seed)

    def _write_back(self) -> None:
        if self._params is not None and self._params is not self._written:
            nnx.update(self._model, self._trained.state(self._params))
            nnx.update(self._model, self._held.state(self._rest or {}))
            self._written = self._params

    def _forward(self, training: bool) -> Forward:
        self._model.train() if training else self._model.eval()
        graph, params, rest = nnx.split(self._model, nnx.Param, ...)
        return Forward(
            graph,
            Leaves(params),
            Leaves(rest),
            self.args.bf16,
            self.compute_loss_func,
            self.model_accepts_loss_kwargs,
        )

    def _inputs(self, batch: Batch) -> Batch:
        config = getattr(self._model, "config", None)
        inputs = {}
        for name, value in batch.items():
            array = np.asarray(value)
            bound = getattr(config, LIMITS.get(name, ""), None)
            classes = name != "labels" or (bound or 0) > 1
            if bound is not None and classes and array.dtype.kind in "iu" and array.size:
                ignored = -100 if name == "labels" else 0
                low, high = int(array[array != ignored].min(initial=0)), int(array.max())
                if low < 0 or high >= bound:
                    raise IndexError(
                        f"{name} must be in [0, {bound}), as the model's config has "
                        f"{LIMITS[name]}={bound}, got {low if low < 0 else high}"
                    )
            inputs[name] = array
        return inputs

    # Training.

    def _training_begins(self, max_steps: int) -> None:
        args, model = self.args, self._model
        forward = self._forward(training=True)
        self._trained, self._held = forward.params, forward.rest
        rule = Rule(
            args.max_grad_norm,
            (args.adam_beta1, args.adam_beta2),
            args.adam_epsilon,
            args.weight_decay,
            frozenset(decay_parameter_names(model)),
            self.optimizer,
        )
        self._steps = Steps(forward, rule)
        params = forward.params.values()
        # The first step gives its arguments away; the model's own arrays stay the caller's.
        self._params, self._rest = jax.tree.map(jnp.copy, (params, forward.rest.values()))
        if self._opt_state is None:
            self._opt_state = jax.device_put(jax.jit(rule.init)(params), self.device)
        if self._given_optimizers[1] is None:
            self.lr_scheduler = self._make_schedule(max_steps)
        with jax.enable_x64(True):
            self._rates = np.asarray(jax.vmap(self.lr_scheduler)(jnp.arange(max_steps + 1)))

    def _make_schedule(self, max_steps: int) -> Any:
        args, warmup = self.args, self.args.get_warmup_steps(max_steps)
        options, rate = args.lr_scheduler_kwargs or {}, args.learning_rate
        match args.lr_scheduler_type:
            case "linear":
                return get_linear_schedule_with_warmup(rate, warmup, max_steps, **options)
            case "cosine":
                return get_cosine_schedule_with_warmup(rate, warmup, max_steps, **options)
            case kind:
                warmup = 0 if kind == "constant" else warmup
                return get_constant_schedule_with_warmup(rate, warmup, **options)

    def _training_ends(self) -> None:
        self._write_back()
        self._params = self._rest = self._written = None

    def _learning_rate(self) -> float:
        return float(self._rates[min(self.state.global_step, len(self._rates) - 1)])

    def _optimizer_step(
        self, group: list[Batch], divisor: int, num_items: int | None
    ) -> tuple[list[Array], Array]:
        inputs = [self._inputs(batch) for batch in group]
        if len(inputs) == 1 and self.observer is None:
            loss, norm, self._params, self._rest, self._opt_state = self._steps.whole(
                self._params,
                self._rest,
                self._opt_state,
                inputs[0],
                self._rate,
                float(divisor),
                num_items,
            )
            return [loss], norm
        losses, sums = [], None
        for batch in inputs:
            loss, sums, self._rest = self._steps.part(
                self._params, self._rest, sums, batch, float(divisor), num_items
            )
            losses.append(loss)
        kept = jax.device_get(sums) if self.observer is not None else None
        self._params, self._opt_state, norm = self._steps.finish(
            self._params, self._opt_state, sums, self._rate
        )
        if self.observer is not None and kept is not None:
            record = StepRecord(
                self.state.global_step + 1,
                [float(loss) * divisor for loss in losses],
                float(norm),
                self._rate,
                kept,
                jax.device_get(self._params),
            )
            self.observer(record)
        return losses, norm

    # Evaluation.

    def _evaluation_begins(self) -> None:
        self._write_back()
        forward = self._forward(training=False)
        self._arrays = (forward.params.values(), forward.rest.values())
        if getattr(self, "_evaluated", None) != forward.graph:
            self._evaluated = forward.graph
            self._predict = jax.jit(
                lambda params, rest, batch, items, labelled: forward(
                    params, rest, batch, items, labelled
                )[:2],
                static_argnums=4,
            )

    def _prediction_step(self, batch: Batch, labelled: bool) -> tuple[Any, Any]:
        items = None
        if labelled and "labels" in batch:
            items = int((np.asarray(batch["labels"]) != -100).sum())
        return self._predict(*self._arrays, self._inputs(batch), items, labelled)

    def _fetched(self, tree: Any) -> Any:
        return jax.tree.map(_wide, jax.device_get(tree))

    # Files.

    def _write_model(self, folder: Path) -> None:
        if hasattr(self._model, "save_pretrained"):
            self.model.save_pretrained(str(folder))
        else:
            save_file(_plain_arrays(self.model), folder / WEIGHTS)

    def _read_model(self, folder: Path) -> None:
        if hasattr(type(self._model), "from_pretrained"):
            source: Any = type(self._model).from_pretrained(str(folder))
            stored = Leaves(nnx.state(source, nnx.Param)).values()
        else:
            stored = load_file(folder / WEIGHTS)
        leaves = Leaves(nnx.state(self._model))
        values = leaves.values()
        for name, array in stored.items():
            if name not in values or values[name].shape != array.shape:
                raise ValueError(f"{folder} does not fit the model: {name} {array.shape}")
        missing = _plain_arrays(self._model).keys() - stored.keys()
        if missing and not hasattr(type(self._model), "from_pretrained"):
            raise ValueError(f"{folder} does not fit the model: it lacks {sorted(missing)}")
        values |= jax.device_put(stored, self.device)
        nnx.update(self._model, leaves.state(values))
        if self._params is not None:
            self._params = {name: values[name] for name in self._params}

    def _write_training(self, folder: Path) -> None:
        save_file(_named(self._opt_state), folder / OPTIMIZER)

    def _read_training(self, folder: Path) -> None:
        if (folder / OPTIMIZER).is_file():
            self._opt_state = _refilled(self._opt_state, folder / OPTIMIZER)

    def _write_random(self, folder: Path) -> None:
        numpy_state: Any = np.random.get_state()  # noqa: NPY002
        kind, words, *others = numpy_state
        states = {"python": random.getstate(), "numpy": [kind, words.tolist(), *others]}
        (folder / RANDOM).write_text(json.dumps(states), encoding="utf-8")
        save_file(_named(self._rest), folder / HELD)

    def _read_random(self, folder: Path) -> None:
        if not (folder / RANDOM).is_file():
            return
        states = json.loads((folder / RANDOM).read_text(encoding="utf-8"))
        version, words, gauss = states["python"]
        random.setstate((version, tuple(words), gauss))
        kind, words, *others = states["numpy"]
        np.random.set_state((kind, np.array(words, np.uint32), *others))  # noqa: NPY002
        self._rest = _refilled(self._rest, folder / HELD)


def _reseed(model: nnx.Module, seed: int) -> None:
    """Every stream of random numbers that the model holds starts anew, each by its own key."""
    streams = [node for _, node in nnx.iter_graph(model) if isinstance(node, nnx.RngStream)]
    for index, stream in enumerate(streams):
        old = stream.key.get_value()
        key = jax.random.key(seed, impl=jax.random.key_impl(old))
        stream.key.set_value(jax.device_put(jax.random.fold_in(key, index), old.sharding))
        count = stream.count.get_value()
        stream.count.set_value(jax.device_put(jnp.zeros_like(count), count.sharding))


def _plain_arrays(model: nnx.Module) -> Arrays:
    """All that a model has learnt or counted: no random streams, no empty slots."""
    state = nnx.state(model, nnx.Not(nnx.RngState))
    return {name: value for name, value in Leaves(state).values().items() if value is not None}


def _named(tree: Any) -> dict[str, Array]:
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path): _data(leaf) for path, leaf in leaves}


def _data(leaf: Array) -> Array:
    """Keys as the words they are made of; a scalar as it is."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(leaf)
    return leaf


def _refilled(tree: Any, file: Path) -> Any:
    """`tree` with the arrays of a file that `_named` made. ValueError where they do not fit."""
    with safe_open(file, framework="flax") as opened:
        stored: Mapping[str, Any] = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    wanted = _named(tree)
    shapes = {name: leaf.shape for name, leaf in wanted.items()}
    found = {name: leaf.shape for name, leaf in stored.items()}
    if shapes != found:
        odd = sorted(k for k in {*shapes, *found} if shapes.get(k) != found.get(k))
        raise ValueError(f"{file} does not fit this training: {', '.join(odd[:4])}")

    def fill(path: Any, leaf: Array) -> Array:
        value = stored[jax.tree_util.keystr(path)]
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            value = jax.random.wrap_key_data(value, impl=jax.random.key_impl(leaf))
        return jax.device_put(value, leaf.sharding)

    return jax.tree.map_with_path(fill, tree)


def _wide(value: Any) -> Any:
    """bfloat16 and float16 as float32, which metrics can take."""
    narrow = getattr(value, "dtype", None) in (jnp.bfloat16, jnp.float16)
    return value.astype(np.float32) if narrow else value
