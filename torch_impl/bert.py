"""BERT, and a classifier of sequences upon it, as Hugging Face has them.

Module tree, attribute names, initialisation, losses and files on disk are theirs, so state
dicts and checkpoint folders go either way. Shapes: n sequences of s tokens, hidden size e.
Source: Devlin et al. 2018, https://arxiv.org/abs/1810.04805.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from torch_impl import checkpoint
from torch_impl._bert import Device, dense
from torch_impl.bert_attention import extended_mask
from torch_impl.bert_config import BertConfig
from torch_impl.bert_layers import BertEmbeddings, BertEncoder, BertPooler
from torch_impl.dropout import Dropout
from torch_impl.loss import cross_entropy, mse_loss
from torch_impl.loss_binary import binary_cross_entropy_with_logits

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

    last_hidden_state: Tensor
    pooler_output: Tensor | None


class SequenceClassifierOutput(NamedTuple):
    """loss, a scalar, None without labels; logits (n, num_labels)."""

    loss: Tensor | None
    logits: Tensor


def sequence_loss(logits: Tensor, labels: Tensor, problem_type: str | None = None) -> Tensor:
    """The mean loss of logits (n, num_labels), by the kind of problem.

    regression: squared error, labels (n) or as logits; single_label_classification: cross
    entropy, labels (n), -100 ignored; multi_label_classification: binary cross entropy, labels
    as logits. None: regression at one logit, else by whether the labels are integers. Raises
    ValueError for labels of another shape, IndexError for a class outside [0, num_labels).
    """
    classes = logits.shape[-1]
    if problem_type is None:
        whole = not labels.is_floating_point() and labels.dtype != torch.bool
        several = "single_label_classification" if whole else "multi_label_classification"
        problem_type = "regression" if classes == 1 else several
    single = problem_type == "single_label_classification"
    if labels.numel() * (classes if single else 1) != logits.numel():
        raise ValueError(
            f"labels of {problem_type} must be one a {'row' if single else 'number'} of logits "
            f"{tuple(logits.shape)}, got {tuple(labels.shape)}"
        )
    if single:
        return cross_entropy(logits, labels.reshape(-1).long())
    loss = mse_loss if problem_type == "regression" else binary_cross_entropy_with_logits
    return loss(logits, labels.reshape(logits.shape).to(logits.dtype))


class _Checkpointed(nn.Module):
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
        dtype: torch.dtype | None = None,
        **config_overrides: Any,
    ) -> Self:
        """The model of a folder or of a name on the Hugging Face Hub, in evaluation mode.

        `dtype` None keeps what is stored; `config_overrides` replace fields of its config. A
        head or pooler that the checkpoint lacks is drawn anew, which is logged. Raises
        ValueError, listing all, where names or shapes do not fit, or it is no BERT;
        FileNotFoundError where there is no such checkpoint.
        """
        folder = checkpoint.locate(name_or_folder, revision)
        config = BertConfig.from_dict(checkpoint.read_config(folder), **config_overrides)
        stored = checkpoint.read_tensors(folder)
        model = cls(config, device="meta")
        wanted = {name: leaf.shape for name, leaf in model.named_parameters()}
        shapes = {name: tensor.shape for name, tensor in stored.items()}
        names = checkpoint.pair_names(shapes, wanted, cls.fresh, str(name_or_folder))
        leaves = {name: stored[old].to(device, dtype) for name, old in names.items()}
        kind = next(iter(leaves.values()))
        for name in wanted.keys() - leaves.keys():
            leaves[name] = torch.zeros(wanted[name], dtype=kind.dtype, device=kind.device)
            if name.endswith("weight"):
                leaves[name].normal_(0.0, config.initializer_range)
        model.load_state_dict(leaves, strict=True, assign=True)
        return model.eval()

    def save_pretrained(self, folder: str | os.PathLike[str], tokenizer: Any = None) -> None:
        """Writes config.json and model.safetensors into `folder`, and a given tokenizer."""
        folder, state = Path(folder), self.state_dict()
        dtype = str(next(iter(state.values())).dtype).removeprefix("torch.")
        facts = {"architectures": [type(self).__name__], "dtype": dtype}
        checkpoint.write_config(folder, {**self.config.to_dict(), **facts})
        checkpoint.write_tensors(folder, state)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)


class BertModel(_Checkpointed):
    """The encoder, and its pooler unless `add_pooling_layer` is False."""

    fresh = ("pooler",)

    def __init__(
        self,
        config: BertConfig,
        add_pooling_layer: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config, device, dtype)
        self.encoder = BertEncoder(config, device, dtype)
        self.pooler = BertPooler(config, device, dtype) if add_pooling_layer else None

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
    ) -> BertModelOutput:
        """Ids (n, s); attention_mask as `extended_mask` takes it, 1 keeps and 0 hides."""
        embedded = self.embeddings(input_ids, token_type_ids, position_ids)
        mask = extended_mask(attention_mask, embedded, self.config.attn_implementation)
        states = self.encoder(embedded, mask)
        return BertModelOutput(states, None if self.pooler is None else self.pooler(states))


class BertForSequenceClassification(_Checkpointed):
    """`BertModel`, dropout and a linear classifier of the pooled first token."""

    fresh = ("classifier", "bert.pooler")

    def __init__(
        self, config: BertConfig, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.num_labels = config.num_labels
        self.bert = BertModel(config, device=device, dtype=dtype)
        rate = config.classifier_dropout
        self.dropout = Dropout(config.hidden_dropout_prob if rate is None else rate)
        self.classifier = dense(config, config.hidden_size, config.num_labels, device, dtype)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """As `BertModel` is called; the loss of `labels` is `sequence_loss`."""
        pooled = self.bert(input_ids, attention_mask, token_type_ids, position_ids)[1]
        logits = self.classifier(self.dropout(pooled))
        if labels is None:
            return SequenceClassifierOutput(None, logits)
        loss = sequence_loss(logits, labels, self.config.problem_type)
        return SequenceClassifierOutput(loss, logits)
