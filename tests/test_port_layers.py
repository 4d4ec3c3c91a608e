"""Pairing where JAX keeps layers in a stack, or gates in kernels of their own."""

from __future__ import annotations

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
from compare.port.report import Report

X = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
SERIES = np.random.default_rng(1).standard_normal((2, 4, 8)).astype(np.float32)


def leaf(*shape: int) -> jax.Array:
    return jnp.zeros(shape)


def dense(*shape: int) -> dict[str, jax.Array]:
    return {"w": leaf(*shape), "b": leaf(shape[-1])}


def partners(report: Report) -> dict[str, str]:
    return {f"{r.torch}{r.torch_part}": f"{r.jax}{r.jax_part}" for r in report.rows if r.paired}


class Blocks(nn.Module):
    def __init__(self, depth=3):
        super().__init__()
        self.up = nn.ModuleList([nn.Linear(8, 6) for _ in range(depth)])
        self.down = nn.ModuleList([nn.Linear(6, 8) for _ in range(depth)])
        self.out = nn.Linear(8, 8)

    def forward(self, x):
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(torch.tanh(up(x)))
        return self.out(x)


def block(x, layer):
    h = jnp.tanh(x @ layer["up"]["w"] + layer["up"]["b"])
    return x + h @ layer["down"]["w"] + layer["down"]["b"], None


def scanned(parameters, x):
    x, _ = jax.lax.scan(block, x, parameters["blocks"])
    return x @ parameters["out"]["w"] + parameters["out"]["b"]


def indexed(parameters, x):
    for i in range(3):
        x, _ = block(x, jax.tree.map(lambda stack, i=i: stack[i], parameters["blocks"]))
    return x @ parameters["out"]["w"] + parameters["out"]["b"]


@pytest.mark.parametrize("function", [scanned, indexed])
def test_stacked_layers(function):
    stack = jax.tree.map(lambda x: jnp.stack([x] * 3), {"up": dense(8, 6), "down": dense(6, 8)})
    report = check_port(Blocks(), (function, {"blocks": stack, "out": dense(8, 8)}), X)
    assert report.same
    assert partners(report)["up.2.weight"] == "blocks.up.w[2]"
    assert partners(report)["down.0.bias"] == "blocks.down.b[0]"


class LinenBlock(fnn.Module):
    @fnn.compact
    def __call__(self, x, _):
        return x + fnn.Dense(8)(jnp.tanh(fnn.Dense(6)(x))), None


class LinenBlocks(fnn.Module):
    @fnn.compact
    def __call__(self, x):
        many = fnn.scan(
            LinenBlock, variable_axes={"params": 0}, split_rngs={"params": True}, length=3
        )
        x, _ = many()(x, None)
        return fnn.Dense(8)(x)


@pytest.mark.slow
def test_stacked_layers_of_linen():
    model = LinenBlocks()
    assert check_port(Blocks(), (model, model.init(jax.random.key(0), X)), X).same


class Recurrent(nn.Module):
    def __init__(self, cls):
        super().__init__()
        self.net = cls(8, 8, batch_first=True)

    def forward(self, x):
        return self.net(x)[0]


class LinenRecurrent(fnn.Module):
    cell: Any

    @fnn.compact
    def __call__(self, x):
        return fnn.RNN(self.cell(8))(x)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "cell"),
    [(nn.LSTM, fnn.LSTMCell), (nn.LSTM, fnn.OptimizedLSTMCell), (nn.GRU, fnn.GRUCell)],
)
def test_square_recurrent_kernels(ours, cell):
    """As many inputs as states: what is of the input and what of the state is proven."""
    model = LinenRecurrent(cell)
    variables = model.init(jax.random.key(0), SERIES)
    report = check_port(Recurrent(ours), (model, variables), SERIES)
    assert report.same
    assert "adds to the other bias of its gate" in report.table


class NnxRecurrent(nnx.Module):
    def __init__(self, cell, rngs):
        self.net = nnx.RNN(cell(8, 8, rngs=rngs))

    def __call__(self, x):
        return self.net(x)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [nnx.LSTMCell, nnx.OptimizedLSTMCell])
def test_recurrent_kernels_of_nnx(cell):
    report = check_port(Recurrent(nn.LSTM), NnxRecurrent(cell, nnx.Rngs(0)), SERIES)
    assert report.same
