"""Cases of torch_impl/loss_embedding.py and jax_impl/loss_embedding.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_SIGN = draw("n=6", "signs", grad=False)
_HINGE = {"input": draw("n=6"), "target": _SIGN}
_COSINE = {"input1": draw("n=6 w=4"), "input2": draw("n=6 w=4"), "target": _SIGN}
_TRIPLET = {"anchor": draw("n=6 w=4"), "positive": draw("n=6 w=4"), "negative": draw("n=6 w=4")}
_ZERO = {
    "input1": draw("n=2 w=3", "given", values=[0, 0, 0, 1.0, 2, 3]),
    "input2": draw("n=2 w=3"),
}
_SIGNS = {"target": draw("n=2", "given", grad=False, values=[1.0, -1.0])}
_REDUCTIONS = ({}, {"reduction": "sum"}, {"reduction": "none", "out": ("n",)})


def _cases(function: str, layer: str, inputs: dict, *changes: dict) -> list[Case]:
    function, layer = f"loss_embedding.{function}", f"loss_embedding.{layer}"
    options = (*_REDUCTIONS, *changes)
    return [
        *vary(Case(function, inputs, out=("",)), *options),
        *vary(Case(layer, inputs, init={}, out=("",)), *options),
    ]


CASES = [
    *_cases("hinge_embedding_loss", "HingeEmbeddingLoss", _HINGE, {"margin": 0.5}),
    *_cases("cosine_embedding_loss", "CosineEmbeddingLoss", _COSINE, {"margin": 0.25}),
    *_cases(
        "triplet_margin_loss",
        "TripletMarginLoss",
        _TRIPLET,
        {"margin": 2.0},
        {"p": 1.0},
        {"p": 3.0, "eps": 1e-3},
        {"swap": True, "margin": 3.0},
    ),
    *_cases(
        "triplet_margin_with_distance_loss",
        "TripletMarginWithDistanceLoss",
        _TRIPLET,
        {"margin": 2.0},
        {"swap": True, "margin": 3.0},
    ),
    Case(
        "loss_embedding.cosine_embedding_loss",
        {**_ZERO, **_SIGNS},
        out=("",),
        name="loss_embedding.cosine_embedding_loss(zero vector)",
    ),
]
