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

_SIZES = {1: "l=13", 2: "h=9 w=8", 3: "d=6 h=5 w=7"}
_AXES = {1: "n c l", 2: "n c h w", 3: "n c d h w"}


def _max_pool(rank: int) -> list[Case]:
    inputs = {"input": draw(f"n=2 c=3 {_SIZES[rank]}", "distinct")}
    pair = (_AXES[rank], _AXES[rank])
    changes = (
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 2, "stride": 1, "dilation": 2},
        {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
        {"kernel_size": 3, "stride": 2, "return_indices": True, "out": pair},
    )
    unbatched = {"inputs": {"input": draw(f"c=3 {_SIZES[rank]}", "distinct")}, "kernel_size": 2}
    return [
        *vary(Case(f"pool.max_pool{rank}d", inputs), *changes),
        *vary(Case(f"pool.MaxPool{rank}d", inputs, init={}), *changes),
        *vary(
            Case(f"pool.MaxPool{rank}d", inputs, init={}),
            {**unbatched, "name": f"pool.MaxPool{rank}d(unbatched, kernel_size=2)"},
        ),
    ]


def _avg_pool(rank: int) -> list[Case]:
    inputs = {"input": draw(f"n=2 c=3 {_SIZES[rank]}")}
    changes = [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
        {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
        {
            "kernel_size": 3,
            "stride": 2,
            "padding": 1,
            "ceil_mode": True,
            "count_include_pad": False,
        },
    ]
    changes += [{"kernel_size": 2, "divisor_override": 3}] if rank > 1 else []
    unbatched = {"inputs": {"input": draw(f"c=3 {_SIZES[rank]}")}, "kernel_size": 2}
    layer = Case(f"pool.AvgPool{rank}d", inputs, init={})
    name = f"pool.AvgPool{rank}d(unbatched, kernel_size=2)"
    # AvgPool2d has cases of its own below; here stands what all three ranks share.
    return [
        *vary(Case(f"pool.avg_pool{rank}d", inputs), *changes),
        *vary(layer, *(changes if rank != 2 else changes[3:]), {**unbatched, "name": name}),
    ]


def _lp_pool(rank: int) -> list[Case]:
    inputs = {"input": draw(f"n=2 c=3 {_SIZES[rank]}", "uniform", low=0.25, high=2.0)}
    changes = (
        {"norm_type": 2, "kernel_size": 2},
        {"norm_type": 3, "kernel_size": 3, "stride": 2},
        {"norm_type": 1.5, "kernel_size": 2, "stride": 3, "ceil_mode": True},
    )
    return [
        *vary(Case(f"pool.lp_pool{rank}d", inputs), *changes),
        *vary(Case(f"pool.LPPool{rank}d", inputs, init={}), *changes),
    ]


def _max_unpool(rank: int) -> list[Case]:
    """Indices of a pooling with kernel 2: one position in each window of the larger plane."""
    indices = {
        1: ("n=1 c=2 l=3", [1, 2, 5, 0, 3, 4]),
        3: ("n=1 c=1 d=1 h=2 w=2", [0, 3, 9, 31]),
    }
    axes, values = indices[rank]
    given = {"input": draw(axes), "indices": draw(axes, "given", grad=False, values=values)}
    return [
        *vary(Case(f"pool.max_unpool{rank}d", given), {"kernel_size": 2}),
        *vary(Case(f"pool.MaxUnpool{rank}d", given, init={}), {"kernel_size": 2, "stride": 2}),
    ]


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
    *(case for rank in (1, 3) for case in [*_max_pool(rank), *_max_unpool(rank)]),
    *(case for rank in (1, 2, 3) for case in [*_avg_pool(rank), *_lp_pool(rank)]),
]
