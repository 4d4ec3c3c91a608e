"""The losses that most networks end in, torch's own.

`linear_cross_entropy` came with torch 2.13; before it, the same is composed here.
"""

from __future__ import annotations

from torch.nn import CrossEntropyLoss, L1Loss, MSELoss, NLLLoss
from torch.nn.functional import cross_entropy, l1_loss, mse_loss, nll_loss

try:
    from torch.nn import LinearCrossEntropyLoss, LinearCrossEntropyOptions
    from torch.nn.functional import linear_cross_entropy
except ImportError:
    from torch_impl._linear_cross_entropy import (
        LinearCrossEntropyLoss,
        LinearCrossEntropyOptions,
        linear_cross_entropy,
    )

__all__ = [
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "cross_entropy",
    "linear_cross_entropy",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "CrossEntropyLoss",
    "LinearCrossEntropyLoss",
    "LinearCrossEntropyOptions",
]
