"""Cases of torch_impl/shape.py and jax_impl/shape.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_GRID = draw("a=2 b=3 e=4 f=5")


def _pair(function: str, layer: str, axes: str, options: dict, out: str = "") -> list[Case]:
    given, names = {"input": draw(axes)}, (out,) if out else ()
    return [
        Case(f"shape.{function}", given, options=options, out=names),
        Case(f"shape.{layer}", given, init=options, out=names),
    ]


CASES = [
    *vary(
        Case("shape.flatten", {"input": _GRID}),
        {"out": ("x",)},
        {"start_dim": 1, "out": ("a x",)},
        {"start_dim": 1, "end_dim": 2, "out": ("a x f",)},
    ),
    *vary(
        Case("shape.Flatten", {"input": _GRID}, init={}),
        {"out": ("a x",)},
        {"start_dim": -3, "end_dim": -2, "out": ("a x f",)},
    ),
    *vary(
        Case("shape.Unflatten", {"input": draw("a=2 b=12")}, init={}, out=("a x y",)),
        {"dim": 1, "unflattened_size": (3, 4)},
        {"dim": -1, "unflattened_size": (-1, 6)},
    ),
    *_pair("pixel_shuffle", "PixelShuffle", "n=2 c=12 h=3 w=2", {"upscale_factor": 2}),
    *_pair("pixel_shuffle", "PixelShuffle", "c=9 h=3 w=2", {"upscale_factor": 3}),
    *_pair("pixel_unshuffle", "PixelUnshuffle", "n=2 c=3 h=4 w=6", {"downscale_factor": 2}),
    *_pair("channel_shuffle", "ChannelShuffle", "n=2 c=6 h=3 w=4", {"groups": 2}),
    *_pair("channel_shuffle", "ChannelShuffle", "n=2 c=6 h=3 w=4", {"groups": 3}),
]
