"""BERT's embeddings, layers, encoder and pooler, by Hugging Face's attribute names.

Shapes: n sequences of s tokens, hidden size e. `rngs` of a call is a jax.random key for its
dropout, as in jax_impl/bert_attention.py. Source: Devlin et al. 2018,
https://arxiv.org/abs/1810.04805.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jax_impl._bert import Device, dense, split, table
from jax_impl.activation import gelu, relu, silu, tanh
from jax_impl.bert_attention import BertAttention
from jax_impl.bert_config import BertConfig
from jax_impl.dropout import Dropout
from jax_impl.normalization import LayerNorm

__all__ = [
    "activation",
    "BertEmbeddings",
    "BertIntermediate",
    "BertOutput",
    "BertLayer",
    "BertEncoder",
    "BertPooler",
]

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_new": partial(gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(gelu, approximate="tanh"),
    "relu": relu,
    "silu": silu,
    "swish": silu,
    "tanh": tanh,
}


def activation(name: str) -> Callable[[Array], Array]:
    """The function that a config's hidden_act means; "gelu" is the exact one.

    Raises ValueError for a name that is not known.
    """
    if name not in _ACTIVATIONS:
        raise ValueError(f"hidden_act must be one of {', '.join(_ACTIVATIONS)}, got {name!r}")
    return _ACTIVATIONS[name]


class BertEmbeddings(nnx.Module):
    """LayerNorm of the sum of word, token type and position embeddings, then dropout.

    Token types default to 0, positions to 0, 1, ...; ids (n, s), result (n, s, e). Raises
    ValueError for more tokens than max_position_embeddings, IndexError for an id outside its
    table (NaN under jit).
    """

    def __init__(
        self,
        config: BertConfig,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.max_position_embeddings = config.max_position_embeddings
        kind = (device, dtype, rngs)
        self.word_embeddings = table(config, config.vocab_size, *kind, config.pad_token_id)
        self.position_embeddings = table(config, config.max_position_embeddings, *kind)
        self.token_type_embeddings = table(config, config.type_vocab_size, *kind)
        size, eps = config.hidden_size, config.layer_norm_eps
        self.LayerNorm = LayerNorm(size, eps, device=device, dtype=dtype)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def __call__(
        self,
        input_ids: ArrayLike,
        token_type_ids: ArrayLike | None = None,
        position_ids: ArrayLike | None = None,
        *,
        rngs: Array | None = None,
    ) -> Array:
        shape = jnp.shape(input_ids)
        if len(shape) != 2:
            raise ValueError(f"input_ids must be (sequences, tokens), got {shape}")
        length = shape[1]
        if length > self.max_position_embeddings:
            raise ValueError(
                f"input_ids has {length} tokens a sequence, the model positions for "
                f"{self.max_position_embeddings}: truncate the sequences"
            )
        # Default ids are slices of the tables: nothing to look up, nothing to scatter back.
        types, positions = self.token_type_embeddings, self.position_embeddings
        type_rows = types.weight[0] if token_type_ids is None else types(token_type_ids)
        rows = positions.weight[:length] if position_ids is None else positions(position_ids)
        embedded = self.word_embeddings(input_ids) + type_rows + rows
        return self.dropout(self.LayerNorm(embedded), rngs=rngs)


class BertIntermediate(nnx.Module):
    """activation(dense(x)): (n, s, e) to (n, s, intermediate_size)."""

    def __init__(
        self,
        config: BertConfig,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        sizes = (config.hidden_size, config.intermediate_size)
        self.dense = dense(config, *sizes, device, dtype, rngs)
        self.intermediate_act_fn = activation(config.hidden_act)

    def __call__(self, hidden_states: Array) -> Array:
        return self.intermediate_act_fn(self.dense(hidden_states))


class BertOutput(nnx.Module):
    """LayerNorm(dropout(dense(x)) + input_tensor), x (n, s, intermediate_size)."""

    def __init__(
        self,
        config: BertConfig,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        size, eps = config.hidden_size, config.layer_norm_eps
        self.dense = dense(config, config.intermediate_size, size, device, dtype, rngs)
        self.LayerNorm = LayerNorm(size, eps, device=device, dtype=dtype)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def __call__(
        self, hidden_states: Array, input_tensor: Array, *, rngs: Array | None = None
    ) -> Array:
        states = self.dropout(self.dense(hidden_states), rngs=rngs)
        return self.LayerNorm(states + input_tensor)


class BertLayer(nnx.Module):
    """Attention, then two dense layers, each with a residual: (n, s, e) to (n, s, e)."""

    def __init__(
        self,
        config: BertConfig,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.attention = BertAttention(config, device, dtype, rngs=rngs)
        self.intermediate = BertIntermediate(config, device, dtype, rngs=rngs)
        self.output = BertOutput(config, device, dtype, rngs=rngs)

    def __call__(
        self,
        hidden_states: Array,
        attention_mask: Array | None = None,
        *,
        rngs: Array | None = None,
    ) -> Array:
        first, second = split(rngs, 2)
        attended = self.attention(hidden_states, attention_mask, rngs=first)
        return self.output(self.intermediate(attended), attended, rngs=second)


class BertEncoder(nnx.Module):
    """num_hidden_layers of `BertLayer` in turn."""

    def __init__(
        self,
        config: BertConfig,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        count = config.num_hidden_layers
        self.layer = nnx.List(BertLayer(config, device, dtype, rngs=rngs) for _ in range(count))

    def __call__(
        self,
        hidden_states: Array,
        attention_mask: Array | None = None,
        *,
        rngs: Array | None = None,
    ) -> Array:
        for layer, key in zip(self.layer, split(rngs, len(self.layer)), strict=True):
            hidden_states = layer(hidden_states, attention_mask, rngs=key)
        return hidden_states


class BertPooler(nnx.Module):
    """tanh(dense(the first token's state)): (n, s, e) to (n, e)."""

    def __init__(
        self,
        config: BertConfig,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        size = config.hidden_size
        self.dense = dense(config, size, size, device, dtype, rngs)

    def __call__(self, hidden_states: Array) -> Array:
        return tanh(self.dense(hidden_states[:, 0]))
