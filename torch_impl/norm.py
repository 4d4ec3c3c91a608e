"""Batch and instance normalisation: torch's own."""

from __future__ import annotations

from torch.nn import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    SyncBatchNorm,
)
from torch.nn.functional import batch_norm, instance_norm

__all__ = [
    "batch_norm",
    "instance_norm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "SyncBatchNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]
