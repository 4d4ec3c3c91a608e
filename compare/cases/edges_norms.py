"""Special values and edges: normalisation and dropout."""

from __future__ import annotations

import math
from dataclasses import replace

from compare.cases.case import Case, draw
from compare.cases.edges import FLUSHED, FLUSHED_IN, Edge, at_specials

_ROWS = draw("n=3 c=4 l=6")
_SCALE = draw("w=8", "uniform", low=0.5, high=1.5)
_WORDS = {"input": draw("n=4 w=8"), "weight": _SCALE, "bias": draw("w=8")}
_SCALES = {"weight": draw("c=4", "uniform", low=0.5, high=1.5), "bias": draw("c=4")}

LAYER = Case("normalization.layer_norm", _WORDS, options={"normalized_shape": (8,)}, name="")
RMS = Case(
    "normalization.rms_norm",
    {"input": draw("n=4 w=8"), "weight": _SCALE},
    options={"normalized_shape": (8,), "eps": 1e-5},
)
GROUP = Case("normalization.group_norm", {"input": _ROWS, **_SCALES}, options={"num_groups": 2})
BATCH = Case("norm.BatchNorm1d", {"input": _ROWS}, init={"num_features": 4})
INSTANCE = Case("norm.InstanceNorm1d", {"input": _ROWS}, init={"num_features": 4})
NORMALIZE = Case("normalization.normalize", {"input": draw("n=4 w=8")}, options={"dim": 1})
NORMS = (LAYER, RMS, GROUP, BATCH, INSTANCE)

DROPOUT = Case(
    "dropout.dropout",
    {"input": draw("n=4 w=6")},
    options={"p": 0.25},
    masks={"mask": draw("n=4 w=6", "bits", keep=0.5)},
)


def _of(case: Case, at: str, given, watch: str = "", **changes) -> Edge:
    return Edge(at, replace(case, inputs={**case.inputs, "input": given}, name="", **changes),
                watch)  # fmt: skip


def _far(case: Case) -> Edge:
    given = replace(case.inputs["input"], options={"mean": 1e4})
    return _of(case, "mean 1e4", given, "care")


def _constant(case: Case) -> Edge:
    values = {"values": [1.5] * math.prod(case.inputs["input"].shape)}
    given = replace(case.inputs["input"], kind="given", options=values)
    return _of(case, "one value everywhere", given)


def _raising(target: str, axes: str, at: str, **options) -> Edge:
    return Edge(at, Case(target, {"input": draw(axes)}, options=options), raises=True)


_STATS = {"running_mean": None, "running_var": None, "training": True}

EDGES = [
    *(
        edge
        for case in (*NORMS, NORMALIZE)
        for edge in at_specials(case, denormals=FLUSHED_IN)
    ),
    *at_specials(DROPOUT, denormals=FLUSHED),
    *(_far(case) for case in NORMS),
    *(_constant(case) for case in NORMS if case is not RMS),
    _of(NORMALIZE, "a zero row", draw("n=2 w=3", "given", values=[0.0, 0, 0, 1, 2, 3])),
    _of(LAYER, "empty batch", draw("n=0 w=8")),
    _of(BATCH, "empty batch", draw("n=0 c=4 l=6")),
    _of(BATCH, "empty batch, evaluation", draw("n=0 c=4 l=6"), train=False),
    _of(GROUP, "empty batch", draw("n=0 c=4 l=6")),
    _of(BATCH, "one value per channel, evaluation", draw("n=1 c=4 l=1"), train=False),
    _raising("norm.batch_norm", "n=1 c=4", "one value per channel", **_STATS),
    _raising("norm.instance_norm", "n=2 c=4 l=1", "one value per channel"),
    _raising("normalization.group_norm", "n=1 c=4", "one value per group", num_groups=4),
    Edge(
        "one value per row",
        Case("normalization.layer_norm", {"input": draw("n=4 w=1")},
             options={"normalized_shape": (1,)}),
    ),
    _of(DROPOUT, "empty batch", draw("n=0 w=6"), masks={"mask": draw("n=0 w=6", "bits")}),
    replace(
        _of(DROPOUT, "p = 1", draw("n=4 w=6")),
        case=replace(DROPOUT, options={"p": 1.0},
                     masks={"mask": draw("n=4 w=6", "bits", keep=0.0)}, name=""),
    ),
]  # fmt: skip
