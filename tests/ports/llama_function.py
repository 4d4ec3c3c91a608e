"""A LLaMA (RMSNorm, rotary embeddings of adjacent pairs, grouped queries, SwiGLU), and a JAX
function of a tree of arrays with one axis for the heads."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from . import everywhere, trained

VOCABULARY, DEPTH, DIM, HEADS, KV_HEADS, HIDDEN = 41, 2, 32, 4, 2, 44
HEAD_DIM = DIM // HEADS


class RMSNorm(nn.Module):
    def __init__(self, dim: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


def apply_rotary_emb(x: torch.Tensor, theta: float = 10000.0) -> torch.Tensor:
    length, dim = x.shape[1], x.shape[-1]
    freqs = 1.0 / theta ** (torch.arange(0, dim, 2, dtype=x.dtype) / dim)
    angles = torch.outer(torch.arange(length, dtype=x.dtype), freqs)[:, None]
    cos, sin = angles.cos(), angles.sin()
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.wq = nn.Linear(DIM, HEADS * HEAD_DIM, bias=False)
        self.wk = nn.Linear(DIM, KV_HEADS * HEAD_DIM, bias=False)
        self.wv = nn.Linear(DIM, KV_HEADS * HEAD_DIM, bias=False)
        self.wo = nn.Linear(HEADS * HEAD_DIM, DIM, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, _ = x.shape
        q = apply_rotary_emb(self.wq(x).view(B, T, HEADS, HEAD_DIM))
        k = apply_rotary_emb(self.wk(x).view(B, T, KV_HEADS, HEAD_DIM))
        v = self.wv(x).view(B, T, KV_HEADS, HEAD_DIM)
        k, v = (part.repeat_interleave(HEADS // KV_HEADS, dim=2) for part in (k, v))
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        scores = q @ k.transpose(2, 3) / HEAD_DIM**0.5
        scores = scores + torch.full((T, T), float("-inf"), dtype=x.dtype).triu(1)
        y = F.softmax(scores, dim=-1) @ v
        return self.wo(y.transpose(1, 2).reshape(B, T, -1))


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1 = nn.Linear(DIM, HIDDEN, bias=False)
        self.w2 = nn.Linear(HIDDEN, DIM, bias=False)
        self.w3 = nn.Linear(DIM, HIDDEN, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class TransformerBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention()
        self.feed_forward = FeedForward()
        self.attention_norm = RMSNorm(DIM)
        self.ffn_norm = RMSNorm(DIM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x + self.attention(self.attention_norm(x))
        return h + self.feed_forward(self.ffn_norm(h))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok_embeddings = nn.Embedding(VOCABULARY, DIM)
        self.layers = nn.ModuleList([TransformerBlock() for _ in range(DEPTH)])
        self.norm = RMSNorm(DIM)
        self.output = nn.Linear(DIM, VOCABULARY, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        h = self.tok_embeddings(tokens)
        for layer in self.layers:
            h = layer(h)
        return self.output(self.norm(h))


def init_params(key: jax.Array) -> dict[str, Any]:
    keys = iter(jax.random.split(key, 2 + 7 * DEPTH))

    def normal(*shape):
        return 0.02 * jax.random.normal(next(keys), shape)

    def layer():
        return {
            "input_norm": jnp.ones(DIM),
            "q": normal(DIM, HEADS, HEAD_DIM),
            "k": normal(DIM, KV_HEADS, HEAD_DIM),
            "v": normal(DIM, KV_HEADS, HEAD_DIM),
            "o": normal(HEADS, HEAD_DIM, DIM),
            "mlp_norm": jnp.ones(DIM),
            "gate": normal(DIM, HIDDEN),
            "up": normal(DIM, HIDDEN),
            "down": normal(HIDDEN, DIM),
        }

    return {
        "embedding": normal(VOCABULARY, DIM),
        "layers": [layer() for _ in range(DEPTH)],
        "final_norm": jnp.ones(DIM),
        "unembedding": normal(DIM, VOCABULARY),
    }


def rms_norm(x, scale, eps, plus_one):
    x = x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + eps)
    return x * (1 + scale) if plus_one else x * scale


def rope(x, half_split, theta=10000.0):
    length, dim = x.shape[1], x.shape[-1]
    freqs = theta ** -(jnp.arange(0, dim, 2, dtype=x.dtype) / dim)
    angles = (jnp.arange(length, dtype=x.dtype)[:, None] * freqs)[:, None]
    sin, cos = jnp.sin(angles), jnp.cos(angles)
    if half_split:
        a, b = jnp.split(x, 2, axis=-1)
        return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
    a, b = x[..., ::2], x[..., 1::2]
    return jnp.stack([a * cos - b * sin, b * cos + a * sin], axis=-1).reshape(x.shape)


def attention(p, x, half_split, tiled):
    q = rope(jnp.einsum("btd,dhk->bthk", x, p["q"]), half_split)
    k = rope(jnp.einsum("btd,dhk->bthk", x, p["k"]), half_split)
    v = jnp.einsum("btd,dhk->bthk", x, p["v"])
    groups = HEADS // KV_HEADS
    if tiled:
        k, v = (jnp.tile(part, (1, 1, groups, 1)) for part in (k, v))
    else:
        k, v = (jnp.repeat(part, groups, axis=2) for part in (k, v))
    scores = jnp.einsum("bthk,bshk->bhts", q, k) * HEAD_DIM**-0.5
    causal = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf))
    return jnp.einsum("bhts,bshk,hkd->btd", weights, v, p["o"])


def llama(
    params,
    tokens,
    *,
    eps=1e-5,
    plus_one=False,
    half_split=False,
    tiled=False,
    act=jax.nn.silu,
) -> jax.Array:
    norm = partial(rms_norm, eps=eps, plus_one=plus_one)
    x = params["embedding"][tokens]
    for p in params["layers"]:
        x = x + attention(p, norm(x, p["input_norm"]), half_split, tiled)
        y = norm(x, p["mlp_norm"])
        x = x + (act(y @ p["gate"]) * (y @ p["up"])) @ p["down"]
    return norm(x, params["final_norm"]) @ params["unembedding"]


LAYERS = [f"layers.{i}" for i in range(DEPTH)]
ATTENTIONS = [f"{layer}.attention" for layer in LAYERS]
NORMS = [f"{layer}.{norm}" for layer in LAYERS for norm in ("attention_norm", "ffn_norm")]
GATES = [f"{layer}.feed_forward" for layer in LAYERS]
OPTIONS: dict[str, dict[str, Any]] = {
    "eps 1e-6": {"eps": 1e-6},
    "rotary pairs of the halves": {"half_split": True},
    "gelu in the gate": {"act": jax.nn.gelu},
    "norm weight plus one": {"plus_one": True},
    "key heads tiled": {"tiled": True},
}
MISTAKES = {
    "eps 1e-6": everywhere(*NORMS, "norm", cause="eps", gotcha=6),
    "rotary pairs of the halves": everywhere(*ATTENTIONS, cause="rotary", gotcha=27),
    "gelu in the gate": everywhere(*GATES, cause="silu"),
    "norm weight plus one": everywhere(*NORMS, "norm", cause="scale"),
    "key heads tiled": everywhere(*ATTENTIONS, cause="head"),
}
INPUTS = (np.random.default_rng(13).integers(0, VOCABULARY, (2, 9)),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(Llama()).eval()


def jax_model(mistake: str = "") -> Any:
    return partial(llama, **OPTIONS.get(mistake, {})), init_params(jax.random.key(0))
