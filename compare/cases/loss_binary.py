"""Cases of torch_impl/loss_binary.py and jax_impl/loss_binary.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_TARGET = draw("n=5 w=4", "uniform")
_PROBABILITY = {"input": draw("n=5 w=4", "uniform", low=0.05, high=0.95), "target": _TARGET}
_LOGITS = {"input": draw("n=5 w=4", std=3.0), "target": _TARGET}
_EDGE = {
    "input": draw("n=4", "given", values=[0.0, 1.0, 0.0, 1.0]),
    "target": draw("n=4", "given", grad=False, values=[1.0, 0.0, 0.0, 1.0]),
}
_EXTREME = {
    "input": draw("n=4", "given", values=[-800.0, 800.0, 0.0, 40.0]),
    "target": draw("n=4", "given", grad=False, values=[1.0, 0.0, 0.5, 1.0]),
}
_WEIGHT = {"weight": draw("w=4", "uniform", low=0.5, high=2.0, grad=False)}
_POSITIVE = {"pos_weight": draw("w=4", "uniform", low=0.5, high=3.0, grad=False)}
_REDUCTIONS = ({}, {"reduction": "sum"}, {"reduction": "none"})

_bce, _logits = (
    "loss_binary.binary_cross_entropy",
    "loss_binary.binary_cross_entropy_with_logits",
)
_BCE, _Logits = "loss_binary.BCELoss", "loss_binary.BCEWithLogitsLoss"

CASES = [
    *vary(
        Case(_bce, _PROBABILITY),
        *_REDUCTIONS,
        {"inputs": _WEIGHT, "name": f"{_bce}(weight)"},
        {"inputs": _EDGE, "name": f"{_bce}(at 0 and 1)", "why": "the log is clamped at -100"},
    ),
    *vary(
        Case(_BCE, _PROBABILITY, init={}),
        *_REDUCTIONS,
        {"weight": _WEIGHT["weight"], "name": f"{_BCE}(weight)"},
    ),
    *vary(
        Case(_logits, _LOGITS),
        *_REDUCTIONS,
        {"inputs": {**_WEIGHT, **_POSITIVE}, "name": f"{_logits}(weight, pos_weight)"},
        {"inputs": _EXTREME, "name": f"{_logits}(far logits)"},
    ),
    *vary(
        Case(_Logits, _LOGITS, init={}),
        *_REDUCTIONS,
        {"pos_weight": _POSITIVE["pos_weight"], "name": f"{_Logits}(pos_weight)"},
        {"weight": _WEIGHT["weight"], "reduction": "sum", "name": f"{_Logits}(weight)"},
    ),
]
