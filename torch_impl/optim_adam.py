"""Adam and its kin, torch's own."""

from __future__ import annotations

from torch.optim import Adam, Adamax, AdamW, NAdam, RAdam

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]
