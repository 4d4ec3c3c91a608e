"""Linear and bilinear maps, torch's own."""

from __future__ import annotations

from torch.nn import Bilinear, Identity, Linear
from torch.nn.functional import bilinear, linear

__all__ = ["linear", "bilinear", "Identity", "Linear", "Bilinear"]
