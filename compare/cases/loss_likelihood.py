"""Cases of torch_impl/loss_likelihood.py and jax_impl/loss_likelihood.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_COUNTS = draw(
    "n=5 w=3", "given", grad=False, values=[0, 1, 2, 3, 5, 9, 1, 0, 4, 2, 2, 1, 7, 3, 0.0]
)
_POISSON = {"input": draw("n=5 w=3"), "target": _COUNTS}
_RATE = {"input": draw("n=5 w=3", "uniform", low=0.1, high=4.0)}
_GAUSSIAN = {
    "input": draw("n=5 w=3"),
    "target": draw("n=5 w=3"),
    "var": draw("n=5 w=3", "uniform", low=0.1, high=2.0),
}
_SHARED = {"var": draw("n=5 w=1", "uniform", low=0.1, high=2.0)}
_TINY = {"var": draw("n=5 w=3", "given", values=[0.0, 1e-8, 0.5] * 5)}
_KL = {"input": draw("n=4 c=5", "log_simplex"), "target": draw("n=4 c=5", "simplex")}
_LOG_TARGET = {"target": draw("n=4 c=5", "log_simplex")}
_ZEROS = {"target": draw("n=4 c=5", "given", values=[0, 0.5, 0.5, 0, 0] * 4)}
_REDUCTIONS = ({}, {"reduction": "sum"}, {"reduction": "none"})


def _cases(function: str, layer: str, inputs: dict, *changes: dict) -> list[Case]:
    function, layer = f"loss_likelihood.{function}", f"loss_likelihood.{layer}"

    def named(target: str) -> list[dict]:
        return [{**c, "name": f"{target}({c['name']})"} if "name" in c else c for c in changes]

    return [
        *vary(Case(function, inputs), *_REDUCTIONS, *named(function)),
        *vary(Case(layer, inputs, init={}), *_REDUCTIONS, *named(layer)),
    ]


CASES = [
    *_cases(
        "poisson_nll_loss",
        "PoissonNLLLoss",
        _POISSON,
        {"full": True},
        {"log_input": False, "inputs": _RATE},
        {"log_input": False, "full": True, "eps": 1e-3, "inputs": _RATE},
    ),
    *_cases(
        "gaussian_nll_loss",
        "GaussianNLLLoss",
        _GAUSSIAN,
        {"full": True},
        {"inputs": _SHARED, "name": "one variance a row"},
        {"inputs": _TINY, "eps": 1e-3, "name": "variance below eps"},
    ),
    *_cases(
        "kl_div",
        "KLDivLoss",
        _KL,
        {"reduction": "batchmean"},
        {"log_target": True, "inputs": _LOG_TARGET},
        {"inputs": _ZEROS, "reduction": "sum", "name": "zeros in the target"},
    ),
]
