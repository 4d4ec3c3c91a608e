"""Dropout: torch's own, with a slot for a given keep-mask."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.dropout import _DropoutNd

__all__ = [
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
    "FeatureAlphaDropout",
]

_ALPHA = 1.7580993408473766  # minus the value that SELU tends to at -inf


def dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """x mask / (1 - p), the mask of input's shape drawn where None is given."""
    return _dropped(F.dropout, input, p, training, inplace, mask, input.shape)


def dropout1d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """`dropout` of whole channels of (N, C, L) or (C, L), the mask (N, C, 1) or (C, 1)."""
    shape = _by_channel(input, batched=input.dim() == 3)
    return _dropped(F.dropout1d, input, p, training, inplace, mask, shape)


def dropout2d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """`dropout` of whole channels of (N, C, H, W), the mask (N, C, 1, 1)."""
    return _dropped(F.dropout2d, input, p, training, inplace, mask, _by_channel(input))


def dropout3d(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """`dropout` of whole channels of (N, C, D, H, W), the mask (N, C, 1, 1, 1)."""
    shape = _by_channel(input, batched=input.dim() == 5)
    return _dropped(F.dropout3d, input, p, training, inplace, mask, shape)


def alpha_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """SELU's dropout, which keeps mean 0 and variance 1; the mask has input's shape."""
    return _dropped(F.alpha_dropout, input, p, training, inplace, mask, input.shape)


def feature_alpha_dropout(
    input: Tensor,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    mask: Tensor | None = None,
) -> Tensor:
    """`alpha_dropout` of whole channels of (N, C, *), the mask (N, C, 1...)."""
    shape = _by_channel(input)
    return _dropped(F.feature_alpha_dropout, input, p, training, inplace, mask, shape)


def _by_channel(input: Tensor, batched: bool = True) -> tuple[int, ...]:
    kept = 2 if batched else 1
    return (*input.shape[:kept], *(1,) * (input.dim() - kept))


def _dropped(
    native: Callable[..., Tensor],
    input: Tensor,
    p: float,
    training: bool,
    inplace: bool,
    mask: Tensor | None,
    shape: Sequence[int],
) -> Tensor:
    """What torch's `native` computes, by `mask` in place of the bits it would draw."""
    if mask is None or not training or not 0 < p < 1 or input.numel() == 0:
        return native(input, p, training, inplace)
    native(input, p, training=False)  # for its checks and warnings of the number of axes
    kept = _fitting(mask, tuple(shape)).to(input.dtype)
    if native not in (F.alpha_dropout, F.feature_alpha_dropout):
        noise = kept / (1 - p)
        return input.mul_(noise) if inplace else input * noise
    scale = 1 / math.sqrt((_ALPHA**2 * p + 1) * (1 - p))
    shift = (kept - 1) * (_ALPHA * scale) + _ALPHA * scale * p
    noise = kept * scale
    return (input.mul_(noise) if inplace else input * noise).add_(shift)


def _fitting(mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    try:
        fits = torch.broadcast_shapes(mask.shape, shape) == shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"mask must broadcast to {shape}, got {tuple(mask.shape)}")
    return mask


class _MaskSlot(_DropoutNd):
    """`mask`, None until it is filled, is the keep-mask of training; no leaf of the state."""

    mask: Tensor | None

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__(p, inplace)
        self.register_buffer("mask", None, persistent=False)


class Dropout(_MaskSlot, nn.Dropout):
    """torch.nn.Dropout with a slot: `mask` of the input's shape."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.inplace, mask=self.mask)


class Dropout1d(_MaskSlot, nn.Dropout1d):
    """torch.nn.Dropout1d with a slot: `mask` (N, C, 1) or (C, 1)."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout1d(input, self.p, self.training, self.inplace, mask=self.mask)


class Dropout2d(_MaskSlot, nn.Dropout2d):
    """torch.nn.Dropout2d with a slot: `mask` (N, C, 1, 1)."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout2d(input, self.p, self.training, self.inplace, mask=self.mask)


class Dropout3d(_MaskSlot, nn.Dropout3d):
    """torch.nn.Dropout3d with a slot: `mask` (N, C, 1, 1, 1) or (C, 1, 1, 1)."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout3d(input, self.p, self.training, self.inplace, mask=self.mask)


class AlphaDropout(_MaskSlot, nn.AlphaDropout):
    """torch.nn.AlphaDropout with a slot: `mask` of the input's shape."""

    def forward(self, input: Tensor) -> Tensor:
        return alpha_dropout(input, self.p, self.training, mask=self.mask)


class FeatureAlphaDropout(_MaskSlot, nn.FeatureAlphaDropout):
    """torch.nn.FeatureAlphaDropout with a slot: `mask` (N, C, 1...)."""

    def forward(self, input: Tensor) -> Tensor:
        return feature_alpha_dropout(input, self.p, self.training, mask=self.mask)
