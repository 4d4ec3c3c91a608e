"""Cases of torch_impl/pad.py and jax_impl/pad.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_SIZES = {1: "l=7", 2: "h=6 w=5", 3: "d=5 h=4 w=6"}
# (both ends of every axis alike, each end its own, a crop), last axis first as torch counts.
_PADS = {
    1: (2, (1, 3), (2, -1)),
    2: (2, (1, 3, 0, 2), (1, -2, -1, 3)),
    3: (1, (1, 2, 0, 1, 3, 0), (1, -1, -1, 2, 0, 1)),
}
_LAYERS = ("ConstantPad", "ReflectionPad", "ReplicationPad", "ZeroPad", "CircularPad")
_MODES = {"reflect": (2, 1, 1, 3), "replicate": (4, 1, 0, 3), "circular": (2, 1, 1, 3)}


def _layer(kind: str, rank: int) -> list[Case]:
    value = {"value": 1.5} if kind == "ConstantPad" else {}
    base = Case(f"pad.{kind}{rank}d", {"input": draw(f"n=2 c=3 {_SIZES[rank]}")}, init=value)
    unbatched = {"input": draw(f"c=3 {_SIZES[rank]}")}
    changes = [{"padding": padding} for padding in _PADS[rank]]
    name = f"pad.{kind}{rank}d(unbatched)"
    return vary(base, *changes, {"padding": 1, "inputs": unbatched, "name": name})


_pad = Case("pad.pad", {"input": draw("n=2 c=3 h=6 w=5")})
_plain = Case("pad.pad", {"input": draw("a=2 b=3 e=6 f=5")})

CASES = [
    *(case for kind in _LAYERS for rank in (1, 2, 3) for case in _layer(kind, rank)),
    *vary(_pad, *({"pad": pad, "mode": mode} for mode, pad in _MODES.items())),
    *vary(
        _plain,
        {"pad": (1, 2)},
        {"pad": (1, 2, 0, 1, 2, 2), "value": -2.5},
        {"pad": (-1, 2, 1, -2)},
    ),
]
