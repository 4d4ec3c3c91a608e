"""portbench finetune: both Trainers, seed by seed, and what is made of their results."""

from __future__ import annotations

import json

import pytest
from commands import portbench

from compare.report.finetune import page, summary, table


def run(side: str, seed: int, accuracy: float, f1: float = 0.8) -> dict:
    log = [
        {"step": 10, "epoch": 0.5, "loss": 0.7},
        {"step": 20, "epoch": 1.0, "eval_accuracy": accuracy, "eval_f1": f1},
    ]
    shared = {"checkpoint": "sample", "data": "sample", "epochs": 1.0, "batch_size": 32}
    own = {"learning_rate": 5e-5, "train_rows": 72, "validation_rows": 400, "seconds": 1.0}
    scores = {"accuracy": accuracy, "f1": f1, "log_history": log}
    return {"side": side, "seed": seed, **shared, **own, **scores}


def runs(torch: list[float], jax: list[float]) -> list[dict]:
    both = {"torch": torch, "jax": jax}
    return [run(side, i, x) for side, values in both.items() for i, x in enumerate(values)]


def test_means_agree_within_the_larger_error():
    found = summary(runs([0.80, 0.79, 0.81], [0.81, 0.80, 0.79]))["metrics"]["accuracy"]
    assert found["agree"] is True
    assert found["torch"]["mean"] == pytest.approx(0.8)
    assert found["torch"]["seeds_error"] == pytest.approx(0.01 / 3**0.5)
    assert found["error"] == pytest.approx((0.8 * 0.2 / 400) ** 0.5)


def test_means_too_far_apart_are_said_to_be():
    said = summary(runs([0.80, 0.80, 0.80], [0.76, 0.76, 0.76]))
    assert said["metrics"]["accuracy"]["agree"] is False
    assert "accuracy are 0.0400 apart, NOT within" in table(said)
    assert "f1 are 0.0000 apart, within" in table(said)


def test_one_side_alone_has_no_gap():
    said = summary([run("jax", 0, 0.8)])
    assert said["metrics"]["accuracy"]["gap"] is None
    assert "apart" not in table(said)
    assert "<svg" in page([run("jax", 0, 0.8)], said)


def test_both_sides_run_and_are_kept(tmp_path):
    words = ["--checkpoint", "sample", "--data", "sample", "--seeds", "1", "--epochs", "1"]
    done = portbench("finetune", *words, "--out", str(tmp_path), "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {side: json.loads((tmp_path / f"{side}-seed0.json").read_text()) for side in
             ("torch", "jax")}  # fmt: skip
    # From the same parameters on the same rows: without training these would be equal numbers.
    assert {one["validation_rows"] for one in found.values()} == {36}
    assert all(0 < one["accuracy"] < 1 for one in found.values())
    assert "means of accuracy" in (tmp_path / "README.md").read_text()
    assert "<svg" in (tmp_path / "report.html").read_text()
    again = portbench("finetune", *words, "--out", str(tmp_path))
    assert again.returncode == 0
    assert "done" not in again.stdout


def test_a_folder_without_mrpc_is_named(tmp_path):
    words = ["--checkpoint", "sample", "--data", str(tmp_path), "--seeds", "1"]
    done = portbench("finetune", *words, "--out", str(tmp_path / "out"))
    assert done.returncode == 3
    assert "holds no MRPC" in done.stdout
