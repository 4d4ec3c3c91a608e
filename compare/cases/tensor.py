"""Cases of torch_impl/tensor.py and jax_impl/tensor.py: what is not drawn at random."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_TIES = {
    "input": draw("n=5", "given", values=[1.0, 2.0, -1.0, 0.0, 3.0]),
    "other": draw("n=5", "given", values=[1.0, 0.5, -2.0, 0.0, 4.0]),
}
_NORM = Case("tensor.norm", {"input": draw("a=3 b=4")})

CASES = [
    Case("tensor.max", _TIES, why="a tie shares its gradient"),
    Case("tensor.min", _TIES, why="a tie shares its gradient"),
    *vary(
        _NORM,
        {"out": ("",)},
        *(
            {"p": p, "dim": 1, "out": ("a",)}
            for p in (1, 2, 3, 0.5, float("inf"), float("-inf"))
        ),
        {"p": 0, "dim": 1, "out": ("a",), "flat": True},
        {"p": 2, "dim": 0, "keepdim": True, "out": ("k b",)},
        {"p": 2, "dim": (0, 1), "out": ("",)},
        {"p": "nuc", "out": ("",)},
        {
            "inputs": {"input": draw("a=2 b=3", "given", values=[0, 0, 0, 1.0, 2, 3])},
            "dim": 1,
            "out": ("a",),
            "name": "tensor.norm(zero vector)",
        },
    ),
]
