"""What has no twin to be equal to, native draws, is judged by its distribution.

Each check states the statistic, its expected value and a bound of five standard errors, so that
a right draw fails once in a million and a wrong one at once.
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

import jax_impl.conv
import jax_impl.dropout
import jax_impl.linear
import torch_impl.conv
import torch_impl.dropout
import torch_impl.linear

SIDES = ("torch", "jax")
ERRORS = 5.0


def dropped(side: str, p: float, shape: tuple[int, ...], cls: str = "Dropout", seed: int = 0):
    """Ones through a fresh dropout layer in training, as NumPy, in that side's own layout."""
    if side == "torch":
        torch.manual_seed(seed)
        return getattr(torch_impl.dropout, cls)(p)(torch.ones(shape)).numpy()
    layer = getattr(jax_impl.dropout, cls)(p, rngs=nnx.Rngs(seed))
    return np.asarray(layer(jnp.ones(shape)))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_at_its_rate_and_scales_the_survivors(side, p):
    out = dropped(side, p, (400, 500))
    kept = out != 0
    bound = ERRORS * math.sqrt(p * (1 - p) / kept.size)
    assert abs(kept.mean() - (1 - p)) < bound
    np.testing.assert_allclose(out[kept], 1 / (1 - p), rtol=1e-6)
    assert abs(out.mean() - 1) < bound / (1 - p)


@pytest.mark.parametrize("side", SIDES)
def test_dropout_is_independent_over_positions(side):
    kept = (dropped(side, 0.3, (400, 500)) != 0).astype(float)
    centred = kept - kept.mean()
    for shift in (1, 2, 7):
        for axis in (0, 1):
            product = (centred * np.roll(centred, shift, axis)).mean() / centred.var()
            assert abs(product) < ERRORS / math.sqrt(kept.size)


@pytest.mark.parametrize("side", SIDES)
def test_dropout_draws_anew_at_every_call(side):
    shape = (200, 200)
    if side == "torch":
        layer, x = torch_impl.dropout.Dropout(0.5), torch.ones(shape)
        one, two = layer(x).numpy() != 0, layer(x).numpy() != 0
    else:
        layer, x = jax_impl.dropout.Dropout(0.5, rngs=nnx.Rngs(0)), jnp.ones(shape)
        one, two = np.asarray(layer(x)) != 0, np.asarray(layer(x)) != 0
    assert abs((one == two).mean() - 0.5) < ERRORS * 0.5 / math.sqrt(one.size)


@pytest.mark.parametrize(
    ("cls", "torch_shape", "jax_shape", "axes"),
    [
        ("Dropout1d", (300, 40, 6), (300, 6, 40), {"torch": (2,), "jax": (1,)}),
        ("Dropout2d", (300, 40, 3, 4), (300, 3, 4, 40), {"torch": (2, 3), "jax": (1, 2)}),
    ],
)
@pytest.mark.parametrize("side", SIDES)
def test_channel_dropout_takes_whole_maps(side, cls, torch_shape, jax_shape, axes):
    out = dropped(side, 0.4, torch_shape if side == "torch" else jax_shape, cls)
    assert np.all(out.min(axes[side]) == out.max(axes[side]))
    kept = out.max(axes[side]) != 0
    assert abs(kept.mean() - 0.6) < ERRORS * math.sqrt(0.24 / kept.size)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("cls", ["Dropout", "Dropout1d", "Dropout2d"])
def test_dropout_is_the_identity_in_evaluation(side, cls):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    x = x[..., 0] if cls == "Dropout1d" else x
    if side == "torch":
        out = getattr(torch_impl.dropout, cls)(0.5).eval()(torch.tensor(x)).numpy()
    else:
        layer = getattr(jax_impl.dropout, cls)(0.5, rngs=nnx.Rngs(0))
        layer.eval()
        out = np.asarray(layer(jnp.asarray(x)))
    np.testing.assert_array_equal(out, x)


def test_jax_dropout_without_a_stream_says_what_to_do():
    layer = jax_impl.dropout.Dropout(0.5)
    with pytest.raises((ValueError, TypeError)) as caught:
        layer(jnp.ones((2, 3)))
    assert "rngs" in str(caught.value)
    assert "mask" in str(caught.value)


def leaves(side: str, layer: str, seed: int) -> dict[str, np.ndarray]:
    arguments = {"Linear": (300, 400), "Conv2d": (40, 60, 3)}[layer]
    stem = "linear" if layer == "Linear" else "conv"
    if side == "torch":
        torch.manual_seed(seed)
        built = getattr(globals()["torch_impl"].__dict__[stem], layer)(*arguments)
        return {k: v.detach().numpy().ravel() for k, v in built.named_parameters()}
    built = getattr(globals()["jax_impl"].__dict__[stem], layer)(
        *arguments, rngs=nnx.Rngs(seed)
    )
    return {k: np.asarray(getattr(built, k)[...]).ravel() for k in ("weight", "bias")}


@pytest.mark.parametrize("leaf", ["weight", "bias"])
@pytest.mark.parametrize("layer", ["Linear", "Conv2d"])
@pytest.mark.parametrize("side", SIDES)
def test_default_initialisers_are_torchs_uniform(side, layer, leaf):
    """U(-b, b), b = 1 / sqrt(fan_in), for weight and bias alike: Kolmogorov-Smirnov."""
    bound = 1 / math.sqrt({"Linear": 300, "Conv2d": 40 * 9}[layer])
    values = leaves(side, layer, seed=1)[leaf]
    assert np.abs(values).max() <= bound * (1 + 1e-6)
    assert stats.kstest(values, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-6


@pytest.mark.parametrize("side", SIDES)
def test_initialisers_differ_by_seed_and_by_leaf(side):
    one, two = leaves(side, "Linear", 0), leaves(side, "Linear", 1)
    assert not np.array_equal(one["weight"], two["weight"])
    correlation = np.corrcoef(one["weight"][:300], one["bias"][:300])[0, 1]
    assert abs(correlation) < ERRORS / math.sqrt(300)


def test_native_dropout_works_inside_jit():
    layer = jax_impl.dropout.Dropout(0.5, rngs=nnx.Rngs(0))
    call = nnx.jit(lambda layer, x: layer(x))
    one, two = call(layer, jnp.ones((64, 64))), call(layer, jnp.ones((64, 64)))
    assert not np.array_equal(np.asarray(one), np.asarray(two))
    assert jax.default_backend() == "cpu"
