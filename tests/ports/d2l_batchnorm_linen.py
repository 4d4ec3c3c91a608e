"""Batch normalisation from scratch, as in Dive into Deep Learning, in both its forms.

The moving variance there is the biased one in PyTorch, too.
"""

from __future__ import annotations

from typing import Any

import flax.linen as fnn
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from . import Mistake, everywhere, trained


def batch_norm(X, gamma, beta, moving_mean, moving_var, eps, momentum, training):
    if not training:
        X_hat = (X - moving_mean) / torch.sqrt(moving_var + eps)
    else:
        axes = (0,) if X.ndim == 2 else (0, 2, 3)
        mean = X.mean(dim=axes, keepdim=True)
        var = ((X - mean) ** 2).mean(dim=axes, keepdim=True)
        X_hat = (X - mean) / torch.sqrt(var + eps)
        moving_mean = (1.0 - momentum) * moving_mean + momentum * mean
        moving_var = (1.0 - momentum) * moving_var + momentum * var
    return gamma * X_hat + beta, moving_mean.detach(), moving_var.detach()


class BatchNorm(nn.Module):
    def __init__(self, num_features, num_dims):
        super().__init__()
        shape = (1, num_features) if num_dims == 2 else (1, num_features, 1, 1)
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))
        self.register_buffer("moving_mean", torch.zeros(shape))
        self.register_buffer("moving_var", torch.ones(shape))

    def forward(self, X):
        Y, self.moving_mean, self.moving_var = batch_norm(
            X, self.gamma, self.beta, self.moving_mean, self.moving_var,
            eps=1e-5, momentum=0.1, training=self.training,
        )  # fmt: skip
        return Y


def torch_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, kernel_size=5), BatchNorm(4, num_dims=4), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(), nn.Linear(4 * 3 * 4, 9), BatchNorm(9, num_dims=2), nn.Sigmoid(),
        nn.Linear(9, 5),
    )  # fmt: skip


def jax_batch_norm(X, deterministic, gamma, beta, moving_mean, moving_var, eps, momentum, axes):
    if deterministic:
        X_hat = (X - moving_mean.value) / jnp.sqrt(moving_var.value + eps)
    else:
        axes = (0,) if X.ndim == 2 else axes
        mean = X.mean(axis=axes, keepdims=True)
        var = ((X - mean) ** 2).mean(axis=axes, keepdims=True)
        X_hat = (X - mean) / jnp.sqrt(var + eps)
        moving_mean.value = momentum * moving_mean.value + (1.0 - momentum) * mean
        moving_var.value = momentum * moving_var.value + (1.0 - momentum) * var
    return gamma * X_hat + beta


class JaxBatchNorm(fnn.Module):
    num_features: int
    num_dims: int
    use_running_average: bool = False
    axes: tuple = (0, 1, 2)
    momentum: float = 0.9
    epsilon: float = 1e-5

    @fnn.compact
    def __call__(self, X):
        shape = (1, self.num_features) if self.num_dims == 2 else (1, 1, 1, self.num_features)
        gamma = self.param("gamma", fnn.initializers.ones, shape)
        beta = self.param("beta", fnn.initializers.zeros, shape)
        moving_mean = self.variable("batch_stats", "moving_mean", jnp.zeros, shape)
        moving_var = self.variable("batch_stats", "moving_var", jnp.ones, shape)
        frozen = self.use_running_average or self.is_initializing()
        return jax_batch_norm(
            X, frozen, gamma, beta, moving_mean, moving_var,
            eps=self.epsilon, momentum=self.momentum, axes=self.axes,
        )  # fmt: skip


class BNLeNetScratch(fnn.Module):
    num_classes: int = 5
    axes: tuple = (0, 1, 2)
    momentum: float = 0.9
    epsilon: float = 1e-5
    training: bool = True

    @fnn.compact
    def __call__(self, X):
        shared = {"use_running_average": not self.training, "momentum": self.momentum}
        X = fnn.Conv(4, kernel_size=(5, 5), padding="VALID")(X)
        X = fnn.sigmoid(JaxBatchNorm(4, num_dims=4, axes=self.axes, **shared)(X))
        X = fnn.avg_pool(X, window_shape=(2, 2), strides=(2, 2))
        X = X.transpose((0, 3, 1, 2)).reshape((X.shape[0], -1))
        X = fnn.Dense(9)(X)
        X = fnn.sigmoid(JaxBatchNorm(9, num_dims=2, epsilon=self.epsilon, **shared)(X))
        return fnn.Dense(self.num_classes)(X)


MISTAKES = {
    "axes (0, 2, 3)": Mistake("1", "axes", 56, proven=False),
    "torch's momentum": everywhere("1", "6", cause="momentum", gotcha=1, array="buffer"),
    "eps 1e-3": Mistake("6", "eps"),
}
INPUTS = (np.random.default_rng(4).standard_normal((4, 1, 10, 13), dtype=np.float32),)
TRAIN = True


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(torch_net())


def jax_model(mistake: str = "") -> Any:
    options = {
        "axes (0, 2, 3)": {"axes": (0, 2, 3)},
        "torch's momentum": {"momentum": 0.1},
        "eps 1e-3": {"epsilon": 1e-3},
    }.get(mistake, {})
    model = BNLeNetScratch(**options)
    return model, model.init(jax.random.key(0), jnp.zeros((2, 10, 13, 1)))
