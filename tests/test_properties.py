"""Arguments and shapes that nobody wrote down: drawn, then judged as every case is.

Some dozen drawn cases share one compile. Where torch refuses the arguments, the JAX side must
refuse them too, with an error of Python's and words in it.
"""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from compare.cases.case import Case, draw, labels
from compare.check import check
from compare.run import jax_side, torch_side
from compare.run.draw import givens

EXAMPLES = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
BATCH = 12


def judged(cases: list[Case]) -> None:
    """Every case that torch accepts is the same; every other one is refused by JAX as well."""
    named = [replace(case, name=f"{i}: {case.name}") for i, case in enumerate(cases)]
    problems = []
    accepted = []
    for case, verdict in zip(named, check(named), strict=True):
        if verdict.says.startswith("torch side"):
            problems += refused(case, verdict.says)
        else:
            accepted.append(verdict)
    problems += [f"{v.case}: {v.verdict}: {v.says}" for v in accepted if v.verdict != "same"]
    assert not problems, "\n".join(problems)


def refused(case: Case, torch_says: str) -> list[str]:
    try:
        given = givens(case, torch_side.leaves(case), 0)
    except Exception:
        given = givens(case, [], 0)
    (record,) = jax_side.run([case], [given], "float32")
    kinds = ("ValueError", "TypeError", "IndexError", "NotImplementedError")
    if record.error.startswith(kinds):
        return []
    return [f"{case.name}: {torch_says}, but jax side: {record.error or 'accepted'}"]


def lists_of(strategy):
    return st.lists(strategy, min_size=BATCH, max_size=BATCH)


def pairs(low: int, high: int):
    """An int for both axes, or one for each."""
    one = st.integers(low, high)
    return one | st.tuples(one, one)


@st.composite
def conv2d(take) -> Case:
    groups = take(st.integers(1, 3))
    i, o = take(st.integers(1, 3)), take(st.integers(1, 3)) * groups
    h, w = take(st.integers(4, 9)), take(st.integers(4, 9))
    kh, kw = take(st.integers(1, 4)), take(st.integers(1, 4))
    batch = take(st.sampled_from(["", "n=1 ", "n=2 "]))
    inputs = {
        "input": draw(f"{batch}c={i * groups} h={h} w={w}"),
        "weight": draw(f"o={o} i={i} h={kh} w={kw}"),
    }
    if take(st.booleans()):
        inputs["bias"] = draw(f"o={o}")
    options = {
        "stride": take(pairs(1, 3)),
        "padding": take(pairs(0, 3) | st.sampled_from(["same", "valid"])),
        "dilation": take(pairs(1, 3)),
        "groups": groups,
    }
    return Case("conv.conv2d", inputs, options=options)


@st.composite
def padded_conv(take) -> Case:
    mode = take(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    axes = f"n=2 c=2 h={take(st.integers(4, 7))} w={take(st.integers(4, 7))}"
    init = {
        "in_channels": 2,
        "out_channels": 4,
        "kernel_size": take(pairs(1, 3)),
        "stride": take(pairs(1, 2)),
        "padding": take(pairs(0, 4) | st.just("same")),
        "groups": take(st.sampled_from([1, 2])),
        "bias": take(st.booleans()),
        "padding_mode": mode,
    }
    return Case("conv.Conv2d", {"input": draw(axes)}, init=init)


@st.composite
def max_pool2d(take) -> Case:
    batch = take(st.sampled_from(["", "n=2 "]))
    axes = f"{batch}c=2 h={take(st.integers(3, 9))} w={take(st.integers(3, 9))}"
    indices = take(st.booleans())
    names = draw(axes).names
    options = {
        "kernel_size": take(pairs(1, 4)),
        "stride": take(st.none() | pairs(1, 4)),
        "padding": take(pairs(0, 2)),
        "dilation": take(pairs(1, 3)),
        "ceil_mode": take(st.booleans()),
        "return_indices": indices,
    }
    out = (names, names) if indices else (names,)
    return Case("pool.max_pool2d", {"input": draw(axes, "distinct")}, options=options, out=out)


@st.composite
def batch_norm2d(take) -> Case:
    c = take(st.integers(1, 4))
    n, h, w = (take(st.integers(1, 4)) for _ in range(3))
    axes = f"n={n} c={c} h={h} w={w}"
    init = {
        "num_features": c,
        "eps": take(st.sampled_from([1e-5, 1e-3, 1e-8])),
        "momentum": take(st.none() | st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        "affine": take(st.booleans()),
        "track_running_stats": take(st.booleans()),
    }
    mean = take(st.sampled_from([0.0, 3.0, -8.0]))
    return Case(
        "norm.BatchNorm2d",
        {"input": draw(axes, mean=mean)},
        init=init,
        train=take(st.booleans()),
    )


@st.composite
def cross_entropy(take) -> Case:
    classes = take(st.integers(2, 6))
    shape = take(
        st.sampled_from([("", ""), ("n=4 ", ""), ("n=3 ", "d=2"), ("n=2 ", "d=2 e=3")])
    )
    before, after = shape
    axes = f"{before}c={classes} {after}".strip()
    inputs = {"input": draw(axes)}
    if take(st.booleans()):
        inputs["target"] = draw(axes, "simplex")
        ignore = {}
    else:
        inputs["target"] = labels(f"{before}{after}".strip(), classes)
        ignore = {"ignore_index": take(st.integers(-100, classes - 1))}
    if take(st.booleans()):
        inputs["weight"] = draw(f"c={classes}", "uniform", low=0.25, high=2.0, grad=False)
    reduction = take(st.sampled_from(["none", "mean", "sum"]))
    options = {
        "reduction": reduction,
        "label_smoothing": take(st.sampled_from([0.0, 0.1, 1.0])),
        **ignore,
    }
    out = draw(f"{before}{after}".strip()).names if reduction == "none" else ""
    return Case("loss.cross_entropy", inputs, options=options, out=(out,))


@st.composite
def dropout2d(take) -> Case:
    axes = f"n={take(st.integers(1, 3))} c={take(st.integers(1, 4))}"
    p = take(st.sampled_from([0.0, 0.1, 0.5, 0.9]))
    return Case(
        "dropout.Dropout2d",
        {"input": draw(f"{axes} h=2 w=3", mean=2.0)},
        init={"p": p},
        masks={"mask": draw(f"{axes} h=1 w=1", "bits", keep=0.7)},
        train=take(st.booleans()),
    )


@st.composite
def pointwise_loss(take) -> Case:
    axes = take(st.sampled_from(["", "n=5", "n=2 w=3", "n=2 c=3 h=2 w=2"]))
    function = take(st.sampled_from(["l1_loss", "mse_loss"]))
    inputs = {"input": draw(axes), "target": draw(axes)}
    options = {"reduction": take(st.sampled_from(["none", "mean", "sum"]))}
    return Case(f"loss.{function}", inputs, options=options)


FAMILIES = [
    conv2d,
    padded_conv,
    max_pool2d,
    batch_norm2d,
    cross_entropy,
    dropout2d,
    pointwise_loss,
]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_drawn_cases_are_the_same(family):
    @EXAMPLES
    @given(lists_of(family()))
    def run(cases):
        judged(cases)

    run()
