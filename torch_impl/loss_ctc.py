"""Connectionist temporal classification, torch's own."""

from __future__ import annotations

from torch.nn import CTCLoss
from torch.nn.functional import ctc_loss

__all__ = ["ctc_loss", "CTCLoss"]
