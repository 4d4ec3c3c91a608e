"""torchvision's ResNet of basic blocks, small, and a port to Flax NNX, compared in training.

The activation of the stem is a leaky ReLU, as in detectors: its max pool sees negative numbers.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from torch import nn

from . import Mistake, everywhere, trained


class BasicBlock(nn.Module):
    def __init__(self, inplanes: int, planes: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or inplanes != planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(inplanes, planes, 1, stride=stride, bias=False),
                nn.BatchNorm2d(planes),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, widths: tuple[int, ...] = (6, 10), num_classes: int = 7):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.act = nn.LeakyReLU(0.1)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(widths[0], widths[0]))
        self.layer2 = nn.Sequential(
            BasicBlock(widths[0], widths[1], stride=2), BasicBlock(widths[1], widths[1])
        )
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(widths[1], num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.act(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class BatchNorm(nnx.BatchNorm):
    """Running variance of n - 1, as PyTorch keeps it."""

    def __call__(self, x: jax.Array, use_running_average: bool | None = None) -> jax.Array:
        frozen = (
            self.use_running_average if use_running_average is None else use_running_average
        )
        old = self.var[...]
        y = super().__call__(x, use_running_average)
        if not frozen:
            n = x.size // x.shape[-1]
            kept = self.momentum * old
            self.var[...] = kept + (self.var[...] - kept) * (n / (n - 1))
        return y


norm_like_torch = partial(BatchNorm, momentum=0.9, epsilon=1e-5, use_fast_variance=False)
plain_norm = partial(nnx.BatchNorm, momentum=0.9, epsilon=1e-5, use_fast_variance=False)


class Block(nnx.Module):
    def __init__(self, c_in, c_out, *, strides=1, padding=1, norm, rngs: nnx.Rngs):
        conv = partial(nnx.Conv, use_bias=False, rngs=rngs)
        self.conv_a = conv(c_in, c_out, (3, 3), strides=strides, padding=padding)
        self.norm_a = norm(c_out, rngs=rngs)
        self.conv_b = conv(c_out, c_out, (3, 3), padding=1)
        self.norm_b = norm(c_out, rngs=rngs)
        self.project = strides != 1 or c_in != c_out
        if self.project:
            self.shortcut = conv(c_in, c_out, (1, 1), strides=strides)
            self.shortcut_norm = norm(c_out, rngs=rngs)

    def __call__(self, x):
        residual = self.shortcut_norm(self.shortcut(x)) if self.project else x
        y = nnx.relu(self.norm_a(self.conv_a(x)))
        return nnx.relu(self.norm_b(self.conv_b(y)) + residual)


class Stage(nnx.Module):
    def __init__(self, c_in, c_out, depth, *, strides, padding, norm, rngs: nnx.Rngs):
        first = Block(c_in, c_out, strides=strides, padding=padding, norm=norm, rngs=rngs)
        more = [Block(c_out, c_out, norm=norm, rngs=rngs) for _ in range(depth - 1)]
        self.blocks = nnx.List([first, *more])

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def pool_with_zeros(x):
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return nnx.max_pool(x, (3, 3), strides=(2, 2))


def pool(x):
    return nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))


class JaxResNet(nnx.Module):
    def __init__(
        self,
        widths=(6, 10),
        depths=(1, 2),
        classes=7,
        *,
        padding: Any = 1,
        norm=norm_like_torch,
        pool=pool,
        rngs: nnx.Rngs,
    ):
        self.stem = nnx.Conv(
            3, widths[0], (7, 7), strides=2, padding=3, use_bias=False, rngs=rngs
        )
        self.stem_norm = norm(widths[0], rngs=rngs)
        self.pool = pool
        sizes = zip((widths[0], *widths), widths, depths, (1, 2), strict=False)
        self.stages = nnx.List(
            [
                Stage(a, b, depth, strides=s, padding=padding, norm=norm, rngs=rngs)
                for a, b, depth, s in sizes
            ]
        )
        self.head = nnx.Linear(widths[-1], classes, rngs=rngs)

    def __call__(self, x):
        x = self.pool(nnx.leaky_relu(self.stem_norm(self.stem(x)), 0.1))
        for stage in self.stages:
            x = stage(x)
        return self.head(x.mean(axis=(1, 2)))


NORMS = (
    "bn1",
    "layer1.0.bn1",
    "layer1.0.bn2",
    "layer2.0.downsample.1",
    "layer2.0.bn1",
    "layer2.0.bn2",
    "layer2.1.bn1",
    "layer2.1.bn2",
)
MISTAKES = {
    "same padding at stride 2": Mistake("layer2.0.conv1", "padding", 10),
    "default momentum in one norm": Mistake("layer2.0.bn2", "momentum", 2, "buffer"),
    "torch's momentum": everywhere(*NORMS, cause="momentum", gotcha=1, array="buffer"),
    "eps 1e-3 in one norm": Mistake("layer2.1.bn1", "eps"),
    "pool padded with zeros": Mistake("maxpool", "pad", 16),
    "running variance biased": everywhere(*NORMS, cause="variance", gotcha=3, array="buffer"),
}
INPUTS = (np.random.default_rng(1).standard_normal((4, 3, 32, 24), dtype=np.float32),)
TRAIN = True


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(ResNet())


def jax_model(mistake: str = "") -> Any:
    options = {
        "same padding at stride 2": {"padding": "SAME"},
        "torch's momentum": {"norm": partial(norm_like_torch, momentum=0.1)},
        "pool padded with zeros": {"pool": pool_with_zeros},
        "running variance biased": {"norm": plain_norm},
    }.get(mistake, {})
    model = JaxResNet(**options, rngs=nnx.Rngs(0))
    if mistake == "default momentum in one norm":
        model.stages[1].blocks[0].norm_b.momentum = 0.99
    if mistake == "eps 1e-3 in one norm":
        model.stages[1].blocks[1].norm_a.epsilon = 1e-3
    return model
