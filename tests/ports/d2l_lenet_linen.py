"""BNLeNet of Dive into Deep Learning with its concise layers, small, in PyTorch and Linen."""

from __future__ import annotations

from typing import Any

import flax.linen as fnn
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from . import Mistake, everywhere, trained


class BNLeNet(nn.Module):
    def __init__(self, num_classes: int = 6):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, kernel_size=5, padding=2), nn.BatchNorm2d(4), nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
            nn.Conv2d(4, 8, kernel_size=3), nn.BatchNorm2d(8), nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=4, stride=4), nn.Flatten(),
            nn.Linear(48, 12), nn.BatchNorm1d(12), nn.Sigmoid(),
            nn.Linear(12, num_classes),
        )  # fmt: skip

    def forward(self, X):
        return self.net(X)


class BatchNorm(fnn.BatchNorm):
    """`nn.BatchNorm` that keeps the variance of n - 1, as PyTorch does."""

    @fnn.compact
    def __call__(self, x, use_running_average: bool | None = None):
        frozen = (
            self.use_running_average if use_running_average is None else use_running_average
        )
        if frozen or self.is_initializing():
            return super().__call__(x, use_running_average)
        kept = self.momentum * self.get_variable("batch_stats", "var")
        y = super().__call__(x, use_running_average)
        n = x.size // x.shape[-1]
        new = self.get_variable("batch_stats", "var")
        self.put_variable("batch_stats", "var", kept + (new - kept) * (n / (n - 1)))
        return y


class JaxBNLeNet(fnn.Module):
    num_classes: int = 6
    norm: Any = BatchNorm
    momentum: float = 0.9
    padding: Any = "VALID"
    channels_first: bool = True

    @fnn.compact
    def __call__(self, X, train: bool = False):
        def norm():
            return self.norm(
                use_running_average=not train, momentum=self.momentum, use_fast_variance=False
            )

        X = fnn.sigmoid(norm()(fnn.Conv(4, kernel_size=(5, 5), padding=2)(X)))
        X = fnn.avg_pool(X, window_shape=(2, 2), strides=(2, 2))
        X = fnn.sigmoid(norm()(fnn.Conv(8, kernel_size=(3, 3), padding=self.padding)(X)))
        X = fnn.avg_pool(X, window_shape=(4, 4), strides=(4, 4))
        if self.channels_first:
            X = X.transpose((0, 3, 1, 2))
        X = X.reshape((X.shape[0], -1))
        X = fnn.sigmoid(norm()(fnn.Dense(12)(X)))
        return fnn.Dense(self.num_classes)(X)


NORMS = ("net.1", "net.5", "net.10")
MISTAKES = {
    "default padding": Mistake("net.4", "padding", 58),
    "flattened channels last": Mistake("net.8", "flatten", 14),
    "default momentum": everywhere(*NORMS, cause="momentum", gotcha=57, array="buffer"),
    "running variance biased": everywhere(*NORMS, cause="variance", gotcha=3, array="buffer"),
}
INPUTS = (np.random.default_rng(5).standard_normal((3, 1, 28, 20), dtype=np.float32),)
TRAIN = True


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(BNLeNet())


def jax_model(mistake: str = "") -> Any:
    options = {
        "default padding": {"padding": "SAME"},
        "flattened channels last": {"channels_first": False},
        "default momentum": {"momentum": 0.99},
        "running variance biased": {"norm": fnn.BatchNorm},
    }.get(mistake, {})
    model = JaxBNLeNet(**options)
    return model, model.init(jax.random.key(0), jnp.zeros((1, 28, 20, 1)))
