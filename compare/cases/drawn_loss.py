"""Random correct cases: losses."""

from __future__ import annotations

from typing import Any

from compare.cases.case import Case, Given, labels
from compare.cases.case import draw as given
from compare.cases.chance import REDUCTIONS, Draw, options

SHAPES = (("", ""), ("n=4 ", ""), ("n=3 ", "d=2"), ("n=2 ", "d=2 e=3"))
POINTWISE = {
    "loss.l1_loss": ("normal", {}),
    "loss.mse_loss": ("normal", {}),
    "loss_robust.smooth_l1_loss": ("uniform", {"beta": (0.0, 0.3, 1.0)}),
    "loss_robust.huber_loss": ("uniform", {"delta": (0.3, 1.0)}),
    "loss_binary.binary_cross_entropy_with_logits": ("uniform", {}),
    "loss_likelihood.poisson_nll_loss": ("uniform", {"full": (False, True)}),
    "loss_margin.soft_margin_loss": ("signs", {}),
    "loss_embedding.hinge_embedding_loss": ("signs", {"margin": (0.5, 1.0)}),
}
ROWS = {
    "loss_embedding.cosine_embedding_loss": (("input1", "input2"), {"margin": (0.0, 0.25)}),
    "loss_embedding.triplet_margin_loss": (
        ("anchor", "positive", "negative"),
        {"margin": (1.0, 3.0), "p": (1.0, 2.0, 3.0), "swap": (False, True)},
    ),
    "loss_embedding.triplet_margin_with_distance_loss": (
        ("anchor", "positive", "negative"),
        {"margin": (1.0, 3.0), "swap": (False, True)},
    ),
}


def _weight(axes: str) -> Given:
    return given(axes, "uniform", low=0.25, high=2.0, grad=False)


def cross_entropy(draw: Draw) -> Case:
    """Labels or probabilities, weights, smoothing, an ignored label, any rank."""
    classes = draw.integer(2, 6)
    before, after = draw.choice(SHAPES)
    axes, rows = f"{before}c={classes} {after}".strip(), f"{before}{after}".strip()
    inputs, chosen = {"input": given(axes)}, {}
    if draw.boolean():
        inputs["target"] = given(axes, "simplex")
    else:
        inputs["target"] = labels(rows, classes)
        chosen["ignore_index"] = draw.choice((-100, draw.integer(0, classes - 1)))
    if draw.boolean():
        inputs["weight"] = _weight(f"c={classes}")
    chosen["reduction"] = draw.choice(REDUCTIONS)
    chosen["label_smoothing"] = draw.choice((0.0, 0.1, 1.0))
    out = given(rows).names if chosen["reduction"] == "none" else ""
    return Case("loss.cross_entropy", inputs, options=chosen, out=(out,))


def nll(draw: Draw) -> Case:
    classes = draw.integer(2, 6)
    before, after = draw.choice(SHAPES)
    axes, rows = f"{before}c={classes} {after}".strip(), f"{before}{after}".strip()
    inputs = {"input": given(axes, "log_simplex"), "target": labels(rows, classes)}
    if draw.boolean():
        inputs["weight"] = _weight(f"c={classes}")
    chosen = {"reduction": draw.choice(REDUCTIONS)}
    out = given(rows).names if chosen["reduction"] == "none" else ""
    return Case("loss.nll_loss", inputs, options=chosen, out=(out,))


def linear_cross_entropy(draw: Draw) -> Case:
    n, i, classes = draw.integer(2, 6), draw.integer(1, 5), draw.integer(2, 5)
    inputs = {
        "input": given(f"n={n} i={i}"),
        "linear_weight": given(f"o={classes} i={i}"),
        "target": labels(f"n={n}", classes),
    }
    chosen = options(draw, {"reduction": ("mean", "sum"), "label_smoothing": (0.0, 0.1)})
    return Case("loss.linear_cross_entropy", inputs, options=chosen, out=("",))


def pointwise_losses(draw: Draw) -> Case:
    """Losses of each pair of elements, reduced."""
    target = draw.choice(sorted(POINTWISE))
    kind, choices = POINTWISE[target]
    axes = draw.choice(("", "n=5", "n=2 w=3", "n=2 c=3 h=2 w=2"))
    chosen = options(draw, {**choices, "reduction": REDUCTIONS})
    inputs = {"input": given(axes), "target": given(axes, kind, grad=kind == "normal")}
    return Case(target, inputs, options=chosen)


