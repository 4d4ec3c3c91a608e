"""Softmax regression by hand, and by built-in layers.

Names and formulas: Dive into Deep Learning, 4.4 and 4.5. The hand-written net gives
probabilities, for `cross_entropy`; the built-in one gives scores, for CrossEntropyLoss.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["softmax", "cross_entropy", "SoftmaxRegressionScratch", "SoftmaxRegression"]


def softmax(X: Tensor) -> Tensor:
    """exp(X) / sum of exp(X) over the classes. Shapes: X (n, classes), the same out.

    As in the book nothing is subtracted first: a score beyond 88 overflows in float32, and its
    row is NaN.
    """
    X_exp = torch.exp(X)
    return X_exp / X_exp.sum(1, keepdim=True)


def cross_entropy(y_hat: Tensor, y: Tensor) -> Tensor:
    """-log of the probability given to the right class.

    Shapes: y_hat (n, classes), y (n) integers, result (n). Raises IndexError for a class that
    does not exist.
    """
    return -torch.log(y_hat[range(len(y_hat)), y])


class SoftmaxRegressionScratch(nn.Module):
    """Images (n, c=1, h=28, w=28) to probabilities (n, num_outputs): softmax(X W + b).

    `W` (num_inputs, num_outputs) is drawn from N(0, sigma^2), `b` (num_outputs) is zero.
    """

    def __init__(
        self, num_inputs: int = 784, num_outputs: int = 10, sigma: float = 0.01
    ) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.normal(0, sigma, (num_inputs, num_outputs)))
        self.b = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, X: Tensor) -> Tensor:
        X = torch.flatten(X, start_dim=1)
        return softmax(torch.matmul(X, self.W) + self.b)


class SoftmaxRegression(nn.Module):
    """Images (n, c=1, h=28, w=28) to scores (n, num_outputs): flatten and `linear`.

    The weight is drawn from N(0, sigma^2), the bias as nn.Linear draws it.
    """

    def __init__(
        self, num_inputs: int = 784, num_outputs: int = 10, sigma: float = 0.01
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(num_inputs, num_outputs)
        nn.init.normal_(self.linear.weight, std=sigma)

    def forward(self, X: Tensor) -> Tensor:
        return self.linear(torch.flatten(X, start_dim=1))
