"""A vision transformer in the style of timm (patch convolution, fused qkv), and one in NNX."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from torch import nn
from torch.nn import functional as F

from . import Mistake, everywhere, trained

DIM, HEADS, DEPTH, PATCH, GRID = 24, 3, 2, 4, (4, 3)


class PatchEmbed(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Conv2d(3, DIM, kernel_size=PATCH, stride=PATCH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.proj(x).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM)
        self.proj = nn.Linear(DIM, DIM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, HEADS, C // HEADS).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(B, N, C))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(DIM, 2 * DIM)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(2 * DIM, DIM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(DIM)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm(DIM)
        self.mlp = Mlp()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self, num_classes: int = 5):
        super().__init__()
        self.patch_embed = PatchEmbed()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, DIM))
        self.pos_embed = nn.Parameter(0.2 * torch.randn(1, 1 + GRID[0] * GRID[1], DIM))
        self.blocks = nn.Sequential(*[Block() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.blocks(x + self.pos_embed)
        return self.head(self.norm(x)[:, 0])


class EncoderLayer(nnx.Module):
    def __init__(self, dim, heads, *, norm, rngs: nnx.Rngs):
        self.pre_attention = norm(dim, rngs=rngs)
        self.qkv = nnx.Linear(dim, 3 * dim, rngs=rngs)
        self.project = nnx.Linear(dim, dim, rngs=rngs)
        self.pre_mlp = norm(dim, rngs=rngs)
        self.expand = nnx.Linear(dim, 2 * dim, rngs=rngs)
        self.contract = nnx.Linear(2 * dim, dim, rngs=rngs)
        self.heads = heads

    def attend(self, x):
        B, N, C = x.shape
        q, k, v = jnp.split(self.qkv(x), 3, axis=-1)
        q, k, v = (part.reshape(B, N, self.heads, -1) for part in (q, k, v))
        scores = jnp.einsum("bnhd,bmhd->bhnm", q, k) * (C // self.heads) ** -0.5
        mixed = jnp.einsum("bhnm,bmhd->bnhd", nnx.softmax(scores), v)
        return self.project(mixed.reshape(B, N, C))

    def __call__(self, x):
        x = x + self.attend(self.pre_attention(x))
        y = nnx.gelu(self.expand(self.pre_mlp(x)), approximate=False)
        return x + self.contract(y)


class ViT(nnx.Module):
    def __init__(self, *, epsilon=1e-5, positions="all", by_columns=False, rngs: nnx.Rngs):
        norm = partial(nnx.LayerNorm, epsilon=epsilon, use_fast_variance=False)
        self.patches = nnx.Conv(
            3, DIM, (PATCH, PATCH), strides=(PATCH, PATCH), padding="VALID", rngs=rngs
        )
        self.class_token = nnx.Param(jnp.zeros((1, 1, DIM)))
        length = 1 + GRID[0] * GRID[1]
        init = nnx.initializers.normal(0.02)
        self.positional = nnx.Param(init(rngs.params(), (1, length, DIM)))
        self.layers = nnx.List(
            [EncoderLayer(DIM, HEADS, norm=norm, rngs=rngs) for _ in range(2)]
        )
        self.final_norm = norm(DIM, rngs=rngs)
        self.classify = nnx.Linear(DIM, 5, rngs=rngs)
        self.positions = positions
        self.by_columns = by_columns

    def __call__(self, images: jax.Array) -> jax.Array:
        x = self.patches(images)
        if self.by_columns:
            x = x.swapaxes(1, 2)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        positional = self.positional[...]
        if self.positions == "patches":
            x = x + positional[:, 1:]
        token = jnp.broadcast_to(self.class_token[...], (x.shape[0], 1, x.shape[-1]))
        x = jnp.concatenate([token, x], axis=1)
        if self.positions == "all":
            x = x + positional
        for layer in self.layers:
            x = layer(x)
        return self.classify(self.final_norm(x[:, 0]))


NORMS = tuple(f"blocks.{i}.norm{k}" for i in range(DEPTH) for k in (1, 2))
OPTIONS: dict[str, dict[str, Any]] = {
    "class token without its position": {"positions": "patches"},
    "positions forgotten": {"positions": "none"},
    "default eps of LayerNorm": {"epsilon": 1e-6},
    "patches by columns": {"by_columns": True},
}
MISTAKES = {
    "class token without its position": Mistake("", "position"),
    "positions forgotten": Mistake("", "pos"),
    "default eps of LayerNorm": everywhere(*NORMS, "norm", cause="eps", gotcha=5),
    "patches by columns": Mistake("patch_embed", "order"),
}
INPUTS = (np.random.default_rng(16).standard_normal((2, 3, 16, 12), dtype=np.float32),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(VisionTransformer()).eval()


def jax_model(mistake: str = "") -> Any:
    return ViT(rngs=nnx.Rngs(0), **OPTIONS.get(mistake, {}))
