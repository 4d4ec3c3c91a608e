"""A small network in torch and in all that JAX models are written with, to be timed."""

from __future__ import annotations

import equinox as eqx
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax import nnx

IMAGES = "float32[4,2,4,6]"
VECTORS = "float32[5,8]"


class Images(torch.nn.Module):
    """Convolution, batch norm, dropout, a dense layer."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.drop = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x))).mean((2, 3))
        return self.head(self.drop(x))


class FlaxImages(nnx.Module):
    """Its port, channels last."""

    def __init__(self, act=nnx.relu):
        rngs = nnx.Rngs(0)
        self.first = nnx.Conv(2, 4, (3, 3), padding=1, rngs=rngs)
        self.norm = nnx.BatchNorm(4, momentum=0.9, use_fast_variance=False, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(4, 3, rngs=rngs)
        self.act = act

    def __call__(self, x):
        x = self.act(self.norm(self.first(x))).mean((1, 2))
        return self.last(self.drop(x))


def wrong():
    """A port with a mistake: another activation."""
    return FlaxImages(nnx.leaky_relu)


def vectors():
    return torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3))


def in_place():
    return torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(8, 3))


def dense(params, x):
    return x @ params["w"] + params["b"]


def one_layer():
    return lambda params, x: dense(params, jnp.maximum(x, 0)), {
        "w": np.ones((8, 3), np.float32), "b": np.zeros(3, np.float32)
    }  # fmt: skip


def linen():
    module = flax.linen.Sequential([flax.linen.Dense(6), jnp.tanh, flax.linen.Dense(3)])
    return module, module.init(jax.random.key(0), jnp.ones((5, 8)))


def equinox():
    class Net(eqx.Module):
        first: eqx.nn.Linear
        last: eqx.nn.Linear

        def __init__(self):
            self.first = eqx.nn.Linear(8, 6, key=jax.random.key(0))
            self.last = eqx.nn.Linear(6, 3, key=jax.random.key(1))

        def __call__(self, x):  # one example, as Equinox has it
            return self.last(jnp.tanh(self.first(x)))

    return Net()


def function():
    def net(params, x):
        return dense(params["last"], jnp.tanh(dense(params["first"], x)))

    ones = np.ones
    return net, {
        "first": {"w": ones((8, 6), np.float32), "b": ones(6, np.float32)},
        "last": {"w": ones((6, 3), np.float32), "b": ones(3, np.float32)},
    }


def adamw(parameters):
    optimizer = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.1)
    return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)


optimizers = adamw, optax.adamw(optax.exponential_decay(1e-2, 1, 0.5), weight_decay=0.1)
plain_sgd = (lambda parameters: torch.optim.SGD(parameters, lr=0.1)), optax.sgd(0.1)
off = adamw, optax.adamw(2e-2, weight_decay=0.1)
losses = (
    torch.nn.functional.cross_entropy,
    lambda out, y: optax.softmax_cross_entropy_with_integer_labels(out, y).mean(),
)


def batches():
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(4, 2, 4, 6)).astype(np.float32), rng.integers(0, 3, 4))] * 2
