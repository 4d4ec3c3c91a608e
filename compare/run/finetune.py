"""One fine-tuning of BERT on MRPC by one side's own Trainer: a file of what it came to."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compare.run import target
from compare.run.draw import generator
from compare.run.mrpc import accuracy_and_f1, load_mrpc
from compare.run.start import located
from compare.run.text import SAMPLE, load_tokenizer, padding_collator, tokenize_pairs


@dataclass(frozen=True)
class FineTuning:
    """A side, a seed, and the settings that both sides share.

    checkpoint  a folder, a name on the Hub, or "minilm"
    data        what compare.run.mrpc.load_mrpc takes
    """

    side: str
    seed: int
    checkpoint: str = "bert-base-uncased"
    data: str = "hub"
    epochs: float = 3.0
    batch_size: int = 32
    learning_rate: float = 5e-5
    multiple: int = 16

    @property
    def name(self) -> str:
        return f"{self.side}-seed{self.seed}"

    def file(self, out: Path) -> Path:
        return out / f"{self.name}.json"


def run(batch: Sequence[FineTuning], settings: dict[str, Any]) -> list[str]:
    """What a worker does with fine-tunings: runs each, writes its file, returns its name."""
    warnings.simplefilter("ignore")
    for one in batch:
        out = Path(settings["out"])
        with redirect_stdout(io.StringIO()):  # the Trainers print their log
            found = {**asdict(one), "data": Path(one.data).name, **finetuned(one, out)}
        unfinished = one.file(out).with_suffix(".part")
        unfinished.write_text(json.dumps(found, indent=1) + "\n")
        unfinished.replace(one.file(out))
    return [one.name for one in batch]


def finetuned(one: FineTuning, out: Path) -> dict[str, Any]:
    """Trains and evaluates each epoch; the log, the metrics, the seconds.

    Both sides begin from the same parameters, the new head's among them, and read the rows in
    the same order; dropout draws from each framework's own stream.
    """
    tokenizer = load_tokenizer(None if one.checkpoint == "sample" else located(one.checkpoint))
    splits = {k: tokenize_pairs(rows, tokenizer) for k, rows in load_mrpc(one.data).items()}
    model_class = target.named("bert.BertForSequenceClassification", one.side)
    trainer_class = target.named("finetune.Trainer", one.side)
    start, scratch = starting_point(one, out), out / f"{one.name}.work"
    arguments = target.named("finetune.TrainingArguments", one.side)(
        output_dir=str(scratch),
        num_train_epochs=one.epochs,
        per_device_train_batch_size=one.batch_size,
        per_device_eval_batch_size=64,
        learning_rate=one.learning_rate,
        eval_strategy="epoch",
        save_strategy="no",
        logging_steps=10,
        seed=one.seed,
        disable_tqdm=True,
    )
    trainer = trainer_class(
        model=model_class.from_pretrained(start),
        args=arguments,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        data_collator=padding_collator(tokenizer, one.multiple),
        compute_metrics=accuracy_and_f1,
    )
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    metrics = next(one for one in reversed(trainer.state.log_history) if "eval_f1" in one)
    shutil.rmtree(scratch, ignore_errors=True)
    return {
        "accuracy": metrics["eval_accuracy"],
        "f1": metrics["eval_f1"],
        "validation_rows": len(splits["validation"]),
        "train_rows": len(splits["train"]),
        "seconds": round(seconds, 1),
        "log_history": trainer.state.log_history,
    }


def starting_point(one: FineTuning, out: Path) -> Path:
    """A folder with the checkpoint and a head drawn by the seed, for both sides to load.

    The head is Hugging Face's: weights from N(0, initializer_range^2), a bias of zero. Of
    "sample" the whole of a tiny BERT is drawn, for trying things out.
    """
    import torch

    model_class = target.named("bert.BertForSequenceClassification", "torch")
    folder = out / f"start-{one.checkpoint.replace('/', '-')}-seed{one.seed}"
    if folder.is_dir():
        return folder
    torch.manual_seed(one.seed)
    if one.checkpoint == "sample":
        words = len((SAMPLE / "vocab.txt").read_text(encoding="utf-8").splitlines())
        config = target.named("bert_config.BertConfig", "torch")
        model = model_class(config(words, 64, 2, 4, 128, max_position_embeddings=128))
    else:
        model = model_class.from_pretrained(located(one.checkpoint))
    rng = generator(one.seed, "classifier")
    with torch.no_grad():
        head = rng.normal(0, model.config.initializer_range, model.classifier.weight.shape)
        model.classifier.weight.copy_(torch.as_tensor(np.asarray(head)))
        model.classifier.bias.zero_()
    unfinished = out / f"{folder.name}.{os.getpid()}"
    unfinished.mkdir(parents=True)
    model.save_pretrained(unfinished)
    try:
        unfinished.replace(folder)
    except OSError:  # the other side was quicker
        shutil.rmtree(unfinished)
    return folder
