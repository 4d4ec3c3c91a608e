"""Cases of torch_impl/loss_robust.py and jax_impl/loss_robust.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_PAIR = {"input": draw("n=4 c=3 w=5", std=2.0), "target": draw("n=4 c=3 w=5")}
_EQUAL = {
    "input": draw("n=4", "given", values=[1.0, 2.0, 3.0, -1.0]),
    "target": draw("n=4", "given", values=[1.0, 1.0, 5.0, 0.5]),
}
_REDUCTIONS = ({}, {"reduction": "sum"}, {"reduction": "none"})


def _cases(function: str, layer: str, *changes: dict) -> list[Case]:
    function, layer = f"loss_robust.{function}", f"loss_robust.{layer}"
    at_kink = {"inputs": _EQUAL, "why": "equal values, and a gap of exactly 1"}
    return [
        *vary(Case(function, _PAIR), *_REDUCTIONS, *changes),
        *vary(Case(layer, _PAIR, init={}), *_REDUCTIONS, *changes),
        *vary(
            Case(function, _PAIR, out=("",)), {**at_kink, "name": f"{function}(at the kinks)"}
        ),
    ]


CASES = [
    *_cases("smooth_l1_loss", "SmoothL1Loss", {"beta": 0.25}, {"beta": 0.0}),
    *_cases("huber_loss", "HuberLoss", {"delta": 0.25}, {"delta": 3.0, "reduction": "sum"}),
]
