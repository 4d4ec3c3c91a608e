"""A block on the clock, and whether an arm computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from compare.measure import timing
from compare.measure.agreement import agree


class TestTiming:
    def test_the_loop_costs_under_two_microseconds_a_step(self):
        one = timing.Prepared(step=timing.nothing)
        cheapest = min(timing.block(one, 100_000).cpu for _ in range(5))
        assert cheapest / 100_000 < 2e-6

    @pytest.mark.parametrize(("left", "late"), [(0, 0.0), (7, 7e-3)])
    def test_what_a_second_wait_takes_without_work_is_none_left(self, left, late):
        """A wait takes 2 ms of itself, and the milliseconds that are left."""
        clock, queue = [0], [left]

        def settle():
            clock[0] += (2 + queue.pop() if queue else 2) * 10**6

        one = timing.Prepared(timing.nothing, settle=settle, wall=lambda: clock[0])
        assert timing.block(one, 1).late == pytest.approx(late)

    @pytest.mark.parametrize(
        ("late", "twice", "says"),
        [(0.0, 0.02, ""), (0.005, 0.02, "a second wait"), (0.0, 0.0101, "no work is done")],
    )
    def test_what_shows_that_nobody_waited(self, late, twice, says):
        once = [timing.Block(5, 0.01, 0.01, 0.001, late)] * 2
        doubled = [timing.Block(10, twice, twice, 0.001, late)]
        found = timing.careless(once, doubled)
        assert says in found
        assert bool(says) == bool(found)


REFERENCE = {"output/0": np.array([1.0, -4.0, 2.0]), "grad/x": np.array([1e-9, 0.0, 0.0])}
TWIN = {"output/0": REFERENCE["output/0"] + 1e-7, "grad/x": np.array([1.0, 0.0, 0.0])}


class TestAgreement:
    def judged(self, mode="forward", **arrays):
        found = {"output/0": REFERENCE["output/0"], **arrays}
        return agree(found, REFERENCE, TWIN, "float32", mode)

    def test_rounding_agrees(self):
        assert self.judged(**{"output/0": REFERENCE["output/0"] * (1 + 2.0**-23)}).agrees

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ([1.0, -4.0, 2.0001], "off by"),
            ([1.0, -4.0], "shape"),
            ([1.0, -4.0, np.nan], "not finite"),
        ],
    )
    def test_what_does_not(self, values, says):
        found = self.judged(**{"output/0": np.array(values)})
        assert not found.agrees
        assert says in found.says

    def test_a_lower_precision_may_be_farther_off(self):
        arrays = {"output/0": REFERENCE["output/0"] * (1 + 2.0**-8)}
        twin = {**TWIN, "output/0": REFERENCE["output/0"] * (1 + 2.0**-8)}
        assert not agree(arrays, REFERENCE, TWIN, "float32", "forward").agrees
        assert agree(arrays, REFERENCE, twin, "bfloat16", "forward").agrees

    def test_what_torch_itself_loses_is_allowed_up_to_a_limit(self):
        def found(own, off):
            arrays = {"output/0": REFERENCE["output/0"] + 4 * off}
            theirs = {"output/0": REFERENCE["output/0"] + 4 * own}
            return agree(arrays, REFERENCE, TWIN, "float32", "forward", theirs).agrees

        assert not found(0.0, 1e-5)
        assert found(1e-5, 1e-5)
        assert found(1e-5, 3.9e-5)
        assert not found(1e-5, 4.1e-5)
        assert not found(1e-3, 1e-3)  # torch too is wrong there

    def test_of_some_entries_the_whole_array_is_the_measure(self):
        arrays = {"output/0": REFERENCE["output/0"] + 1e-4}
        given = (arrays, REFERENCE, TWIN, "float32", "forward", {})
        assert not agree(*given, {}).agrees
        assert agree(*given, {"output/0": 400.0}).agrees

    def test_nothing_compared_is_no_agreement(self):
        found = self.judged("gradient", **{"grad/x": np.array([5.0, 0.0, 0.0])})
        assert not found.agrees
        assert "nothing was compared of: grad" in found.says
