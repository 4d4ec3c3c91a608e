"""Cases of torch_impl/activation.py and jax_impl/activation.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_X = {"input": draw("n=5 w=8", std=2.0)}
# Where the pieces of piecewise functions meet: torch's choice of gradient is the one to make.
_KINKS = draw("n=13", "given", values=[-3, -2, -1, -0.5, -0.0, 0, 0.5, 1, 2, 3, 6, -6, 20.0])
_FAR = draw("n=6", "given", values=[-1e3, -90.0, -40.0, 40.0, 90.0, 1e3])

# function, class, and the options beside the defaults
_ELEMENTWISE: dict[str, tuple[str, tuple[dict, ...]]] = {
    "relu": ("ReLU", ()),
    "relu6": ("ReLU6", ()),
    "sigmoid": ("Sigmoid", ()),
    "hardsigmoid": ("Hardsigmoid", ()),
    "tanh": ("Tanh", ()),
    "silu": ("SiLU", ()),
    "mish": ("Mish", ()),
    "hardswish": ("Hardswish", ()),
    "selu": ("SELU", ()),
    "softsign": ("Softsign", ()),
    "tanhshrink": ("Tanhshrink", ()),
    "logsigmoid": ("LogSigmoid", ()),
    "threshold": ("Threshold", ()),
    "hardtanh": ("Hardtanh", ({"min_val": -0.5, "max_val": 2.0},)),
    "elu": ("ELU", ({"alpha": 0.5},)),
    "celu": ("CELU", ({"alpha": 2.0},)),
    "gelu": ("GELU", ({"approximate": "tanh"},)),
    "hardshrink": ("Hardshrink", ({"lambd": 1.0},)),
    "leaky_relu": ("LeakyReLU", ({"negative_slope": 0.2},)),
    "softplus": ("Softplus", ({"beta": 2.0, "threshold": 5.0},)),
    "softshrink": ("Softshrink", ({"lambd": 1.0},)),
}
_REQUIRED = {"threshold": {"threshold": 0.5, "value": -1.0}}


def _elementwise(function: str) -> list[Case]:
    cls, changes = _ELEMENTWISE[function]
    needed = _REQUIRED.get(function, {})
    name, layer = f"activation.{function}", f"activation.{cls}"
    return [
        *vary(Case(name, _X, options=needed), {}, *changes),
        *vary(Case(layer, _X, init=needed), {}, *changes),
        Case(name, {"input": _KINKS}, options=needed, name=f"{name}(at the kinks)"),
        Case(name, {"input": _FAR}, options=needed, name=f"{name}(far out)", flat=True),
    ]


def _over_axis(function: str, cls: str) -> list[Case]:
    """softmax and its kin: one axis takes part."""
    image = {"input": draw("a=2 b=3 w=4", std=3.0)}
    shifted = {"input": draw("a=3 w=5", mean=500.0, std=20.0)}
    name, layer = f"activation.{function}", f"activation.{cls}"
    return [
        *vary(Case(name, image), {"dim": -1}, {"dim": 0}, {"dim": 1}),
        *vary(Case(layer, image, init={}), {"dim": -1}, {"dim": 1}),
        Case(name, shifted, options={"dim": 1}, name=f"{name}(large scores)"),
    ]


_PRELU = {"input": draw("n=3 c=4 l=5"), "weight": draw("k=4", "uniform", low=0.05, high=0.5)}
_NOISE = {"noise": draw("n=5 w=8", "uniform", low=0.125, high=0.33, grad=False)}

CASES = [
    *(case for function in _ELEMENTWISE for case in _elementwise(function)),
    *_over_axis("softmax", "Softmax"),
    *_over_axis("softmin", "Softmin"),
    *_over_axis("log_softmax", "LogSoftmax"),
    Case("activation.Softmax2d", {"input": draw("n=2 c=4 h=3 w=5", std=2.0)}, init={}),
    *vary(
        Case("activation.glu", _X, out=("n w",)),
        {},
        {"inputs": {"input": draw("n=6 w=5")}, "dim": 0},
    ),
    *vary(Case("activation.GLU", _X, init={}, out=("n w",)), {}),
    *vary(
        Case("activation.prelu", _PRELU),
        {},
        {"inputs": {"weight": draw("k=1", "uniform")}, "name": "activation.prelu(one slope)"},
    ),
    *vary(
        Case("activation.PReLU", {"input": draw("n=3 c=4 l=5")}, init={}),
        {},
        {"num_parameters": 4},
    ),
    *vary(
        Case("activation.rrelu", _X, masks=_NOISE),
        {"training": True},
        {"training": False},
        {"training": False, "lower": 0.1, "upper": 0.5},
    ),
    *vary(
        Case("activation.RReLU", _X, init={}, masks=_NOISE),
        {},
        {"train": False, "name": "activation.RReLU(eval)"},
    ),
]
