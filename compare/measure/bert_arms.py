"""The ways to have one BERT: Hugging Face's, ours on both sides, plain Flax's."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

import jax  # isort: skip - torch before jax: the other order can crash
import jax.numpy as jnp
import optax
from flax import nnx

from compare.cases.finetune import MINILM
from compare.measure.plain_bert import PlainBert, load
from compare.run.start import located
from compare.run.target import named

SEQUENCES, TOKENS = 16, 128
RATE, DECAY, CLIP = 2e-5, 0.01, 1.0
STEPS = 1000  # of the schedule
BASELINE = "Hugging Face, torch eager"
AGAIN = "the same again"

Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Arm:
    """One way to have that BERT; both calls return when their work is done.

    logits   of the batch, in evaluation
    step     one step of training on it; its loss
    """

    logits: Callable[[], np.ndarray]
    step: Callable[[], float]


def batch(vocabulary: int, sequences: int = SEQUENCES, tokens: int = TOKENS) -> Batch:
    """Pairs of sentences as a tokenizer pads them; the longest has `tokens`."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(tokens // 4, tokens + 1, sequences)
    lengths[0] = tokens
    places = np.arange(tokens)
    mask = (places < lengths[:, None]).astype(np.int64)
    return {
        "input_ids": rng.integers(1, vocabulary, (sequences, tokens)) * mask,
        "attention_mask": mask,
        "token_type_ids": (places > lengths[:, None] // 2) * mask,
        "labels": rng.integers(0, 2, sequences),
    }


def checkpoint(folder: Path, sizes: Mapping[str, Any] | None = None) -> str:
    """Writes what all arms start from; says whether weights are a trained model's or drawn.

    sizes   of a config; None for MiniLM's trained weights where they are installed
    """
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.manual_seed(0)
    kind = transformers.BertForSequenceClassification
    try:
        if sizes is not None:
            raise FileNotFoundError
        model, says = kind.from_pretrained(located("minilm")), "all-MiniLM-L6-v2's weights"
    except FileNotFoundError:
        config = transformers.BertConfig(**(MINILM if sizes is None else sizes))
        model, says = kind(config), "weights drawn anew"
    model.save_pretrained(folder)
    return says


def hugging_face(folder: Path, given: Batch, compiled: bool = False) -> Arm:
    """Its model in a loop as its Trainer has it, with the fused AdamW that is its default."""
    import transformers

    kind = transformers.BertForSequenceClassification
    model: Any = kind.from_pretrained(folder, attn_implementation="sdpa")
    if compiled:
        model.compile()
    decayed = set(named("finetune.decay_parameter_names", "torch")(model))
    groups = [
        {"params": [p for n, p in model.named_parameters() if n in decayed]},
        {
            "params": [p for n, p in model.named_parameters() if n not in decayed],
            "weight_decay": 0.0,
        },
    ]
    optimizer = torch.optim.AdamW(groups, RATE, weight_decay=DECAY, fused=True)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 0, STEPS)
    inputs = _tensors(given)

    def step() -> float:
        model.train()
        loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        return loss.item()

    return Arm(lambda: _torch_logits(model, inputs), step)


def ours_on_torch(folder: Path, given: Batch, compiled: bool = False) -> Arm:
    """torch_impl's model and the step of its Trainer."""
    model = named("bert.BertForSequenceClassification", "torch").from_pretrained(folder)
    if compiled:
        model.compile()
    step = _trainer_step("torch", model, folder, given)
    inputs = _tensors(given)
    return Arm(lambda: _torch_logits(model, inputs), step)


def ours_on_flax(folder: Path, given: Batch, draw: Callable[..., Any] | None = None) -> Arm:
    """jax_impl's model and the compiled, donating step of its Trainer.

    draw   in place of the bernoulli that dropout calls; the first step traces it
    """
    kind = named("bert.BertForSequenceClassification", "jax")
    model = kind.from_pretrained(folder, rngs=nnx.Rngs(0))
    graph, state = nnx.split(model)
    predict = jax.jit(lambda state, inputs: nnx.merge(graph, state)(**inputs).logits)
    inputs = _unlabelled(given)
    step = _trainer_step("jax", model, folder, given)
    dropout = importlib.import_module("jax_impl.dropout")

    def drawing() -> float:
        with mock.patch.object(dropout, "bernoulli", draw or dropout.bernoulli):
            return step()

    return Arm(lambda: np.asarray(predict(state, inputs)), drawing)


