"""Arms that memory does not hold beside each other: in groups, each beside the baseline."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_bench import FAKE, PLAN
from test_bench_fakes import fake

from compare.measure import groups, prepare, rounds
from compare.measure.arms import AGAIN, BASELINE

ARMS = [
    fake(BASELINE),
    fake(AGAIN),
    fake("flax-plain", "takes 3", "jax"),
    fake("torch-shipped", "takes 2"),
    fake("jax-shipped", "takes 4", "jax"),
    fake("torch-matched", "takes 0.5"),
    fake("jax-matched", "takes 1.5", "jax"),
]


def run_with_room_for(count, monkeypatch, arms=ARMS):
    """All of `arms` on a machine that holds `count` of them, and the arms of each run."""

    def too_little(course):
        begun = [runner for runner in course.runners if runner.facts]
        return "out of memory: the fake machine is full" if len(begun) >= count else ""

    monkeypatch.setattr(prepare, "_too_little", too_little)
    plan, runs = replace(PLAN, jobs=1, budget=1.0), []

    def run(chosen):
        runs.append([one.name for one in chosen])
        return rounds.run(FAKE, "float32", chosen, plan, lambda words: None)

    return groups.run_all(run, arms, plan)[0], runs


@pytest.fixture(scope="module")
def four():
    with pytest.MonkeyPatch.context() as patch:
        yield run_with_room_for(4, patch)


def test_every_arm_is_timed_and_each_column_within_one_run(four):
    found, runs = four
    assert runs[1:] == [
        [one.name for one in ARMS if one.name != "flax-plain"],
        [BASELINE, AGAIN, "torch-matched", "jax-matched"],
    ]
    rows = {row["arm"]: row for row in found["rows"]}
    assert list(rows) == [one.name for one in ARMS]
    assert not any(row["lost"] for row in rows.values())
    wanted = {"flax-plain": 3, "torch-shipped": 2, "jax-shipped": 4, "torch-matched": 0.5}
    for name, ratio in wanted.items():
        assert rows[name]["ratio"]["value"] == pytest.approx(ratio, rel=0.05)
    assert found["columns"]["as shipped"]["ratio"]["value"] == pytest.approx(2, rel=0.05)
    assert found["columns"]["matched"]["ratio"]["value"] == pytest.approx(3, rel=0.05)
    assert found["columns"]["best effort"] == {
        **found["columns"]["best effort"], "torch": "torch-matched", "jax": "jax-matched"
    }  # fmt: skip
    assert found["groups"] == 3
    assert "in 3 groups" in found["ended"]
    assert found["noise"] is not None


@pytest.mark.slow
def test_the_fastest_of_two_groups_are_no_pair(monkeypatch):
    arms = [one for one in ARMS if one.name != "flax-plain"]
    arms[2] = fake("torch-shipped", "takes 0.25")
    found, _ = run_with_room_for(4, monkeypatch, arms)
    best = found["columns"]["best effort"]
    assert (best["torch"], best["jax"]) == ("torch-shipped", "jax-matched")
    assert "different groups" in best["refused"][0]


@pytest.mark.slow
def test_what_does_not_fit_beside_the_baseline_is_told_and_not_tried_for_ever(monkeypatch):
    found, runs = run_with_room_for(2, monkeypatch)
    assert len(runs) == 2
    lost = {row["arm"] for row in found["rows"] if "full" in row["lost"]}
    assert lost == {one.name for one in ARMS[2:]}


@pytest.mark.slow
def test_one_run_where_memory_holds_all(monkeypatch):
    found, runs = run_with_room_for(9, monkeypatch)
    assert len(runs) == 1
    assert "groups" not in found
