"""The atlas: Hugging Face's Trainer, and the one for Flax."""

from __future__ import annotations

from compare.cases.atlas import Row, about, below, equal

_TAKES = ["train_dataset", "eval_dataset", "data_collator", "compute_metrics"]

ROWS = [
    Row(
        "N10.1a",
        "AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2) gives a "
        "model with two scores; Flax loads the same folder.",
        "finetune.from_pretrained",
        (
            equal("class that AutoModel chose", "BertForSequenceClassification"),
            equal("shape of the scores", [4, 2]),
            below("Flax against transformers", 1e-5),
        ),
    ),
    Row(
        "N10.1b",
        "(?) TrainingArguments takes evaluation_strategy, and the Trainer tokenizer.",
        "finetune.arguments",
        (
            equal("transformers has evaluation strategy", True),
            equal("Trainer takes tokenizer", True),
        ),
        expect="does not hold",
    ),
    Row(
        "N10.1c",
        "Evaluation is 'no', 'steps' or 'epoch', by eval_strategy; the Trainer takes data "
        "sets, a collator, compute_metrics, processing_class. Here the old names serve too.",
        "finetune.arguments",
        (
            equal("choices", ["epoch", "no", "steps"]),
            equal("transformers has eval strategy", True),
            equal("here there is either", True),
            equal("here the old name sets it", "epoch"),
            equal("an unknown choice", "ValueError"),
            equal("Trainer takes", _TAKES),
            equal("Trainer here takes", _TAKES),
            equal("Trainer takes processing class", True),
            equal("Trainer here takes either", True),
        ),
    ),
    Row(
        "N10.1d",
        "trainer.train(): the Trainer knows the batch size and hands plain batches of rows to "
        "the collator.",
        "finetune.training",
        (
            equal("torch rows handed to the collator", [8]),
            equal("jax rows handed to the collator", [8]),
            below("losses apart by", 1e-5),
            equal("metrics", ["eval_accuracy", "eval_f1"]),
        ),
    ),
    Row(
        "N10.1e",
        "MRPC's own metrics are accuracy and F1.",
        "finetune.metrics",
        (equal("accuracy", 0.5), about("f1", 2 / 3)),
    ),
]
