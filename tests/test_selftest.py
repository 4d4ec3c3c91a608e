"""portbench selftest: what it counts, and that a judge broken on purpose is seen."""

from __future__ import annotations

import json

import pytest
from commands import portbench

from compare.cases.case import Case
from compare.cases.select import select
from compare.judge import agree
from compare.proof import Drawn, Planted, work

SETTINGS = {"seed": 0, "quick": True, "explain": False}
FAULTS = ("fault: LayerNorm eps of Flax", "fault: kernel flipped", "fault: GELU by tanh")


def lines() -> dict[str, list[dict]]:
    """What the judge makes of three faults, and of one configuration drawn."""
    cases = [c for _, c in select(["faults"]) if isinstance(c, Case) and c.name in FAULTS]
    assert len(cases) == len(FAULTS)
    found = work([*(Planted("faults", case) for case in cases), Drawn(0, 2)], SETTINGS)
    return {kind: [one for one in found if one["kind"] == kind] for kind in ("fault", "drawn")}


def test_it_catches_faults_and_lets_correct_ones_pass():
    found = lines()
    assert all(line["caught"] for line in found["fault"])
    (drawn,) = found["drawn"]
    assert drawn["alarms"] == []
    assert sum(count.get("same", 0) for count in drawn["families"].values()) > 0


def test_a_judge_that_lets_all_pass_is_seen(monkeypatch):
    monkeypatch.setattr(agree, "FLOAT64_MARGIN", 1e300)
    monkeypatch.setattr(agree, "ELEMENT_MARGIN", 1e300)
    assert not any(line["caught"] for line in lines()["fault"])


def test_a_judge_that_lets_nothing_pass_is_seen(monkeypatch):
    monkeypatch.setattr(agree, "FLOAT64_MARGIN", 0.0)
    assert lines()["drawn"][0]["alarms"]


def test_the_command(tmp_path):
    words = ("--quick", "--comparisons", "20", "--jobs", "1", "--out", str(tmp_path))
    done = portbench("selftest", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "selftest.json").read_text())
    assert found["caught"] == found["faults"] > 80
    assert found["comparisons"] >= 20
    assert found["false_alarms"] == 0
    assert found["place_accuracy"] >= 0.95
    assert found["cause_accuracy"] >= 0.9
    trial = found["trial"]
    assert trial["rules"]["this judge"]["told_apart"] == trial["mutants"] == 24
    assert "this judge" in (tmp_path / "selftest.md").read_text()


@pytest.mark.parametrize(
    ("words", "says"), [(("--comparisons", "0"), "comparisons"), (("--jobs", "0"), "jobs")]
)
def test_wrong_use(words, says, tmp_path):
    done = portbench("selftest", *words, "--out", str(tmp_path))
    assert done.returncode == 2
    assert says in done.stderr
