"""Special values and edges: activations, at their kinks and far out."""

from __future__ import annotations

from compare.cases.case import Case, draw
from compare.cases.edges import FLUSHED, INF, NAN, SAME, Edge, Named, at_specials

_INPUT = draw("n=8 w=8")
"""As many as fill the vectors of torch's CPU kernels, in either precision: the last elements of
a row that does not are computed by other code, which differs at NaN."""

_SOFT = ("softmax", "log_softmax", "softmin")
KINKS = {
    "relu": [-1.0, 0.0, 0.0, 2.0],
    "leaky_relu": [-1.0, 0.0, 0.0, 2.0],
    "relu6": [-1.0, 0.0, 6.0, 7.0],
    "hardtanh": [-2.0, -1.0, 1.0, 2.0],
    "hardsigmoid": [-4.0, -3.0, 3.0, 4.0],
    "hardswish": [-4.0, -3.0, 3.0, 4.0],
    "hardshrink": [-0.5, 0.0, 0.5, 1.0],
    "softshrink": [-0.5, 0.0, 0.5, 1.0],
    "elu": [-1.0, 0.0, 0.0, 2.0],
    "celu": [-1.0, 0.0, 0.0, 2.0],
    "selu": [-1.0, 0.0, 0.0, 2.0],
    "softsign": [-1.0, 0.0, 0.0, 2.0],
    "softplus": [0.0, 20.0, 20.5, -30.0],
}
SMOOTH = ("sigmoid", "tanh", "silu", "mish", "gelu", "logsigmoid", "tanhshrink")


_VECTOR = Named("different", "torch's vectorised slope at NaN is 0, its scalar one 1, as here")
_SCALAR = Named(
    "different",
    "torch's scalar slope at NaN is that above 0, else NaN, as here",
)
_SIGN = Named("different", "relu of -0.0 is 0 here, -0.0 in torch: only 1 / x could see it")
_PRODUCT = Named("different", "below -3 the gradient is 0 in torch, here 0 times the cotangent")
_ERF = Named("different", "gelu of inf is NaN in oneDNN's float32 code for AVX-512", True)
_ZERO = Named("different", "gelu of -0.0 is 0 in oneDNN's code for AVX2, else -0.0", True)
_REMAINDER = Named(
    "different", "torch's slope is 0, here a remainder below 1e-37 may stay", True
)
NAMED: dict[str, dict[str, Named]] = {
    **{name: {"denormals": FLUSHED} for name in ("relu", "leaky_relu", "relu6", "hardswish")},
    **{name: {"denormals": FLUSHED} for name in ("elu", "celu", "selu", "softsign")},
    **{name: {"denormals": FLUSHED} for name in ("silu", "mish", "gelu")},
}
for _name in ("hardtanh", "relu6", "hardshrink", "softshrink"):
    NAMED[_name] = {**NAMED.get(_name, {}), "nan": _VECTOR}
for _name in ("relu", "relu6"):
    NAMED[_name] = {**NAMED[_name], "zeros": _SIGN}
NAMED["hardswish"] = {**NAMED["hardswish"], "zeros": _PRODUCT}
NAMED["gelu"] = {**NAMED["gelu"], "infinite": _ERF, "zeros": _ZERO}
NAMED["tanhshrink"] = {"denormals": _REMAINDER}
ALONE = ("elu", "celu", "selu", "hardswish")


def _case(name: str, given=_INPUT, **options) -> Case:
    options = {**({"dim": -1} if name in _SOFT else {}), **options}
    return Case(f"activation.{name}", {"input": given}, options=options)


def _kinks(values: list[float]):
    return draw("n=4", "given", values=values)


def _rows(*values: float):
    """Three values that are special together, above an ordinary row."""
    return draw("n=2 w=3", "given", values=[*values, 0.5, 1.5, -1.0])


def _alone(name: str, named: Named) -> Edge:
    return Edge("NaN alone", _case(name, draw("n=1", "given", values=[NAN])), "", *named)


_FAR = draw("n=4", "given", values=[-1000.0, -50.0, 50.0, 1000.0])

EDGES = [
    *(
        edge
        for name in (*KINKS, *SMOOTH, *_SOFT)
        for edge in at_specials(_case(name), "input", **NAMED.get(name, {}))
    ),
    *(_alone(name, _SCALAR if name in ALONE else SAME) for name in (*KINKS, *SMOOTH)),
    *(Edge("kinks", _case(name, _kinks(values))) for name, values in KINKS.items()),
    *(Edge("far out", _case(name, _FAR)) for name in (*SMOOTH, "softplus", "elu", "hardswish")),
    *(Edge("a row of -inf", _case(name, _rows(-INF, -INF, -INF))) for name in _SOFT[:2]),
    *(Edge("a row with inf", _case(name, _rows(INF, 0.0, -INF))) for name in _SOFT[:2]),
    *(Edge("a row with NaN", _case(name, _rows(NAN, 0.0, 1.0))) for name in _SOFT[:2]),
    *(Edge("ties", _case(name, _rows(2.0, 2.0, 2.0))) for name in _SOFT[:2]),
    *(Edge("scores of 1e4", _case(name, _rows(1e4, -1e4, 9999.0))) for name in _SOFT[:2]),
    *(Edge("empty batch", _case(name, draw("n=0 w=5"))) for name in ("relu", "softmax")),
]
