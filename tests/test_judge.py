"""The judge on hand-made arrays: each finding has a fault that must trigger it."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compare.cases.case import Case, draw
from compare.check import check, recorded
from compare.judge.agree import compare, judge
from compare.judge.thresholds import CARE_BITS, FLOAT64_MARGIN, UNIT
from compare.run.record import Record, failed

RNG = np.random.default_rng(0)
T64 = RNG.normal(size=(4, 5))
NO_CASTS = {"torch": (), "jax": ()}


def rounded(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


def finding(j64: np.ndarray, t64: np.ndarray = T64, t32=None, j32=None, casts=NO_CASTS):
    t32 = rounded(t64) if t32 is None else t32
    j32 = rounded(j64) if j32 is None else j32
    return compare("output/0", t64, j64, t32, j32, casts)


def changed(change) -> np.ndarray:
    values = T64.copy()
    change(values)
    return values


def test_equal_arrays_are_the_same():
    assert finding(T64.copy()).verdict == "same"


def test_rounding_is_the_same():
    assert finding(T64 * (1 + 4 * UNIT["float64"])).verdict == "same"


WRONG = {
    "one element": changed(lambda a: a.__setitem__((2, 3), a[2, 3] + 1e-6)),
    "sign": -T64,
    "permuted": T64[::-1].copy(),
    "transposed and back by shape": T64.T.reshape(4, 5),
    "constant": np.full_like(T64, T64.mean()),
    "scaled by 1 + 1e-6": T64 * (1 + 1e-6),
    "NaN on one side": changed(lambda a: a.__setitem__((0, 0), np.nan)),
    "inf on one side": changed(lambda a: a.__setitem__((0, 0), np.inf)),
    "zeros": np.zeros_like(T64),
    "zero-mean error": T64 + 1e-5 * np.where(np.indices(T64.shape).sum(0) % 2, 1, -1),
    "another shape": T64[:, :4],
    "one more axis": T64[None],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arrays_are_different(name):
    found = finding(WRONG[name], j32=rounded(WRONG[name]))
    assert found.verdict == "different"
    assert found.says


def test_opposite_infinities_are_different():
    plus = changed(lambda a: a.__setitem__((0, 0), np.inf))
    minus = changed(lambda a: a.__setitem__((0, 0), -np.inf))
    assert finding(minus, plus).verdict == "different"


def test_nan_and_inf_in_the_same_places_are_the_same():
    special = T64.copy()
    special[0, :3] = [np.nan, np.inf, -np.inf]
    assert finding(special.copy(), special).verdict == "same"


def test_integers_and_booleans_are_equal_or_not():
    whole = np.arange(6).reshape(2, 3)
    assert compare("i", whole, whole.astype(np.int32), None, None, NO_CASTS).verdict == "same"
    assert (
        compare("i", whole, whole + (whole == 4), None, None, NO_CASTS).verdict == "different"
    )
    assert compare("i", whole > 2, whole > 3, None, None, NO_CASTS).verdict == "different"
    assert compare("i", whole, whole.astype(float), None, None, NO_CASTS).verdict == "different"


def test_an_array_of_one_side_only_is_different():
    assert compare("a", T64, None, rounded(T64), None, NO_CASTS).verdict == "different"
    assert compare("a", None, T64, None, rounded(T64), NO_CASTS).verdict == "different"


def test_a_float32_result_of_a_float64_run_is_a_leak():
    assert finding(rounded(T64)).verdict == "leak"


def test_a_float32_sized_gap_with_a_cast_seen_is_a_leak_and_names_it():
    casts = {"torch": (), "jax": ("float64 -> float32 at somewhere.py:7 (attend)",)}
    leaked = rounded(T64).astype(np.float64)
    found = finding(leaked, casts=casts)
    assert found.verdict == "leak"
    assert "somewhere.py:7" in found.says
    assert finding(leaked).verdict == "different"
    assert finding(T64 + 1e-2, casts=casts).verdict == "different"


def test_a_side_that_loses_more_bits_is_less_careful():
    careless = rounded(T64 * (1 + 2.0**CARE_BITS * 8 * UNIT["float32"]))
    found = finding(T64.copy(), j32=careless)
    assert found.verdict == "less-careful"
    assert found.bits > CARE_BITS
    assert finding(T64.copy(), t32=careless).verdict == "same"


def test_amplified_rounding_is_no_difference():
    """Where torch's own float32 is far off, float64 may be off in proportion."""
    noisy = rounded(T64 * (1 + 1e-3))
    assert finding(T64 * (1 + 1e-11), t32=noisy, j32=noisy).verdict == "same"
    assert finding(T64 * (1 + 1e-11)).verdict == "different"


