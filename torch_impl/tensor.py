"""What study notes use of torch tensors, torch's own."""

from __future__ import annotations

from torch import max, min, norm, normal, ones, ones_like, randn, zeros, zeros_like

__all__ = [
    "normal",
    "randn",
    "ones",
    "zeros",
    "ones_like",
    "zeros_like",
    "max",
    "min",
    "norm",
]
