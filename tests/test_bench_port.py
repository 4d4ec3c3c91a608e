"""What a user's own pair costs: made ready once, then by every arm, each in its own process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import bench_pairs
import numpy as np
import pytest
from typer.testing import CliRunner

from compare.__main__ import app
from compare.measure import torch_knobs
from compare.measure.agreement import agree
from compare.measure.arms import arms
from compare.measure.jax_arm import Run
from compare.measure.job import Job
from compare.port import bench, bench_jax, bench_torch
from compare.port.bench import Asked
from compare.run.port.errors import PortError

IMAGES = Asked("bench_pairs:Images", "bench_pairs:FlaxImages", bench_pairs.IMAGES)
TRAINED = replace(
    IMAGES, optimizers="bench_pairs:optimizers", losses="bench_pairs:losses",
    batches="bench_pairs:batches",
)  # fmt: skip
VECTORS = Asked("bench_pairs:vectors", "bench_pairs:linen", bench_pairs.VECTORS)


def workloads(asked, tmp_path):
    found, notes, wrong = bench.ready(asked, str(tmp_path))
    assert not wrong, wrong
    return {one.mode: one for one in found}, notes


def judged(workload, monkeypatch, mode="jit", precision="float32"):
    """The agreement of JAX's arm with torch's float64 run."""
    monkeypatch.setattr(torch_knobs, "turn", lambda job: None)  # for this process
    torch, jax = arms(["jax-jit"], "cpu")[::2]
    job = Job(workload, torch, precision, "cpu")
    known = bench_torch.reference(job, (precision,))
    job = replace(job, arm=replace(jax, mode=mode))
    run = Run(bench_jax.KINDS[workload.mode](job), job)
    found = run.agreement()
    twins, own = known.twins[precision], known.own[precision]
    return agree(found, known.arrays, twins, precision, workload.mode, own, known.largest), run


@pytest.mark.parametrize("mode", ["jit", "nnx.jit"])
@pytest.mark.parametrize("kind", ["forward", "gradient", "train"])
def test_a_port_agrees_in_every_mode(kind, mode, tmp_path, monkeypatch):
    found, _ = workloads(TRAINED, tmp_path)
    agreement, run = judged(found[kind], monkeypatch, mode)
    assert agreement.agrees, agreement.says
    # A bias before batch norm has a gradient of rounding alone: its moments are not looked at.
    assert agreement.compared == {"forward": 1, "gradient": 7, "train": 17}[kind]
    first = run.shown()
    for _ in range(3):
        run.step()
    run.sync()
    assert np.isfinite(run.shown()).all()
    assert (run.shown() != first).any() == (kind == "train")


@pytest.mark.parametrize("kind", ["linen", "equinox", "function"])
def test_every_kind_of_jax_model(kind, tmp_path, monkeypatch):
    asked = replace(VECTORS, jax=f"bench_pairs:{kind}", optimizers="bench_pairs:plain_sgd")
    found, _ = workloads(asked, tmp_path)
    assert set(found) == {"forward", "gradient", "train"}
    for one in found.values():
        agreement, _ = judged(one, monkeypatch)
        assert agreement.agrees, (one.mode, agreement.says)


def test_what_is_no_nnx_module_is_shipped_by_plain_jit(tmp_path):
    found, _ = workloads(VECTORS, tmp_path)
    shipped = next(one for one in arms([], "cpu") if one.name == "jax-shipped")
    job = Job(found["gradient"], shipped, "float32", "cpu")
    assert not Run(bench_jax.KINDS["gradient"](job), job).by_object
    job = replace(job, arm=replace(shipped, tuning="preset"))
    with pytest.raises(NotImplementedError, match=r"no module for nnx\.jit"):
        Run(bench_jax.KINDS["gradient"](job), job)


@pytest.mark.parametrize(
    ("change", "kind", "array"),
    [
        ({"jax": "bench_pairs:wrong"}, "forward", "output/0"),
        ({"jax": "bench_pairs:wrong"}, "gradient", ""),
        ({"optimizers": "bench_pairs:off"}, "train", "weight/"),
    ],
)
def test_what_computes_something_else_is_not_timed(change, kind, array, tmp_path, monkeypatch):
    found, _ = workloads(replace(TRAINED, **change), tmp_path)
    agreement, _ = judged(found[kind], monkeypatch)
    assert not agreement.agrees
    assert agreement.array.startswith(array)


def test_bfloat16(tmp_path, monkeypatch):
    found, _ = workloads(TRAINED, tmp_path)
    for one in found.values():
        agreement, _ = judged(one, monkeypatch, precision="bfloat16")
        assert agreement.agrees, (one.mode, agreement.says)


def test_names_counts_and_notes(tmp_path):
    found, notes = workloads(TRAINED, tmp_path)
    name = "bench_pairs:Images against bench_pairs:FlaxImages on float32[4,2,4,6]"
    assert [one.name for one in found.values()] == [
        f"{name}, forward", f"{name}, gradient", f"{name}, train without dropout"
    ]  # fmt: skip
    conv, dense = 2 * 4 * 4 * 6 * 4 * 2 * 9, 2 * 4 * 4 * 3
    assert found["forward"].flops == conv + dense
    assert found["train"].flops == 2 * conv + 3 * dense  # the input takes no gradient
    assert {one.samples for one in found.values()} == {4}
    assert all(one.layout for one in found.values())
    assert "each step of training has the same batch" in notes


def test_the_weights_are_torchs_where_asked(tmp_path):
    drawn, own = (
        workloads(replace(VECTORS, weights=one), tmp_path)[0]["forward"].pair.givens().leaves
        for one in bench.WEIGHTS
    )
    assert not np.allclose(drawn["0.bias"], own["0.bias"])
    assert np.abs(own["0.bias"]).max() <= 8**-0.5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"torch": "bench_pairs:nothing"}, "nothing"),
        ({"torch": "bench_pairs:in_place", "jax": "bench_pairs:one_layer"}, "input0 in place"),
        ({"jax": "bench_pairs:FlaxImages"}, "bench_pairs|JAX|torch"),
        (
            {"batches": "bench_pairs:batches", "optimizers": "bench_pairs:plain_sgd"},
            "targets|axes",
        ),
    ],
)
def test_what_can_not_be_timed_says_why(change, says, tmp_path):
    found, _, wrong = bench.ready(replace(VECTORS, **change), str(tmp_path))
    assert not found
    assert re.search(says, wrong), wrong


def test_wrong_words_are_told_before_anything_is_built(tmp_path):
    with pytest.raises(PortError, match="weights must be one of drawn, torch"):
        bench.items(replace(VECTORS, weights="as-is"), "", ["float32"], [], "cpu")
    with pytest.raises(PortError, match="say --optimizers"):
        bench.items(replace(VECTORS, losses="x:y"), "", ["float32"], [], "cpu")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--torch", "a:b"], "--torch, --jax and --inputs go together"),
        (["--train"], "name it by --torch, --jax and --inputs"),
        (["--weights", "torch"], "name it by --torch, --jax and --inputs"),
    ],
)
def test_words_that_belong_together(words, says):
    result = CliRunner().invoke(app, ["bench", *words])
    assert result.exit_code == 2
    assert says in " ".join(result.output.split())


def test_what_there_is_to_time_of_a_pair():
    words = ["--torch", VECTORS.torch, "--jax", VECTORS.jax, "--inputs", VECTORS.inputs]
    result = CliRunner().invoke(app, ["bench", *words, "-w", "list"])
    assert result.exit_code == 0, result.output
    assert result.output.split("\n")[:2] == [
        f"{VECTORS.name}, {m}" for m in ("forward", "gradient")
    ]


@pytest.mark.slow
def test_the_command_times_a_pair(tmp_path):
    words = ["bench", "--torch", IMAGES.torch, "--jax", IMAGES.jax, "--inputs", IMAGES.inputs,
             "--arms", "jax-jit,torch-shipped,jax-shipped", "--budget", "0.5",
             "--out", str(tmp_path), "-w", "forward"]  # fmt: skip
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "note: channels last on the JAX side: input0" in result.output
    (one,) = json.loads((tmp_path / "bench.json").read_text())["results"]
    assert one["columns"]["as shipped"]["ratio"]["value"] > 0
    assert {row["arm"] for row in one["rows"] if "seconds" in row} == {
        "torch-eager", "torch-eager again", "jax-jit", "torch-shipped", "jax-shipped"
    }  # fmt: skip
    assert (tmp_path / "bench.html").exists()

    result = CliRunner().invoke(app, [*words, "--jax", "bench_pairs:wrong"])
    assert result.exit_code == 1
    assert "does not compute the same: output/0" in result.output


@pytest.mark.parametrize(("side", "other"), [("torch", "jax"), ("jax", "torch")])
def test_an_arms_process_has_one_framework(side, other):
    """The other one's threads and memory would be part of what is measured."""
    words = f"import sys, compare.port.bench_{side}; print({side!r}, {other!r} in sys.modules)"
    run = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True)
    assert run.stdout.split() == [side, "False"], run.stderr
