"""Cases of torch_impl/conv.py and jax_impl/conv.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

# An even and an odd side, more maps out than in, so that no permutation goes unseen.
_X2 = draw("n=2 c=4 h=9 w=8")

_conv2d = Case(
    "conv.conv2d",
    {"input": _X2, "weight": draw("o=6 i=4 h=3 w=2"), "bias": draw("o=6")},
)
_GROUPED = {"weight": draw("o=6 i=2 h=3 w=2")}
_UNBATCHED = {"input": draw("c=4 h=9 w=8")}

_Conv2d = Case(
    "conv.Conv2d",
    {"input": _X2},
    init={"in_channels": 4, "out_channels": 6, "kernel_size": 3},
)

CASES = [
    *vary(
        _conv2d,
        {},
        {"stride": 2},
        {"stride": (2, 3), "padding": (1, 2)},
        {"padding": 1},
        {"padding": "valid"},
        {"padding": "same", "why": "an even kernel axis: torch pads the end by one more"},
        {"padding": "same", "dilation": (1, 2)},
        {"dilation": 2, "padding": (2, 1)},
        {"groups": 2, "inputs": _GROUPED},
        {"groups": 2, "stride": 2, "dilation": (2, 1), "padding": 3, "inputs": _GROUPED},
        {"stride": 2, "inputs": _UNBATCHED, "name": "conv.conv2d(unbatched)"},
    ),
    *vary(
        _Conv2d,
        {},
        {"stride": 2, "padding": 1, "why": "SAME would pad (0, 1) here"},
        {"kernel_size": (3, 2), "stride": (1, 2), "padding": (0, 1)},
        {"padding": "same"},
        {"padding": "valid", "dilation": 2},
        {"dilation": (2, 1)},
        {"groups": 2},
        {"groups": 4, "out_channels": 8, "why": "depthwise with a multiplier"},
        {"bias": False},
        {"padding": 2, "padding_mode": "reflect"},
        {"padding": (1, 2), "padding_mode": "replicate"},
        {"padding": (2, 1), "padding_mode": "circular"},
        {"padding": "same", "padding_mode": "reflect", "kernel_size": (2, 3)},
        {"padding": 1, "stride": 2, "padding_mode": "circular", "groups": 2},
        {"kernel_size": 1, "why": "a matrix product in disguise"},
        {"inputs": _UNBATCHED, "padding": 1, "name": "conv.Conv2d(unbatched, padding=1)"},
        {"inputs": {"input": draw("n=0 c=4 h=9 w=8")}, "name": "conv.Conv2d(empty batch)"},
        {
            "inputs": {"input": draw("n=2 c=4 h=2 w=2")},
            "padding": 1,
            "name": "conv.Conv2d(small map)",
        },
    ),
]