def test_zero_but_for_rounding():
    zeros, noise = np.zeros((3,)), np.array([1e-17, -2e-17, 0.0])
    noise32 = np.array([1e-8, 3e-9, -1e-8], np.float32)
    assert finding(noise, zeros, t32=noise32, j32=noise32).verdict == "same"
    assert finding(noise, zeros, t32=zeros, j32=noise32).verdict == "same"
    assert finding(noise, zeros, t32=zeros, j32=noise).verdict == "different"
    assert finding(-noise, noise, t32=noise32, j32=-noise32).verdict == "same"


def records(t64: dict, j64: dict) -> dict:
    def single(arrays: dict) -> dict:
        return {k: v.astype(np.float32) if v.dtype == float else v for k, v in arrays.items()}

    return {
        ("torch", "float64"): Record("torch", "float64", t64),
        ("jax", "float64"): Record("jax", "float64", j64),
        ("torch", "float32"): Record("torch", "float32", single(t64)),
        ("jax", "float32"): Record("jax", "float32", single(j64)),
    }


def test_a_comparison_of_nothing_is_an_error():
    assert judge("case", records({}, {})).verdict == "error"
    empty = {"output/0": np.zeros((0, 3))}
    assert judge("case", records(empty, empty)).verdict == "error"
    assert judge("case", records(empty, empty), may_be_empty=True).verdict == "same"


def test_a_comparison_of_zeros_is_an_error():
    zeros = {"output/0": np.zeros(3), "grad/x": np.zeros(3)}
    verdict = judge("case", records(zeros, zeros))
    assert verdict.verdict == "error"
    assert "zeros" in verdict.says


@pytest.mark.parametrize(
    "given",
    [
        {"output/0": T64, "grad/x": np.zeros((4, 5))},
        {"output/0": T64, "grad/x": 1e-17 * T64},  # a softmax's sum pulled back: dust
        {"output/0": T64},
    ],
    ids=["flat", "orthogonal", "constant"],
)
def test_gradients_that_can_not_fail_are_an_error_unless_the_case_says_so(given):
    found = records(given, given)
    dust = found["torch", "float32"].arrays
    if "grad/x" in given and given["grad/x"].any():
        dust["grad/x"] = rounded(1e-9 * T64[::-1])
    found["torch", "float64"].spread = {name: np.zeros((4, 5)) for name in given}
    verdict = judge("case", found, may_be_flat=False)
    assert verdict.verdict == "error"
    assert "gradient is zero" in verdict.says or "constant" in verdict.says
    assert judge("case", found, may_be_flat=True).verdict == "same"


def test_a_sum_of_a_softmax_is_reported_as_vacuous():
    """Pulled back through check itself: the cotangent of a lone sum can't reach the scores."""
    case = Case(
        "activation.softmax",
        {"input": draw("n=3 c=5")},
        options={"dim": 1},
        name="the sum of a softmax",
        torch="test_judge:summed_softmax",
        jax="test_judge:summed_softmax",
        out=("n",),
    )
    (verdict,) = check([case], quick=True)
    assert verdict.verdict == "error"
    assert "orthogonal" in verdict.says


def summed_softmax(input, dim):
    """On either side, by the array's own methods."""
    scores = input.exp() if torch.is_tensor(input) else jnp.exp(input)
    return (scores / scores.sum(dim)[:, None]).sum(dim)


def test_empty_arrays_still_need_equal_shapes():
    one, other = {"output/0": np.zeros((0, 3))}, {"output/0": np.zeros((0, 4))}
    assert judge("case", records(one, other), may_be_empty=True).verdict == "different"


def test_a_case_is_as_bad_as_its_worst_array():
    good, bad = {"output/0": T64, "grad/x": T64}, {"output/0": T64, "grad/x": T64 + 1e-3}
    verdict = judge("case", records(good, bad))
    assert verdict.verdict == "different"
    assert verdict.says.startswith("grad/x")
    assert verdict.worst.array == "grad/x"


def test_failures_and_missing_features_speak_in_their_own_words():
    some = records({"output/0": T64}, {"output/0": T64})
    some["jax", "float64"] = failed("jax", "float64", ValueError("stride must be positive"))
    verdict = judge("case", some)
    assert (verdict.verdict, verdict.says) == (
        "error",
        "jax side: ValueError: stride must be positive",
    )
    some["jax", "float64"] = failed(
        "jax", "float64", NotImplementedError("no double attention")
    )
    assert judge("case", some).verdict == "unsupported"


@given(st.integers(0, 2**32 - 1), st.floats(-30, -18), st.integers(1, 60))
def test_relative_errors_are_told_from_rounding_at_any_scale(seed, power, size):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=size) * 10.0 ** rng.integers(-200, 200)
    off = values * (1 + 2.0**power)
    verdict = finding(off, values, t32=values, j32=off).verdict
    assert verdict == "different"
    margin = FLOAT64_MARGIN * UNIT["float64"]
    assert finding(values * (1 + margin / 4), values, t32=values, j32=values).verdict == "same"


# One wrong element, far smaller than the largest, or than what torch's float32 loses.

