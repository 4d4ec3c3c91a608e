"""The residual block of Dive into Deep Learning in its PyTorch and its JAX form."""

from __future__ import annotations

from typing import Any

import flax.linen as fnn
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from . import Mistake, trained


class Residual(nn.Module):
    def __init__(self, in_channels, num_channels, use_1x1conv=False, strides=1):
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, num_channels, kernel_size=3, padding=1, stride=strides
        )
        self.conv2 = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1)
        if use_1x1conv:
            self.conv3 = nn.Conv2d(in_channels, num_channels, kernel_size=1, stride=strides)
        else:
            self.conv3 = None
        self.bn1 = nn.BatchNorm2d(num_channels)
        self.bn2 = nn.BatchNorm2d(num_channels)

    def forward(self, X):
        Y = F.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        if self.conv3:
            X = self.conv3(X)
        Y += X
        return F.relu(Y)


class JaxResidual(fnn.Module):
    num_channels: int
    use_1x1conv: bool = False
    strides: tuple = (1, 1)
    padding: Any = 1
    epsilon: float = 1e-5
    late_sum: bool = False
    training: bool = True

    def setup(self):
        self.conv1 = fnn.Conv(
            self.num_channels, kernel_size=(3, 3), padding=self.padding, strides=self.strides
        )
        self.conv2 = fnn.Conv(self.num_channels, kernel_size=(3, 3), padding="same")
        if self.use_1x1conv:
            self.conv3 = fnn.Conv(self.num_channels, kernel_size=(1, 1), strides=self.strides)
        else:
            self.conv3 = None
        self.bn1 = fnn.BatchNorm(not self.training, use_fast_variance=False)
        self.bn2 = fnn.BatchNorm(
            not self.training, use_fast_variance=False, epsilon=self.epsilon
        )

    def __call__(self, X):
        Y = fnn.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        if self.conv3:
            X = self.conv3(X)
        if self.late_sum:
            return fnn.relu(Y) + X
        return fnn.relu(Y + X)


MISTAKES = {
    "same padding at stride 2": Mistake("1.conv1", "padding", 55),
    "relu before the sum": Mistake("1", "before the sum"),
    "eps 1e-3": Mistake("1.bn2", "eps"),
}
INPUTS = (np.random.default_rng(3).standard_normal((4, 3, 6, 8), dtype=np.float32),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    blocks = nn.Sequential(Residual(3, 3), Residual(3, 6, use_1x1conv=True, strides=2))
    return trained(blocks).eval()


def jax_model(mistake: str = "") -> Any:
    options = {
        "same padding at stride 2": {"padding": "same"},
        "relu before the sum": {"late_sum": True},
        "eps 1e-3": {"epsilon": 1e-3},
    }.get(mistake, {})
    second = JaxResidual(6, use_1x1conv=True, strides=(2, 2), training=False, **options)
    model = fnn.Sequential([JaxResidual(3, training=False), second])
    return model, model.init(jax.random.key(0), jnp.zeros((1, 6, 8, 3)))
