"""A ConvNeXt (depthwise convolution, layer scale), and one in Equinox, an image at a time."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from . import Mistake, everywhere, trained

DIM, DEPTH = 8, 2


class Block(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, kernel_size=5, padding=2, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1 = nn.Linear(dim, 3 * dim)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(3 * dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), 0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.dwconv(x).permute(0, 2, 3, 1)
        y = self.gamma * self.pwconv2(self.act(self.pwconv1(self.norm(y))))
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self, num_classes: int = 4):
        super().__init__()
        self.downsample = nn.Conv2d(3, DIM, kernel_size=2, stride=2)
        self.stages = nn.Sequential(*[Block(DIM) for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(DIM, eps=1e-6)
        self.head = nn.Linear(DIM, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stages(self.downsample(x))
        return self.head(self.norm(x.mean([-2, -1])))


class Layer(eqx.Module):
    depthwise: eqx.nn.Conv2d
    layer_norm: eqx.nn.LayerNorm
    expand: eqx.nn.Linear
    contract: eqx.nn.Linear
    layer_scale: jax.Array
    approximate: bool = eqx.field(static=True)
    use_scale: bool = eqx.field(static=True)

    def __init__(self, dim, *, eps, approximate, use_scale, key):
        k1, k2, k3 = jax.random.split(key, 3)
        self.depthwise = eqx.nn.Conv2d(dim, dim, 5, padding=2, groups=dim, key=k1)
        self.layer_norm = eqx.nn.LayerNorm(dim, eps=eps)
        self.expand = eqx.nn.Linear(dim, 3 * dim, key=k2)
        self.contract = eqx.nn.Linear(3 * dim, dim, key=k3)
        self.layer_scale = jnp.full(dim, 0.5)
        self.approximate = approximate
        self.use_scale = use_scale

    def mlp(self, pixel):
        y = self.expand(self.layer_norm(pixel))
        return self.contract(jax.nn.gelu(y, approximate=self.approximate))

    def __call__(self, x):
        c, h, w = x.shape
        pixels = self.depthwise(x).reshape(c, h * w).T
        y = jax.vmap(self.mlp)(pixels)
        if self.use_scale:
            y = y * self.layer_scale
        return x + y.T.reshape(c, h, w)


class JaxConvNeXt(eqx.Module):
    stem: eqx.nn.Conv2d
    layers: list[Layer]
    final_norm: eqx.nn.LayerNorm
    classify: eqx.nn.Linear

    def __init__(self, *, eps=1e-6, approximate=False, scaled=(True, True), key):
        k1, k2, *keys = jax.random.split(key, 2 + DEPTH)
        self.stem = eqx.nn.Conv2d(3, DIM, 2, stride=2, key=k1)
        self.layers = [
            Layer(DIM, eps=eps, approximate=approximate, use_scale=one, key=k)
            for one, k in zip(scaled, keys, strict=True)
        ]
        self.final_norm = eqx.nn.LayerNorm(DIM, eps=eps)
        self.classify = eqx.nn.Linear(DIM, 4, key=k2)

    def __call__(self, image):
        x = self.stem(image)
        for layer in self.layers:
            x = layer(x)
        return self.classify(self.final_norm(x.mean(axis=(1, 2))))


OPTIONS: dict[str, dict[str, Any]] = {
    "default eps of LayerNorm": {"eps": 1e-5},
    "gelu by tanh": {"approximate": True},
    "layer scale forgotten in one layer": {"scaled": (True, False)},
}
MISTAKES = {
    "default eps of LayerNorm": everywhere(
        "stages.0.norm", "stages.1.norm", "norm", cause="eps", gotcha=5
    ),
    "gelu by tanh": everywhere("stages.0.act", "stages.1.act", cause="gelu", gotcha=21),
    "layer scale forgotten in one layer": Mistake("stages.1", "scale"),
}
INPUTS = (np.random.default_rng(18).standard_normal((3, 3, 10, 14), dtype=np.float32),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(ConvNeXt()).eval()


def jax_model(mistake: str = "") -> Any:
    return JaxConvNeXt(key=jax.random.key(0), **OPTIONS.get(mistake, {}))
