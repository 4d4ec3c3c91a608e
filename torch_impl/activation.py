"""Activations, torch's own; `rrelu` and `RReLU` gain a slot for given slopes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softmax2d,
    Softmin,
    Softplus,
    Softshrink,
    Softsign,
    Tanh,
    Tanhshrink,
    Threshold,
)
from torch.nn import functional as F
from torch.nn.functional import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    log_softmax,
    logsigmoid,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softmin,
    softplus,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
)

__all__ = [
    "threshold",
    "relu",
    "rrelu",
    "hardtanh",
    "relu6",
    "sigmoid",
    "hardsigmoid",
    "tanh",
    "silu",
    "mish",
    "hardswish",
    "elu",
    "celu",
    "selu",
    "glu",
    "gelu",
    "hardshrink",
    "leaky_relu",
    "logsigmoid",
    "softplus",
    "softshrink",
    "prelu",
    "softsign",
    "tanhshrink",
    "softmin",
    "softmax",
    "log_softmax",
    "Threshold",
    "ReLU",
    "RReLU",
    "Hardtanh",
    "ReLU6",
    "Sigmoid",
    "Hardsigmoid",
    "Tanh",
    "SiLU",
    "Mish",
    "Hardswish",
    "ELU",
    "CELU",
    "SELU",
    "GLU",
    "GELU",
    "Hardshrink",
    "LeakyReLU",
    "LogSigmoid",
    "Softplus",
    "Softshrink",
    "PReLU",
    "Softsign",
    "Tanhshrink",
    "Softmin",
    "Softmax",
    "Softmax2d",
    "LogSoftmax",
]


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    noise: Tensor | None = None,
) -> Tensor:
    """x where x > 0, else slope * x; in training the slopes are `noise`, drawn where None."""
    if noise is None or not training:
        return F.rrelu(input, lower, upper, training, inplace)
    slope = torch.where(input <= 0, noise.to(input.dtype), 1)
    return input.mul_(slope) if inplace else input * slope


class RReLU(nn.RReLU):
    """torch.nn.RReLU; the buffer `noise`, None until filled, holds given training slopes."""

    noise: Tensor | None

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__(lower, upper, inplace)
        self.register_buffer("noise", None, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return rrelu(
            input, self.lower, self.upper, self.training, self.inplace, noise=self.noise
        )
