"""BERT's embeddings, layers, encoder and pooler, by Hugging Face's attribute names.

Shapes: n sequences of s tokens, hidden size e. Source: Devlin et al. 2018,
https://arxiv.org/abs/1810.04805.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from torch_impl._bert import Device, dense, table
from torch_impl.activation import gelu, relu, silu, tanh
from torch_impl.bert_attention import BertAttention
from torch_impl.bert_config import BertConfig
from torch_impl.dropout import Dropout
from torch_impl.normalization import LayerNorm

__all__ = [
    "activation",
    "BertEmbeddings",
    "BertIntermediate",
    "BertOutput",
    "BertLayer",
    "BertEncoder",
    "BertPooler",
]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": gelu,
    "gelu_new": partial(gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(gelu, approximate="tanh"),
    "relu": relu,
    "silu": silu,
    "swish": silu,
    "tanh": tanh,
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The function that a config's hidden_act means; "gelu" is the exact one.

    Raises ValueError for a name that is not known.
    """
    if name not in _ACTIVATIONS:
        raise ValueError(f"hidden_act must be one of {', '.join(_ACTIVATIONS)}, got {name!r}")
    return _ACTIVATIONS[name]


class BertEmbeddings(nn.Module):
    """LayerNorm of the sum of word, token type and position embeddings, then dropout.

    Token types default to 0, positions to 0, 1, ...; ids (n, s), result (n, s, e). Raises
    ValueError for more tokens than max_position_embeddings, IndexError for an id outside its
    table.
    """

    def __init__(
        self, config: BertConfig, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.max_position_embeddings = config.max_position_embeddings
        kind = (device, dtype)
        self.word_embeddings = table(config, config.vocab_size, *kind, config.pad_token_id)
        self.position_embeddings = table(config, config.max_position_embeddings, *kind)
        self.token_type_embeddings = table(config, config.type_vocab_size, *kind)
        size, eps = config.hidden_size, config.layer_norm_eps
        self.LayerNorm = LayerNorm(size, eps, device=device, dtype=dtype)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        input_ids: Tensor,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
    ) -> Tensor:
        if input_ids.dim() != 2:
            raise ValueError(
                f"input_ids must be (sequences, tokens), got {tuple(input_ids.shape)}"
            )
        length = input_ids.shape[1]
        if length > self.max_position_embeddings:
            raise ValueError(
                f"input_ids has {length} tokens a sequence, the model positions for "
                f"{self.max_position_embeddings}: truncate the sequences"
            )
        if token_type_ids is None:
            token_type_ids = torch.zeros_like(input_ids)
        if position_ids is None:
            position_ids = torch.arange(length, device=input_ids.device)[None]
        embedded = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        embedded = embedded + self.position_embeddings(position_ids)
        return self.dropout(self.LayerNorm(embedded))


class BertIntermediate(nn.Module):
    """activation(dense(x)): (n, s, e) to (n, s, intermediate_size)."""

    def __init__(
        self, config: BertConfig, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.dense = dense(config, config.hidden_size, config.intermediate_size, device, dtype)
        self.intermediate_act_fn = activation(config.hidden_act)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.intermediate_act_fn(self.dense(hidden_states))


class BertOutput(nn.Module):
    """LayerNorm(dropout(dense(x)) + input_tensor), x (n, s, intermediate_size)."""

    def __init__(
        self, config: BertConfig, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        size, eps = config.hidden_size, config.layer_norm_eps
        self.dense = dense(config, config.intermediate_size, size, device, dtype)
        self.LayerNorm = LayerNorm(size, eps, device=device, dtype=dtype)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(hidden_states)) + input_tensor)


class BertLayer(nn.Module):
    """Attention, then two dense layers, each with a residual: (n, s, e) to (n, s, e)."""

    def __init__(
        self, config: BertConfig, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.attention = BertAttention(config, device, dtype)
        self.intermediate = BertIntermediate(config, device, dtype)
        self.output = BertOutput(config, device, dtype)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        attended = self.attention(hidden_states, attention_mask)
        return self.output(self.intermediate(attended), attended)


class BertEncoder(nn.Module):
    """num_hidden_layers of `BertLayer` in turn."""

    def __init__(
        self, config: BertConfig, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        layers = (BertLayer(config, device, dtype) for _ in range(config.num_hidden_layers))
        self.layer = nn.ModuleList(layers)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        for layer in self.layer:
            hidden_states = layer(hidden_states, attention_mask)
        return hidden_states


class BertPooler(nn.Module):
    """tanh(dense(the first token's state)): (n, s, e) to (n, e)."""

    def __init__(
        self, config: BertConfig, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.dense = dense(config, config.hidden_size, config.hidden_size, device, dtype)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return tanh(self.dense(hidden_states[:, 0]))
