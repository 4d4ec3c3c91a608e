"""Rearrangements of axes, torch's own."""

from __future__ import annotations

from torch import flatten
from torch.nn import ChannelShuffle, Flatten, PixelShuffle, PixelUnshuffle, Unflatten
from torch.nn.functional import channel_shuffle, pixel_shuffle, pixel_unshuffle

__all__ = [
    "flatten",
    "pixel_shuffle",
    "pixel_unshuffle",
    "channel_shuffle",
    "Flatten",
    "Unflatten",
    "PixelShuffle",
    "PixelUnshuffle",
    "ChannelShuffle",
]