def plain_flax(folder: Path, given: Batch) -> Arm:
    """Flax's own layers, written as its documentation has them; optax's AdamW."""
    config = json.loads((folder / "config.json").read_text())
    stored = named("checkpoint.read_tensors", "torch")(folder)
    model = PlainBert(config, rngs=nnx.Rngs(0))
    load(model, {name: tensor.numpy() for name, tensor in stored.items()})
    schedule = optax.linear_schedule(RATE, 0.0, STEPS)
    transformation = optax.chain(
        optax.clip_by_global_norm(CLIP),
        optax.adamw(schedule, weight_decay=DECAY),
    )
    optimizer = nnx.Optimizer(model, transformation, wrt=nnx.Param)
    inputs = {name: jnp.asarray(values) for name, values in given.items()}

    def loss_of(model: PlainBert, inputs: dict[str, Any]) -> Any:
        logits = model(inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"])
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, inputs["labels"])
        return losses.mean()

    @nnx.jit
    def train(model: PlainBert, optimizer: Any, inputs: dict[str, Any]) -> Any:
        loss, grads = nnx.value_and_grad(loss_of)(model, inputs)
        optimizer.update(model, grads)
        return loss

    @nnx.jit
    def predict(model: PlainBert, inputs: dict[str, Any]) -> Any:
        return model(inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"])

    def logits() -> np.ndarray:
        model.eval()
        return np.asarray(predict(model, inputs))

    def step() -> float:
        model.train()
        loss = train(model, optimizer, inputs)
        jax.block_until_ready(nnx.state(model, nnx.Param))
        return float(loss)

    return Arm(logits, step)


def arms(compiled: bool = True) -> dict[str, Callable[[Path, Batch], Arm]]:
    """How each arm is made, the baseline first."""
    own = jax.random.bernoulli
    makers: dict[str, Callable[[Path, Batch], Arm]] = {
        BASELINE: hugging_face,
        AGAIN: hugging_face,
        "Hugging Face, torch.compile": lambda *at: hugging_face(*at, compiled=True),
        "torch_impl, eager": ours_on_torch,
        "torch_impl, torch.compile": lambda *at: ours_on_torch(*at, compiled=True),
        "jax_impl": ours_on_flax,
        "jax_impl, masks by jax.random": lambda *at: ours_on_flax(*at, draw=own),
        "plain Flax": plain_flax,
    }
    return {name: make for name, make in makers.items() if compiled or ".compile" not in name}


def _tensors(given: Batch) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(values) for name, values in given.items()}


def _unlabelled(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values for name, values in given.items() if name != "labels"}


def _torch_logits(model: Any, inputs: dict[str, torch.Tensor]) -> np.ndarray:
    model.eval()
    with torch.no_grad():
        return model(**_unlabelled(inputs)).logits.numpy()


def _trainer_step(side: str, model: Any, folder: Path, given: Batch) -> Callable[[], float]:
    """A step of `side`'s Trainer, as its own loop takes it."""
    make = named("finetune.TrainingArguments", side)
    arguments = make(
        str(folder / "out"),
        learning_rate=RATE,
        weight_decay=DECAY,
        max_grad_norm=CLIP,
        seed=0,
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = named("finetune.Trainer", side)(model, arguments)
    begun = False

    def step() -> float:
        nonlocal begun
        if not begun:
            trainer._training_begins(STEPS)
            begun = True
        trainer._rate = trainer._learning_rate()
        (loss,), norm = trainer._optimizer_step([given], 1, None)
        trainer.state.global_step += 1
        if side == "jax":
            jax.block_until_ready((trainer._params, norm))
        return float(loss)

    return step
