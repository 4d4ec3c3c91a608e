"""Cases of torch_impl/resize.py and jax_impl/resize.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_SIZES = {1: "l=7", 2: "h=6 w=5", 3: "d=4 h=3 w=5"}
_UP = {1: 11, 2: (9, 8), 3: (6, 5, 7)}
_DOWN = {1: 3, 2: (4, 3), 3: (3, 2, 3)}
_SMOOTH = {1: ("linear",), 2: ("bilinear", "bicubic"), 3: ("trilinear",)}


def _cases(rank: int) -> list[Case]:
    inputs = {"input": draw(f"n=2 c=3 {_SIZES[rank]}")}
    factor = {"scale_factor": 1.7}
    changes = [
        {"mode": mode, **how}
        for mode in ("nearest", "nearest-exact", "area")
        for how in ({"size": _UP[rank]}, {"size": _DOWN[rank]}, factor)
    ]
    changes += [
        {"mode": mode, **how, "align_corners": align}
        for mode in _SMOOTH[rank]
        for how in ({"size": _UP[rank]}, {"size": _DOWN[rank]}, factor)
        for align in (False, True)
    ]
    for change in changes:
        if rank == 3 and "scale_factor" in change:
            change["scale_factor"] = 1.5
    layers = [{"mode": "nearest", "scale_factor": 2}, {**changes[-1]}]
    return [
        *vary(Case("resize.interpolate", inputs), *_named("resize.interpolate", rank, changes)),
        *vary(
            Case("resize.Upsample", inputs, init={}), *_named("resize.Upsample", rank, layers)
        ),
    ]


def _named(target: str, rank: int, changes: list[dict]) -> list[dict]:
    """The rank stands in the name: the same options serve one to three axes."""
    words = [", ".join(f"{k}={v!r}" for k, v in change.items()) for change in changes]
    return [
        {**change, "name": f"{target}({rank}-D, {text})"}
        for change, text in zip(changes, words, strict=True)
    ]


_IMAGE = {"input": draw("n=2 c=3 h=6 w=5")}

CASES = [
    *(case for rank in (1, 2, 3) for case in _cases(rank)),
    *vary(
        Case("resize.interpolate", _IMAGE),
        {
            "mode": "bilinear",
            "size": (3, 3),
            "antialias": True,
            "why": "jax.image's own default",
        },
        {"mode": "bicubic", "size": (4, 2), "antialias": True},
        {"mode": "bilinear", "scale_factor": (0.7, 1.3), "recompute_scale_factor": True},
    ),
    *vary(Case("resize.UpsamplingNearest2d", _IMAGE, init={}), {"scale_factor": 2}),
    *vary(Case("resize.UpsamplingBilinear2d", _IMAGE, init={}), {"size": (11, 9)}),
]
