"""A convolutional autoencoder with ConvTranspose2d(3, stride 2, output_padding 1), and NNX."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from flax import nnx
from torch import nn

from . import Mistake, trained


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        up = partial(nn.ConvTranspose2d, kernel_size=3, stride=2, padding=1, output_padding=1)
        self.decoder = nn.Sequential(up(8, 8), nn.ReLU(), up(8, 3), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x))


class JaxAutoEncoder(nnx.Module):
    def __init__(self, *, flipped=True, padding=((1, 2), (1, 2)), rngs: nnx.Rngs):
        down = partial(nnx.Conv, kernel_size=(3, 3), strides=2, padding=1, rngs=rngs)
        up = partial(nnx.ConvTranspose, kernel_size=(3, 3), strides=(2, 2), rngs=rngs)
        self.down1 = down(3, 6)
        self.down2 = down(6, 8)
        self.up1 = up(8, 8, padding=((1, 2), (1, 2)), transpose_kernel=flipped)
        self.up2 = up(8, 3, padding=padding, transpose_kernel=True)

    def encode(self, x):
        return nnx.relu(self.down2(nnx.relu(self.down1(x))))

    def decode(self, z):
        return nnx.sigmoid(self.up2(nnx.relu(self.up1(z))))

    def __call__(self, x):
        return self.decode(self.encode(x))


MISTAKES = {
    "kernel not flipped": Mistake("decoder.0", "flip", 11),
    "padding off by one": Mistake("decoder.2", "padding", 11),
}
INPUTS = (np.random.default_rng(11).standard_normal((2, 3, 16, 12), dtype=np.float32),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(AutoEncoder()).eval()


def jax_model(mistake: str = "") -> Any:
    options = {
        "kernel not flipped": {"flipped": False},
        "padding off by one": {"padding": ((2, 1), (2, 1))},
    }.get(mistake, {})
    return JaxAutoEncoder(**options, rngs=nnx.Rngs(0))
