"""Resizing by interpolation, torch's own."""

from __future__ import annotations

from torch.nn import Upsample, UpsamplingBilinear2d, UpsamplingNearest2d
from torch.nn.functional import interpolate, upsample, upsample_bilinear, upsample_nearest

__all__ = [
    "upsample",
    "interpolate",
    "upsample_nearest",
    "upsample_bilinear",
    "Upsample",
    "UpsamplingNearest2d",
    "UpsamplingBilinear2d",
]
