"""Cases of torch_impl/loss.py and jax_impl/loss.py."""

from __future__ import annotations

from compare.cases.case import Case, axis_names, draw, labels, vary

_REDUCTIONS = ({"reduction": "none"}, {"reduction": "sum"}, {})
_SCALAR = ("",)

_PAIR = {"input": draw("n=4 c=3 w=5"), "target": draw("n=4 c=3 w=5")}


def _pointwise(function: str, cls: str) -> list[Case]:
    """Prediction and target of one shape: every reduction, vectors and scalars."""
    vector = {"input": draw("n=7"), "target": draw("n=7")}
    scalar = {"input": draw(""), "target": draw("")}
    return [
        *vary(Case(f"loss.{function}", _PAIR), *_REDUCTIONS),
        *vary(Case(f"loss.{cls}", _PAIR, init={}), *_REDUCTIONS),
        Case(f"loss.{cls}", vector, init={}, name=f"loss.{cls}(vector)"),
        Case(f"loss.{cls}", scalar, init={}, name=f"loss.{cls}(scalar)"),
    ]


# (shape of input, shape of index target), by what torch's documentation calls them.
_SHAPES = {
    "C": ("c=5", ""),
    "N,C": ("n=6 c=5", "n=6"),
    "N,C,d1": ("n=4 c=5 d=3", "n=4 d=3"),
    "N,C,d1,d2": ("n=3 c=5 d=2 e=4", "n=3 d=2 e=4"),
}
_WEIGHT = {"weight": draw("c=5", "uniform", low=0.25, high=2.0, grad=False)}


def _index_targets(shape: str, **options) -> dict:
    axes, target = _SHAPES[shape]
    return {"input": draw(axes), "target": labels(target, 5, **options)}


def _named(inputs: dict, shape: str, options: dict, *words: str) -> Case:
    """A cross entropy whose output has the index target's shape, or none."""
    out = axis_names(_SHAPES[shape][1]) if options.get("reduction") == "none" else ""
    called = [*words, shape, *(f"{name}={value!r}" for name, value in options.items())]
    name = f"loss.cross_entropy({', '.join(called)})"
    return Case("loss.cross_entropy", inputs, options=options, out=(out,), name=name)


def _cross_entropy(shape: str, **options) -> Case:
    """Index targets."""
    return _named(_index_targets(shape), shape, options)


def _probabilities(shape: str, **options) -> Case:
    """Targets of the input's own shape that sum to 1 over the classes."""
    axes, _ = _SHAPES[shape]
    inputs = {"input": draw(axes), "target": draw(axes, "simplex")}
    return _named(inputs, shape, options, "probabilities")


_weighted = Case(
    "loss.cross_entropy", {**_index_targets("N,C"), **_WEIGHT}, out=_SCALAR, name="base"
)
_class = Case("loss.CrossEntropyLoss", _index_targets("N,C"), init={}, out=_SCALAR)

CASES = [
    *_pointwise("l1_loss", "L1Loss"),
    *_pointwise("mse_loss", "MSELoss"),
    *(_cross_entropy(shape) for shape in _SHAPES),
    *(_cross_entropy(shape, reduction="none") for shape in _SHAPES),
    *(_cross_entropy(shape, reduction="sum") for shape in _SHAPES),
    *(_cross_entropy(shape, label_smoothing=0.1) for shape in _SHAPES),
    *(_probabilities(shape) for shape in _SHAPES),
    *(_probabilities(shape, reduction="none") for shape in _SHAPES),
    *(_probabilities(shape, reduction="sum", label_smoothing=0.2) for shape in _SHAPES),
    *vary(
        _weighted,
        {
            "name": "loss.cross_entropy(weight)",
            "why": "torch divides by the weights of the targets, not by their count",
        },
        {"reduction": "sum", "name": "loss.cross_entropy(weight, reduction='sum')"},
        {
            "reduction": "none",
            "out": ("n",),
            "name": "loss.cross_entropy(weight, reduction='none')",
        },
        {
            "label_smoothing": 0.1,
            "name": "loss.cross_entropy(weight, label_smoothing=0.1)",
            "why": "each class of the soft label has its weight",
        },
    ),
    *vary(
        Case("loss.cross_entropy", _index_targets("N,C", also=-100), out=_SCALAR, name="base"),
        {"name": "loss.cross_entropy(ignored labels)"},
        {
            "label_smoothing": 0.1,
            "name": "loss.cross_entropy(ignored labels, label_smoothing=0.1)",
        },
    ),
    *vary(
        Case("loss.cross_entropy", _index_targets("N,C"), out=_SCALAR, name="base"),
        {"ignore_index": 2},
        {"ignore_index": 2, "reduction": "sum"},
    ),
    *vary(
        _class,
        {},
        {"reduction": "sum"},
        {"ignore_index": 1},
        {"label_smoothing": 0.2},
        {"inputs": _index_targets("N,C,d1"), "name": "loss.CrossEntropyLoss(N,C,d1)"},
        {"inputs": _index_targets("C"), "name": "loss.CrossEntropyLoss(C)"},
    ),
    *(
        Case(
            target,
            {"input": draw(axes, "log_simplex"), "target": labels(target_axes, 5)},
            init=init,
            out=("",),
            name=f"{target}({shape})",
        )
        for target, init in (("loss.nll_loss", None), ("loss.NLLLoss", {}))
        for shape, (axes, target_axes) in _SHAPES.items()
    ),
    *vary(
        Case("loss.nll_loss", _index_targets("N,C"), out=_SCALAR, name="base"),
        {"reduction": "sum"},
        {"reduction": "none", "out": ("n",)},
        {"ignore_index": 3},
        {"inputs": _WEIGHT, "name": "loss.nll_loss(weight)"},
        {
            "inputs": _WEIGHT,
            "reduction": "sum",
            "name": "loss.nll_loss(weight, reduction='sum')",
        },
    ),
    *vary(
        Case("loss.NLLLoss", _index_targets("N,C"), init={}, out=_SCALAR),
        {"ignore_index": 3},
        {"reduction": "sum"},
        {"weight": _WEIGHT["weight"], "name": "loss.NLLLoss(weight)"},
    ),
    *vary(
        _class,
        {"weight": _WEIGHT["weight"], "name": "loss.CrossEntropyLoss(weight)"},
        {
            "weight": _WEIGHT["weight"],
            "label_smoothing": 0.1,
            "name": "loss.CrossEntropyLoss(weight, label_smoothing=0.1)",
        },
    ),
    *vary(
        Case(
            "loss.linear_cross_entropy",
            {
                "input": draw("n=6 i=4"),
                "linear_weight": draw("o=5 i=4"),
                "target": labels("n=6", 5),
            },
            out=_SCALAR,
        ),
        {},
        {"reduction": "sum"},
        {"label_smoothing": 0.1},
        {"ignore_index": 2},
    ),
    *vary(
        Case(
            "loss.LinearCrossEntropyLoss",
            {"input": draw("n=6 i=4"), "target": labels("n=6", 5)},
            init={"in_features": 4, "num_classes": 5},
            out=_SCALAR,
        ),
        {},
        {"bias": True},
        {"reduction": "sum", "bias": True},
        {"label_smoothing": 0.1},
        {"weight": _WEIGHT["weight"], "name": "loss.LinearCrossEntropyLoss(weight)"},
    ),
]