WIDE = T64 * np.array([1e6, 1.0, 1e-3, 1e-6, 1e-9])
SPREAD = np.abs(WIDE) * UNIT["float64"] * RNG.uniform(0, 2, WIDE.shape)


def wide(j64: np.ndarray, casts=NO_CASTS, spread: np.ndarray | None = SPREAD):
    t32, j32 = rounded(WIDE), rounded(j64)
    return compare("output/0", WIDE, j64, t32, j32, casts, spread)


def test_a_wrong_tiny_element_can_not_hide_behind_a_large_maximum():
    wrong = WIDE.copy()
    wrong[1, 4] *= 1 + 1e-6  # 1e-21 of the largest
    found = wide(wrong)
    assert found.verdict == "different"
    assert found.gap < found.bound
    assert "element (1, 4)" in found.says
    assert wide(wrong, spread=None).verdict == "same"


def test_a_tiny_element_that_went_through_float32_is_a_leak():
    narrowed = WIDE.copy()
    narrowed[1, 3] = np.float32(narrowed[1, 3])
    casts = {"torch": (), "jax": ("float64 -> float32 at x.py:1 (f)",)}
    assert wide(narrowed, casts).verdict == "leak"
    assert wide(narrowed).verdict == "different"


def test_elements_of_rounding_alone_are_the_same():
    """Gradients that are zero but for rounding: torch's may be exactly zero by luck."""
    dust = np.where(np.indices(T64.shape).sum(0) % 3, 1e-17, 0.0) * T64
    spread = np.where(np.indices(T64.shape).sum(0) % 2, np.abs(dust), 0.0) + 0.0
    spread[0, 0] = 1e-17
    other = np.roll(dust, 1)
    found = compare("grad/bias", dust, other, 1e-9 * T64, 1e-9 * T64[::-1], NO_CASTS, spread)
    assert found.verdict == "same"


@given(st.integers(0, 2**32 - 1))
def test_correct_elements_of_any_size_are_the_same(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(3, 7)) * 10.0 ** rng.integers(-12, 12, (3, 7))
    unit = UNIT["float64"]
    spread = np.abs(values) * unit * rng.uniform(0, 2, values.shape)
    j64 = values * (1 + unit * rng.integers(-40, 40, values.shape))
    found = compare("x", values, j64, rounded(values), rounded(j64), NO_CASTS, spread)
    assert found.verdict == "same"


def test_a_norm_of_two_near_numbers_shows_what_it_rounds_within():
    """It hardly moves with its inputs, yet its mean is off by a rounding of them."""
    near = np.array([[100.0, 100.0 + 2.0**-8], [3.0, 5.0]])
    case = Case(
        "normalization.layer_norm",
        {"input": draw("n=2 w=2", "given", values=near.ravel().tolist())},
        options={"normalized_shape": (2,), "eps": 1e-12},
        name="two near numbers",
    )
    spread = recorded([case], quick=True)[case.name]["torch", "float64"].spread["output/0"]
    assert spread[0].max() > 3000 * UNIT["float64"]
    assert spread[1].max() < 30 * UNIT["float64"]


@pytest.mark.parametrize("change", [0.5, 300.0])
def test_float32_that_came_out_exact_by_luck_is_not_all_that_measures_rounding(change):
    """A gap of `change` times what torch moves by, its operations an ulp off."""
    spread = np.full(T64.shape, 1e-12)
    j64 = T64 + change * spread
    exact = T64.astype(np.float64)
    found = compare("output/0", T64, j64, exact, j64, NO_CASTS, spread)
    assert found.verdict == "same"
    wrong = compare("output/0", T64, T64 + 1e-6, exact, T64 + 1e-6, NO_CASTS, spread)
    assert wrong.verdict == "different"


def test_noise_far_above_the_array_is_no_difference():
    """A saturated softmax: torch's cancellation came out exact, and its gradient is 1e-37; with
    each operation an ulp off it is 1e-12."""
    t64, spread = T64 * 1e-37, np.full(T64.shape, 1e-12)
    t32, j32 = t64.astype(np.float32), (T64 * 1e-4).astype(np.float32)
    for j64 in (t64, -3 * t64, t64 + 1e-13):
        found = compare("grad/weight", t64, j64, t32, j32, NO_CASTS, spread)
        assert found.verdict == "same", found.says
    meant = compare("grad/weight", t64, t64 + 1e-3, t32, j32, NO_CASTS, spread)
    assert meant.verdict == "different"


def test_elements_that_are_not_finite_are_left_to_their_own_check():
    special = WIDE.copy()
    special[0, :3] = [np.nan, np.inf, -np.inf]
    spread = np.where(np.isfinite(special), SPREAD, np.nan)
    same = rounded(special)
    found = compare("x", special, special.copy(), same, same, NO_CASTS, spread)
    assert found.verdict == "same"
