"""Sliding blocks as columns and back, torch's own."""

from __future__ import annotations

from torch.nn import Fold, Unfold
from torch.nn.functional import fold, unfold

__all__ = ["unfold", "fold", "Unfold", "Fold"]
