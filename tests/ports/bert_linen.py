"""Hugging Face's BertModel, and a BERT in Flax Linen around MultiHeadDotProductAttention."""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as fnn
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertModel

from . import Mistake, everywhere, trained

CONFIG = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 60,
    "max_position_embeddings": 20,
}


class EncoderLayer(fnn.Module):
    num_heads: int
    mlp_dim: int
    epsilon: float
    act: Any
    attention_fn: Any

    @fnn.compact
    def __call__(self, x, mask, deterministic):
        norm = partial(fnn.LayerNorm, epsilon=self.epsilon, use_fast_variance=False)
        y = fnn.MultiHeadDotProductAttention(
            num_heads=self.num_heads,
            dropout_rate=0.1,
            deterministic=deterministic,
            attention_fn=self.attention_fn,
            name="self_attention",
        )(x, mask=mask)
        y = fnn.Dropout(0.1, deterministic=deterministic)(y)
        x = norm(name="attention_norm")(x + y)
        y = self.act(fnn.Dense(self.mlp_dim, name="mlp_in")(x))
        y = fnn.Dense(x.shape[-1], name="mlp_out")(y)
        y = fnn.Dropout(0.1, deterministic=deterministic)(y)
        return norm(name="mlp_norm")(x + y)


class Embedder(fnn.Module):
    vocab_size: int
    max_length: int
    dim: int
    epsilon: float
    use_types: bool

    @fnn.compact
    def __call__(self, input_ids, token_type_ids, deterministic):
        x = fnn.Embed(self.vocab_size, self.dim, name="word")(input_ids)
        positions = jnp.arange(input_ids.shape[1])[None]
        x += fnn.Embed(self.max_length, self.dim, name="position")(positions)
        if self.use_types:
            x += fnn.Embed(2, self.dim, name="type")(token_type_ids)
        x = fnn.LayerNorm(epsilon=self.epsilon, use_fast_variance=False, name="norm")(x)
        return fnn.Dropout(0.1, deterministic=deterministic)(x)


class Bert(fnn.Module):
    num_layers: int = 2
    num_heads: int = 4
    dim: int = 32
    mlp_dim: int = 48
    vocab_size: int = 60
    max_length: int = 20
    epsilon: float = 1e-12
    act: Any = partial(fnn.gelu, approximate=False)
    attention_fn: Any = fnn.dot_product_attention
    use_types: bool = True

    @fnn.compact
    def __call__(self, input_ids, attention_mask, token_type_ids, deterministic: bool = True):
        x = Embedder(
            self.vocab_size, self.max_length, self.dim, self.epsilon, self.use_types,
            name="embedder",
        )(input_ids, token_type_ids, deterministic)  # fmt: skip
        mask = attention_mask[:, None, None, :] > 0
        for i in range(self.num_layers):
            x = EncoderLayer(
                self.num_heads, self.mlp_dim, self.epsilon, self.act, self.attention_fn,
                name=f"encoder_{i}",
            )(x, mask, deterministic)  # fmt: skip
        pooled = fnn.tanh(fnn.Dense(self.dim, name="pooler")(x[:, 0]))
        return x, pooled


def unscaled(query, key, value, mask=None):
    return fnn.dot_product_attention(query * query.shape[-1] ** 0.5, key, value, mask=mask)


def scaled_twice(query, key, value, mask=None):
    return fnn.dot_product_attention(query / query.shape[-1] ** 0.5, key, value, mask=mask)


def unmasked(query, key, value, **options):
    """Linen hands over the arguments that it finds by name in the signature: no mask here."""
    return fnn.dot_product_attention(query * query.shape[-1] ** 0.5, key, value, **options)


LAYERS = ("encoder.layer.0", "encoder.layer.1")
NORMS = (
    "embeddings.LayerNorm",
    *(f"{one}.{part}.LayerNorm" for one in LAYERS for part in ("attention.output", "output")),
)
ATTENTIONS = tuple(f"{one}.attention.self" for one in LAYERS)
GELUS = tuple(f"{one}.intermediate.intermediate_act_fn" for one in LAYERS)
MISTAKES = {
    "default eps of LayerNorm": everywhere(*NORMS, cause="eps", gotcha=5),
    "gelu by tanh": everywhere(*GELUS, cause="gelu", gotcha=21),
    "attention not scaled": everywhere(*ATTENTIONS, cause="scale", gotcha=24),
    "attention neither scaled nor masked": Mistake(
        ATTENTIONS[0],
        "scale",
        24,
        also=(
            Mistake(ATTENTIONS[0], "scale", 24),
            Mistake(ATTENTIONS[1], "scale", 24),
            Mistake("", "mask", 23),
        ),
    ),
    "attention scaled by 1/d": everywhere(*ATTENTIONS, cause="scale"),
    "token types forgotten": Mistake("embeddings.token_type_embeddings", "no partner"),
}
LENGTHS = np.array([[9], [6], [4]])
RNG = np.random.default_rng(6)
INPUTS = {
    "input_ids": RNG.integers(1, 60, (3, 9)),
    "attention_mask": (np.arange(9) < LENGTHS).astype(np.int64),
    "token_type_ids": (np.arange(9) >= LENGTHS // 2).astype(np.int64),
}
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    config = BertConfig(**CONFIG, initializer_range=0.2, attn_implementation="eager")
    return trained(BertModel(config)).eval()


def jax_model(mistake: str = "") -> Any:
    options = {
        "default eps of LayerNorm": {"epsilon": 1e-6},
        "gelu by tanh": {"act": fnn.gelu},
        "attention not scaled": {"attention_fn": unscaled},
        "attention neither scaled nor masked": {"attention_fn": unmasked},
        "attention scaled by 1/d": {"attention_fn": scaled_twice},
        "token types forgotten": {"use_types": False},
    }.get(mistake, {})
    model = Bert(**options)
    ids = jnp.ones((1, 4), jnp.int32)
    return model, model.init(jax.random.key(0), ids, ids, ids)
