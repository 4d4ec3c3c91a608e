"""Planted faults of small numbers: hidden behind a large maximum, or only careless.

Each threshold of the judge that has a small world of its own needs faults from it: of elements
those whose array agrees as a whole, of care those that are the same function.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from compare.cases.case import Case, draw

NAIVE = "compare.run.naive_elements:"

_WIDE = {"input": draw("n=6 w=8", std=12.0)}
_SMALL = {"input": draw("n=6 w=8", std=2.0**-12, mean=0.0)}
_LOW = {"input": draw("n=6 w=8", mean=-10.0)}
_NEAR = {"x1": draw("n=6 w=5", mean=1e3), "x2": draw("n=6 w=5", mean=1e3)}
_IMAGE = {"input": draw("n=4 c=3 h=5 w=4", mean=30.0)}
_masked = Case(
    "activation.softmax",
    {
        "input": draw("n=6 w=8"),
        "mask": draw("n=6 w=8", "bits", keep=0.75, grad=False),
    },
    torch=f"{NAIVE}torch_masked_softmax",
    out=("n w",),
)
_scaled = Case(
    "activation.softmax",
    {"input": draw("n=6 w=8", "distinct", step=64.0)},
    torch=f"{NAIVE}torch_scaled_softmax",
    out=("n w",),
)


def fault(name: str, expect: str, case: Case, jax: str, **changes: Any) -> Case:
    """`case` with a naive function of small numbers on the JAX side."""
    told = f"planted: {name}"
    return replace(case, name=told, expect=expect, jax=f"{NAIVE}{jax}", **changes)


HIDDEN = [
    fault(
        "a softmax kept from 0",
        "different",
        Case("activation.softmax", _WIDE, options={"dim": -1}),
        "floored_softmax",
    ),
    fault("masked by -20", "different", _masked, "masked_softmax", jax_options={"by": -20.0}),
    fault("scores scaled by a float32", "different", _scaled, "scaled_softmax"),
]

CARELESS = [
    fault(
        "log(1 + exp) of small numbers",
        "less-careful",
        Case("activation.softplus", _LOW),
        "softplus_by_log",
    ),
    fault(
        "exp - 1 of small numbers",
        "less-careful",
        Case("activation.elu", _SMALL),
        "elu_by_exp",
    ),
    fault(
        "distance by products",
        "less-careful",
        Case("distance.pairwise_distance", _NEAR, out=("n",)),
        "distance_by_products",
    ),
    fault(
        "fast variance of a batch",
        "less-careful",
        Case("norm.BatchNorm2d", _IMAGE, init={"num_features": 3}),
        "FastBatchNorm2d",
        cause="fast variance",
    ),
]

CASES = [*HIDDEN, *CARELESS]

TOO_SMALL = [
    fault("masked by -30", "same", _masked, "masked_softmax", jax_options={"by": -30.0}),
    fault("1 - sigmoid", "same", Case("activation.sigmoid", _WIDE), "complement_of_sigmoid"),
]
"""What the judge lets pass, to be told: 1e-13 of the largest, and small elements that the JAX
side loses in float32 as in float64, of which care, judged by the largest, says nothing."""
