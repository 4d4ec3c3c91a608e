"""Cases of torch_impl/pool.py and jax_impl/pool.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

# Well-separated values, of both signs: which element is the largest is beyond doubt, and a
# padding with zeros would win over negative ones.
_X2 = draw("n=2 c=3 h=9 w=8", "distinct")
_PAIR = ("n c h w", "n c h w")

_max_pool2d = Case("pool.max_pool2d", {"input": _X2}, options={"kernel_size": 3})
_MaxPool2d = Case("pool.MaxPool2d", {"input": _X2}, init={"kernel_size": 3})
_AvgPool2d = Case("pool.AvgPool2d", {"input": draw("n=2 c=3 h=9 w=8")}, init={"kernel_size": 3})

_MAX = (
    {},
    {"stride": 2},
    {"stride": (1, 2), "padding": 1},
    {"kernel_size": (3, 2), "padding": (1, 0)},
    {"dilation": 2},
    {"dilation": (1, 3), "padding": 1, "stride": 1},
    {"ceil_mode": True, "stride": 2, "why": "an incomplete last window"},
    {"ceil_mode": True, "kernel_size": 2, "stride": 3, "padding": 1},
    {"return_indices": True, "out": _PAIR},
    {"return_indices": True, "stride": 2, "padding": 1, "ceil_mode": True, "out": _PAIR},
    {"return_indices": True, "dilation": 2, "stride": 1, "out": _PAIR},
)
_UNBATCHED = {"inputs": {"input": draw("c=3 h=9 w=8", "distinct")}, "stride": 2}

# The positions that a 2x2 pooling of a 6x4 plane could return: one in each window.
_INDICES = draw(
    "n=1 c=2 h=3 w=2",
    "given",
    grad=False,
    values=[0, 7, 8, 15, 21, 18, 5, 2, 9, 11, 16, 23],
)
_POOLED = {"input": draw("n=1 c=2 h=3 w=2"), "indices": _INDICES}

CASES = [
    *vary(_max_pool2d, *_MAX, {**_UNBATCHED, "name": "pool.max_pool2d(unbatched)"}),
    *vary(
        _MaxPool2d,
        *_MAX,
        {**_UNBATCHED, "name": "pool.MaxPool2d(unbatched)"},
        {"inputs": {"input": draw("n=0 c=3 h=9 w=8")}, "name": "pool.MaxPool2d(empty batch)"},
    ),
    *vary(
        Case("pool.max_unpool2d", _POOLED, options={"kernel_size": 2}),
        {},
        {"output_size": (6, 5), "out": ("n c h w",)},
    ),
    *vary(
        Case("pool.MaxUnpool2d", _POOLED, init={"kernel_size": 2}),
        {},
        {"stride": (2, 2)},
        {"kernel_size": 3, "stride": 2, "padding": 1, "options": {"output_size": (6, 4)}},
    ),
    *vary(
        _AvgPool2d,
        {},
        {"stride": 2, "padding": 1},
        {"count_include_pad": False, "padding": 1},
        {"ceil_mode": True, "stride": 2, "why": "the last window is divided by its real size"},
        {"divisor_override": 4},
    ),
]
