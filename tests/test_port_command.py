"""`portbench check` in a user's folder: inputs of every kind, tables, status and words."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from compare.__main__ import app

MODELS = """
import numpy as np
import torch
import jax
import jax.numpy as jnp
import optax
from torch import nn
from flax import nnx

SHARED = nn.Linear(4, 3)
INPUTS = (np.ones((5, 4), np.float32) + np.arange(4, dtype=np.float32),)


class Port(nnx.Module):
    def __init__(self, rngs=None, act=jnp.tanh):
        rngs = rngs or nnx.Rngs(0)
        self.first, self.last = nnx.Linear(4, 6, rngs=rngs), nnx.Linear(6, 3, rngs=rngs)
        self.act = act

    def __call__(self, x):
        return self.last(self.act(self.first(x)))


def make_torch():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))


def make_wrong():
    return Port(act=jnp.sin)


def needs(size):
    return nn.Linear(size, size)


def inputs():
    return {"input": np.ones((2, 4), np.float32)}


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return torch.sin(self.one(x)) + torch.cos(self.two(x))


def branches(p, x):
    return jnp.tan(x @ p["x"]["w"] + p["x"]["b"]) - jnp.tan(x @ p["y"]["w"] + p["y"]["b"])


UNTOLD = (branches, {k: {"w": jnp.ones((4, 4)), "b": jnp.ones(4)} for k in "xy"})
OPTIMIZERS = (lambda parameters: torch.optim.SGD(parameters, 0.1), optax.sgd(0.1))
LOSSES = (lambda y: y.square().mean(), lambda y: (y * y).mean())


LABELLED = (
    nn.functional.cross_entropy,
    lambda y, label: optax.softmax_cross_entropy_with_integer_labels(y, label).mean(),
)


def batches():
    rng = np.random.default_rng(0)
    for rows in (5, 5, 2):
        yield rng.normal(size=(rows, 4)).astype(np.float32), rng.integers(0, 3, rows)


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(9, 3)

    def forward(self, x):
        return self.inner(x)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("user")
    (path / "check_models.py").write_text(MODELS)
    np.savez(path / "x.npz", input=np.ones((2, 4), np.float32))
    return path


@pytest.fixture
def run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))

    def check(torch="make_torch", jax="Port", inputs="float32[5,4]", *more):
        words = ["check", "--torch", f"check_models:{torch}", "--jax", f"check_models:{jax}",
                 "--inputs", inputs, *more]  # fmt: skip
        result = CliRunner().invoke(app, words)
        assert not isinstance(result.exception, Exception), result.exception
        assert "Traceback" not in result.output
        return result

    return check


def test_help_reads_well():
    text = CliRunner().invoke(app, ["check", "--help"], env={"COLUMNS": "100"}).output
    for word in ("--torch", "--jax", "--inputs", "--map", "--save-map", "--steps", "--batches",
                 "--json", "--weights", "Exit status"):  # fmt: skip
        assert word in text


@pytest.mark.parametrize(
    "inputs", ["float32[5,4]", "input=float32[5,4]", "x.npz", "check_models:inputs",
               "check_models:INPUTS"]
)  # fmt: skip
def test_inputs_of_every_kind(run, inputs):
    result = run(inputs=inputs)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("same ")


def test_a_difference(run, folder):
    result = run("make_torch", "make_wrong", "float32[5,4]", "--json", "report.json",
                 "--seconds", "1")  # fmt: skip
    assert result.exit_code == 1
    assert result.output.startswith("different ")
    report = json.loads((folder / "report.json").read_text())
    assert report["verdict"] == "different"
    assert set(report["places"]) == {"1"}
    assert "0.weight" in report["table"]


def test_a_table_is_asked_for_saved_and_passed_back(run, folder):
    result = run("Branches", "UNTOLD", "float32[5,4]", "--save-map", "leaves.port")
    assert result.exit_code == 3
    assert "can't be decided" in result.output
    assert "? " in (folder / "leaves.port").read_text()
    result = run("Branches", "UNTOLD", "float32[5,4]", "--map", "leaves.port", "--seconds", "0",
                 "--save-map", "again.port")  # fmt: skip
    assert result.exit_code == 1
    assert (folder / "again.port").exists()


def test_a_found_table_goes_round(run):
    assert run("make_torch", "Port", "x.npz", "--save-map", "found.port").exit_code == 0
    assert run("make_torch", "Port", "x.npz", "--map", "found.port").exit_code == 0


def test_training_steps(run):
    result = run("make_torch", "Port", "float32[5,4]", "--steps", "2", "--optimizers",
                 "check_models:OPTIMIZERS", "--losses", "check_models:LOSSES")  # fmt: skip
    assert result.exit_code == 0, result.output


def test_training_on_batches(run):
    result = run("make_torch", "Port", "float32[5,4]", "--steps", "4", "--optimizers",
                 "check_models:OPTIMIZERS", "--losses", "check_models:LABELLED",
                 "--batches", "check_models:batches")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "3 batches, gone through again until 4 steps are done" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing", "Port"), "nothing"),
        (("make_torch", "nothing"), "nothing"),
        (("needs", "Port"), "needs arguments"),
        (("make_torch", "Port", "float32(5,4)"), "can't read the inputs"),
        (("make_torch", "Port", "none.npz"), "none.npz"),
        (("make_torch", "Port", "check_models:nothing"), "nothing"),
        (("make_torch", "Port", "float32[5,4]", "--map", "none.port"), "none.port"),
        (("make_torch", "Port", "float32[5,4]", "--weights", "mine"), "weights"),
        (("make_torch", "Port", "float32[5,4]", "--steps", "2"), "optimizers"),
        (("make_torch", "Port", "float32[5,4]", "--batches", "check_models:batches"), "steps"),
        (("make_torch", "Port", "float32[5,4]", "--layout", "WHCN"), "NHWC"),
        (("make_torch", "Port", "float32[5,4]", "--output", "logits"), "logits"),
        (("Broken", "Port"), "torch side, in 'inner'"),
        (("make_torch", "Port", "float32[5,4]", "--jax-inputs", "pixels"), "pixels"),
    ],
)
def test_wrong_use_is_one_line(run, words, said):
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1, result.output


def test_places_without_a_colon_or_a_module(run):
    result = CliRunner().invoke(
        app, ["check", "--torch", "models", "--jax", "a:b", "--inputs", "float32[2]"]
    )
    assert result.exit_code == 2
    assert "--torch models: write package.module:name" in result.output
    result = CliRunner().invoke(
        app, ["check", "--torch", "no_such_module:x", "--jax", "a:b", "--inputs", "float32[2]"]
    )
    assert result.exit_code == 2
    assert "no_such_module" in result.output
