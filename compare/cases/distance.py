"""Cases of torch_impl/distance.py and jax_impl/distance.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_PAIR = {"x1": draw("n=4 w=5"), "x2": draw("n=4 w=5")}
_ZERO = {
    "x1": draw("n=2 w=3", "given", values=[0, 0, 0, 1.0, 2, 3]),
    "x2": draw("n=2 w=3"),
}
_EQUAL = {
    "x1": draw("n=2 w=2", "given", values=[1.0, 2.0, 3.0, 4.0]),
    "x2": draw("n=2 w=2", "given", values=[1.0, 2.0, 3.0, 5.0]),
}

CASES = [
    *(
        case
        for target, init in (
            ("distance.cosine_similarity", None),
            ("distance.CosineSimilarity", {}),
        )
        for case in vary(
            Case(target, _PAIR, init=init, out=("n",)),
            {},
            {"dim": 0, "out": ("w",)},
            {"eps": 0.5},
            {"inputs": _ZERO, "name": f"{target}(zero vector)", "why": "0, not NaN"},
        )
    ),
    *(
        case
        for target, init in (
            ("distance.pairwise_distance", None),
            ("distance.PairwiseDistance", {}),
        )
        for case in vary(
            Case(target, _PAIR, init=init, out=("n",)),
            {},
            {"p": 1.0},
            {"p": 3.0, "eps": 1e-3},
            {"keepdim": True, "out": ("n k",)},
            {"inputs": _EQUAL, "eps": 0.0, "name": f"{target}(equal rows)"},
        )
    ),
    *vary(
        Case("distance.pdist", {"input": draw("n=5 w=3")}, out=("k",)),
        {},
        {"p": 1.0},
        {"p": 3.0},
        {"p": float("inf")},
    ),
]
