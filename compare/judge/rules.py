"""Published rules of agreement, by their defaults, to be tried beside this project's verdict.

Each says of one array whether it passes. T and J are what torch and JAX computed in float32,
R is torch's float64 run, which only a few of the rules look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from compare.judge.thresholds import UNIT

Array = np.ndarray
Rule = Callable[[Array, Array, Array], bool]


def _close(
    reference: Array, values: Array, rtol: float, atol: float, equal_nan: bool = False
) -> bool:
    """|values - reference| <= atol + rtol |reference|, everywhere."""
    return bool(np.allclose(values, reference, rtol=rtol, atol=atol, equal_nan=equal_nan))


def assert_close(t: Array, j: Array, r: Array) -> bool:
    """|J - T| <= 1e-5 + 1.3e-6 |T|; NaN equals nothing.

    torch.testing.assert_close, float32. Source: torch.testing's documentation.
    """
    return _close(t, j, 1.3e-6, 1e-5)


def keras(t: Array, j: Array, r: Array) -> bool:
    """|J - T| <= 1e-6 + 1e-6 |T|. Source: keras/src/testing/test_case.py, assertAllClose."""
    return _close(t, j, 1e-6, 1e-6, equal_nan=True)


def troubleshooter(t: Array, j: Array, r: Array) -> bool:
    """|J - T| <= 1e-4 + 1e-4 |T|; NaN equals nothing.

    MindSpore TroubleShooter. Source: NetDifferenceFinder in its documentation.
    """
    return _close(t, j, 1e-4, 1e-4)


def dynamo(t: Array, j: Array, r: Array) -> bool:
    """allclose at 1e-4, or rmse(J - R) <= m rmse(T - R) + 1e-5.

    m is 2, or 3 under 1000 elements and for maps of 1x1. Source: same() of
    torch/_dynamo/utils.py.
    """
    if _close(t, j, 1e-4, 1e-4):
        return True
    pixel = t.ndim == 4 and t.shape[-1] == t.shape[-2] == 1
    multiplier = 3.0 if t.size < 1000 or pixel else 2.0
    return bool(_rmse(j, r) <= multiplier * _rmse(t, r) + 1e-5)


def _rmse(values: Array, reference: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values.astype(np.float64) - reference))))


def transformers(t: Array, j: Array, r: Array) -> bool:
    """max|J - T| <= 1e-5, with what is NaN on either side set to 0 on both.

    Source: transformers v4, tests/test_modeling_flax_common.py, check_pt_flax_outputs.
    """
    gone = np.isnan(t) | np.isnan(j)
    return bool(np.abs(np.where(gone, 0, j) - np.where(gone, 0, t)).max(initial=0.0) <= 1e-5)


def polygraphy(t: Array, j: Array, r: Array) -> bool:
    """No element with both |J - T| > 1e-5 and |J - T| > 1e-5 |T|; a NaN fails.

    Source: NVIDIA Polygraphy, comparator/compare.py, error statistic "elemwise".
    """
    gaps = np.abs(j - t)
    return bool(np.all((gaps <= 1e-5) | (gaps <= 1e-5 * np.abs(t))))


def reprod_log(t: Array, j: Array, r: Array) -> bool:
    """mean|J - T| < 1e-6. Source: WenmuZhou/reprod_log, reprod_log/compare.py."""
    return bool(np.abs(j - t).mean() < 1e-6)


def torchax(t: Array, j: Array, r: Array) -> bool:
    """|J - T| <= 1e-3 + 1e-5 |T|. Source: google/torchax, test/test_ops.py."""
    return _close(t, j, 1e-5, 1e-3)


def bonsai(t: Array, j: Array, r: Array) -> bool:
    """|J - T| <= 1e-3 + 1e-3 |T|: the middle of what its tests pass.

    Source: jax-ml/bonsai, the models' tests, which write a tolerance each, 1e-7 to 2e-1.
    """
    return _close(t, j, 1e-3, 1e-3)


def ivy(t: Array, j: Array, r: Array) -> bool:
    """|J - T| <= 1e-6 + 1e-5 |T|, NaN as 0 on both sides.

    Source: ivy_tests/test_ivy/helpers/assertions.py.
    """
    return _close(np.nan_to_num(t), np.nan_to_num(j), 1e-5, 1e-6)


def msprobe(t: Array, j: Array, r: Array) -> bool:
    """Level "error": cosine(T, J) < 0.99, or over 0.1 % of elements off by more than 1e-3 |T|.

    max|J - T| < 1e-3 passes before the elements are counted; NaN on one side is an error.
    Source: Ascend msprobe, accuracy checker, float32.
    """
    if not np.array_equal(np.isnan(t), np.isnan(j)):
        return False
    ours, theirs = np.nan_to_num(t).ravel(), np.nan_to_num(j).ravel()
    sizes = np.linalg.norm(ours) * np.linalg.norm(theirs)
    if sizes and ours @ theirs / sizes < 0.99:
        return False
    gaps = np.abs(theirs - ours)
    if gaps.max(initial=0.0) < 1e-3:
        return True
    relative = gaps / (np.abs(ours) + np.finfo(np.float32).eps)
    return bool(np.mean(relative < 1e-3) >= 0.999)


def check_close(t: Array, j: Array, r: Array) -> bool:
    """|J - T| <= n 1e-6 (1 + |T|), with n the number of elements.

    Source: jax/_src/public_test_util.py, check_close, float32.
    """
    return _close(t, j, 1e-6 * t.size, 1e-6 * t.size, equal_nan=True)


def onnx(t: Array, j: Array, r: Array) -> bool:
    """|J - T| <= 1e-7 + 1e-3 |T|. Source: onnx/backend/test, the runner's defaults."""
    return _close(t, j, 1e-3, 1e-7, equal_nan=True)


