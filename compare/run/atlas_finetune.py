"""The atlas: Hugging Face's Trainer, and the one for Flax, on the sample of MRPC."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import contextlib
import inspect
import io
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from compare.run import target
from compare.run.atlas import Bench, Facts, error_of, gap, host
from compare.run.finetune import FineTuning, starting_point
from compare.run.mrpc import accuracy_and_f1, load_mrpc
from compare.run.text import Table, load_tokenizer, padding_collator, tokenize_pairs


def from_pretrained(bench: Bench) -> Facts:
    """A tiny BERT, loaded by transformers' AutoModel and by Flax: scores of 4 pairs."""
    import jax.numpy as jnp
    import torch
    from transformers import AutoModelForSequenceClassification

    tokenizer = load_tokenizer()
    tokens = tokenize_pairs(load_mrpc()["train"], tokenizer)
    batch = dict(padding_collator(tokenizer)([tokens[i] for i in range(4)]))
    batch.pop("labels")
    with tempfile.TemporaryDirectory() as scratch:
        folder = starting_point(FineTuning("torch", bench.seed, "sample"), Path(scratch))
        with contextlib.redirect_stderr(io.StringIO()):  # a bar of progress
            load = AutoModelForSequenceClassification.from_pretrained
            theirs = load(folder, num_labels=2).eval()
        ours = target.named("bert.BertForSequenceClassification", "jax")
        ours = ours.from_pretrained(folder, num_labels=2)
    ours.eval()
    with torch.no_grad():
        scores = host(theirs(**{k: torch.tensor(v) for k, v in batch.items()}).logits)
    flax = host(ours(**{k: jnp.asarray(v) for k, v in batch.items()}).logits)
    return Facts().note(
        class_that_AutoModel_chose=type(theirs).__name__,
        shape_of_the_scores=scores.shape,
        Flax_against_transformers=gap(flax, scores),
    )


def arguments(bench: Bench) -> Facts:
    """The fields of transformers' TrainingArguments and of the Trainer's constructor."""
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_utils import IntervalStrategy

    theirs = {field.name for field in fields(TrainingArguments)}
    ours = target.named("finetune.TrainingArguments", "jax")
    own = {field.name for field in fields(ours)}
    wanted = ("train_dataset", "eval_dataset", "data_collator", "compute_metrics")
    takes = inspect.signature(Trainer.__init__).parameters
    takes_here = inspect.signature(target.named("finetune.Trainer", "jax").__init__).parameters
    old = {"evaluation_strategy": "epoch"}
    return Facts().note(
        choices=sorted(one.value for one in IntervalStrategy),
        transformers_has_eval_strategy="eval_strategy" in theirs,
        transformers_has_evaluation_strategy="evaluation_strategy" in theirs,
        here_there_is_either={"eval_strategy", "evaluation_strategy"} <= own,
        here_the_old_name_sets_it=str(ours("out", **old).eval_strategy),
        an_unknown_choice=error_of(lambda: ours("out", eval_strategy="sometimes")),
        Trainer_takes=[name for name in wanted if name in takes],
        Trainer_here_takes=[name for name in wanted if name in takes_here],
        Trainer_takes_tokenizer="tokenizer" in takes,
        Trainer_takes_processing_class="processing_class" in takes,
        Trainer_here_takes_either={"tokenizer", "processing_class"} <= set(takes_here),
    )


def training(bench: Bench) -> Facts:
    """Two steps of eight pairs and an evaluation by each side's Trainer, without dropout."""
    tokenizer = load_tokenizer()
    splits = {k: tokenize_pairs(rows, tokenizer) for k, rows in load_mrpc().items()}
    splits = {k: Table({n: c[:16] for n, c in s.columns.items()}) for k, s in splits.items()}
    facts, logs = Facts(), {}
    with tempfile.TemporaryDirectory() as scratch:
        start = starting_point(FineTuning("torch", bench.seed, "sample"), Path(scratch))
        for side in target.SIDES:
            collated: list[int] = []
            logs[side] = trained(side, start, splits, tokenizer, collated)
            facts.note(**{f"{side}_rows_handed_to_the_collator": sorted(set(collated))})
    losses = [[one["loss"] for one in log if "loss" in one] for log in logs.values()]
    ends = [next(one for one in log if "eval_f1" in one) for log in logs.values()]
    return facts.note(
        torch_losses=losses[0],
        JAX_losses=losses[1],
        losses_apart_by=gap(losses[1], losses[0]),
        metrics=sorted(name for name in ends[0] if name in ("eval_accuracy", "eval_f1")),
        torch_accuracy=ends[0]["eval_accuracy"],
        JAX_accuracy=ends[1]["eval_accuracy"],
    )


def trained(
    side: str, start: Path, splits: dict[str, Table], tokenizer: Any, collated: list[int]
) -> list[dict[str, Any]]:
    """The log of a side's Trainer; `collated` hears how many rows each call was handed."""
    collate = padding_collator(tokenizer, 64)

    def spy(rows: list[dict[str, Any]]) -> Any:
        collated.append(len(rows))
        return collate(rows)

    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = target.named("bert.BertForSequenceClassification", side)
    options = target.named("finetune.TrainingArguments", side)(
        output_dir=str(start.parent / side),
        max_steps=2,
        per_device_train_batch_size=8,
        per_device_eval_batch_size=8,
        eval_strategy="epoch",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = target.named("finetune.Trainer", side)(
        model=model.from_pretrained(start, **still),
        args=options,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        data_collator=spy,
        compute_metrics=accuracy_and_f1,
    )
    with contextlib.redirect_stdout(io.StringIO()):  # the Trainers print their log
        trainer.train()
    return trainer.state.log_history


def metrics(bench: Bench) -> Facts:
    """Accuracy and F1 of four predictions, three of them 1 and two of those right."""
    scores = np.array([[0.0, 1], [0, 1], [0, 1], [1, 0]])
    found = accuracy_and_f1((scores, np.array([1, 1, 0, 1])))
    return Facts().note(**found)
