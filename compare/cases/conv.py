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

# By the number of spatial axes: sizes that tell the axes apart.
_SIZES = {1: "l=11", 2: "h=9 w=8", 3: "d=5 h=6 w=4"}
_KERNELS = {1: "w=3", 2: "h=3 w=2", 3: "d=2 h=3 w=2"}


def _input(rank: int, channels: int = 4, batch: str = "n=2 ") -> dict:
    return {"input": draw(f"{batch}c={channels} {_SIZES[rank]}")}


def _function(rank: int) -> list[Case]:
    """conv1d and conv3d: the same options as conv2d, of which it is the same code."""
    inputs = {
        **_input(rank),
        "weight": draw(f"o=6 i=4 {_KERNELS[rank]}"),
        "bias": draw("o=6"),
    }
    grouped = {"weight": draw(f"o=6 i=2 {_KERNELS[rank]}")}
    base = Case(f"conv.conv{rank}d", inputs)
    return vary(
        base,
        {},
        {"stride": 2, "padding": 1},
        {"padding": "same", "dilation": 2},
        {"groups": 2, "dilation": 2, "padding": 2, "inputs": grouped},
        {"inputs": _input(rank, batch=""), "name": f"conv.conv{rank}d(unbatched)"},
    )


def _layer(rank: int) -> list[Case]:
    init = {"in_channels": 4, "out_channels": 6, "kernel_size": 3}
    base = Case(f"conv.Conv{rank}d", _input(rank), init=init)
    modes = ("reflect", "replicate", "circular")
    return vary(
        base,
        {},
        {"stride": 2, "padding": 1},
        {"padding": "same"},
        {"padding": "valid"},
        {"dilation": 2, "padding": 2},
        {"groups": 2, "bias": False},
        {"kernel_size": 2, "padding": "same", "why": "an even kernel: the end gets one more"},
        *({"padding": 1, "padding_mode": mode} for mode in modes),
        {"inputs": _input(rank, batch=""), "name": f"conv.Conv{rank}d(unbatched)"},
        {"inputs": _input(rank, batch="n=0 "), "name": f"conv.Conv{rank}d(empty batch)"},
    )


def _transposed(rank: int) -> list[Case]:
    inputs = {
        **_input(rank, 3),
        "weight": draw(f"i=3 o=4 {_KERNELS[rank]}"),
        "bias": draw("o=4"),
    }
    grouped = {**_input(rank, 4), "weight": draw(f"i=4 o=2 {_KERNELS[rank]}")}
    function = Case(f"conv.conv_transpose{rank}d", inputs)
    layer = Case(
        f"conv.ConvTranspose{rank}d",
        _input(rank, 4),
        init={"in_channels": 4, "out_channels": 6, "kernel_size": 3},
    )
    longer = tuple(int(part.split("=")[1]) * 2 + 1 for part in _SIZES[rank].split())
    return [
        *vary(
            function,
            {},
            {"stride": 2},
            {"stride": 2, "padding": 1, "output_padding": 1},
            {"dilation": 2, "padding": 1},
            {"groups": 2, "stride": 2, "inputs": grouped},
            {
                "inputs": _input(rank, 3, batch=""),
                "name": f"conv.conv_transpose{rank}d(unbatched)",
            },
        ),
        *vary(
            layer,
            {},
            {"stride": 2, "padding": 1, "output_padding": 1},
            {"stride": 3, "output_padding": 2, "dilation": 2},
            {"groups": 2},
            {"bias": False, "stride": 2},
            {"kernel_size": 1, "stride": 2},
            {"stride": 2, "options": {"output_size": longer}},
            {
                "inputs": _input(rank, batch="n=0 "),
                "name": f"conv.ConvTranspose{rank}d(empty batch)",
            },
        ),
    ]


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
    *(case for rank in (1, 3) for case in [*_function(rank), *_layer(rank)]),
    *(case for rank in (1, 2, 3) for case in _transposed(rank)),
]
