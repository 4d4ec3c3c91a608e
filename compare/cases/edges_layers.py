"""Special values and edges: convolution, pooling, padding, linear, embedding, attention."""

from __future__ import annotations

from compare.cases.case import Case, call, draw
from compare.cases.edges import (
    COMPARED,
    FLUSHED,
    INF,
    NAN,
    Edge,
    at_specials,
    holding,
    with_input,
)

_IMAGE = draw("n=1 c=2 h=5 w=4")
_CONV = {"input": _IMAGE, "weight": draw("o=3 i=2 h=2 w=2"), "bias": draw("o=3")}
_UP = {"input": _IMAGE, "weight": draw("i=2 o=3 h=2 w=2"), "bias": draw("o=3")}
_LINEAR = {"input": draw("n=3 i=4"), "weight": draw("o=5 i=4"), "bias": draw("o=5")}


def _function(target: str, inputs: dict, out: str = "", **options) -> Case:
    outs = (out,) if out else ()
    return Case(target, inputs, options=options, out=outs)


CONV = _function("conv.conv2d", _CONV)
UP = _function("conv.conv_transpose2d", _UP, stride=2)
DENSE = _function("linear.linear", _LINEAR)
POOLS = {
    "max": _function("pool.max_pool2d", {"input": _IMAGE}, kernel_size=2),
    "average": _function("pool.avg_pool2d", {"input": _IMAGE}, kernel_size=2),
    "power": _function("pool.lp_pool2d", {"input": _IMAGE}, norm_type=2.0, kernel_size=2),
    "adaptive max": _function(
        "adaptive_pool.adaptive_max_pool2d", {"input": _IMAGE}, output_size=2
    ),
    "adaptive average": _function(
        "adaptive_pool.adaptive_avg_pool2d", {"input": _IMAGE}, output_size=2
    ),
}
PADS = [
    _function("pad.pad", {"input": draw("n=2 c=2 l=5")}, pad=(2, 1), mode=mode)
    for mode in ("reflect", "replicate", "circular")
]
_TIED = [1.0, 1, 2, 0, 1, 1, 2, 2, 0, 0, 3, 3, 0, 0, 3, 3]
_TIES = draw("n=1 c=1 h=4 w=4", "given", values=_TIED)
_TABLE = {
    "input": draw("n=4", "given", grad=False, values=[0, 2, 1, 2]),
    "weight": draw("v=4 w=3"),
}
_HEADS = {name: draw("n=1 h=2 s=3 d=4") for name in ("query", "key", "value")}


def _attention(mask: list | None, **changed) -> Case:
    seen = {} if mask is None else {
        "attention_mask": draw("n=1 h=1 s=3 t=3", "given", grad=False, values=mask)
    }  # fmt: skip
    return Case(
        "bert_attention.sdpa_attention",
        {**_HEADS, **changed, **seen},
        options={
            "dropout": call("dropout.Dropout", p=0.0),
            **({"attention_mask": None} if mask is None else {}),
        },
    )


def _empty(case: Case, axes: str) -> Edge:
    return Edge("empty batch", with_input(case, "input", draw(axes)))


_TORCH_GIVES_0 = (
    "different",
    "torch's fused CPU kernel gives 0 for a row of NaN scores, its own plain one NaN, as JAX",
)
_HIDDEN = (
    "different",
    "a hidden key's gradient is NaN in torch, 0 here: nothing flows",
)

EDGES = [
    *at_specials(CONV, denormals=FLUSHED),
    _empty(CONV, "n=0 c=2 h=5 w=4"),
    *at_specials(UP, denormals=FLUSHED),
    *at_specials(DENSE, denormals=FLUSHED),
    _empty(DENSE, "n=0 i=4"),
    *at_specials(POOLS["max"], denormals=COMPARED),
    *at_specials(POOLS["adaptive max"], denormals=COMPARED),
    *at_specials(POOLS["power"]),
    *at_specials(POOLS["average"], denormals=FLUSHED),
    *at_specials(POOLS["adaptive average"], denormals=FLUSHED),
    _empty(POOLS["average"], "n=0 c=2 h=5 w=4"),
    _empty(POOLS["max"], "n=0 c=2 h=5 w=4"),
    Edge("tied maxima", _function("pool.max_pool2d", {"input": _TIES}, kernel_size=2)),
    Edge(
        "tied maxima, windows overlapping",
        _function("pool.max_pool2d", {"input": _TIES}, kernel_size=3, stride=1),
    ),
    Edge(
        "tied maxima",
        _function("adaptive_pool.adaptive_max_pool2d", {"input": _TIES}, output_size=2),
    ),
    Edge(
        "a window of zeros",
        _function(
            "pool.lp_pool2d",
            {"input": draw("n=1 c=1 h=2 w=4", "given", values=[0.0, 0, 1, 2, 0, 0, 3, 4])},
            norm_type=2.0,
            kernel_size=2,
        ),
    ),
    *(edge for case in PADS for edge in at_specials(case)),
    Edge("NaN in the table", _function(
        "embedding.embedding", {**_TABLE, "weight": holding("v=4 w=3", NAN)}, "n w"
    )),
    Edge("-0.0 in the table", _function(
        "embedding.embedding", {**_TABLE, "weight": holding("v=4 w=3", -0.0, 0.0)}, "n w"
    ), "signs"),
    Edge("no indices", _function(
        "embedding.embedding",
        {**_TABLE, "input": draw("n=0", "integers", grad=False, low=0, high=4)},
        "n w",
    )),
    Edge("index out of range", _function(
        "embedding.embedding",
        {**_TABLE, "input": draw("n=2", "given", grad=False, values=[1, 4])},
        "n w",
    ), raises=True),
    Edge("a negative index", _function(
        "embedding.embedding",
        {**_TABLE, "input": draw("n=2", "given", grad=False, values=[1, -1])},
        "n w",
    ), raises=True),
    Edge("fully masked row", _attention([[True] * 3, [True, False, True], [False] * 3])),
    Edge("NaN in a value", _attention(None, value=holding("n=1 h=2 s=3 d=4", NAN))),
    Edge(
        "NaN in a query",
        _attention(None, query=holding("n=1 h=2 s=3 d=4", NAN)),
        "",
        *_TORCH_GIVES_0,
    ),
    Edge(
        "inf in a query",
        _attention(None, query=holding("n=1 h=2 s=3 d=4", INF)),
    ),
    Edge(
        "NaN in a value that is hidden",
        _attention([[True, False, True]] * 3, value=holding("n=1 h=2 s=3 d=4", NAN, step=4)),
        "",
        *_HIDDEN,
    ),
]  # fmt: skip
