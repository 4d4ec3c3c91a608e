"""portbench diff on documents whose true change is known."""

from __future__ import annotations

import json
from copy import deepcopy

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from compare.diff import diff
from compare.measure import traces
from compare.measure.difference import changes
from compare.measure.figures import SCHEMA
from compare.measure.knobs import KNOBS

ARMS = ("torch-eager", "jax-jit")


def document(seed, effect=1.0, machine=1.0, rounds=80, slope=0.5, floor=0.01):
    """A run of two arms, the second `effect` times as slow; all on a machine `machine` times as
    slow, its canary too."""
    draw = np.random.default_rng(seed)

    def series(level):
        logs = traces.autoregressive(draw, 1, rounds, slope, 0.01)[0]
        return list(level * machine * np.exp(logs))

    rows = [
        {
            "arm": arm, "side": arm.partition("-")[0], "lost": "", "kind": "",
            "knobs": dict.fromkeys(KNOBS, "alike"),
            "samples": {"cpu": series(0.01 * (effect if arm == "jax-jit" else 1.0))},
        }
        for arm in ARMS
    ]  # fmt: skip
    one = {
        "workload": "lenet, train", "precision": "float32", "device": "cpu", "size": "cpu",
        "threads": 1, "clock": "cpu", "rows": rows, "noise": {"floor": floor},
        "canary": {"cpu": series(0.0003)},
    }  # fmt: skip
    place = {"processor": "a chip", "cores": 2, "memory_gib": 4}
    return {"schema": SCHEMA, "when": "then", "machine": place, "results": [one]}


def kinds(old, new, threshold=0.02, across=False):
    return {one.key[-1]: one.kind for one in changes(old, new, threshold, across)}


def test_a_slow_down_of_five_percent_is_found_and_its_reverse():
    found = [kinds(document(s), document(1000 + s, 1.05))["jax-jit"] for s in range(100)]
    assert found.count("slower") >= 95
    assert kinds(document(1, 1.05), document(2))["jax-jit"] == "faster"


@pytest.mark.parametrize("slope", [0.0, 0.5, 0.8])
def test_the_same_again_is_no_change(slope):
    found = [
        kind
        for s in range(100)
        for kind in kinds(
            document(s, slope=slope), document(500 + s, slope=slope), 0.0
        ).values()
    ]
    assert found.count("slower") + found.count("faster") <= 0.05 * len(found)


def test_a_slower_machine_is_not_a_slower_arm():
    found = kinds(document(1), document(2, machine=1.1))
    assert set(found.values()) == {"undecided"}


def test_within_the_noise_floor_nothing_is_called():
    assert kinds(document(1), document(2, 1.05, floor=0.2))["jax-jit"] != "slower"


@pytest.mark.parametrize("knob", KNOBS)
def test_a_turned_knob_is_named(knob):
    new = document(2)
    new["results"][0]["rows"][1]["knobs"][knob] = "turned"
    found = {one.key[-1]: one for one in changes(document(1), new, 0.02, False)}
    assert found["jax-jit"].kind == "different"
    assert found["jax-jit"].says == f"{knob}: alike -> turned"
    slow = document(2, 1.2)
    slow["results"][0]["rows"][1]["knobs"][knob] = "turned"
    assert kinds(document(1), slow, across=True)["jax-jit"] == "slower"


def test_what_was_lost_gone_or_new():
    old, new = document(1), document(2)
    new["results"][0]["rows"][1] |= {"lost": "off by 0.1", "kind": "different"}
    found = changes(old, new, 0.02, False)
    assert (found[0].kind, found[0].says) == ("different", "timed -> different: off by 0.1")
    less = deepcopy(document(2))
    less["results"][0]["rows"].pop()
    assert kinds(old, less)["jax-jit"] == "gone"
    assert kinds(less, old)["jax-jit"] == "new"


def test_another_machine_is_said_and_not_judged():
    new = document(2, 1.5)
    new["machine"]["processor"] = "another chip"
    assert set(kinds(document(1), new).values()) == {"undecided"}
    assert kinds(document(1), new, across=True)["jax-jit"] == "slower"


class TestCommand:
    app = typer.Typer()
    app.command()(diff)

    def run(self, tmp_path, old, new, *words):
        for name, whole in (("old", old), ("new", new)):
            (tmp_path / f"{name}.json").write_text(json.dumps(whole))
        files = [str(tmp_path / f"{name}.json") for name in ("old", "new")]
        return CliRunner().invoke(self.app, [*files, *words])

    def test_status_and_markdown(self, tmp_path):
        page = tmp_path / "page.md"
        found = self.run(tmp_path, document(1), document(2, 1.2), "--markdown", str(page))
        assert found.exit_code == 1
        assert "slower    lenet, train, float32, cpu: jax-jit  1.2" in found.output
        assert "| **slower** | lenet, train | float32 | cpu | jax-jit | 1.2" in page.read_text()
        assert self.run(tmp_path, document(1), document(2)).exit_code == 0
        assert (
            self.run(tmp_path, document(1), document(2, 1.2), "--threshold", "40").exit_code
            == 0
        )

    def test_wrong_use(self, tmp_path):
        found = self.run(tmp_path, {"schema": 0, "results": []}, document(1))
        assert found.exit_code == 2
        assert "is of schema 0" in found.output
        empty = {**document(1), "results": []}
        assert self.run(tmp_path, empty, empty).exit_code == 2
