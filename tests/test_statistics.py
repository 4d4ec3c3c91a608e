"""The ratio's interval and verdict, the stopping rule, the reading of a series."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compare.measure import calibration, intervals, statistics, traces
from compare.measure.series import block, observe, steady, summarise
from compare.measure.statistics import Sampling, decide, located, ratio

COMMITTED = Path(__file__).parent.parent / "results" / "calibration.json"


def arms(seed, rounds=60, effect=0.0, noise=0.01):
    logs = np.random.default_rng(seed).normal(0, noise, (2, rounds))
    return 0.01 * np.exp(logs[0]), 0.01 * np.exp(logs[1] + effect)


def figures(found):
    return np.log([found.value, found.low, found.high])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**20), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(6, 99))
def test_a_constant_factor_moves_the_interval_by_itself(seed, one, other, rounds):
    base, candidate = arms(seed, rounds)
    moved = figures(ratio(base * one, candidate * other))
    shift = np.log(other / one)
    np.testing.assert_allclose(moved, figures(ratio(base, candidate)) + shift, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**20), st.floats(-0.05, 0.05), st.integers(6, 99))
def test_swapped_arms_swap_everything(seed, effect, rounds):
    there, back = ratio(*arms(seed, rounds, effect)), ratio(*arms(seed, rounds, effect)[::-1])
    np.testing.assert_allclose(figures(back), -figures(there)[[0, 2, 1]], atol=1e-9)
    opposite = {"faster": "slower", "slower": "faster"}
    assert back.verdict == opposite.get(there.verdict, there.verdict)


def test_more_noise_is_a_wider_interval_and_more_rounds_a_narrower_one():
    widths = [ratio(*arms(0, noise=noise)).width for noise in (0, 0.003, 0.01, 0.03)]
    assert widths == sorted(widths)
    assert widths[0] == 0
    assert ratio(*arms(0, rounds=600)).width < 0.5 * ratio(*arms(0, rounds=60)).width
    assert ratio(*arms(0), confidence=0.99).width > ratio(*arms(0)).width


def test_a_linear_drift_and_the_order_of_turns_cancel():
    turns = np.exp(0.003 * np.arange(80)).reshape(-1, 2)
    turns[:, 1] *= 1.01  # whoever is second is slower
    turns[1::2] = turns[1::2, ::-1]
    base, candidate = turns.T
    assert figures(ratio(base, 1.02 * candidate)) == pytest.approx(np.log([1.02] * 3))


def test_outliers_do_not_move_it_and_are_told():
    base, candidate = arms(1, 200)
    before = ratio(base, candidate)
    candidate[[7, 50, 90]] *= 30
    after = ratio(base, candidate)
    assert after.value == pytest.approx(before.value, rel=1e-3)
    assert after.total == pytest.approx(1 + 3 * 29 / 200, rel=0.05)
    assert any("by total time" in fact for fact in after.facts)


@pytest.mark.parametrize(
    ("low", "high", "margin", "verdict"),
    [
        (0.98, 0.99, 0, "faster"),
        (1.01, 1.02, 0, "slower"),
        (0.99, 1.01, 0, "undecided"),
        (1.0, 1.0, 0, "same"),
        (0.992, 1.008, 0.01, "same"),
        (0.992, 0.998, 0.01, "same"),
        (0.98, 0.995, 0.01, "undecided"),
        (0.97, 0.98, 0.01, "faster"),
        (1.005, 1.03, 0.01, "undecided"),
        (1.02, 1.03, 0.01, "slower"),
    ],
)
def test_verdicts(low, high, margin, verdict):
    assert decide(low, high, margin) == verdict


@pytest.mark.parametrize(
    ("low", "high", "floor", "verdict"),
    [
        (1.004, 1.008, 0.002, "slower"),
        (0.992, 0.996, 0.002, "faster"),
        (1.004, 1.008, 0.006, "same"),
        (1.004, 1.03, 0.006, "undecided"),
        (0.8, 1.2, 0.3, "undecided"),
    ],
)
def test_noise_is_no_sameness(low, high, floor, verdict):
    """A difference beyond the floor counts within the margin too; within it none does."""
    assert decide(low, high, 0.01, floor) == verdict


def test_verdict_of_arms():
    assert ratio(*arms(0, 200, 0.03)).verdict == "slower"
    assert ratio(*arms(0, 200, -0.03)).verdict == "faster"
    assert ratio(*arms(0, 200), margin=0.01).verdict == "same"
    odd = ratio(*arms(0, 201))
    assert odd.rounds == 200
    assert odd.effective_rounds <= 200


def test_rounds_that_hang_together_are_worth_few_and_decide_nothing():
    base, candidate = arms(3, 40, noise=1e-4)
    candidate = candidate * np.exp(0.05 * np.sin(np.arange(40) / 12))
    found = ratio(base, candidate)
    assert found.effective_rounds < 20
    assert found.verdict == "undecided"
    assert "too few for a verdict" in found.facts[0]


@pytest.mark.parametrize(("rounds", "told"), [(12, True), (31, True), (32, False)])
def test_too_few_rounds_to_see_dependence_are_told(rounds, told):
    facts = ratio(*arms(0, rounds)).facts
    assert any("too few to see whether neighbouring ones hang" in one for one in facts) is told


@pytest.mark.parametrize(
    "trace", ["independent, 1 %", "AR(1) 0.9", "two modes of each arm, x1.03"]
)
def test_few_rounds_rest_on_the_noise_floor(trace):
    """Their interval may be far too narrow; a verdict beyond the floor is rarely wrong."""
    assert calibration.guarded(trace, 2000, 12) < 0.08
    assert calibration.covered(trace, 2000, 12, statistics.located) < 0.95


def test_a_coarse_clock_does_not_hide_what_it_sees():
    base, candidate = np.full(40, 0.01), np.full(40, 0.01)
    assert figures(ratio(base, candidate)) == pytest.approx([0, 0, 0])
    candidate[::5] = 0.011
    assert ratio(base, candidate).width > 0


@pytest.mark.parametrize(
    ("base", "candidate", "options", "message"),
    [
        ([1.0] * 8, [1.0] * 7, {}, "baseline has 8 rounds, candidate 7"),
        ([1.0] * 5, [1.0] * 5, {}, "5 rounds are too few"),
        ([1.0] * 7 + [0.0], [1.0] * 8, {}, r"baseline\[7\] is 0.0, no time"),
        ([1.0] * 8, [1.0, float("nan")] * 4, {}, r"candidate\[1\] is nan"),
        ([1.0] * 8, [1.0, float("inf")] * 4, {}, r"candidate\[1\] is inf"),
        ([1.0] * 8, [1.0, -1.0] * 4, {}, r"candidate\[1\] is -1.0"),
        ([[1.0] * 8], [[1.0] * 8], {}, "give one time a round"),
        ([1.0] * 8, [1.0] * 8, {"confidence": 95}, "confidence is 95"),
        ([1.0] * 8, [1.0] * 8, {"margin": -0.1}, "margin is -0.1"),
        ([1.0] * 8, [1.0] * 8, {"floor": -0.1}, "floor is -0.1"),
    ],
)
def test_bad_times_are_named(base, candidate, options, message):
    with pytest.raises(ValueError, match=message):
        ratio(base, candidate, **options)


def test_sampling_stops_at_width_budget_or_most_rounds():
    rule = Sampling(width=0.01, budget=10, least=40, most=400)
    base, candidate = (list(times) for times in arms(5, 400, 0.5, noise=0.004))
    stops = {
        rounds: why
        for rounds in range(401)
        if (why := rule.enough(base[:rounds], candidate[:rounds], seconds=1))
    }
    assert min(stops) in list(rule.looks())[1:]
    assert "narrower than 1.00%" in stops[min(stops)]
    assert stops[400] == "400 rounds, the most allowed"
    assert rule.enough(base[:7], candidate[:7], seconds=10) == "10 s spent of 10 s"
    # One of several candidates that is not known yet keeps all going.
    wild = list(arms(5, 400, noise=0.1)[1])
    now = min(stops)
    assert rule.enough(base[:now], candidate[:now], wild[:now], seconds=1) is None


def test_sampling_refuses_what_can_not_be():
    with pytest.raises(ValueError, match="width 0 and budget"):
        Sampling(width=0)
    with pytest.raises(ValueError, match="least 2 and most"):
        Sampling(least=2)
    with pytest.raises(ValueError, match="as many rounds as baseline"):
        Sampling().enough([1.0], [1.0, 2.0], seconds=0)
    with pytest.raises(ValueError, match="a candidate or more"):
        Sampling().enough([1.0], seconds=0)


def test_the_simulated_rule_is_the_rule():
    """calibration.sampled stops each run where `enough` does."""
    name = "independent, 1 %"
    rule = Sampling(width=0.012, least=40, most=200)
    y = traces.log_ratios(name, 0, 1, rule.most)[0]
    base, candidate = [1.0] * rule.most, list(np.exp(np.repeat(y, 2)))
    stop = next(
        rounds
        for rounds in range(rule.most + 1)
        if rule.enough(base[:rounds], candidate[:rounds], seconds=0)
    )
    assert calibration.sampled(name, 1, rule=rule).rounds == stop


QUICK = (
    "independent, 1 %",
    "AR(1) 0.9",
    "linear drift",
    "pauses x3 in 3 % of turns",
    "AR 0.7, drift, machine modes, pauses",
)


@pytest.mark.parametrize("name", QUICK)
def test_the_interval_holds(name):
    assert not calibration.sampled(name, 200, seed=9).missed(200, 3)


@pytest.mark.parametrize(
    ("name", "method"),
    [("AR(1) 0.9", name) for name in ("t, mean", "Newey-West, mean", "10 batches, Huber")],
)
def test_a_broken_interval_is_caught(name, method):
    locate = intervals.METHODS[method]
    missed = calibration.sampled(name, 200, seed=9, locate=locate).missed(200, 3)
    assert any("covers" in text for text in missed)


def test_a_method_that_knows_nothing_is_caught():
    def endless(values):
        found = located(values)
        return statistics.Located(found.centre, 10 * found.half, found.effective)

    rule = Sampling(width=1, least=40, most=60)
    row = calibration.sampled("independent, 1 %", 200, locate=endless, rule=rule)
    assert row.missed(200, 1)[0].endswith("covers 100.0%, 93% to 97%")
    assert "power 0.0%" in row.missed(200, 3)[0]


def test_committed_calibration_is_of_these_traces_and_holds():
    found = json.loads(COMMITTED.read_text())
    rows = [calibration.Row(**row) for row in found["rows"]]
    assert [row.trace for row in rows] == list(traces.TRACES)
    assert found["runs"] >= 1000
    assert not [text for row in rows for text in row.missed(found["runs"])]


def decaying(seed, count=60, height=1.0, length=4.0, noise=0.01):
    logs = np.random.default_rng(seed).normal(0, noise, count)
    return np.exp(logs) * (1 + height * np.exp(-np.arange(count) / length))


def test_warm_up_ends_where_the_series_is_flat():
    starts = [steady(decaying(seed)).start for seed in range(100)]
    told = [start for start in starts if start is not None]
    assert len(told) >= 95
    assert 10 <= np.median(told) <= 25  # 1 % of the start is left after 18
    flat = [steady(decaying(seed, height=0)).start for seed in range(100)]
    assert sum(start is None for start in flat) <= 5
    assert np.median([start for start in flat if start is not None]) <= 15
    step = np.ones(40)
    step[:7] = 3
    assert steady(step).start == 7
    assert steady(np.ones(20)).start == 0


def test_what_never_settles_is_refused_with_words():
    assert "too few" in steady([1.0] * 5).words
    rising = np.exp(np.random.default_rng(0).normal(0, 0.01, 60)) * np.linspace(1, 2, 60)
    assert steady(rising).start is None
    assert steady(rising).words.startswith("not steady")
    late = np.ones(40)
    late[:30] = 2
    assert steady(late).start is None


def test_summary_and_throughput():
    found = summarise([0.1, 0.2, 0.3, 0.4, 1.0])
    assert (found.count, found.median, found.min) == (5, 0.3, 0.1)
    assert (found.mean, found.mad) == pytest.approx((0.4, 0.1))
    assert found.p5 < found.median < found.p95
    assert found.throughput(32) == pytest.approx(32 / 0.3)
    with pytest.raises(ValueError, match="no samples"):
        summarise([])


def test_a_block_makes_the_clock_negligible():
    assert block(1e-6, overhead=1e-7, share=1e-3, least=0) == 100
    assert block(0.001) == 10
    assert block(5.0) == 1
    with pytest.raises(ValueError, match="no time"):
        block(0.0)
    with pytest.raises(ValueError, match="out of range"):
        block(1.0, share=0)


def test_what_disturbs_is_told():
    draw = np.random.default_rng(0)
    quiet = np.exp(draw.normal(0, 0.01, 200))
    assert observe(quiet, canary=quiet) == ()
    assert "drift: the later half takes +4.8%" in observe(quiet * np.linspace(1, 1.1, 200))[0]
    modes = quiet * np.where(np.arange(200) // 10 % 3 == 0, 1.2, 1)
    assert any("two modes" in fact and "1.2 times" in fact for fact in observe(modes))
    stalls = quiet.copy()
    stalls[::25] *= 3
    assert observe(stalls) == ("outliers: 4.0% of the rounds take far longer",)
    slow = traces.autoregressive(draw, 1, 200, 0.9, 0.01)[0]
    assert any("dependence" in fact for fact in observe(np.exp(slow)))
    assert "canary was slowed in 4%" in observe(quiet, canary=stalls)[-1]


def test_quiet_series_are_rarely_accused():
    draw = np.random.default_rng(1)
    accused = [observe(np.exp(draw.normal(0, 0.01, 60))) for _ in range(200)]
    assert sum(bool(facts) for facts in accused) <= 20
