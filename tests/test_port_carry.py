"""Weights carried over from model to model: there, back, and judged as they are."""

from __future__ import annotations

import importlib
from typing import Any

import flax.linen as fnn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from torch import nn

from compare.port.check import check_port
from compare.port.convert import carry_over
from compare.run.port.errors import PortError

X = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm, self.last = nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)
        with torch.no_grad():
            self.norm.running_mean.normal_()
            self.norm.running_var.uniform_(0.5, 2.0)

    def forward(self, x):
        return self.last(torch.tanh(self.norm(self.first(x))))


class JaxNet(nnx.Module):
    def __init__(self, rngs):
        self.first, self.last = nnx.Linear(5, 8, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)
        self.norm = nnx.BatchNorm(8, epsilon=1e-5, rngs=rngs)

    def __call__(self, x):
        return self.last(nnx.tanh(self.norm(self.first(x))))


class LinenNet(fnn.Module):
    @fnn.compact
    def __call__(self, x, train=False):
        x = fnn.Dense(8)(x)
        x = fnn.BatchNorm(use_running_average=not train, epsilon=1e-5)(x)
        return fnn.Dense(3)(jnp.tanh(x))


def function(parameters, x):
    p = parameters
    x = (x @ p["w1"] + p["b1"] - p["mean"]) / jnp.sqrt(p["var"] + 1e-5) * p["g"] + p["b"]
    return jnp.tanh(x) @ p["w2"] + p["b2"]


PARAMETERS = {"w1": jnp.ones((5, 8)), "b1": jnp.ones(8), "mean": jnp.zeros(8),
              "var": jnp.ones(8), "g": jnp.ones(8), "b": jnp.ones(8), "w2": jnp.ones((8, 3)),
              "b2": jnp.ones(3)}  # fmt: skip


def equinox() -> Any:
    eqx = pytest.importorskip("equinox")
    keys = jax.random.split(jax.random.key(0), 2)

    class EquinoxNet(eqx.Module):
        first: Any
        last: Any

        def __call__(self, x):
            return self.last(jnp.tanh(self.first(x)))

    return EquinoxNet(eqx.nn.Linear(5, 8, key=keys[0]), eqx.nn.Linear(8, 3, key=keys[1]))


def jax_models() -> dict[str, Any]:
    linen = LinenNet()
    return {
        "nnx": JaxNet(nnx.Rngs(0)),
        "linen": (linen, linen.init(jax.random.key(0), X)),
        "function": (function, PARAMETERS),
    }


@pytest.mark.parametrize("kind", ["nnx", "linen", "function"])
def test_carried_over_there_and_back(kind):
    ours, theirs = Net().eval(), jax_models()[kind]
    there = carry_over(ours, theirs, X)
    port = (theirs[0], there) if isinstance(theirs, tuple) else there
    assert check_port(ours, port, X, weights="as-is").same
    fresh = Net().eval()
    with torch.no_grad():
        for leaf in fresh.state_dict().values():
            leaf.copy_(torch.zeros_like(leaf))
    back = carry_over(fresh, port, X, to="torch")
    assert all(torch.equal(back.state_dict()[k], x) for k, x in ours.state_dict().items()
               if "num_batches" not in k)  # fmt: skip
    assert not any(x.any() for x in fresh.state_dict().values())


def test_carried_over_to_equinox():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(5, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.last(torch.tanh(self.first(x)))

    ours = Plain().eval()
    there = carry_over(ours, equinox(), X)
    assert np.array_equal(there.first.weight, ours.first.weight.detach())
    assert check_port(ours, there, X, weights="as-is").same


@pytest.mark.slow
def test_two_biases_carried_back_are_the_same_function():
    port = importlib.import_module("tests.ports.lstm_linen")
    ours, (module, variables) = port.torch_model(), port.jax_model()
    back = carry_over(ours, (module, variables), port.INPUTS, to="torch")
    assert check_port(back, (module, variables), port.INPUTS, weights="as-is").same


def test_a_conversion_gone_wrong_is_named():
    ours, theirs = Net().eval(), JaxNet(nnx.Rngs(0))
    there = carry_over(ours, theirs, X)
    there.norm.scale[...] = there.norm.bias[...] + 2
    report = check_port(ours, there, X, weights="as-is", seconds=0.0)
    assert report.word == "different"
    assert any("norm.scale should be norm.weight" in line for line in report.conversion)


def test_to_what():
    with pytest.raises(PortError, match="'jax' or 'torch'"):
        carry_over(Net(), JaxNet(nnx.Rngs(0)), X, to="mlx")
