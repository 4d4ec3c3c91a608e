"""BERT, and a classifier of sequences upon it, as Hugging Face has them.

Module tree, attribute names, initialisation, losses and files on disk are theirs, so
checkpoint folders go either way, and to PyTorch and back. Shapes: n sequences of s tokens,
hidden size e. Source: Devlin et al. 2018, https://arxiv.org/abs/1810.04805.

Dropout draws from one key a call: of the stream `rngs.dropout` that the model was made with,
or of the `rngs` of the call.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jax_impl import checkpoint
from jax_impl._bert import Device, Stream, dense, dropout_key, dropout_stream, split
from jax_impl.bert_attention import extended_mask
from jax_impl.bert_config import BertConfig
from jax_impl.bert_layers import BertEmbeddings, BertEncoder, BertPooler
from jax_impl.dropout import Dropout
from jax_impl.linear import Linear
from jax_impl.loss import cross_entropy, mse_loss
from jax_impl.loss_binary import binary_cross_entropy_with_logits

__all__ = [
    "sequence_loss",
    "BertConfig",
    "BertModelOutput",
    "SequenceClassifierOutput",
    "BertModel",
    "BertForSequenceClassification",
]


class BertModelOutput(NamedTuple):
    """last_hidden_state (n, s, e); pooler_output (n, e), None without a pooler."""

    last_hidden_state: Array
    pooler_output: Array | None


class SequenceClassifierOutput(NamedTuple):
    """loss, a scalar, None without labels; logits (n, num_labels)."""

    loss: Array | None
    logits: Array


def sequence_loss(logits: Array, labels: ArrayLike, problem_type: str | None = None) -> Array:
    """The mean loss of logits (n, num_labels), by the kind of problem.

    regression: squared error, labels (n) or as logits; single_label_classification: cross
    entropy, labels (n), -100 ignored; multi_label_classification: binary cross entropy, labels
    as logits. None: regression at one logit, else by whether the labels are integers. Raises
    ValueError for labels of another shape, IndexError for a class outside [0, num_labels)
    (NaN under jit).
    """
    labels, classes = jnp.asarray(labels), logits.shape[-1]
    if problem_type is None:
        whole = jnp.issubdtype(labels.dtype, jnp.integer)
        several = "single_label_classification" if whole else "multi_label_classification"
        problem_type = "regression" if classes == 1 else several
    single = problem_type == "single_label_classification"
    if labels.size * (classes if single else 1) != logits.size:
        raise ValueError(
            f"labels of {problem_type} must be one a {'row' if single else 'number'} of logits "
            f"{logits.shape}, got {labels.shape}"
        )
    if single:
        return cross_entropy(logits, labels.reshape(-1))
    loss = mse_loss if problem_type == "regression" else binary_cross_entropy_with_logits
    return loss(logits, labels.reshape(logits.shape).astype(logits.dtype))


class _Checkpointed(nnx.Module):
    """Reading and writing of checkpoint folders."""

    config: BertConfig
    fresh: tuple[str, ...]

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | os.PathLike[str],
        *,
        revision: str | None = None,
        device: Device = None,
        dtype: DTypeLike | None = None,
        rngs: nnx.Rngs | None = None,
        **config_overrides: Any,
    ) -> Self:
        """The model of a folder or of a name on the Hugging Face Hub, in evaluation mode.

        `dtype` None keeps what is stored; `config_overrides` replace fields of its config. A
        head or pooler that the checkpoint lacks is drawn anew, which is logged; only that and
        dropout use `rngs`, by default nnx.Rngs(0). Raises ValueError, listing all, where names
        or shapes do not fit, or it is no BERT; FileNotFoundError where there is no such
        checkpoint.
        """
        folder = checkpoint.locate(name_or_folder, revision)
        config = BertConfig.from_dict(checkpoint.read_config(folder), **config_overrides)
        stored = checkpoint.read_tensors(folder)
        rngs = nnx.Rngs(0) if rngs is None else rngs
        make = cast(Callable[..., Self], cls)
        model = nnx.eval_shape(lambda: make(config, rngs=nnx.Rngs(0)))
        wanted = _leaves(model)
        shapes = {name: array.shape for name, array in stored.items()}
        ours = {
            name: leaf.shape[:: -1 if turned else 1] for name, (leaf, turned) in wanted.items()
        }
        names = checkpoint.pair_names(shapes, ours, cls.fresh, str(name_or_folder))
        kind = stored[next(iter(names.values()))].dtype if dtype is None else dtype
        for name, (leaf, turned) in wanted.items():
            if name in names:
                array = stored[names[name]]
                value = jnp.asarray(array.T if turned else array, dtype)
            elif name.endswith("weight"):
                draw = jax.random.normal(rngs.params(), leaf.shape, kind)
                value = config.initializer_range * draw
            else:
                value = jnp.zeros(leaf.shape, kind)
            leaf.set_value(jax.device_put(value, device))
        model.backbone.rngs = dropout_stream(rngs)
        model.eval()
        return model

    @property
    def backbone(self) -> BertModel:
        raise NotImplementedError

    def save_pretrained(self, folder: str | os.PathLike[str], tokenizer: Any = None) -> None:
        """Writes config.json and model.safetensors into `folder`, and a given tokenizer."""
        folder = Path(folder)
        arrays = {
            name: leaf[...].T if turned else leaf[...]
            for name, (leaf, turned) in _leaves(self).items()
        }
        dtype = str(next(iter(arrays.values())).dtype)
        facts = {"architectures": [type(self).__name__], "dtype": dtype}
        checkpoint.write_config(folder, {**self.config.to_dict(), **facts})
        checkpoint.write_tensors(folder, arrays)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)


def _leaves(model: nnx.Module) -> dict[str, tuple[nnx.Param, bool]]:
    """{name: (parameter, whether torch has it transposed)}."""
    return {
        ".".join(map(str, (*path, name))): (leaf, isinstance(module, Linear) and leaf.ndim == 2)
        for path, module in nnx.iter_modules(model)
        for name, leaf in vars(module).items()
        if isinstance(leaf, nnx.Param)
    }


class BertModel(_Checkpointed):
    """The encoder, and its pooler unless `add_pooling_layer` is False."""

    fresh = ("pooler",)

    def __init__(
        self,
        config: BertConfig,
        add_pooling_layer: bool = True,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.config = config
        self.embeddings = BertEmbeddings(config, device, dtype, rngs=rngs)
        self.encoder = BertEncoder(config, device, dtype, rngs=rngs)
        pooler = BertPooler(config, device, dtype, rngs=rngs) if add_pooling_layer else None
        self.pooler = nnx.data(pooler)
        self.rngs = nnx.data(dropout_stream(rngs))

    @property
    def backbone(self) -> BertModel:
        return self

    def __call__(
        self,
        input_ids: ArrayLike,
        attention_mask: ArrayLike | None = None,
        token_type_ids: ArrayLike | None = None,
        position_ids: ArrayLike | None = None,
        *,
        rngs: Stream = None,
    ) -> BertModelOutput:
        """Ids (n, s); attention_mask as `extended_mask` takes it, 1 keeps and 0 hides."""
        first, second = split(dropout_key(self, self.rngs if rngs is None else rngs), 2)
        embedded = self.embeddings(input_ids, token_type_ids, position_ids, rngs=first)
        mask = extended_mask(attention_mask, embedded, self.config.attn_implementation)
        states = self.encoder(embedded, mask, rngs=second)
        return BertModelOutput(states, None if self.pooler is None else self.pooler(states))


class BertForSequenceClassification(_Checkpointed):
    """`BertModel`, dropout and a linear classifier of the pooled first token."""

    fresh = ("classifier", "bert.pooler")

    def __init__(
        self,
        config: BertConfig,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.config = config
        self.num_labels = config.num_labels
        self.bert = BertModel(config, device=device, dtype=dtype, rngs=rngs)
        rate = config.classifier_dropout
        self.dropout = Dropout(config.hidden_dropout_prob if rate is None else rate)
        sizes = (config.hidden_size, config.num_labels)
        self.classifier = dense(config, *sizes, device, dtype, rngs)

    @property
    def backbone(self) -> BertModel:
        return self.bert

    def __call__(
        self,
        input_ids: ArrayLike,
        attention_mask: ArrayLike | None = None,
        token_type_ids: ArrayLike | None = None,
        position_ids: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        *,
        rngs: Stream = None,
    ) -> SequenceClassifierOutput:
        """As `BertModel` is called; the loss of `labels` is `sequence_loss`."""
        first, second = split(dropout_key(self, self.bert.rngs if rngs is None else rngs), 2)
        ids = (input_ids, attention_mask, token_type_ids, position_ids)
        pooled = cast(Array, self.bert(*ids, rngs=first).pooler_output)
        logits = self.classifier(self.dropout(pooled, rngs=second))
        if labels is None:
            return SequenceClassifierOutput(None, logits)
        loss = sequence_loss(logits, labels, self.config.problem_type)
        return SequenceClassifierOutput(loss, logits)
