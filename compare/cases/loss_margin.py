"""Cases of torch_impl/loss_margin.py and jax_impl/loss_margin.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, labels, vary

_RANKING = {
    "input1": draw("n=6"),
    "input2": draw("n=6"),
    "target": draw("n=6", "signs", grad=False),
}
_SOFT = {"input": draw("n=5 w=4"), "target": draw("n=5 w=4", "signs", grad=False)}
# Each row lists its labels, then -1.
_LISTED = draw("n=3 c=4", "given", grad=False, values=[3, 0, -1, 1, 2, -1, 0, 0, 1, 2, 3, -1])
_MULTI = {"input": draw("n=3 c=4"), "target": _LISTED}
_BITS = draw("n=4 c=5", "given", grad=False, values=[0.0, 1, 1, 0, 1] * 4)
_MULTI_SOFT = {"input": draw("n=4 c=5"), "target": _BITS}
_CLASSES = {"input": draw("n=6 c=5"), "target": labels("n=6", 5)}
_WEIGHT = draw("c=5", "uniform", low=0.25, high=2.0, grad=False)
_REDUCTIONS = ({}, {"reduction": "sum"}, {"reduction": "none"})
_ROWS = ({}, {"reduction": "sum"}, {"reduction": "none", "out": ("n",)})


def _cases(function: str, layer: str, inputs: dict, *changes: dict) -> list[Case]:
    function, layer = f"loss_margin.{function}", f"loss_margin.{layer}"
    return [
        *vary(Case(function, inputs), *changes),
        *vary(Case(layer, inputs, init={}), *changes),
    ]


CASES = [
    *_cases(
        "margin_ranking_loss", "MarginRankingLoss", _RANKING, *_REDUCTIONS, {"margin": 0.5}
    ),
    *_cases("soft_margin_loss", "SoftMarginLoss", _SOFT, *_REDUCTIONS),
    *_cases("multilabel_margin_loss", "MultiLabelMarginLoss", _MULTI, *_ROWS),
    *_cases("multilabel_soft_margin_loss", "MultiLabelSoftMarginLoss", _MULTI_SOFT, *_ROWS),
    *_cases(
        "multi_margin_loss",
        "MultiMarginLoss",
        _CLASSES,
        *_ROWS,
        {"p": 2},
        {"margin": 0.5, "p": 2, "reduction": "sum"},
    ),
    *vary(
        Case("loss_margin.multi_margin_loss", {**_CLASSES, "weight": _WEIGHT}, out=("",)),
        {"name": "loss_margin.multi_margin_loss(weight)"},
    ),
    *vary(
        Case("loss_margin.MultiMarginLoss", _CLASSES, init={"weight": _WEIGHT}, out=("",)),
        {"name": "loss_margin.MultiMarginLoss(weight)"},
    ),
    *vary(
        Case(
            "loss_margin.MultiLabelSoftMarginLoss",
            _MULTI_SOFT,
            init={"weight": _WEIGHT},
            out=("",),
        ),
        {"name": "loss_margin.MultiLabelSoftMarginLoss(weight)"},
    ),
]
