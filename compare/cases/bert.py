"""Cases of BERT, piece by piece and whole: torch_impl/bert*.py and jax_impl/bert*.py.

In training every slot for a dropout mask is filled. Sizes are small and unequal, so that no
two axes can be taken for each other.
"""

from __future__ import annotations

from typing import Any

from compare.cases.case import Case, call, draw, labels

_N, _S, _E, _H = 3, 5, 8, 2
_SIZES = {
    "vocab_size": 23,
    "hidden_size": _E,
    "num_hidden_layers": 1,
    "num_attention_heads": _H,
    "intermediate_size": 12,
    "max_position_embeddings": 7,
    "hidden_dropout_prob": 0.25,
    "attention_probs_dropout_prob": 0.3,
}


def _config(**changes: Any) -> dict[str, Any]:
    return {"config": call("bert_config.BertConfig", **{**_SIZES, **changes})}


def _bits(axes: str, keep: float = 0.75) -> Any:
    return draw(axes, "bits", keep=keep)


def _numbers(axes: str, values: list[Any]) -> Any:
    return draw(axes, "given", grad=False, values=values)


_TOKENS, _STATES = f"n={_N} s={_S}", f"n={_N} s={_S} e={_E}"
_PADDING = _numbers(_TOKENS, [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0])
_ONE_HIDDEN = _numbers(_TOKENS, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0])
_IDS = {
    # 0, the padding token, stands within the sequences too: its row takes no gradient.
    "input_ids": _numbers(_TOKENS, [2, 7, 0, 7, 3, 2, 11, 3, 0, 0, 2, 22, 0, 0, 0]),
    "attention_mask": _PADDING,
    "token_type_ids": labels(_TOKENS, 2),
    "position_ids": _numbers(_TOKENS, [0, 1, 2, 3, 4, 2, 3, 4, 5, 6, 0, 1, 1, 1, 1]),
}
_ONE_EACH = {"labels": labels(f"n={_N}", 3)}
_STATE = {"hidden_states": draw(_STATES)}
_KEEP = {"attention_mask": _numbers(f"n={_N} h=1 q=1 k={_S}", [True, False, True] * 5)}
_PROBABILITIES = _bits(f"n={_N} h={_H} q={_S} k={_S}", 0.7)
_ATTENTION_MASKS = {"self.dropout.mask": _PROBABILITIES, "output.dropout.mask": _bits(_STATES)}
_LAYER_MASKS = {f"attention.{path}": mask for path, mask in _ATTENTION_MASKS.items()}
_LAYER_MASKS["output.dropout.mask"] = _bits(_STATES)


def _model_masks(prefix: str = "", layers: int = 1) -> dict[str, Any]:
    """A mask for each slot of a BertModel at `prefix`."""
    inside = {
        f"encoder.layer.{i}.{path}": mask
        for i in range(layers)
        for path, mask in _LAYER_MASKS.items()
    }
    inside["embeddings.dropout.mask"] = _bits(_STATES)
    return {prefix + path: mask for path, mask in inside.items()}


def _classifier(name: str, inputs: dict[str, Any], **changes: Any) -> Case:
    train = changes.pop("train", True)
    masks = _model_masks("bert.", changes.get("num_hidden_layers", 1))
    masks["dropout.mask"] = _bits(f"n={_N} e={_E}")
    return Case(
        "bert.BertForSequenceClassification",
        {**_IDS, **inputs},
        init=_config(**changes),
        train=train,
        masks=masks if train else {},
        name=f"bert.BertForSequenceClassification({name})",
    )


CASES = [
    Case(
        "bert_layers.BertEmbeddings",
        {k: v for k, v in _IDS.items() if k != "attention_mask"},
        init=_config(),
        masks={"dropout.mask": _bits(_STATES)},
        name="bert_layers.BertEmbeddings(dropout)",
    ),
    Case(
        "bert_layers.BertEmbeddings",
        {"input_ids": _IDS["input_ids"]},
        init=_config(pad_token_id=None),
        train=False,
        name="bert_layers.BertEmbeddings(default ids, no padding row)",
        why="torch looks default ids up, JAX takes rows of the tables",
    ),
    *(
        Case(
            "bert_attention.BertAttention",
            {**_STATE, **mask},
            init=_config(attn_implementation=implementation),
            masks=_ATTENTION_MASKS,
            name=f"bert_attention.BertAttention({implementation}, {word})",
            why=why,
        )
        for implementation, mask, word, why in (
            ("sdpa", _KEEP, "boolean mask", "one sequence attends to one token"),
            ("sdpa", {}, "no mask", ""),
            (
                "sdpa",
                {"attention_mask": draw(f"n={_N} h={_H} q={_S} k={_S}", std=3.0)},
                "a bias for each head",
                "the bias has a gradient",
            ),
            (
                "eager",
                {"attention_mask": draw(f"n={_N} h=1 q=1 k={_S}", std=3.0, grad=False)},
                "a bias",
                "",
            ),
        )
    ),
    *(
        Case(
            "bert_layers.BertIntermediate",
            _STATE,
            init=_config(hidden_act=act),
            name=f"bert_layers.BertIntermediate({act})",
        )
        for act in ("gelu", "gelu_new", "relu", "silu")
    ),
    Case("bert_layers.BertPooler", _STATE, init=_config(), name="bert_layers.BertPooler()"),
    Case(
        "bert.BertModel",
        _IDS,
        init=_config(),
        masks=_model_masks(),
        name="bert.BertModel(sdpa, dropout)",
    ),
    Case(
        "bert.BertModel",
        {**_IDS, "attention_mask": _ONE_HIDDEN},
        init={**_config(), "add_pooling_layer": False},
        train=False,
        name="bert.BertModel(a sequence all hidden, no pooler)",
        why="what attends to nothing is 0 under sdpa",
    ),
    Case(
        "bert.BertModel",
        {**_IDS, "attention_mask": _ONE_HIDDEN},
        init=_config(attn_implementation="eager"),
        masks=_model_masks(),
        name="bert.BertModel(a sequence all hidden, eager)",
        why="what attends to nothing is the mean of all values under eager",
    ),
    Case(
        "bert.BertModel",
        {**_IDS, "attention_mask": _bits(f"n={_N} q={_S} k={_S}", 0.6)},
        init=_config(),
        masks=_model_masks(),
        name="bert.BertModel(a mask for each token)",
    ),
    *(
        _classifier(f"{implementation}, 3 classes", _ONE_EACH, num_labels=3, **more)
        for implementation, more in (
            ("sdpa", {"num_hidden_layers": 2}),
            ("eager", {"attn_implementation": "eager"}),
        )
    ),
    _classifier("eval", _ONE_EACH, num_labels=3, train=False),
    _classifier("regression", {"labels": draw(f"n={_N}", grad=False)}, num_labels=1),
    _classifier(
        "multi-label",
        {
            "labels": _numbers(
                f"n={_N} k=4", [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0, 0]
            )
        },
        num_labels=4,
        problem_type="multi_label_classification",
        classifier_dropout=0.5,
    ),
]
