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
]
