"""Binary cross entropies, of probabilities and of logits, torch's own."""

from __future__ import annotations

from torch.nn import BCELoss, BCEWithLogitsLoss
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "BCELoss",
    "BCEWithLogitsLoss",
]
