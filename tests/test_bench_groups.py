"""Arms that memory does not hold beside each other: in groups, each beside the baseline."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from test_bench_fakes import FAKE, PLAN, fake

from compare.measure import groups, prepare, rounds
from compare.measure import room as rooms
from compare.measure.arms import AGAIN, BASELINE
from compare.measure.room import Room

ARMS = [
    fake(BASELINE),
    fake(AGAIN),
    fake("flax-plain", "takes 3", "jax"),
    fake("torch-shipped", "takes 2"),
    fake("jax-shipped", "takes 4", "jax"),
    fake("torch-matched", "takes 0.5"),
    fake("jax-matched", "takes 1.5", "jax"),
]


def run_all(arms, plan=PLAN):
    """The result of `arms`, and the names of the arms of each run."""
    plan, runs = replace(plan, budget=1.0), []

    def run(chosen, plan):
        runs.append([one.name for one in chosen])
        return rounds.run(FAKE, "float32", chosen, plan, lambda words: None)

    return groups.run_all(run, arms, plan)[0], runs


def run_with_room_for(count, monkeypatch, arms=ARMS):
    """All of `arms` on a machine that holds `count` of them, and the arms of each run."""

    class Full(Room):
        arms = 0

        def took(self, peak):
            self.arms += 1

        def lacks(self, arms):
            return "out of memory: the fake machine is full" if self.arms >= count else ""

    monkeypatch.setattr(prepare, "Room", Full)
    return run_all(arms, replace(PLAN, jobs=1))


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


def test_what_is_killed_beside_others_has_a_second_run(tmp_path):
    arms = [*ARMS[:3], fake("torch-shipped", f"crowded {tmp_path / 'killed'}")]
    found, runs = run_all(arms)
    assert runs == [[one.name for one in arms], [BASELINE, AGAIN, "torch-shipped"]]
    rows = {row["arm"]: row for row in found["rows"]}
    assert not any(row["lost"] for row in rows.values())
    assert rows["torch-shipped"]["ratio"]["value"] == pytest.approx(1, rel=0.05)
    assert "in 2 groups" in found["ended"]


GIB = 2.0**30


class TestRoom:
    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch):
        self.free = 25 * GIB
        monkeypatch.setattr(rooms, "available", lambda: self.free)

    def test_an_arm_is_refused_for_what_one_before_it_took(self):
        room = Room(reference=30 * GIB)
        with room.one_more() as why:
            assert "25.0 GiB is free, the reference took 30.0" in why
        room.took(22 * GIB)
        with room.one_more() as why:
            assert not why
        room.took(23 * GIB)
        with room.one_more() as why:
            assert "25.0 GiB is free, an arm before it took 23.0" in why

    def test_an_arm_waits_for_one_that_may_yet_take_what_is_free(self):
        room, began = Room(reference=15 * GIB), threading.Event()

        def second():
            with room.one_more() as why:
                began.set()
                return why

        with ThreadPoolExecutor(1) as pool:
            with room.one_more():
                waits = pool.submit(second)
                assert not began.wait(0.2)
                room.took(10 * GIB)
            assert not waits.result(5)

    def test_two_at_once_where_memory_holds_both(self):
        room = Room(reference=10 * GIB)
        with room.one_more() as first, room.one_more() as second:
            assert (first, second) == ("", "")

    def test_a_machine_that_does_not_tell_refuses_none(self):
        self.free = None
        with Room(reference=1e18).one_more() as why:
            assert not why

    @pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
    def test_what_is_free_is_read_from_the_system(self, monkeypatch):
        monkeypatch.undo()
        assert 0 < rooms.available() < 2.0**50
