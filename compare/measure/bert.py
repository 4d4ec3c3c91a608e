"""The price of BERT: Hugging Face's on torch, ours on both sides, plain Flax's.

    python -m compare.measure.bert --out results

A training step (dropout, clipping at 1, AdamW, a linear schedule) and inference of
BertForSequenceClassification at MiniLM's size: 16 sequences of 128 tokens, padded, float32, one
thread of the CPU. Every arm starts from the same folder and must give the same logits before it
is timed. Exit status 1 where they differ.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
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
from compare.measure import environment
from compare.measure.layers import one_thread
from compare.measure.paired import Paired, against
from compare.measure.plain_bert import PlainBert, load
from compare.run.start import located
from compare.run.target import named

SEQUENCES, TOKENS = 16, 128
RATE, DECAY, CLIP = 2e-5, 0.01, 1.0
STEPS = 1000  # of the schedule
AGREE = 1e-5  # of the greatest logit: float32's rounding through the whole model
BASELINE = "Hugging Face, torch eager"
AGAIN = "the same again"
MODES = ("training step", "inference")

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


# The arms.


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


# The measurement.


@dataclass(frozen=True)
class Found:
    """first: {mode: {arm: seconds}} of the first call; ratios: {mode: {arm: Paired}}."""

    first: dict[str, dict[str, float]]
    ratios: dict[str, dict[str, Paired]]


def measure(
    makers: Mapping[str, Callable[[Path, Batch], Arm]],
    folder: Path,
    given: Batch,
    seconds: float,
    say: Callable[[str], object] = print,
) -> Found:
    """All arms. Raises ArithmeticError for one whose logits are not the baseline's."""
    made: dict[str, Arm] = {}
    first: dict[str, dict[str, float]] = {mode: {} for mode in MODES}
    expected: np.ndarray | None = None
    for name, make in makers.items():
        made[name] = arm = make(folder, given)
        first["inference"][name], logits = _timed(arm.logits)
        expected = logits if expected is None else expected
        gap = float(np.abs(logits - expected).max() / np.abs(expected).max())
        if not gap < AGREE:
            raise ArithmeticError(f"{name}: logits differ by {gap:.1e} of the greatest")
        first["training step"][name], loss = _timed(arm.step)
        say(f"{name}: logits agree to {gap:.0e}; loss {loss:.3f}")
    ratios = {}
    for mode, share in zip(MODES, (0.75, 0.25), strict=True):
        calls = {
            name: arm.step if mode == MODES[0] else arm.logits for name, arm in made.items()
        }
        start = calls.pop(BASELINE)
        ratios[mode] = against(start, calls, share * seconds)
        for name, one in ratios[mode].items():
            say(f"{mode}, {name}: {one.ratio:.2f} ({one.low:.2f} - {one.high:.2f})")
    if not all(np.isfinite(arm.step()) for arm in made.values()):
        raise ArithmeticError("a loss is not finite after the rounds")
    return Found(first, ratios)


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds on the clock: compilers work in processes of their own too, the result)."""
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def markdown(found: Found, facts: Mapping[str, Any]) -> str:
    versions = facts["versions"]
    packages = ("torch", "transformers", "jax", "flax", "optax")
    rounds = " and ".join(str(found.ratios[mode][AGAIN].rounds) for mode in MODES)
    lines = [
        "# BERT's price: Hugging Face, ours, plain Flax",
        "",
        f"One thread of {facts['machine']['processor']}; "
        f"{', '.join(f'{name} {versions[name]}' for name in packages)}; float32; "
        f"{facts['weights']}, {facts['batch']}. Training: dropout 0.1, gradients clipped at 1, "
        "AdamW (torch's fused), a linear schedule. CPU time: median seconds a call, the median "
        f"of its ratios to {BASELINE} in {rounds} rounds, and its 95 % interval; below 1 it is "
        "faster. The load average was "
        f"{facts['load'][0]:.1f} before and {facts['load'][1]:.1f} after, on "
        f"{facts['cores']} cores. The first call is on the clock, with its compiling.",
        "",
        "| | "
        + " | ".join(f"{mode}, s | ratio | 95 % | first call, s" for mode in MODES)
        + " |",
        "|---" * (1 + 4 * len(MODES)) + "|",
    ]
    for name in found.first[MODES[0]]:
        cells = [name]
        for mode in MODES:
            one = found.ratios[mode].get(name)
            start = f"{found.first[mode][name]:.1f}"
            if one is None:
                base = found.ratios[mode][AGAIN].theirs
                cells += [f"{base:.3g}", "1", "", start]
            else:
                span = f"{one.low:.2f} - {one.high:.2f}"
                cells += [f"{one.ours:.3g}", f"{one.ratio:.2f}", span, start]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m compare.measure.bert",
        description="Time BERT's training step and inference, on one CPU thread.",
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument(
        "--seconds", type=float, default=240.0, help="CPU time of the rounds together"
    )
    parser.add_argument(
        "--eager", action="store_true", help="leave out torch.compile, which takes minutes"
    )
    options = parser.parse_args()
    say = partial(print, flush=True)
    cores, load = os.cpu_count(), [os.getloadavg()[0]]
    one_thread()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        # Compiled anew, and in this process: else other arms would be timed beside it.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(work, "inductor"))
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
        folder = Path(work, "bert")
        weights = checkpoint(folder)
        try:
            given = batch(MINILM["vocab_size"])
            found = measure(arms(not options.eager), folder, given, options.seconds, say)
        except ArithmeticError as error:
            print(error, file=sys.stderr)
            return 1
    load.append(os.getloadavg()[0])
    real = given["attention_mask"].mean()
    facts = {
        "versions": environment.versions(),
        "machine": environment.machine(),
        "cores": cores,
        "load": load,
        "weights": weights,
        "batch": f"{SEQUENCES} sequences of {TOKENS} tokens, {real:.0%} of them no padding",
    }
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**facts, **asdict(found)}, indent=1)
    (options.out / "bert-cpu.json").write_text(text + "\n")
    (options.out / "bert-cpu.md").write_text(markdown(found, facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
