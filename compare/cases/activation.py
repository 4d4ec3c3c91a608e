"""Cases of torch_impl/activation.py and jax_impl/activation.py."""

from __future__ import annotations

from compare.cases.case import Case, draw

_X = draw("n=5 w=7")
_KINK = draw("n=5", "given", values=[-1.5, -0.0, 0.0, 0.5, 2.0])

CASES = [
    Case("activation.relu", {"input": _X}),
    Case(
        "activation.relu", {"input": _KINK}, name="activation.relu(at 0)", why="gradient 0 at 0"
    ),
    Case("activation.ReLU", {"input": _X}, init={}),
    Case("activation.sigmoid", {"input": _X}),
    Case(
        "activation.sigmoid", {"input": draw("n=6", std=20.0)}, name="activation.sigmoid(far)"
    ),
    Case("activation.Sigmoid", {"input": _X}, init={}),
]
