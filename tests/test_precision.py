"""Bits lost at each precision: by hand-made arrays, and by the command."""

from __future__ import annotations

import json
import math

import ml_dtypes
import numpy as np
import pytest
from commands import portbench

from compare.cases.case import Case, draw
from compare.judge.precision import Loss, bits, losses
from compare.judge.thresholds import CARE_BITS, UNIT
from compare.precision import measured
from compare.run.draw import givens, narrowed

EXACT = np.random.default_rng(0).normal(size=(5, 7))
DTYPES = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}


@pytest.mark.parametrize("precision", DTYPES)
def test_rounding_the_exact_result_loses_nothing(precision):
    assert bits(EXACT, EXACT.astype(DTYPES[precision]), precision) == 0.0


@pytest.mark.parametrize("lost", [1, 4, 9])
def test_bits_are_counted_from_one_rounding_of_the_largest(lost):
    off = EXACT.copy()
    off[2, 3] += 2.0**lost * UNIT["bfloat16"] * np.abs(EXACT).max()
    assert bits(EXACT, off, "bfloat16") == pytest.approx(lost)


def test_an_overflow_loses_every_bit_and_arrays_of_dust_none():
    over = EXACT.astype(np.float16)
    over[0, 0] = np.inf
    assert bits(EXACT, over, "float16") == math.inf
    dust = {"grad/bias": 1e-17 * EXACT, "output/0": EXACT}
    other = {"grad/bias": -1e-17 * EXACT, "output/0": EXACT}
    (found,) = losses("float32", (dust, dust), (other, other))
    assert found == Loss("output/0", 0.0, 0.0)


def test_who_loses_more():
    assert Loss("x", 3.0, 3.0 + CARE_BITS).verdict == "alike"
    assert Loss("x", 3.0, 3.1 + CARE_BITS).verdict == "JAX loses more"
    assert Loss("x", math.inf, 0.0).verdict == "torch loses more"
    assert Loss("x", math.inf, math.inf).verdict == "alike"


def test_what_is_given_is_exact_in_the_precision():
    case = Case("linear.linear", {"input": draw("n=3 i=4"), "weight": draw("o=5 i=4")})
    given = narrowed(givens(case, [], 0), "bfloat16")
    for values in given.inputs.values():
        assert np.array_equal(values, values.astype(ml_dtypes.bfloat16).astype(np.float64))


def test_fast_variance_on_a_far_mean_is_seen_at_every_precision():
    case = Case(
        "normalization.layer_norm",
        {"input": draw("n=4 w=16", mean=1e3), "weight": draw("w=16"), "bias": draw("w=16")},
        options={"normalized_shape": (16,)},
        jax="compare.run.naive:layer_norm_fast",
    )
    for precision in DTYPES:
        (found,) = measured([("norm", case)], precision)
        lost = {one.array: one for one in found.losses}
        assert lost["output/0"].verdict == "JAX loses more", (precision, lost)


def test_the_command(tmp_path):
    words = ("-s", "linear", "-k", "linear.linear", "--jobs", "1", "--out", str(tmp_path))
    done = portbench("precision", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = json.loads((tmp_path / "precision.json").read_text())
    assert {case["precision"] for case in kept["cases"]} == {"float32", "bfloat16", "float16"}
    assert all(one["losses"] for one in kept["cases"] if "empty" not in one["case"])
    assert "| bfloat16 | linear |" in (tmp_path / "precision.md").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--precision", "tf32"), "cpu has no TF32"),
        (("--precision", "float8"), "there is no precision 'float8'"),
        (("-s", "nosuch"), "nosuch"),
        (("-s", "training"), "choose suites of layers"),
    ],
)
def test_wrong_use(words, says, tmp_path):
    done = portbench("precision", *words, "--out", str(tmp_path))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
