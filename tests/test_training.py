"""Trainings in lockstep: what the judge makes of hand-made runs, and `portbench train`."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from commands import portbench

from compare.cases.case import draw
from compare.cases.overfitting import TRAININGS
from compare.cases.train import MLP, SOFTMAX
from compare.cases.train_faults import fault
from compare.cases.training import Training, call
from compare.check import check_training
from compare.judge.thresholds import FLOAT64_MARGIN, PARTING, UNIT
from compare.judge.trajectory import BETWEEN, RUNS, judge_run
from compare.run import images
from compare.run.batches import Batches, Dataset, axis_lengths, minibatches
from compare.run.record import Record
from compare.run.start import one_ulp_off, start
from compare.run.torch_side import leaves


def steps(run: str, count: int = 5, change=lambda step, arrays: None, off: float = 0.0):
    """A made-up run: rates, a loss, one parameter's update, a buffer."""
    side, precision = run.split()
    precision = "float32" if precision == "twin" else precision
    kind = np.dtype(precision)
    for step in range(count):
        rng = np.random.default_rng(step)
        arrays = {
            "lr": np.array(0.1),
            "loss": np.array(2.0 - step / 10, kind),
            "update/w": rng.normal(size=4).astype(kind),
            "buffer/mean": rng.normal(size=3).astype(kind),
        }
        change(step, arrays)
        w = np.ones(4) + step + off * 2.0**-20
        yield Record(side, precision, arrays, parameters={"w": w.astype(kind)})


def runs(**changed):
    return {run: steps(run, **changed.get(run.replace(" ", "_"), {})) for run in RUNS}


def test_equal_runs_are_the_same():
    verdict = judge_run("run", runs())
    assert verdict.verdict == "same"
    assert verdict.compared == 5 * 4
    assert verdict.facts["steps"] == 5
    assert verdict.facts["losses"]["jax float64"] == [2.0, 1.9, 1.8, 1.7, 1.6]


def test_a_run_stops_at_the_first_step_that_parts_and_names_what_came_first():
    seen = []

    def change(step, arrays):
        if step >= 3:
            arrays["buffer/mean"] *= 1.5
            arrays["update/w"] *= 1 + 1e-9

    both = runs(jax_float64={"change": change})
    verdict = judge_run("run", both, seen.append)
    assert verdict.verdict == "different"
    assert verdict.says.startswith("step 3/update/w: ")
    assert [step.number for step in seen] == [0, 1, 2, 3]


def test_a_rate_is_judged_against_the_largest_so_far():
    def falling(off):
        def change(step, arrays):
            arrays["lr"] = np.array(0.0 if step == 4 else 0.1) + (off if step == 4 else 0.0)

        return {"change": change}

    same = judge_run("run", runs(torch_float64=falling(0.0), jax_float64=falling(1e-17)))
    assert same.verdict == "same", same.says
    late = judge_run("run", runs(torch_float64=falling(0.0), jax_float64=falling(1e-6)))
    assert late.says.startswith("step 4/lr: ")


def test_a_rate_may_drift_by_a_rounding_a_step():
    def drifting(step, arrays):
        arrays["lr"] = np.array(0.1 * (1 + 0.9 * (FLOAT64_MARGIN + step) * UNIT["float64"]))

    last = 3 * int(FLOAT64_MARGIN)
    changed = {run.replace(" ", "_"): {"count": last} for run in RUNS}
    changed["jax_float64"] = {"count": last, "change": drifting}
    assert judge_run("run", runs(**changed)).verdict == "same"

    def twice(step, arrays):
        arrays["lr"] = np.array(0.1 * (1 + (FLOAT64_MARGIN + 2 * step) * UNIT["float64"]))

    changed["jax_float64"] = {"count": last, "change": twice}
    assert judge_run("run", runs(**changed)).verdict == "different"


