"""What a BERT is made of, by the names that Hugging Face's config.json has.

This file is the same on both sides.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["BertConfig"]

_NOT_SAVED = ("attn_implementation", "num_labels", "id2label")
_PROBLEMS = (
    None,
    "regression",
    "single_label_classification",
    "multi_label_classification",
)


# Writable, since transformers' Trainer writes into a model's config; hashable, since it is a
# static part of an nnx.Module.
@dataclass(unsafe_hash=True)
class BertConfig:
    """Sizes, rates and choices of a BERT; the defaults are BERT-base's, uncased.

    hidden_act            gelu, gelu_new, gelu_pytorch_tanh, relu, silu, swish or tanh
    classifier_dropout    None stands for hidden_dropout_prob
    num_labels, id2label  how many classes, and their names in order, () where they have none
    problem_type          which loss labels ask for; None: by num_labels and the labels' dtype
    attn_implementation   "sdpa", the fast path, or "eager", written out; it is not saved

    Raises ValueError where numbers do not fit together or a choice is not known.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    classifier_dropout: float | None = None
    num_labels: int = 2
    id2label: tuple[str, ...] = ()
    problem_type: str | None = None
    attn_implementation: str = "sdpa"

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size must be a multiple of num_attention_heads, "
                f"got {self.hidden_size} and {self.num_attention_heads}"
            )
        if self.attn_implementation not in ("sdpa", "eager"):
            raise ValueError(
                "attn_implementation must be 'sdpa' or 'eager', "
                f"got {self.attn_implementation!r}"
            )
        if self.problem_type not in _PROBLEMS:
            raise ValueError(f"problem_type must be in {_PROBLEMS}, got {self.problem_type!r}")
        if self.num_labels < 1:
            raise ValueError(f"num_labels must be 1 or more, got {self.num_labels}")
        if self.id2label and len(self.id2label) != self.num_labels:
            raise ValueError(
                f"id2label must name num_labels={self.num_labels} classes, got {self.id2label}"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **overrides: Any) -> BertConfig:
        """The config in a parsed config.json, with `overrides`; other models' keys are left.

        id2label may be a mapping from ids or a sequence. Raises ValueError for what is no BERT
        encoder with absolute positions, and TypeError for an override that no field has.
        """
        kind = values.get("model_type")
        if kind != "bert":
            raise ValueError(
                f"model_type must be 'bert', got {kind!r}: this is no BERT's config"
            )
        positions = values.get("position_embedding_type", "absolute")
        if positions != "absolute":
            raise ValueError(f"position_embedding_type must be 'absolute', got {positions!r}")
        if values.get("is_decoder") or values.get("add_cross_attention"):
            raise ValueError(
                "is_decoder and add_cross_attention must be false: this is an encoder"
            )
        names = {field.name for field in dataclasses.fields(cls)}
        found = {name: value for name, value in values.items() if name in names}
        if "num_labels" in overrides and "id2label" not in overrides:
            found.pop("id2label", None)
        found |= overrides
        if labels := _in_order(found.get("id2label") or ()):
            found |= {"id2label": labels, "num_labels": found.get("num_labels", len(labels))}
        return cls(**found)

    def to_dict(self) -> dict[str, Any]:
        """What config.json holds, for Hugging Face's readers too."""
        values = dataclasses.asdict(self)
        saved = {name: value for name, value in values.items() if name not in _NOT_SAVED}
        labels = self.id2label or tuple(f"LABEL_{i}" for i in range(self.num_labels))
        return {
            "model_type": "bert",
            **saved,
            "id2label": {str(i): label for i, label in enumerate(labels)},
            "label2id": {label: i for i, label in enumerate(labels)},
        }


def _in_order(labels: Any) -> tuple[str, ...]:
    """{"0": "no", "1": "yes"} or ["no", "yes"] -> ("no", "yes")."""
    if not isinstance(labels, Mapping):
        return tuple(labels)
    by_id = {int(i): label for i, label in labels.items()}
    if sorted(by_id) != list(range(len(by_id))):
        raise ValueError(f"id2label must number its classes from 0 on, got {sorted(by_id)}")
    return tuple(by_id[i] for i in range(len(by_id)))
