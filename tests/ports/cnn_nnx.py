"""An AlexNet-like classifier with features and a flattened head, and a port to Flax NNX."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from torch import nn

from . import Mistake, everywhere, trained


class ConvNet(nn.Module):
    def __init__(self, num_classes: int = 5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=3, padding=1),
            nn.GELU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 6, kernel_size=3),
            nn.GELU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.LayerNorm(6 * 3 * 2),
            nn.Linear(6 * 3 * 2, 16),
            nn.GELU(),
            nn.Linear(16, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        return self.classifier(x.view(x.size(0), -1))


class CNN(nnx.Module):
    def __init__(self, *, gelu, epsilon: float, channels_first: bool, rngs: nnx.Rngs):
        self.conv1 = nnx.Conv(3, 8, kernel_size=(3, 3), padding=1, rngs=rngs)
        self.conv2 = nnx.Conv(8, 6, kernel_size=(3, 3), padding="VALID", rngs=rngs)
        self.norm = nnx.LayerNorm(36, epsilon=epsilon, use_fast_variance=False, rngs=rngs)
        self.hidden = nnx.Linear(36, 16, rngs=rngs)
        self.out = nnx.Linear(16, 5, rngs=rngs)
        self.gelu = gelu
        self.channels_first = channels_first

    def __call__(self, x):
        for conv in (self.conv1, self.conv2):
            x = nnx.max_pool(self.gelu(conv(x)), (2, 2), strides=(2, 2))
        if self.channels_first:
            x = jnp.transpose(x, (0, 3, 1, 2))
        x = self.norm(x.reshape(x.shape[0], -1))
        return self.out(self.gelu(self.hidden(x)))


TANH = partial(Mistake, cause="gelu", gotcha=21)
FLATTEN = Mistake("", "flatten", 14)
EPS = Mistake("classifier.0", "eps", 5)
MISTAKES = {
    "flattened channels last": FLATTEN,
    "gelu by tanh": everywhere(
        "features.1", "features.4", "classifier.2", cause="gelu", gotcha=21
    ),
    "default eps of LayerNorm": EPS,
    "three mistakes": Mistake(
        "features.1",
        "gelu",
        21,
        also=(TANH("features.1"), TANH("features.4"), FLATTEN, EPS, TANH("classifier.2")),
    ),
}
INPUTS = (np.random.default_rng(2).standard_normal((3, 3, 17, 12), dtype=np.float32),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(ConvNet()).eval()


def jax_model(mistake: str = "") -> Any:
    made = set(MISTAKES) if mistake == "three mistakes" else {mistake}
    return CNN(
        gelu=partial(nnx.gelu, approximate="gelu by tanh" in made),
        epsilon=1e-6 if "default eps of LayerNorm" in made else 1e-5,
        channels_first="flattened channels last" not in made,
        rngs=nnx.Rngs(0),
    )
