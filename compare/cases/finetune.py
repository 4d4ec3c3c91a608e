"""BERT fine-tuned on MRPC in lockstep, dropout on, as Hugging Face's Trainer does it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from compare.cases.case import Given, draw
from compare.cases.training import Training, call

TINY = {
    "vocab_size": 1024,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}
MINILM = {
    "vocab_size": 30522,
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}


def dropout_masks(config: dict[str, Any], rate: float = 0.1) -> dict[str, Given]:
    """A keep-mask for every dropout of a BertForSequenceClassification."""

    def bits(axes: str) -> Given:
        return draw(axes, "bits", keep=1 - rate)

    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    masks = {"bert.embeddings.dropout.mask": bits(f"n s k={hidden}")}
    for index in range(config["num_hidden_layers"]):
        layer = f"bert.encoder.layer.{index}"
        masks[f"{layer}.attention.self.dropout.mask"] = bits(f"n h={heads} q=s r=s")
        masks[f"{layer}.attention.output.dropout.mask"] = bits(f"n s k={hidden}")
        masks[f"{layer}.output.dropout.mask"] = bits(f"n s k={hidden}")
    return masks | {"dropout.mask": bits(f"n k={hidden}")}


def finetuned(config: dict[str, Any], steps: int, **changes: Any) -> Training:
    """A BertForSequenceClassification of `config` on MRPC, by AdamW and a linear schedule."""
    base = Training(
        "bert.BertForSequenceClassification",
        init={"config": call("bert_config.BertConfig", **config)},
        data=call("mrpc"),
        axes=("n s", "n s", "n s", "n"),
        objective="labelled",
        update=call("optim_adam.AdamW", lr=5e-5, weight_decay=0.01),
        undecayed=("bias", "LayerNorm"),
        schedule=call(
            "schedule_warmup.get_linear_schedule_with_warmup",
            num_warmup_steps=max(1, steps // 10),
            num_training_steps=steps,
        ),
        clip=call("optim.clip_grad_norm_", max_norm=1.0),
        masks=dropout_masks(config),
        steps=steps,
        batch_size=8,
    )
    return replace(base, **changes)


BERT = finetuned(
    TINY,
    steps=18,
    name="train.bert(mrpc sample)",
    data=call("mrpc", multiple=64),
    why="two epochs on sentence pairs of our own, dropout masks shared by both sides",
)
CASES = [BERT]

LONG = [
    finetuned(
        MINILM,
        steps=100,
        name="long.bert(mrpc)",
        data=call("mrpc", source="real", tokenizer="minilm", multiple=32),
        leaves="minilm",
        why="the real MRPC from the real weights of MiniLM, batch 8",
    )
]
