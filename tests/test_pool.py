"""Workers that crash, hang or raise cost the case in hand and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

from compare.run.pool import Lost, run_batches


def work(batch, settings):
    """Doubles; "die" kills its process, "hang" never ends, "raise" fails."""
    for item in batch:
        if item == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        if item == "hang":
            time.sleep(600)
        if item == "raise":
            raise RuntimeError("no luck")
    return [item * 2 for item in batch]


def answers(batches, jobs=2, seconds=60.0):
    return [one for found in run_batches(batches, work, {}, jobs, seconds) for one in found]


def test_all_batches_come_back():
    assert sorted(answers([[1, 2], [3], [4, 5, 6]])) == [2, 4, 6, 8, 10, 12]


def test_nothing_to_do_is_done_at_once():
    assert answers([]) == []


def test_a_crash_costs_only_the_guilty_item():
    found = answers([["a", "die", "b"], ["c"]], jobs=1)
    lost = [one for one in found if isinstance(one, Lost)]
    assert [one.item for one in lost] == ["die"]
    assert "signal 11" in lost[0].reason
    assert sorted(one for one in found if isinstance(one, str)) == ["aa", "bb", "cc"]


def test_a_hang_is_stopped():
    found = answers([["hang"], ["a"]], jobs=2, seconds=2.0)
    lost = [one for one in found if isinstance(one, Lost)]
    assert [one.item for one in lost] == ["hang"]
    assert "in time" in lost[0].reason
    assert "aa" in found


def test_an_exception_that_escapes_is_reported_in_its_own_words():
    found = answers([["raise", "a"]], jobs=1)
    lost = [one for one in found if isinstance(one, Lost)]
    assert [(one.item, one.reason) for one in lost] == [("raise", "RuntimeError: no luck")]
    assert "aa" in found


def test_no_process_is_left_behind():
    answers([["a"], ["die"]])
    assert not multiprocessing.active_children()
