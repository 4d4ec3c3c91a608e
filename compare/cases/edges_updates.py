"""Special values and edges: optimizers and clipping."""

from __future__ import annotations

from compare.cases.case import Case, draw
from compare.cases.edges import INF, NAN, Edge, holding, tiny

RULES = {
    "optim.SGD": {"lr": 0.1, "momentum": 0.9},
    "optim.RMSprop": {"lr": 0.01},
    "optim.Adagrad": {"lr": 0.1},
    "optim.Adadelta": {},
    "optim_adam.Adam": {"lr": 0.1},
    "optim_adam.AdamW": {"lr": 0.1},
    "optim_adam.Adamax": {"lr": 0.1},
    "optim_adam.NAdam": {"lr": 0.1},
    "optim_adam.RAdam": {"lr": 0.1},
}


def _steps(rule: str, gradients) -> Case:
    return Case(
        rule,
        {"x": draw("k=4", grad=False), "gradients": gradients},
        options={"rule": rule, "arguments": RULES[rule]},
        torch="compare.run.edges:torch_steps",
        jax="compare.run.edges:jax_steps",
        out=("t k",),
    )


def _held(*special: float):
    return holding("t=3 k=4", *special, grad=False)


def _clipped(given, max_norm: float = 1.0) -> Case:
    return Case(
        "optim.clip_grad_norm_",
        {"gradient": given},
        options={"max_norm": max_norm},
        torch="compare.run.edges:torch_clipped",
        jax="compare.run.edges:jax_clipped",
        out=("", "k"),
    )


_ZEROS = draw("t=3 k=4", "given", grad=False, values=[0.0] * 12)
_TINY = draw("t=3 k=4", "given", grad=False, values=tiny("t=3 k=4").options["values"])
_LARGE = draw("t=3 k=4", "given", grad=False, values=[1e18, -1e18, 1e19, 1.0] * 3)

EDGES = [
    *(Edge("NaN among the gradients", _steps(rule, _held(NAN))) for rule in RULES),
    *(Edge("inf among the gradients", _steps(rule, _held(INF, -INF))) for rule in RULES),
    *(Edge("gradients of 0", _steps(rule, _ZEROS)) for rule in RULES),
    *(Edge("gradients of 1e19", _steps(rule, _LARGE)) for rule in RULES),
    *(Edge("denormal gradients", _steps(rule, _TINY), "denormals") for rule in RULES),
    Edge("NaN", _clipped(holding("k=4", NAN, grad=False))),
    Edge("inf", _clipped(holding("k=4", INF, grad=False))),
    Edge("zeros", _clipped(draw("k=4", "given", grad=False, values=[0.0] * 4))),
    Edge("-0.0", _clipped(holding("k=4", -0.0, grad=False)), "signs"),
]
