"""The multilayer perceptron by hand, and by built-in layers.

Names and formulas: Dive into Deep Learning, 5.2. Both give scores, for CrossEntropyLoss.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["relu", "MLPScratch", "MLP"]


def relu(X: Tensor) -> Tensor:
    """max(X, 0) as the larger of two tensors: gradient 1/2 at 0, where the built-in has 0."""
    a = torch.zeros_like(X)
    return torch.max(X, a)


class MLPScratch(nn.Module):
    """Images (n, c=1, h=28, w=28) to scores (n, num_outputs): relu(X W1 + b1) W2 + b2.

    Weights are (inputs, outputs), drawn from N(0, sigma^2); `b1` and `b2` are zero.
    """

    def __init__(
        self,
        num_inputs: int = 784,
        num_outputs: int = 10,
        num_hiddens: int = 256,
        sigma: float = 0.01,
    ) -> None:
        super().__init__()
        self.W1 = nn.Parameter(torch.randn(num_inputs, num_hiddens) * sigma)
        self.b1 = nn.Parameter(torch.zeros(num_hiddens))
        self.W2 = nn.Parameter(torch.randn(num_hiddens, num_outputs) * sigma)
        self.b2 = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, X: Tensor) -> Tensor:
        X = torch.flatten(X, start_dim=1)
        H = relu(torch.matmul(X, self.W1) + self.b1)
        return torch.matmul(H, self.W2) + self.b2


class MLP(nn.Module):
    """Images (n, c=1, h=28, w=28) to scores (n, num_outputs): `hidden`, ReLU, `out`.

    Weights are drawn from N(0, sigma^2), biases as nn.Linear draws them.
    """

    def __init__(
        self,
        num_inputs: int = 784,
        num_outputs: int = 10,
        num_hiddens: int = 256,
        sigma: float = 0.01,
    ) -> None:
        super().__init__()
        self.hidden = nn.Linear(num_inputs, num_hiddens)
        self.out = nn.Linear(num_hiddens, num_outputs)
        for layer in (self.hidden, self.out):
            nn.init.normal_(layer.weight, std=sigma)

    def forward(self, X: Tensor) -> Tensor:
        return self.out(torch.relu(self.hidden(torch.flatten(X, start_dim=1))))
