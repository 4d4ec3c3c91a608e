"""A sequence classifier on nn.LSTM, and one on Linen's RNN of an OptimizedLSTMCell.

The cell of Linen has a kernel for each gate and one bias where torch has two.
"""

from __future__ import annotations

from typing import Any

import flax.linen as fnn
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from . import Mistake, trained


class LSTMClassifier(nn.Module):
    def __init__(self, input_size: int = 5, hidden_size: int = 8, num_classes: int = 3):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)
        self.fc = nn.Linear(hidden_size, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out, _ = self.lstm(x)
        return self.fc(out[:, -1, :])


class JaxClassifier(fnn.Module):
    hidden: int = 8
    classes: int = 3
    gate_fn: Any = fnn.sigmoid
    reverse: bool = False
    step: int = -1

    @fnn.compact
    def __call__(self, x):
        zeros = jnp.zeros((x.shape[0], self.hidden), x.dtype)
        cell = fnn.OptimizedLSTMCell(self.hidden, gate_fn=self.gate_fn)
        rnn = fnn.RNN(cell, reverse=self.reverse, keep_order=True)
        y = rnn(x, initial_carry=(zeros, zeros))
        return fnn.Dense(self.classes, name="logits")(y[:, self.step])


MISTAKES = {
    "hard sigmoid": Mistake("lstm", "hard sigmoid"),
    "read from the end": Mistake("lstm", "reverse"),
    "first step taken": Mistake("", "step"),
}
INPUTS = (np.random.default_rng(14).standard_normal((3, 6, 5), dtype=np.float32),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(LSTMClassifier()).eval()


def jax_model(mistake: str = "") -> Any:
    options = {
        "hard sigmoid": {"gate_fn": fnn.hard_sigmoid},
        "read from the end": {"reverse": True},
        "first step taken": {"step": 0},
    }.get(mistake, {})
    model = JaxClassifier(**options)
    return model, model.init(jax.random.key(0), jnp.zeros((1, 2, 5)))
