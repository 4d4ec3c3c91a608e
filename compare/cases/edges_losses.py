"""Special values and edges: losses."""

from __future__ import annotations

from dataclasses import replace

from compare.cases.case import Case, draw, labels
from compare.cases.edges import FLUSHED, INF, NAN, Edge, at_specials, holding

_PAIR = {"input": draw("n=4 w=5"), "target": draw("n=4 w=5")}
_SCORES = {"input": draw("n=4 c=5"), "target": labels("n=4", 5)}
_PROBABLE = {
    "input": draw("n=4", "given", values=[0.0, 1.0, 0.25, 0.75]),
    "target": draw("n=4", "given", grad=False, values=[1.0, 0.0, 0.0, 1.0]),
}


def _loss(target: str, inputs: dict, **options) -> Case:
    return Case(target, inputs, options=options, out=("",))


def _given(*values: float, grad: bool = True):
    return draw(f"n={len(values)}", "given", grad=grad, values=list(values))


L1 = _loss("loss.l1_loss", _PAIR)
MSE = _loss("loss.mse_loss", _PAIR)
SMOOTH = _loss("loss_robust.smooth_l1_loss", _PAIR)
HUBER = _loss("loss_robust.huber_loss", _PAIR)
CE = _loss("loss.cross_entropy", _SCORES)
NLL = _loss("loss.nll_loss", _SCORES)
LOGITS = _loss(
    "loss_binary.binary_cross_entropy_with_logits",
    {**_PAIR, "target": draw("n=4 w=5", "uniform")},
)
KL = _loss(
    "loss_likelihood.kl_div",
    {"input": draw("n=4 c=5", "log_simplex"), "target": draw("n=4 c=5", "simplex", grad=False)},
)
POISSON = _loss("loss_likelihood.poisson_nll_loss", _PAIR)
_IGNORED = draw("n=4", "given", grad=False, values=[-100] * 4)
_BEYOND = draw("n=4", "given", grad=False, values=[0, 1, 5, 2])
_MINUS_INFINITY = holding("n=4 c=5", -INF, step=1)
_MILLION = {"input": draw("n=1000000", mean=1.0), "target": draw("n=1000000", std=0.1)}


def _with(case: Case, at: str, watch: str = "", raises: bool = False, **changed) -> Edge:
    inputs = {**case.inputs, **{k: v for k, v in changed.items() if k in case.inputs}}
    options = {**case.options, **{k: v for k, v in changed.items() if k not in case.inputs}}
    changed_case = replace(case, inputs=inputs, options=options, name="")
    return Edge(at, changed_case, watch, raises=raises)


EDGES = [
    *(edge for case in (L1, MSE, SMOOTH, HUBER, CE, KL) for edge in at_specials(case)),
    *(
        edge
        for case in (NLL, LOGITS, POISSON)
        for edge in at_specials(case, denormals=FLUSHED)
    ),
    _with(L1, "input equals target", input=_given(1.0, 2, 3), target=_given(1.0, 0, 5)),
    _with(SMOOTH, "at beta and at 0", input=_given(0.0, 1, -1), target=_given(0.0, 0, 0)),
    _with(HUBER, "at delta and at 0", input=_given(0.0, 1, -1), target=_given(0.0, 0, 0)),
    *(
        _with(case, "empty batch", input=draw("n=0 w=5"), target=draw("n=0 w=5"))
        for case in (L1, MSE, SMOOTH, HUBER)
    ),
    *(_with(case, "all labels ignored", target=_IGNORED) for case in (CE, NLL)),
    *(
        _with(case, "all labels ignored, summed", target=_IGNORED, reduction="sum")
        for case in (CE, NLL)
    ),
    *(_with(case, "a label out of range", raises=True, target=_BEYOND) for case in (CE, NLL)),
    _with(CE, "empty batch", input=draw("n=0 c=5"), target=labels("n=0", 5)),
    _with(CE, "a score of -inf for another class", input=_MINUS_INFINITY,
          target=draw("n=4", "given", grad=False, values=[0, 2, 3, 4])),
    _with(CE, "a score of -inf for the right class", input=_MINUS_INFINITY,
          target=draw("n=4", "given", grad=False, values=[1, 2, 3, 4])),
    _with(CE, "scores of 1e4", input=draw("n=4 c=5", std=1e4)),
    Edge("probabilities 0 and 1", _loss("loss_binary.binary_cross_entropy", _PROBABLE)),
    Edge(
        "NaN among the targets",
        _loss("loss.mse_loss", {**_PAIR, "target": holding("n=4 w=5", NAN)}),
    ),
    _with(LOGITS, "scores of 1000", input=draw("n=4 w=5", std=1000.0)),
    _with(KL, "a target of 0", target=draw("n=4 c=5", "given", grad=False,
                                           values=[0.0, 0.25, 0.25, 0.25, 0.25] * 4)),
    _with(POISSON, "a score of 800", input=draw("n=4 w=5", mean=800.0)),
    Edge("a sum of 1e6", _loss("loss.mse_loss", _MILLION, reduction="sum"), "care"),
    Edge("a mean of 1e6", _loss("loss.l1_loss", _MILLION), "care"),
    Edge("zero vectors", Case(
        "distance.cosine_similarity",
        {"x1": draw("n=2 w=3", "given", values=[0.0, 0, 0, 1, 2, 3]), "x2": draw("n=2 w=3")},
        out=("n",),
    )),
    Edge("equal points", Case(
        "distance.pairwise_distance",
        {"x1": draw("n=2 w=3", "given", values=[1.0, 2, 3, 1, 2, 3]),
         "x2": draw("n=2 w=3", "given", values=[1.0, 2, 3, 0, 0, 1])},
        out=("n",),
    )),
    Edge("the norm of zeros", Case(
        "tensor.norm", {"input": draw("n=3", "given", values=[0.0, 0, 0])}, out=("",)
    )),
]  # fmt: skip