def binary_cross_entropy(draw: Draw) -> Case:
    axes = f"n={draw.integer(1, 4)} w={draw.integer(1, 4)}"
    inputs = {
        "input": given(axes, "uniform", low=0.05, high=0.95),
        "target": given(axes, "uniform", grad=draw.boolean()),
    }
    if draw.boolean():
        inputs["weight"] = _weight(axes.split()[1])
    chosen = {"reduction": draw.choice(REDUCTIONS)}
    return Case("loss_binary.binary_cross_entropy", inputs, options=chosen)


def divergence(draw: Draw) -> Case:
    log_target = draw.boolean()
    axes = f"n={draw.integer(1, 4)} c={draw.integer(2, 5)}"
    inputs = {
        "input": given(axes, "log_simplex"),
        "target": given(axes, "log_simplex" if log_target else "simplex"),
    }
    chosen = {"reduction": draw.choice((*REDUCTIONS, "batchmean")), "log_target": log_target}
    return Case("loss_likelihood.kl_div", inputs, options=chosen)


def gaussian_nll(draw: Draw) -> Case:
    axes = f"n={draw.integer(1, 4)} w={draw.integer(2, 4)}"
    inputs = {
        "input": given(axes),
        "target": given(axes),
        "var": given(axes, "uniform", low=0.1, high=2.0),
    }
    chosen = options(draw, {"full": (False, True), "reduction": REDUCTIONS})
    return Case("loss_likelihood.gaussian_nll_loss", inputs, options=chosen)


def row_losses(draw: Draw) -> Case:
    """Losses of pairs or triples of vectors."""
    target = draw.choice(sorted(ROWS))
    names, choices = ROWS[target]
    n, w = draw.integer(1, 4), draw.integer(2, 5)
    inputs = {name: given(f"n={n} w={w}") for name in names}
    if "cosine" in target:
        inputs["target"] = given(f"n={n}", "signs", grad=False)
    chosen = options(draw, {**choices, "reduction": REDUCTIONS})
    out = "n" if chosen["reduction"] == "none" else ""
    return Case(target, inputs, options=chosen, out=(out,))


def margin_losses(draw: Draw) -> Case:
    n, c = draw.integer(2, 5), draw.integer(2, 5)
    scores = {"input": given(f"n={n} c={c}")}
    chosen: dict[str, Any] = {"reduction": draw.choice(REDUCTIONS)}
    out = ("n" if chosen["reduction"] == "none" else "",)
    kind = draw.choice(("multi", "ranking", "listed", "soft"))
    if kind == "ranking":
        inputs = {"input1": given(f"n={n}"), "input2": given(f"n={n}")}
        inputs["target"] = given(f"n={n}", "signs", grad=False)
        target, chosen["margin"] = "margin_ranking_loss", draw.choice((0.0, 0.5))
    elif kind == "listed":
        listed = [[*draw.generator.permutation(c).tolist()] for _ in range(n)]
        values = [x for row in listed for x in [*row[: draw.integer(1, c - 1)], *[-1] * c][:c]]
        inputs = {**scores, "target": given(f"n={n} c={c}", "given", grad=False, values=values)}
        target = "multilabel_margin_loss"
    elif kind == "soft":
        values = [float(x) for x in draw.integers(n * c, 0, 1)]
        inputs = {**scores, "target": given(f"n={n} c={c}", "given", grad=False, values=values)}
        target = "multilabel_soft_margin_loss"
    else:
        inputs = {**scores, "target": labels(f"n={n}", c)}
        target, chosen["p"] = "multi_margin_loss", draw.choice((1, 2))
        chosen["margin"] = draw.choice((0.5, 1.0))
    return Case(f"loss_margin.{target}", inputs, options=chosen, out=out)


def ctc(draw: Draw) -> Case:
    t, n, c, s = draw.integer(3, 8), 2, draw.integer(2, 5), draw.integer(1, 3)
    blank = draw.integer(0, c - 1)
    symbols = [symbol for symbol in range(c) if symbol != blank]
    numbers = {
        "targets": (f"n={n} s={s}", [draw.choice(symbols) for _ in range(n * s)]),
        "input_lengths": (f"n={n}", draw.integers(n, 1, t)),
        "target_lengths": (f"n={n}", draw.integers(n, 0, s)),
    }
    inputs = {"log_probs": given(f"t={t} n={n} c={c}", "log_simplex")}
    for name, (axes, values) in numbers.items():
        inputs[name] = given(axes, "given", grad=False, values=values)
    chosen = {"blank": blank, "zero_infinity": draw.boolean(), "reduction": "sum"}
    return Case("loss_ctc.ctc_loss", inputs, options=chosen, out=("",))


FAMILIES = (
    *(cross_entropy, nll, linear_cross_entropy, pointwise_losses, binary_cross_entropy),
    *(divergence, gaussian_nll, row_losses, margin_losses, ctc),
)
