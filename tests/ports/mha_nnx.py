"""torch's TransformerEncoderLayer in a sequence classifier, and nnx.MultiHeadAttention."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from torch import nn

from . import Mistake, everywhere, trained


class SequenceClassifier(nn.Module):
    def __init__(self, features: int = 5, d_model: int = 24, nhead: int = 4):
        super().__init__()
        self.embed = nn.Linear(features, d_model)
        self.encoder = nn.TransformerEncoderLayer(
            d_model, nhead, dim_feedforward=40, dropout=0.1, batch_first=True
        )
        self.fc = nn.Linear(d_model, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.encoder(self.embed(x)).mean(dim=1))


def attention(query, key, value, **options):
    """Softmax in the precision of the inputs, which jax.nn.dot_product_attention lowers."""
    scores = jnp.einsum("...qhd,...khd->...hqk", query, key) / query.shape[-1] ** 0.5
    return jnp.einsum("...hqk,...khd->...qhd", nnx.softmax(scores), value)


class EncoderBlock(nnx.Module):
    def __init__(
        self,
        dim=24,
        *,
        heads=4,
        epsilon=1e-5,
        norm_first=False,
        attention_fn: Any = attention,
        rngs: nnx.Rngs,
    ):
        norm = partial(nnx.LayerNorm, dim, epsilon=epsilon, use_fast_variance=False, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(
            num_heads=heads,
            in_features=dim,
            decode=False,
            attention_fn=attention_fn,
            rngs=rngs,
        )
        self.attention_norm = norm()
        self.up = nnx.Linear(dim, 40, rngs=rngs)
        self.down = nnx.Linear(40, dim, rngs=rngs)
        self.mlp_norm = norm()
        self.norm_first = norm_first

    def mlp(self, x):
        return self.down(nnx.relu(self.up(x)))

    def __call__(self, x):
        if self.norm_first:
            x = x + self.attention(self.attention_norm(x))
            return x + self.mlp(self.mlp_norm(x))
        x = self.attention_norm(x + self.attention(x))
        return self.mlp_norm(x + self.mlp(x))


class Classifier(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs, **options):
        self.inputs = nnx.Linear(5, 24, rngs=rngs)
        self.block = EncoderBlock(24, rngs=rngs, **options)
        self.logits = nnx.Linear(24, 3, rngs=rngs)

    def __call__(self, x):
        return self.logits(self.block(self.inputs(x)).mean(axis=1))


OPTIONS: dict[str, dict[str, Any]] = {
    "default eps of LayerNorm": {"epsilon": 1e-6},
    "norm first": {"norm_first": True},
    "two heads of four": {"heads": 2},
    "softmax in float32": {"attention_fn": nnx.dot_product_attention},
}
MISTAKES = {
    "default eps of LayerNorm": everywhere(
        "encoder.norm1", "encoder.norm2", cause="eps", gotcha=5
    ),
    "norm first": Mistake("encoder", "norm"),
    "two heads of four": Mistake("encoder.self_attn", "head", 24),
    "softmax in float32": Mistake("encoder.self_attn", "cast", proven=False),
}
INPUTS = (np.random.default_rng(10).standard_normal((3, 7, 5), dtype=np.float32),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(SequenceClassifier()).eval()


def jax_model(mistake: str = "") -> Any:
    return Classifier(rngs=nnx.Rngs(0), **OPTIONS.get(mistake, {}))