def test_a_run_that_trains_nothing_is_an_error():
    def still(step, arrays):
        arrays["update/w"] = np.zeros_like(arrays["update/w"])

    verdict = judge_run("run", runs(**{r.replace(" ", "_"): {"change": still} for r in RUNS}))
    assert verdict.verdict == "error"
    assert "nothing was trained" in verdict.says
    none = judge_run("run", {run: iter(()) for run in RUNS})
    assert "no steps" in none.says


def sides(apart: float) -> dict:
    """Sides that far apart, in units of what each is from its twin."""
    offsets = {"jax_float32": apart, "jax_twin": apart + 1, "torch_twin": 1.0}
    return {run: {"off": off} for run, off in offsets.items()}


def test_a_parting_beyond_the_twins_is_told_and_no_verdict():
    far = judge_run("run", runs(**sides(3 * PARTING)))
    assert far.verdict == "same"
    assert far.facts["beyond"] == 0
    near = judge_run("run", runs(**sides(PARTING / 3)))
    assert "beyond" not in near.facts
    assert near.facts["partings"][BETWEEN][0] > 0


def test_a_missing_array_names_its_side():
    def drop(step, arrays):
        del arrays["buffer/mean"]

    verdict = judge_run("run", runs(jax_float64={"change": drop}))
    assert verdict.says == "step 0/buffer/mean: only the torch side has this array"


def test_long_runs_keep_few_findings_and_the_worst():
    def once(step, arrays):
        if step == 777:
            arrays["update/w"] *= 1 + 3e-14

    count = {"count": 1000}
    changed = {run.replace(" ", "_"): count for run in RUNS}
    verdict = judge_run("run", runs(**{**changed, "jax_float64": {**count, "change": once}}))
    assert verdict.verdict == "same"
    assert len(verdict.findings) <= 251
    assert any(one.array.startswith("step 777/") for one in verdict.findings)
    assert len(verdict.facts["losses"]["torch float64"]) == 250
    assert verdict.facts["every"] == 4


def test_a_broken_side_is_named():
    broken = replace(MLP, steps=2, jax_changes={"loss": call("loss.cross_entropy", odd=1)})
    verdict = check_training(broken)
    assert verdict.verdict == "error"
    assert verdict.says.startswith("TrainingError: jax float64: TypeError: ")


def test_the_twin_is_one_ulp_off_everywhere_but_in_buffers():
    given = start(SOFTMAX, leaves(SOFTMAX), 0)
    twin = one_ulp_off(given, 0)
    for path, values in given.leaves.items():
        off = np.abs(twin.leaves[path] - values)
        assert np.array_equal(off > 0, np.ones(values.shape, bool))
        assert np.all(off <= np.spacing(np.abs(values.astype(np.float32))))


def test_masks_take_their_sizes_from_the_batch_and_change_each_step():
    given = draw("n k=3 q=s", "bits", keep=0.5).sized({"n": 4, "s": 7})
    assert given.axes == "n=4 k=3 q=7"
    assert given.shape == (4, 3, 7)
    dropout = next(run for run in TRAININGS if run.name == "overfitting.dropout")
    digits = np.zeros((64, 1, 28, 28)), np.zeros(64, int)
    first, second = Batches(replace(dropout, steps=2), Dataset(digits), 0)
    assert first.masks["dropout1.mask"].shape == (32, 32)
    assert not np.array_equal(first.masks["dropout1.mask"], second.masks["dropout1.mask"])


def test_axes_have_one_length():
    assert axis_lengths(("n k", "n"), (np.zeros((2, 3)), np.zeros(2))) == {"n": 2, "k": 3}
    with pytest.raises(ValueError, match="axis n is both 2 and 4 long"):
        axis_lengths(("n k", "n"), (np.zeros((2, 3)), np.zeros(4)))


def test_minibatches_visit_each_example_once_an_epoch():
    rows = list(minibatches(10, 3, 6, seed=0))
    for epoch in (rows[:3], rows[3:]):
        assert len(set(np.concatenate(epoch))) == 9
    with pytest.raises(ValueError, match="batch_size 11 exceeds the 10"):
        next(minibatches(10, 11, 1, seed=0))


