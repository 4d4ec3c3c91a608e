"""Layer, group, RMS and local response normalisation: torch's own."""

from __future__ import annotations

from torch.nn import CrossMapLRN2d, GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm
from torch.nn.functional import (
    group_norm,
    layer_norm,
    local_response_norm,
    normalize,
    rms_norm,
)

__all__ = [
    "layer_norm",
    "group_norm",
    "rms_norm",
    "local_response_norm",
    "normalize",
    "LayerNorm",
    "GroupNorm",
    "RMSNorm",
    "LocalResponseNorm",
    "CrossMapLRN2d",
]
