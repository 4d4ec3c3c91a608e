"""nn.init and the tensor factories: by value where exact, by distribution where drawn.

A bound of five standard errors lets a right draw fail once in a million.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from scipy import stats

import jax_impl.init
import jax_impl.tensor
import torch_impl.init
import torch_impl.tensor
from compare.run import state

SIDES = ("torch", "jax")
P_VALUE = 1e-6
# (torch's shape, the row that carries it): a dense and a convolution weight.
WEIGHTS = {"linear": (60, 80), "conv2d": (24, 16, 3, 5)}


def filled(side: str, function: str, kind: str = "linear", **arguments) -> np.ndarray:
    """A weight filled by nn.init's `function`, in torch's order of axes, as float64."""
    shape, row = WEIGHTS[kind], state.LAYOUTS[f"{kind}.weight"]
    if side == "torch":
        torch.manual_seed(1)
        return (
            getattr(torch_impl.init, function)(torch.empty(shape), **arguments).double().numpy()
        )
    param = nnx.Param(jnp.asarray(state.to_jax(np.zeros(shape, np.float32), row)))
    returned = getattr(jax_impl.init, function)(param, **streams(function), **arguments)
    assert returned is param, "in place, and returned, as torch's are"
    return state.to_torch(np.asarray(param[...], np.float64), row)


def streams(function: str) -> dict:
    drawn = ("uniform_", "normal_", "orthogonal_", "sparse_")
    return {"generator": nnx.Rngs(1)} if function.endswith(drawn) else {}


def fans(kind: str) -> tuple[int, int]:
    out, inputs, *kernel = WEIGHTS[kind]
    return inputs * math.prod(kernel), out * math.prod(kernel)


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("side", SIDES)
def test_uniform_families_have_their_bound(side, kind):
    fan_in, fan_out = fans(kind)
    expected = {
        "xavier_uniform_": math.sqrt(6 / (fan_in + fan_out)),
        "kaiming_uniform_": math.sqrt(6 / fan_in),
    }
    for function, bound in expected.items():
        values = filled(side, function, kind).ravel()
        assert np.abs(values).max() <= bound * (1 + 1e-6)
        assert stats.kstest(values, stats.uniform(-bound, 2 * bound).cdf).pvalue > P_VALUE
    values = filled(side, "uniform_", kind, a=-1.0, b=3.0).ravel()
    assert stats.kstest(values, stats.uniform(-1.0, 4.0).cdf).pvalue > P_VALUE


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("side", SIDES)
def test_normal_families_have_their_deviation(side, kind):
    fan_in, fan_out = fans(kind)
    expected = {
        "xavier_normal_": math.sqrt(2 / (fan_in + fan_out)),
        "kaiming_normal_": math.sqrt(2 / fan_in),
    }
    for function, deviation in expected.items():
        values = filled(side, function, kind).ravel()
        assert stats.kstest(values, stats.norm(0, deviation).cdf).pvalue > P_VALUE
    values = filled(
        side, "kaiming_normal_", kind, mode="fan_out", nonlinearity="linear"
    ).ravel()
    assert stats.kstest(values, stats.norm(0, math.sqrt(1 / fan_out)).cdf).pvalue > P_VALUE
    values = filled(side, "normal_", kind, mean=2.0, std=0.5).ravel()
    assert stats.kstest(values, stats.norm(2.0, 0.5).cdf).pvalue > P_VALUE
    values = filled(side, "trunc_normal_", kind, mean=0.5, std=1.0, a=-1.0, b=1.0).ravel()
    assert stats.kstest(values, stats.truncnorm(-1.5, 0.5, 0.5, 1.0).cdf).pvalue > P_VALUE


@pytest.mark.parametrize("side", SIDES)
def test_orthogonal_rows_are_orthonormal(side):
    for kind in WEIGHTS:
        rows = filled(side, "orthogonal_", kind, gain=2.0).reshape(WEIGHTS[kind][0], -1) / 2.0
        np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-5)


@pytest.mark.parametrize("side", SIDES)
def test_sparse_empties_its_share_of_every_column(side):
    values = filled(side, "sparse_", sparsity=0.25, std=0.5)
    assert np.all((values == 0).sum(0) == math.ceil(0.25 * len(values)))
    kept = values[values != 0]
    assert stats.kstest(kept, stats.norm(0, 0.5).cdf).pvalue > P_VALUE


EXACT = [
    ("constant_", "linear", {"val": 0.25}),
    ("ones_", "linear", {}),
    ("zeros_", "conv2d", {}),
    ("eye_", "linear", {}),
    ("dirac_", "conv2d", {}),
    ("dirac_", "conv2d", {"groups": 2}),
]


@pytest.mark.parametrize(("function", "kind", "arguments"), EXACT)
def test_what_is_not_drawn_is_equal(function, kind, arguments):
    theirs, ours = (filled(side, function, kind, **arguments) for side in SIDES)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.any() or function == "zeros_"


@pytest.mark.parametrize("name", ["linear", "relu", "tanh", "sigmoid", "selu", "leaky_relu"])
def test_gains_are_torchs(name):
    theirs = torch_impl.init.calculate_gain(name)
    assert math.isclose(jax_impl.init.calculate_gain(name), theirs, rel_tol=1e-15)


def test_an_unknown_gain_is_refused():
    with pytest.raises(ValueError, match="nonlinearity"):
        jax_impl.init.calculate_gain("nope")


def test_random_factories_have_shape_dtype_and_moments():
    size, key = (200, 300), jax.random.key(0)
    drawn = {
        "torch": (torch_impl.tensor.randn(*size), torch_impl.tensor.normal(2.0, 0.5, size)),
        "jax": (
            jax_impl.tensor.randn(*size, key=key),
            jax_impl.tensor.normal(2.0, 0.5, size, key=key),
        ),
    }
    for some in drawn.values():
        for values, (mean, deviation) in zip(some, ((0, 1), (2.0, 0.5)), strict=True):
            array = np.asarray(values)
            assert array.shape == size
            assert array.dtype == np.float32
            assert stats.kstest(array.ravel(), stats.norm(mean, deviation).cdf).pvalue > P_VALUE


@pytest.mark.parametrize("name", ["ones", "zeros"])
def test_constant_factories(name):
    theirs, ours = (getattr(side, name)(2, 3) for side in (torch_impl.tensor, jax_impl.tensor))
    np.testing.assert_array_equal(np.asarray(ours), theirs.numpy())
    assert np.asarray(ours).dtype == np.float32
    like = f"{name}_like"
    ours = getattr(jax_impl.tensor, like)(jnp.arange(3))
    theirs = getattr(torch_impl.tensor, like)(torch.arange(3))
    np.testing.assert_array_equal(np.asarray(ours), theirs.numpy())
    assert np.asarray(ours).dtype.kind == "i"
