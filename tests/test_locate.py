"""Where a difference begins: each module on torch's own inputs, so that echoes stay quiet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compare.cases.bert import CASES as BERT
from compare.cases.case import Case, call, draw
from compare.judge.locate import places, within
from compare.judge.verdict import Verdict
from compare.locate import locate

LENET = Case(
    "lenet.LeNet",
    {"x": draw("n=2 c=1 h=28 w=28")},
    init={"activation": "relu"},
    out=("n k",),
    name="lenet",
)
CONV2 = {"in_channels": 6, "out_channels": 16, "kernel_size": 5}


def found(case: Case) -> list[str]:
    return [place.path for place in locate(case)]


def test_a_right_model_has_no_place():
    assert found(LENET) == []


def test_a_layer_deep_inside_is_named_and_its_echoes_are_not():
    other = call("conv.Conv2d", **CONV2, padding_mode="zeros", bias=True)
    assert found(replace(LENET, jax_attach={"conv2": other})) == []
    dilated = call("compare.run.naive:FlippedConv2d", **CONV2)
    assert found(replace(LENET, jax_attach={"conv2": dilated})) == ["conv2"]


def test_a_fault_between_layers_is_inside_the_model():
    flat = replace(LENET, init={}, jax="compare.run.naive:FlattenedInNhwcOrder")
    (place,) = locate(flat)
    assert place.path == ""
    assert str(place).startswith("inside the model, whose children agree: ")


def test_two_faults_are_two_places_in_the_order_of_computing():
    flipped = call("compare.run.naive:FlippedConv2d", **CONV2)
    pool = call("pool.MaxPool2d", kernel_size=2, stride=2)
    assert found(replace(LENET, jax_attach={"conv2": flipped, "pool": pool})) == [
        "pool",
        "conv2",
    ]


def test_layer_norm_within_bert():
    whole = next(case for case in BERT if "SequenceClassification" in case.target)
    assert whole.init is not None
    size = whole.init["config"].arguments["hidden_size"]
    path = "bert.encoder.layer.0.attention.output.LayerNorm"
    norm = call("normalization.LayerNorm", normalized_shape=size, eps=1e-5)
    assert found(replace(whole, jax_attach={path: norm})) == [path]


@pytest.mark.parametrize(
    ("differing", "expected"),
    [
        ([], []),
        (["a.b", "a", ""], ["a.b"]),
        (["a", ""], ["a"]),
        (["c", "a.b", "a", ""], ["a.b", "c"]),
        ([""], [""]),
    ],
)
def test_places_are_modules_that_differ_with_nothing_within(differing, expected):
    order = ["a.b", "a", "c", ""]
    verdicts = {p: Verdict(p, "different" if p in differing else "same") for p in order}
    assert [place.path for place in places(verdicts)] == expected


def test_paths_within():
    assert within("a", ["a", "a.b", "ab", "a.b.c"]) == ["a.b", "a.b.c"]
    assert within("", ["a", "", "b.c"]) == ["a", "b.c"]
