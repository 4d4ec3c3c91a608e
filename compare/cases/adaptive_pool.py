"""Cases of torch_impl/adaptive_pool.py and jax_impl/adaptive_pool.py."""

from __future__ import annotations

from dataclasses import replace

from compare.cases.case import Case, draw, vary

_SIZES = {1: "l=11", 2: "h=7 w=10", 3: "d=5 h=6 w=7"}
_AXES = {1: "n c l", 2: "n c h w", 3: "n c d h w"}
# Windows that overlap, that do not, one for all, and an axis left as it is.
_OUTPUTS = {1: (4, 1, 11), 2: (3, (5, 4), (None, 3), 1), 3: (2, (3, 4, 5), (None, 2, 1), 1)}


def _adaptive(rank: int) -> list[Case]:
    mean = {"input": draw(f"n=2 c=3 {_SIZES[rank]}")}
    largest = {"input": draw(f"n=2 c=3 {_SIZES[rank]}", "distinct")}
    sizes = [{"output_size": size} for size in _OUTPUTS[rank]]
    pair = (_AXES[rank], _AXES[rank])
    indices = {"output_size": 2, "return_indices": True, "out": pair}
    average, maximum = (f"adaptive_pool.adaptive_{kind}_pool{rank}d" for kind in ("avg", "max"))
    unbatched = {"input": draw(f"c=3 {_SIZES[rank]}", "distinct")}
    layer = f"adaptive_pool.AdaptiveMaxPool{rank}d"
    return [
        *vary(Case(average, mean), *sizes),
        *vary(Case(f"adaptive_pool.AdaptiveAvgPool{rank}d", mean, init={}), *sizes),
        *vary(Case(maximum, largest), *sizes, indices),
        *vary(Case(layer, largest, init={}), *sizes, indices),
        *vary(Case(layer, unbatched, init={"output_size": 2}), {"name": f"{layer}(unbatched)"}),
    ]


def _fractional(rank: int) -> list[Case]:
    """The samples are given, as a dropout mask is: (n, c, rank), one for each axis."""
    inputs = {"input": draw(f"n=2 c=3 {_SIZES[rank]}", "distinct")}
    samples = {"_random_samples": draw(f"n=2 k=3 r={rank}", "uniform", grad=False)}
    pair = (_AXES[rank], _AXES[rank])
    changes = (
        {"kernel_size": 2, "output_size": 3},
        {"kernel_size": 2, "output_ratio": (0.5,) * rank},
        {"kernel_size": 2, "output_size": 3, "return_indices": True, "out": pair},
    )
    function = Case(f"adaptive_pool.fractional_max_pool{rank}d", {**inputs, **samples})
    layer = Case(f"adaptive_pool.FractionalMaxPool{rank}d", inputs, init={})
    layers = [
        replace(case, init={**samples, **(case.init or {})}) for case in vary(layer, *changes)
    ]
    return [*vary(function, *changes), *layers]


CASES = [
    *(case for rank in (1, 2, 3) for case in _adaptive(rank)),
    *(case for rank in (2, 3) for case in _fractional(rank)),
]
