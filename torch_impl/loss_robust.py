"""The losses that are square near their target and linear far from it, torch's own."""

from __future__ import annotations

from torch.nn import HuberLoss, SmoothL1Loss
from torch.nn.functional import huber_loss, smooth_l1_loss

__all__ = [
    "smooth_l1_loss",
    "huber_loss",
    "SmoothL1Loss",
    "HuberLoss",
]
