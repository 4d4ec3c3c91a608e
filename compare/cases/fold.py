"""Cases of torch_impl/fold.py and jax_impl/fold.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

# Blocks lie along l; the channel axis of a folded array is C x prod(kernel_size).
_IMAGE = {"input": draw("n=2 c=3 h=6 w=5")}
_BLOCKS = {"input": draw("n=2 c=12 l=20")}
_OUT = {"unfold": ("n c l",), "fold": ("n c h w",)}

_UNFOLD = (
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "stride": (1, 2)},
    {"kernel_size": 2, "dilation": 2, "padding": 1},
    {"kernel_size": (2, 3), "padding": (1, 0), "stride": 2},
)
_FOLD = (
    {"output_size": (6, 5), "kernel_size": 2},
    {"output_size": (5, 4), "kernel_size": 2, "padding": (0, 1)},
    {"output_size": (8, 10), "kernel_size": 2, "stride": (2, 2), "why": "no overlap"},
    {"output_size": (6, 6), "kernel_size": 2, "dilation": (1, 2)},
)

CASES = [
    *vary(Case("fold.unfold", _IMAGE, out=_OUT["unfold"]), *_UNFOLD),
    *vary(Case("fold.Unfold", _IMAGE, init={}, out=_OUT["unfold"]), *_UNFOLD),
    *vary(
        Case("fold.unfold", {"input": draw("c=3 h=6 w=5")}, out=("c l",)),
        {"kernel_size": 2, "name": "fold.unfold(unbatched)"},
    ),
    *vary(Case("fold.fold", _BLOCKS, out=_OUT["fold"]), *_FOLD),
    *vary(Case("fold.Fold", _BLOCKS, init={}, out=_OUT["fold"]), *_FOLD),
    *vary(
        Case("fold.fold", {"input": draw("c=12 l=20")}, out=("c h w",)),
        {"output_size": (6, 5), "kernel_size": 2, "name": "fold.fold(unbatched)"},
    ),
]
