"""A GPT as in nanoGPT (fused qkv, tied head), and a plain JAX function of a tree of arrays."""

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

VOCABULARY, CONTEXT, DEPTH, HEADS, DIM = 37, 16, 2, 3, 24


class CausalSelfAttention(nn.Module):
    def __init__(self, n_embd: int, n_head: int):
        super().__init__()
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)
        self.n_head = n_head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, T, C = x.size()
        heads = (B, T, self.n_head, C // self.n_head)
        q, k, v = (part.view(heads).transpose(1, 2) for part in self.c_attn(x).split(C, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class MLP(nn.Module):
    def __init__(self, n_embd: int):
        super().__init__()
        self.c_fc = nn.Linear(n_embd, 4 * n_embd)
        self.gelu = nn.GELU(approximate="tanh")
        self.c_proj = nn.Linear(4 * n_embd, n_embd)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c_proj(self.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, n_embd: int, n_head: int):
        super().__init__()
        self.ln_1 = nn.LayerNorm(n_embd)
        self.attn = CausalSelfAttention(n_embd, n_head)
        self.ln_2 = nn.LayerNorm(n_embd)
        self.mlp = MLP(n_embd)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(VOCABULARY, DIM),
                "wpe": nn.Embedding(CONTEXT, DIM),
                "h": nn.ModuleList([Block(DIM, HEADS) for _ in range(DEPTH)]),
                "ln_f": nn.LayerNorm(DIM),
            }
        )
        self.lm_head = nn.Linear(DIM, VOCABULARY, bias=False)
        self.transformer.wte.weight = self.lm_head.weight

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        pos = torch.arange(idx.size(1), device=idx.device)
        x = self.transformer.wte(idx) + self.transformer.wpe(pos)
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))


def init_params(key: jax.Array) -> dict[str, Any]:
    keys = iter(jax.random.split(key, 2 + 4 * DEPTH))

    def dense(c_in, c_out):
        w = 0.02 * jax.random.normal(next(keys), (c_in, c_out))
        return {"w": w, "b": jnp.zeros(c_out)}

    def norm():
        return {"g": jnp.ones(DIM), "b": jnp.zeros(DIM)}

    def block():
        return {
            "ln1": norm(),
            "attn": {"qkv": dense(DIM, 3 * DIM), "out": dense(DIM, DIM)},
            "ln2": norm(),
            "mlp": {"up": dense(DIM, 4 * DIM), "down": dense(4 * DIM, DIM)},
        }

    return {
        "embed": 0.02 * jax.random.normal(next(keys), (VOCABULARY, DIM)),
        "positions": 0.02 * jax.random.normal(next(keys), (CONTEXT, DIM)),
        "blocks": [block() for _ in range(DEPTH)],
        "ln_f": norm(),
    }


def linear(x, w, b):
    return x @ w + b


def layer_norm(x, g, b, eps):
    mean = x.mean(-1, keepdims=True)
    var = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(var + eps) * g + b


def attention(x, qkv, out, *, scaled, mask, interleaved):
    B, T, C = x.shape
    fused = linear(x, **qkv)
    if interleaved:
        q, k, v = jnp.moveaxis(fused.reshape(B, T, HEADS, 3, -1), 3, 0)
    else:
        q, k, v = jnp.moveaxis(fused.reshape(B, T, 3, HEADS, -1), 2, 0)
    scores = jnp.einsum("bthd,bshd->bhts", q, k)
    if scaled:
        scores = scores / q.shape[-1] ** 0.5
    if mask is not None:
        scores = jnp.where(jnp.tril(jnp.ones((T, T), bool), mask), scores, -1e30)
    y = jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores), v)
    return linear(y.reshape(B, T, C), **out)


def gpt(
    params, idx, *, scaled=True, mask=0, interleaved=False, approximate=True, eps=1e-5
) -> jax.Array:
    """Logits; `mask` is the diagonal up to which a position attends, None for all."""
    x = params["embed"][idx] + params["positions"][: idx.shape[1]]
    for p in params["blocks"]:
        y = layer_norm(x, **p["ln1"], eps=eps)
        x = x + attention(y, **p["attn"], scaled=scaled, mask=mask, interleaved=interleaved)
        y = linear(layer_norm(x, **p["ln2"], eps=eps), **p["mlp"]["up"])
        x = x + linear(jax.nn.gelu(y, approximate=approximate), **p["mlp"]["down"])
    return layer_norm(x, **params["ln_f"], eps=eps) @ params["embed"].T


BLOCKS = [f"transformer.h.{i}" for i in range(DEPTH)]
ATTENTIONS = [f"{block}.attn" for block in BLOCKS]
NORMS = [f"{block}.{norm}" for block in BLOCKS for norm in ("ln_1", "ln_2")]
OPTIONS = {
    "attention not scaled": {"scaled": False},
    "mask off by one": {"mask": -1},
    "mask missing": {"mask": None},
    "heads before q, k, v": {"interleaved": True},
    "exact gelu": {"approximate": False},
    "eps 1e-6": {"eps": 1e-6},
}
MISTAKES = {
    "attention not scaled": everywhere(*ATTENTIONS, cause="scale"),
    "mask off by one": everywhere(*ATTENTIONS, cause="mask"),
    "mask missing": everywhere(*ATTENTIONS, cause="mask"),
    "heads before q, k, v": everywhere(*ATTENTIONS, cause="head"),
    "exact gelu": everywhere(*(f"{b}.mlp.gelu" for b in BLOCKS), cause="gelu", gotcha=21),
    "eps 1e-6": everywhere(*NORMS, "transformer.ln_f", cause="eps", gotcha=5),
}
INPUTS = (np.random.default_rng(9).integers(0, VOCABULARY, (2, 11)),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(GPT()).eval()


def jax_model(mistake: str = "") -> Any:
    return partial(gpt, **OPTIONS.get(mistake, {})), init_params(jax.random.key(0))
