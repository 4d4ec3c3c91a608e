"""A token classifier on nn.GRU, and one whose cell of two fused layers is scanned in NNX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from torch import nn

from . import Mistake, trained


class Tagger(nn.Module):
    def __init__(self, vocabulary: int = 23, dim: int = 6, hidden: int = 7, tags: int = 4):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.gru = nn.GRU(dim, hidden, batch_first=True)
        self.classifier = nn.Linear(hidden, tags)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        states, _ = self.gru(self.embedding(tokens))
        return self.classifier(states)


class GRUCell(nnx.Module):
    def __init__(self, dim, hidden, *, gates="rzn", reset_first=False, rngs: nnx.Rngs):
        self.from_input = nnx.Linear(dim, 3 * hidden, rngs=rngs)
        self.from_state = nnx.Linear(hidden, 3 * hidden, rngs=rngs)
        self.gates = gates
        self.reset_first = reset_first

    def __call__(self, h, x):
        a = dict(zip(self.gates, jnp.split(self.from_input(x), 3, axis=-1), strict=True))
        b = dict(zip(self.gates, jnp.split(self.from_state(h), 3, axis=-1), strict=True))
        r = nnx.sigmoid(a["r"] + b["r"])
        z = nnx.sigmoid(a["z"] + b["z"])
        if self.reset_first:
            b = dict(
                zip(self.gates, jnp.split(self.from_state(r * h), 3, axis=-1), strict=True)
            )
            n = nnx.tanh(a["n"] + b["n"])
        else:
            n = nnx.tanh(a["n"] + r * b["n"])
        return (1 - z) * n + z * h


class JaxTagger(nnx.Module):
    def __init__(self, *, first: str = "zeros", rngs: nnx.Rngs, **options):
        self.table = nnx.Param(0.02 * jax.random.normal(rngs.params(), (23, 6)))
        self.cell = GRUCell(6, 7, rngs=rngs, **options)
        self.head = nnx.Linear(7, 4, rngs=rngs)
        self.first = first

    def __call__(self, tokens):
        x = self.table[...][tokens].swapaxes(0, 1)
        h = getattr(jnp, self.first)((x.shape[1], 7), x.dtype)

        def step(h, x):
            h = self.cell(h, x)
            return h, h

        _, states = jax.lax.scan(step, h, x)
        return self.head(states.swapaxes(0, 1))


OPTIONS: dict[str, dict[str, Any]] = {
    "gates in another order": {"gates": "zrn"},
    "reset before the matrix": {"reset_first": True},
    "first state of ones": {"first": "ones"},
}
MISTAKES = {
    "gates in another order": Mistake("gru", "gate"),
    "reset before the matrix": Mistake("gru", "reset"),
    "first state of ones": Mistake("gru", "first state"),
}
INPUTS = (np.random.default_rng(15).integers(0, 23, (3, 8)),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(Tagger()).eval()


def jax_model(mistake: str = "") -> Any:
    return JaxTagger(rngs=nnx.Rngs(0), **OPTIONS.get(mistake, {}))
