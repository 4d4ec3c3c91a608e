"""Hugging Face's BertModel, and a BERT in Flax NNX with plain Linear layers and short names."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from torch import nn

from . import Mistake, bert_linen


class Embed(nnx.Embed):
    """`nnx.Embed` in the precision of its table; the original's is fixed when it is made."""

    def __call__(self, ids):
        return jnp.take(self.embedding[...], ids, axis=0)


class Attention(nnx.Module):
    def __init__(self, dim, heads, *, use_mask, rngs: nnx.Rngs):
        self.q = nnx.Linear(dim, dim, rngs=rngs)
        self.k = nnx.Linear(dim, dim, rngs=rngs)
        self.v = nnx.Linear(dim, dim, rngs=rngs)
        self.o = nnx.Linear(dim, dim, rngs=rngs)
        self.heads = heads
        self.use_mask = use_mask

    def __call__(self, x, mask):
        batch, length, dim = x.shape
        q, k, v = (
            layer(x).reshape(batch, length, self.heads, -1)
            for layer in (self.q, self.k, self.v)
        )
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / (dim // self.heads) ** 0.5
        if self.use_mask:
            scores = jnp.where(mask[:, None, None, :] > 0, scores, -jnp.inf)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", nnx.softmax(scores), v)
        return self.o(mixed.reshape(batch, length, dim))


class Block(nnx.Module):
    def __init__(self, dim, heads, hidden, *, norm_first=False, use_mask=True, rngs: nnx.Rngs):
        norm = partial(nnx.LayerNorm, dim, epsilon=1e-12, use_fast_variance=False, rngs=rngs)
        self.attn = Attention(dim, heads, use_mask=use_mask, rngs=rngs)
        self.ln1 = norm()
        self.fc1 = nnx.Linear(dim, hidden, rngs=rngs)
        self.fc2 = nnx.Linear(hidden, dim, rngs=rngs)
        self.ln2 = norm()
        self.norm_first = norm_first

    def mlp(self, x):
        return self.fc2(nnx.gelu(self.fc1(x), approximate=False))

    def __call__(self, x, mask):
        if self.norm_first:
            x = x + self.attn(self.ln1(x), mask)
            return x + self.mlp(self.ln2(x))
        x = self.ln1(x + self.attn(x, mask))
        return self.ln2(x + self.mlp(x))


class BertEncoder(nnx.Module):
    def __init__(
        self,
        *,
        dim=32,
        heads=4,
        hidden=48,
        depth=2,
        vocabulary=60,
        context=20,
        norm_first: tuple[int, ...] = (),
        use_mask=True,
        pooler_act=nnx.tanh,
        first_position=0,
        embed: Any = Embed,
        rngs: nnx.Rngs,
    ):
        self.tok = embed(vocabulary, dim, rngs=rngs)
        self.pos = embed(context, dim, rngs=rngs)
        self.seg = embed(2, dim, rngs=rngs)
        self.ln = nnx.LayerNorm(dim, epsilon=1e-12, use_fast_variance=False, rngs=rngs)
        self.blocks = nnx.List(
            [
                Block(
                    dim, heads, hidden, norm_first=i in norm_first, use_mask=use_mask, rngs=rngs
                )
                for i in range(depth)
            ]
        )
        self.pool = nnx.Linear(dim, dim, rngs=rngs)
        self.pooler_act = pooler_act
        self.first_position = first_position

    def __call__(self, input_ids, attention_mask, token_type_ids):
        positions = self.first_position + jnp.arange(input_ids.shape[1])
        x = self.ln(self.tok(input_ids) + self.pos(positions) + self.seg(token_type_ids))
        for block in self.blocks:
            x = block(x, attention_mask)
        return x, self.pooler_act(self.pool(x[:, 0]))


MISTAKES = {
    "norm first in one layer": Mistake("encoder.layer.1.attention", "norm"),
    "relu in the pooler": Mistake("pooler.activation", "tanh"),
    "mask ignored": Mistake("", "mask"),
    "positions from 2": Mistake("embeddings.position_embeddings", "position"),
}
INPUTS = {name: np.copy(values) for name, values in bert_linen.INPUTS.items()}
TRAIN = False


def torch_model() -> nn.Module:
    return bert_linen.torch_model()


def jax_model(mistake: str = "") -> Any:
    options = {
        "norm first in one layer": {"norm_first": (1,)},
        "relu in the pooler": {"pooler_act": nnx.relu},
        "mask ignored": {"use_mask": False},
        "positions from 2": {"first_position": 2},
    }.get(mistake, {})
    return BertEncoder(**options, rngs=nnx.Rngs(0))