def test_weight_decay_spares_the_same_parameters_as_torchs_penalty():
    """Decay of the weights alone, and L2's penalty of the same strength: one path."""
    decay = next(run for run in TRAININGS if run.name.endswith("weight_decay"))
    penalty = {"penalty": call("overfitting.l2_penalty", strength=1e-2), "undecayed": ()}
    mixed = replace(
        decay, steps=3, jax_changes={**penalty, "update": call("optim.SGD", lr=0.1)}
    )
    verdict = check_training(mixed)
    # The penalty is part of the loss and the gradient, decay is not: the update is the same.
    assert verdict.says.startswith("step 0/loss")
    still = replace(decay, steps=1, jax_changes={"undecayed": ()})
    assert check_training(still).says.startswith("step 0/update/hidden.bias")


def test_fashion_mnist_falls_back_to_the_hub(monkeypatch, tmp_path):
    monkeypatch.setattr(images, "DEBIAN_FOLDER", tmp_path / "absent")
    asked = []

    def load_dataset(name, split):
        asked.append((name, split))
        count = {"train": 60_000, "test": 10_000}[split]
        image = np.full((28, 28), 255, np.uint8)
        return {"image": [image] * count, "label": [9] * count}

    monkeypatch.setitem(
        sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset)
    )
    found = images.fashion_mnist()
    assert asked == [(images.HUB_NAME, "train"), (images.HUB_NAME, "test")]
    assert found.test[0].shape == (10_000, 1, 28, 28)
    assert found.test[0].max() == 1.0

    def unreachable(name, split):
        raise ConnectionError("no route")

    monkeypatch.setitem(
        sys.modules, "datasets", types.SimpleNamespace(load_dataset=unreachable)
    )
    with pytest.raises(
        images.DataError, match=r"no route.*dataset-fashion-mnist.*--data-folder"
    ):
        images.fashion_mnist()


def test_train_says_same_and_keeps_results(tmp_path):
    done = portbench("train", "softmax", "--steps", "3", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "same train.softmax_regression(digits)" in done.stdout
    assert "classified rightly" in done.stdout
    line = json.loads((tmp_path / "results.jsonl").read_text())
    assert line["facts"]["steps"] == 3
    assert "how far apart in float32" in (tmp_path / "report.html").read_text()


def test_train_stops_where_a_planted_fault_parts():
    done = portbench("train", "fault: schedule one step late")
    assert done.returncode == 1
    assert "step 30/lr" in done.stdout
    assert "31 steps" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nonsense"], "no training has 'nonsense' in the name"),
        (["optim"], "trainings have 'optim' in the name"),
        (["burgers", "--data", "fashion-mnist"], "--data is for those on 28x28 digits"),
        (["lenet", "--data", "cifar"], "unknown data 'cifar'"),
        (["lenet", "--device", "cuda"], "torch sees no CUDA device"),
        (["lenet", "--device", "abacus"], "abacus"),
    ],
)
def test_train_refuses_what_it_cant_do(words, says):
    done = portbench("train", *words)
    assert done.returncode == 2
    assert says in done.stderr


def test_train_names_a_folder_without_images(tmp_path):
    done = portbench(
        "train", "lenet", "--data", "fashion-mnist", "--data-folder", str(tmp_path)
    )
    assert done.returncode == 3
    assert "has neither train-images-idx3-ubyte nor" in done.stdout


def test_train_without_a_name_lists():
    done = portbench("train")
    assert done.returncode == 0
    assert "train.lenet(digits)" in done.stdout


def test_a_fault_in_the_wrong_place_is_not_as_expected():
    wrong: Training = fault("rate", SOFTMAX, "step 1/loss", update=call("sgd.sgd", lr=0.2))
    verdict = check_training(replace(wrong, steps=2))
    assert verdict.verdict == "different"
    assert not verdict.as_expected
