"""Why a pair differs: the known mistake that, made on torch's side, gives JAX's arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compare.cases.case import Case, call, draw
from compare.cases.faults import CASES as FAULTS
from compare.cases.planted import LENET, in_models
from compare.cases.planted_layers import in_layers
from compare.cases.train_faults import CASES as TRAININGS
from compare.explain import Explanation, explain, look
from compare.explain_training import explain_training
from compare.judge.evidence import relation
from compare.judge.static import differing, equal, paired
from compare.run.calls import Calls

NORM = Case(
    "normalization.layer_norm",
    {"input": draw("n=4 w=16"), "weight": draw("w=16"), "bias": draw("w=16")},
    options={"normalized_shape": (16,)},
    name="norm",
)
CONV = Case(
    "conv.conv2d",
    {
        "input": draw("n=2 c=3 h=8 w=7"),
        "weight": draw("o=4 i=3 h=3 w=3"),
        "bias": draw("o=4"),
    },
    name="conv",
)


def names(explanation: Explanation) -> list[str]:
    return [cause.name for cause in explanation.causes]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.removeprefix("fault: "))
def test_the_cause_of_a_planted_fault_is_named(fault):
    found = explain(fault)
    assert fault.cause in names(found)
    assert len(found.causes) <= 2
    if found.verdict.verdict == "different":
        assert all(cause.after < 1e-12 for cause in found.causes)


@pytest.mark.parametrize("case", [*in_layers()], ids=lambda case: case.name)
def test_a_setting_that_differs_is_named(case):
    assert case.cause in names(explain(case))


def of_training(quick: bool) -> list:
    brief = ("Nesterov", "dampening", "optax", "decoupled", "biases")
    return [one for one in TRAININGS if any(w in one.name for w in brief) == quick]


def explained(training) -> None:
    assert training.cause in names(explain_training(training))


@pytest.mark.parametrize("training", of_training(True), ids=lambda one: one.name)
def test_the_cause_of_a_training_that_parts(training):
    explained(training)


@pytest.mark.slow
@pytest.mark.parametrize("training", of_training(False), ids=lambda one: one.name)
def test_the_cause_of_a_longer_training_that_parts(training):
    explained(training)


def in_lenet() -> list[Case]:
    return [one for one in in_models() if "lenet" in one.name]


def placed(case: Case) -> None:
    found = explain(case)
    backward = case.cause == "gradient stopped"
    assert (found.backward if backward else found.forward) == case.place
    assert (found.forward is None) == backward
    assert case.cause in names(found)


@pytest.mark.parametrize("one", in_lenet(), ids=lambda one: one.name)
def test_place_and_cause_in_a_small_model(one):
    placed(one)


@pytest.mark.slow
@pytest.mark.parametrize(
    "one",
    [one for one in in_models() if "lenet" not in one.name],
    ids=lambda o: o.name,
)
def test_place_and_cause_in_a_deep_model(one):
    placed(one)


@pytest.mark.parametrize("case", [NORM, CONV, LENET], ids=lambda case: case.name)
def test_a_right_pair_has_no_cause(case):
    found = explain(case)
    assert (found.verdict.verdict, found.found, found.forward) == ("same", (), None)


@pytest.mark.parametrize("eps", [3.1e-6, 2.5e-4, 7e-10])
def test_a_number_that_nobody_knows_is_solved_for(eps):
    cause, *_ = explain(replace(NORM, jax_options={"eps": eps})).causes
    assert cause.name == "eps"
    assert cause.value == pytest.approx(eps, rel=1e-3)
    assert f"{eps:g}" in cause.says
    assert cause.change == "eps=1e-05"


def test_two_causes_at_once_are_found():
    both = replace(CONV, jax="compare.run.naive:conv2d_flipped", jax_options={"padding": 1})
    found = explain(replace(both, options={"padding": 2}))
    assert "kernel flipped and padding" in names(found)


SCORES = {
    "input": draw("n=6 c=5"),
    "target": draw("n=6", "given", grad=False, values=[3, 0, 4, 3, 1, 2]),
}
PAIRS = {
    "padding and stride": replace(
        CONV, options={"stride": 2, "padding": 2}, jax_options={"stride": 1, "padding": 1}
    ),
    "ignore index and label smoothing": Case(
        "loss.cross_entropy",
        SCORES,
        options={"label_smoothing": 0.2, "ignore_index": 3},
        jax_options={"label_smoothing": 0.0, "ignore_index": -100},
        out=("",),
    ),
    "GELU form and eps": replace(
        NORM, torch="test_cause:torch_block", jax="test_cause:jax_block", options={}
    ),
}


@pytest.mark.parametrize("both", PAIRS)
def test_two_settings_at_once_are_found(both):
    assert both in names(explain(PAIRS[both]))


def torch_block(input, weight, bias):
    import torch.nn.functional as F

    return F.gelu(F.layer_norm(input, (16,), weight, bias))


def jax_block(input, weight, bias):
    from jax_impl import activation, normalization

    normed = normalization.layer_norm(input, (16,), weight, bias, eps=1e-6)
    return activation.gelu(normed, approximate="tanh")


def test_two_mistakes_of_an_update_at_once_are_found():
    adam = next(one for one in TRAININGS if "decoupled in Adam" in one.name)
    update = call("optim_adam.Adam", weight_decay=0.2, eps=1e-4)
    found = explain_training(replace(adam, jax_changes={"update": update}))
    assert names(found) == ["eps and weight decay"]


def test_two_faults_at_two_places_have_a_cause_each():
    flipped = call(
        "compare.run.naive:FlippedConv2d", in_channels=6, out_channels=16, kernel_size=5
    )
    dense = call("compare.run.naive_layers:BiaslessLinear", in_features=120, out_features=84)
    found = explain(replace(LENET, jax_attach={"conv2": flipped, "fc2": dense}))
    assert [(one.place.path, one.causes[0].name) for one in found.found] == [
        ("conv2", "kernel flipped"),
        ("fc2", "bias missing"),
    ]


def test_what_no_known_cause_explains_is_said_so():
    unknown = Case(
        "activation.tanh", {"input": draw("n=4 w=9")}, jax="activation.mish", name="unknown"
    )
    found = explain(unknown)
    assert found.causes == []
    assert "no known cause explains it" in "\n".join(found.lines)
    assert "2 of 2 arrays differ" in found.found[0].known[0]


def test_the_static_look_lists_settings_that_differ():
    batch = Case(
        "norm.BatchNorm2d",
        {"input": draw("n=2 c=3 h=5 w=4")},
        init={"num_features": 3},
        jax_init={"eps": 1e-3, "momentum": 0.2},
        name="batch",
    )
    found = {one.name: (one.torch, one.jax) for one in look(batch)}
    assert found == {"eps": (1e-5, 1e-3), "momentum": (0.1, 0.2)}
    assert look(replace(batch, jax_init={})) == []
    assert look(LENET) == []


def test_flax_momentum_is_read_the_other_way_round():
    plain = Case(
        "norm.BatchNorm2d",
        {"input": draw("n=2 c=3 h=5 w=4")},
        init={"num_features": 3},
        jax="compare.run.naive:FlaxBatchNorm",
        name="flax",
    )
    assert "momentum" not in {one.name for one in look(plain)}
    assert "momentum" in {one.name for one in look(replace(plain, jax_init={"momentum": 0.9}))}


def test_modules_of_other_names_pair_by_order_among_their_kind():
    ours = {"a.conv": {"kind": "Conv", "stride": 1}, "a.conv2": {"kind": "Conv", "stride": 2}}
    theirs = {"b.0": {"kind": "Conv", "stride": (1, 1)}, "b.1": {"kind": "Conv", "stride": 1}}
    assert paired(ours, theirs) == [("a.conv", "b.0"), ("a.conv2", "b.1")]
    assert [(one.path, one.name) for one in differing(ours, theirs)] == [("a.conv2", "stride")]
    assert paired(ours, {"b.0": {"kind": "Conv"}}) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(3, (3, 3), True), ((1, 1), ((1, 1), (1, 1)), True), (3, (3, 2), False), (0, None, False)],
)
def test_settings_that_mean_the_same(one, other, same):
    assert equal(one, other) is same


_T = np.random.default_rng(0).normal(size=(3, 4, 4))
_EDGE = _T.copy()
_EDGE[:, 0, 1] += 1


@pytest.mark.parametrize(
    ("theirs", "says"),
    [
        (2.5 * _T, "2.5 times"),
        (_T + 1.5, "plus 1.5"),
        (_T[::-1], "flipped along axis 0"),
        (_T.swapaxes(1, 2), "axes 1 and 2 are swapped"),
        (
            _T * np.array([1, 2, 3])[:, None, None],
            "factor of its own for each place along axis 0",
        ),
        (_EDGE, "only the borders"),
        (0 * _T, "all zero on the JAX side"),
        (np.tanh(_T), ""),
    ],
)
def test_how_two_arrays_relate(theirs, says):
    assert says in relation(_T, theirs)
    assert bool(relation(_T, theirs)) == bool(says)


def test_calls_are_seen_by_name_and_rewritten():
    import torch

    x = torch.arange(6.0).reshape(2, 3)
    with Calls(note=True) as mode:
        torch.nn.functional.layer_norm(x, (3,))
        x.mean(0)
    assert [(one.name, one.get("eps")) for one in mode.seen] == [
        ("layer_norm", 1e-5),
        ("mean", None),
    ]
    doubled = {1: [(lambda rest, arguments, value: value * rest(**arguments), 2.0)]}
    with Calls(doubled):
        torch.nn.functional.layer_norm(x, (3,))
        assert torch.equal(x.mean(0), torch.tensor([3.0, 5.0, 7.0]))
