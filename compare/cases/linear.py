"""Cases of torch_impl/linear.py and jax_impl/linear.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_linear = Case("linear.linear", {"input": draw("n=5 i=4"), "weight": draw("o=3 i=4")})
_Linear = Case(
    "linear.Linear", {"input": draw("n=5 i=4")}, init={"in_features": 4, "out_features": 3}
)

CASES = [
    *vary(
        _linear,
        {},
        {"inputs": {"bias": draw("o=3")}, "name": "linear.linear(bias)"},
        {"inputs": {"input": draw("i=4")}, "name": "linear.linear(vector)"},
        {"inputs": {"input": draw("n=2 s=3 i=4")}, "name": "linear.linear(3-D input)"},
    ),
    *vary(
        _Linear,
        {},
        {"bias": False},
        {"out_features": 4, "why": "a square weight: the transposed one fits too"},
        {"inputs": {"input": draw("n=2 s=3 i=4")}, "name": "linear.Linear(3-D input)"},
        {"inputs": {"input": draw("n=0 i=4")}, "name": "linear.Linear(empty batch)"},
    ),
    *vary(
        Case(
            "linear.bilinear",
            {
                "input1": draw("n=4 i=3"),
                "input2": draw("n=4 j=5"),
                "weight": draw("o=2 i=3 j=5"),
                "bias": draw("o=2"),
            },
            out=("n o",),
        ),
        {},
    ),
    *vary(
        Case(
            "linear.Bilinear",
            {"input1": draw("n=4 i=3"), "input2": draw("n=4 j=5")},
            init={"in1_features": 3, "in2_features": 5, "out_features": 2},
            out=("n o",),
        ),
        {},
        {"bias": False},
    ),
    Case("linear.Identity", {"input": draw("n=2 w=3")}, init={}),
]
