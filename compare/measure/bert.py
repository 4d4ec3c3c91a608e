"""The price of BERT: Hugging Face's on torch, ours on both sides, plain Flax's.

    python -m compare.measure.bert --out results

A training step (dropout, clipping at 1, AdamW, a linear schedule) and inference of
BertForSequenceClassification at MiniLM's size: 16 sequences of 128 tokens, padded, float32, one
thread of the CPU. Every arm starts from the same folder and must give the same logits before it
is timed. Exit status 1 where they differ.
"""

from __future__ import annotations

import argparse
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

import numpy as np
import torch

from compare.cases.finetune import MINILM
from compare.measure import environment
from compare.measure.bert_arms import (
    AGAIN,
    BASELINE,
    SEQUENCES,
    TOKENS,
    Arm,
    Batch,
    arms,
    batch,
    checkpoint,
)
from compare.measure.layers import one_thread
from compare.measure.paired import Paired, against

AGREE = 1e-5  # of the greatest logit: float32's rounding through the whole model
MODES = ("training step", "inference")


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
