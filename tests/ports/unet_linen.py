"""A small U-Net with group norm and SiLU, in the usual PyTorch classes, and in Flax Linen."""

from __future__ import annotations

from typing import Any

import flax.linen as fnn
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from . import everywhere, trained


class DoubleConv(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.GroupNorm(4, out_channels),
            nn.SiLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.GroupNorm(4, out_channels),
            nn.SiLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.maxpool_conv = nn.Sequential(
            nn.MaxPool2d(2), DoubleConv(in_channels, out_channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class UNet(nn.Module):
    def __init__(self, n_channels: int = 3, n_classes: int = 2):
        super().__init__()
        self.inc = DoubleConv(n_channels, 8)
        self.down1 = Down(8, 12)
        self.down2 = Down(12, 16)
        self.up1 = Up(12 + 16, 12)
        self.up2 = Up(8 + 12, 8)
        self.outc = nn.Conv2d(8, n_classes, kernel_size=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


class ConvPair(fnn.Module):
    features: int
    num_groups: int
    epsilon: float

    @fnn.compact
    def __call__(self, x):
        for _ in range(2):
            x = fnn.Conv(self.features, (3, 3), use_bias=False)(x)
            x = fnn.GroupNorm(self.num_groups, epsilon=self.epsilon, use_fast_variance=False)(x)
            x = fnn.silu(x)
        return x


class JaxUNet(fnn.Module):
    widths: tuple[int, ...] = (8, 12, 16)
    classes: int = 2
    num_groups: int = 4
    epsilon: float = 1e-5
    pool: Any = fnn.max_pool
    resize: str = "bilinear"
    skip_first: bool = True

    @fnn.compact
    def __call__(self, x):
        def pair(width):
            return ConvPair(width, self.num_groups, self.epsilon)

        skips = []
        for width in self.widths[:-1]:
            x = pair(width)(x)
            skips.append(x)
            x = self.pool(x, (2, 2), strides=(2, 2))
        x = pair(self.widths[-1])(x)
        for width, skip in zip(self.widths[-2::-1], skips[::-1], strict=True):
            x = jax.image.resize(x, (*skip.shape[:3], x.shape[-1]), self.resize)
            parts = [skip, x] if self.skip_first else [x, skip]
            x = pair(width)(jnp.concatenate(parts, axis=-1))
        return fnn.Conv(self.classes, (1, 1), name="logits")(x)


PAIRS = (
    "inc",
    "down1.maxpool_conv.1",
    "down2.maxpool_conv.1",
    "up1.conv",
    "up2.conv",
)
NORMS = tuple(f"{pair}.double_conv.{i}" for pair in PAIRS for i in (1, 4))
POOLS = ("down1.maxpool_conv.0", "down2.maxpool_conv.0")
MISTAKES = {
    "default eps of GroupNorm": everywhere(*NORMS, cause="eps", gotcha=6),
    "two groups of four": everywhere(*NORMS, cause="group"),
    "concatenated in the other order": everywhere("up1", "up2", cause="concat"),
    "average pool": everywhere(*POOLS, cause="pool"),
    "nearest upsampling": everywhere("up1.up", "up2.up", cause="nearest"),
}
INPUTS = (np.random.default_rng(12).standard_normal((2, 3, 16, 12), dtype=np.float32),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(UNet()).eval()


def jax_model(mistake: str = "") -> Any:
    options = {
        "default eps of GroupNorm": {"epsilon": 1e-6},
        "two groups of four": {"num_groups": 2},
        "concatenated in the other order": {"skip_first": False},
        "average pool": {"pool": fnn.avg_pool},
        "nearest upsampling": {"resize": "nearest"},
    }.get(mistake, {})
    model = JaxUNet(**options)
    return model, model.init(jax.random.key(0), jnp.zeros((1, 16, 12, 3)))
