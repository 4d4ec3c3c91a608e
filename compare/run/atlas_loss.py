"""The atlas: losses, by torch's rules."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from compare.cases.case import draw, labels
from compare.run.atlas import Bench, Facts, error_of, gap
from jax_impl import loss

PAIR = {"input": "n=2 k=3 h=4 w=5", "target": draw("n=2 k=3 h=4 w=5", grad=False)}
SCORES, TARGET = "n=6 c=5", labels("n=6", 5)
SOFT = draw("n=6 c=5", "simplex", grad=False)


def elementwise(bench: Bench) -> Facts:
    def in_torch(input, target):
        reductions = ("none", "mean", "sum")
        both = [[L(reduction=r) for r in reductions] for L in (nn.L1Loss, nn.MSELoss)]
        return [call(input, target) for row in both for call in row]

    def right(input, target):
        reductions = ("none", "mean", "sum")
        both = [[L(reduction=r) for r in reductions] for L in (loss.L1Loss, loss.MSELoss)]
        return [call(input, target) for row in both for call in row]

    facts = bench.sides(in_torch, right, **PAIR)
    shapes = [list(facts.value("torch", i).shape) for i in range(6)]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        nn.MSELoss(size_average=False, reduce=True)
    return facts.note(
        shapes_of_L1=shapes[:3],
        shapes_of_MSE=shapes[3:],
        deprecation_told=any("size_average and reduce" in str(one.message) for one in told),
    )


def cross_entropy_shapes(bench: Bench) -> Facts:
    def in_torch(input, target, soft):
        each = F.cross_entropy(input, target, reduction="none")
        return each, F.cross_entropy(input, target), F.cross_entropy(input[0], target[0])

    def right(input, target, soft):
        each = loss.cross_entropy(input, target, reduction="none")
        whole = loss.cross_entropy(input, target)
        return each, whole, loss.cross_entropy(input[0], target[0])

    facts = bench.sides(in_torch, right, out=("n", ""), input=SCORES, target=TARGET, soft=SOFT)
    return facts.note(
        shape_with_none=facts.value("torch").shape,
        shape_with_mean=facts.value("torch", 1).shape,
        shape_for_one_row=facts.value("torch", 2).shape,
    )


def cross_entropy_probabilities(bench: Bench) -> Facts:
    """Probabilities as a target; with one-hot ones, against the labels they stand for."""

    def in_torch(input, soft):
        one_hot = F.one_hot(soft.argmax(1), 5).to(input.dtype)
        each = F.cross_entropy(input, soft, reduction="none")
        return each, F.cross_entropy(input, one_hot), F.cross_entropy(input, soft.argmax(1))

    def right(input, soft):
        one_hot = (soft == soft.max(1, keepdims=True)).astype(input.dtype)
        each = loss.cross_entropy(input, soft, reduction="none")
        by_label = loss.cross_entropy(input, soft.argmax(1))
        return each, loss.cross_entropy(input, one_hot), by_label

    facts = bench.sides(in_torch, right, out=("n", ""), input=SCORES, soft=SOFT)
    return facts.note(
        shape_with_none=facts.value("torch").shape,
        shape_of_the_target=bench.array("soft", SOFT).shape,
        one_hot_against_labels=gap(facts.value("torch", 1), facts.value("torch", 2)),
    )


def wrong_targets(bench: Bench) -> Facts:
    """What neither form of target is: refused on both sides."""

    def in_torch(input):
        return F.cross_entropy(input, torch.zeros(6, dtype=torch.int64))

    def right(input):
        return loss.cross_entropy(input, np.zeros(6, np.int64))

    facts = bench.sides(in_torch, right, out="", input=SCORES)
    scores = bench.array("input", SCORES).astype(np.float32)
    bad = {"too few": np.zeros(4, np.int64), "class 5 of 5": np.full(6, 5)}
    refused = {
        "torch": [
            error_of(lambda t=t: F.cross_entropy(torch.tensor(scores), torch.tensor(t)))
            for t in bad.values()
        ],
        "JAX": [error_of(lambda t=t: loss.cross_entropy(scores, t)) for t in bad.values()],
    }
    return facts.note(
        torch_refuses="nothing" not in refused["torch"],
        JAX_refuses="nothing" not in refused["JAX"],
        torch_raises=refused["torch"],
        JAX_raises=refused["JAX"],
    )