def padiff(t: Array, j: Array, r: Array) -> bool:
    """|mean J - mean T| <= 1e-4 + 1e-7 |mean T|.

    The mean is its default mode and 1e-7 its default rtol; 1e-4 is the atol of its tutorials,
    where the default is 0. Source: PaddlePaddle/PaDiff, docs/Interfaces.md, padiff/utils.py.
    """
    return _close(np.mean(t, keepdims=True), np.mean(j, keepdims=True), 1e-7, 1e-4)


def array_api(t: Array, j: Array, r: Array) -> bool:
    """|J - T| <= max(0.25 max(|T|, |J|), 1), NaN where NaN is.

    Source: data-apis/array-api-tests, array_api_tests/pytest_helpers.py.
    """
    if not np.array_equal(np.isnan(t), np.isnan(j)):
        return False
    wide = np.maximum(0.25 * np.maximum(np.abs(t), np.abs(j)), 1.0)
    return bool(np.all((np.abs(j - t) <= wide) | np.isnan(t)))


def flash_attention(t: Array, j: Array, r: Array) -> bool:
    """max|J - R| <= 2 max|T - R|. Source: Dao-AILab/flash-attention, tests."""
    return bool(np.abs(j - r).max(initial=0.0) <= 2 * np.abs(t - r).max(initial=0.0))


PUBLISHED: Mapping[str, Rule] = {
    "torch assert_close": assert_close,
    "Keras 1e-6": keras,
    "TroubleShooter 1e-4": troubleshooter,
    "dynamo same() 1e-4": dynamo,
    "flash-attention, twice the reference's error": flash_attention,
    "HF Flax, max 1e-5": transformers,
    "Polygraphy 1e-5": polygraphy,
    "reprod_log, mean 1e-6": reprod_log,
    "torchax 1e-3 / 1e-5": torchax,
    "bonsai-style 1e-3": bonsai,
    "ivy": ivy,
    "msprobe, level error": msprobe,
    "jax check_close, times size": check_close,
    "ONNX 1e-3 / 1e-7": onnx,
    "PaDiff, mean": padiff,
    "array-api .25 / 1": array_api,
}


def oracle(t: Array, j: Array, r: Array) -> bool:
    """max|J - R| <= 8 max|T - R| + 4 u32 max|R|: float32 against a float64 run alone."""
    allowed = 8 * np.abs(t - r).max(initial=0.0) + 4 * UNIT["float32"] * np.abs(r).max()
    return bool(np.abs(j - r).max(initial=0.0) <= allowed)


def wide(t64: Array, j64: Array) -> bool:
    """max|J64 - T64| <= 1e-10 max|T64|: both sides in float64 alone."""
    if not np.array_equal(np.isnan(t64), np.isnan(j64)):
        return False
    return bool(np.nanmax(np.abs(j64 - t64)) <= 1e-10 * np.nanmax(np.abs(t64)))
