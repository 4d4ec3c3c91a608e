"""A regression MLP with layer norms in a Sequential, and the same in Equinox, one example."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import numpy as np
import torch
from torch import nn

from . import Mistake, everywhere, trained

SIZES = (7, 16, 12, 3)


def torch_net() -> nn.Module:
    layers: list[nn.Module] = []
    for a, b in pairwise(SIZES[:-1]):
        layers += [nn.Linear(a, b), nn.LayerNorm(b), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(SIZES[-2], SIZES[-1]))


class MLP(eqx.Module):
    hidden: list[eqx.nn.Linear]
    norms: list[eqx.nn.LayerNorm]
    readout: eqx.nn.Linear
    approximate: bool = eqx.field(static=True)

    def __init__(self, sizes=SIZES, *, eps=1e-5, biases=(True, True), approximate=False, key):
        keys = jax.random.split(key, len(sizes) - 1)
        pairs = list(pairwise(sizes[:-1]))
        self.hidden = [
            eqx.nn.Linear(a, b, use_bias=bias, key=k)
            for (a, b), bias, k in zip(pairs, biases, keys[:-1], strict=True)
        ]
        self.norms = [eqx.nn.LayerNorm(b, eps=eps) for _, b in pairs]
        self.readout = eqx.nn.Linear(sizes[-2], sizes[-1], key=keys[-1])
        self.approximate = approximate

    def __call__(self, x):
        for linear, norm in zip(self.hidden, self.norms, strict=True):
            x = jax.nn.gelu(norm(linear(x)), approximate=self.approximate)
        return self.readout(x)


MISTAKES = {
    "eps 1e-6": everywhere("1", "4", cause="eps", gotcha=5),
    "no bias in one layer": Mistake("3", "bias"),
    "gelu by tanh": everywhere("2", "5", cause="gelu", gotcha=21),
}
INPUTS = (np.random.default_rng(8).standard_normal((4, 7), dtype=np.float32),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(torch_net()).eval()


def jax_model(mistake: str = "") -> Any:
    options = {
        "eps 1e-6": {"eps": 1e-6},
        "no bias in one layer": {"biases": (True, False)},
        "gelu by tanh": {"approximate": True},
    }.get(mistake, {})
    return MLP(**options, key=jax.random.key(0))
