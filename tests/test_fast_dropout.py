"""Masks of dropout: jax.random's own bits, and sound by statistics that catch unsound ones.

Bounds are of five standard errors, or six and a half where a million figures are looked at: a
right generator passes, whatever its seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from scipy import stats

import jax_impl._bert
import jax_impl.bert
import jax_impl.bert_layers
import jax_impl.dropout
import torch_impl.dropout
from jax_impl._bernoulli import _threefry, bernoulli
from jax_impl.dropout import Dropout, dropout

Draw = Callable[[jax.Array, float, tuple[int, ...]], np.ndarray]  # (key, p, shape) -> kept
ERRORS, OF_MANY = 5.0, 6.5
SHAPE = (4, 8, 128, 256)  # sequences, heads, queries, keys: 2^20 draws
RATES = (0.1, 1 / 3, 0.5)


# The same bits.


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5, 7), (2, 1, 130, 3)])
def test_bits_are_those_of_jax_random(impl, shape):
    for seed, p in itertools.product((0, 2**31 + 5), (1e-7, 0.1, 1 / 3, 0.5, 0.9, 1 - 1e-7)):
        key = jax.random.key(seed, impl=impl)
        expected = jax.random.bernoulli(key, p, shape)
        assert np.array_equal(bernoulli(key, p, shape), expected), (seed, p)


def test_bits_are_those_of_jax_random_in_its_other_modes():
    key, raw, many = (
        jax.random.key(3),
        jax.random.PRNGKey(3),
        jax.random.split(jax.random.key(3)),
    )

    def same(key):
        return np.array_equal(bernoulli(key, 0.3, (99,)), jax.random.bernoulli(key, 0.3, (99,)))

    assert same(key)
    assert same(raw)
    with jax.enable_x64(True):
        assert same(key)
    with jax.threefry_partitionable(False):
        assert same(key)
    with pytest.raises(ValueError, match="key"):
        bernoulli(many, 0.3, (99,))


@pytest.mark.parametrize(
    ("key", "block", "words"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_published_words(key, block, words):
    """The known answers of Random123, the generator's own library."""
    found = _threefry(*(jnp.uint32(word) for word in (*key, *block)))
    assert tuple(map(int, found)) == words


# The statistics.


def ours(key: jax.Array, p: float, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(dropout(jnp.ones(shape), p, key=key)) != 0


def torchs(key: jax.Array, p: float, shape: tuple[int, ...]) -> np.ndarray:
    torch.manual_seed(int(jax.random.bits(key) >> 1))
    return torch_impl.dropout.dropout(torch.ones(shape), p).numpy() != 0


def eight_bits(key: jax.Array, p: float, shape: tuple[int, ...]) -> np.ndarray:
    """A threshold of 8 bits, the scale still that of p."""
    return np.asarray(jax.random.bits(key, shape, jnp.uint8)) < round(256 * (1 - p))


def by_rows(key: jax.Array, p: float, shape: tuple[int, ...]) -> np.ndarray:
    """One mask for all heads."""
    kept = jax.random.bernoulli(key, 1 - p, (shape[0], 1, *shape[2:]))
    return np.broadcast_to(np.asarray(kept), shape)


def neighbours(key: jax.Array, p: float, shape: tuple[int, ...]) -> np.ndarray:
    """Every fiftieth element is its neighbour's."""
    kept = ours(key, p, shape).ravel().copy()
    kept[1::50] = kept[:-1:50]
    return kept.reshape(shape)


def runs_too_even(key: jax.Array, p: float, shape: tuple[int, ...]) -> np.ndarray:
    """Of each 16 elements the same number is kept."""
    uniform = np.asarray(jax.random.uniform(key, (math.prod(shape) // 16, 16)))
    return (uniform.argsort(1).argsort(1) < round(16 * (1 - p))).reshape(shape)


def one_seed(key: jax.Array, p: float, shape: tuple[int, ...]) -> np.ndarray:
    """The mask of the first layer and step, in all."""
    return ours(jax.random.key(0), p, shape)


def one_sequence(key: jax.Array, p: float, shape: tuple[int, ...]) -> np.ndarray:
    """A key is no more than a place in one sequence: masks overlap, moved."""
    start = int(jax.random.bits(key) % 2**19)
    whole = np.random.default_rng(0).random(2**19 + math.prod(shape)) < 1 - p
    return whole[start : start + math.prod(shape)].reshape(shape)


def rate(draw: Draw) -> str:
    """The share kept, and with it the mean of the output, over 2^22 draws a rate."""
    for p in RATES:
        kept = np.mean([draw(key, p, SHAPE).mean() for key in jax.random.split(KEY, 4)])
        if abs(kept - (1 - p)) > ERRORS * math.sqrt(p * (1 - p) / (4 * math.prod(SHAPE))):
            return f"p = {p}: keeps {kept}"
    return ""


def correlation(one: np.ndarray, two: np.ndarray, p: float) -> np.ndarray:
    """Of two masks, at every shift along their flat order, in standard errors."""
    spectra = [np.fft.rfft(mask.ravel() - (1 - p)) for mask in (one, two)]
    products = np.fft.irfft(spectra[0] * spectra[1].conj(), one.size)
    return products / (p * (1 - p) * math.sqrt(one.size))


def positions(draw: Draw) -> str:
    """Autocorrelation at every lag; kept elements by row, by column and by head."""
    for p in RATES:
        kept = draw(KEY, p, SHAPE)
        by_lag = np.abs(correlation(kept, kept, p))[1:]
        if by_lag.max() > OF_MANY:
            return f"p = {p}: correlates at lag {1 + by_lag.argmax()}"
        for axes in itertools.combinations(range(4), 3):
            sums = kept.sum(axes)
            draws = kept.size // sums.size
            spread = (((sums - draws * (1 - p)) ** 2) / (draws * p * (1 - p))).sum()
            tails = stats.chi2(sums.size).cdf(spread), stats.chi2(sums.size).sf(spread)
            if min(tails) < 1e-6:
                return f"p = {p}: sums over axes {axes} are not binomial"
    return ""


def runs(draw: Draw) -> str:
    """Lengths of runs of kept elements are geometric; bytes of p = 1/2 are all as likely."""
    for p in RATES:
        kept = np.concatenate([[False], draw(KEY, p, SHAPE).ravel(), [False]])
        edges = np.flatnonzero(kept[1:] != kept[:-1])
        lengths = edges[1::2] - edges[::2]
        longest = int(math.log(1000 / len(lengths)) / math.log(1 - p))
        found = np.bincount(np.minimum(lengths, longest), minlength=longest + 1)[1:]
        shares = p * (1 - p) ** np.arange(longest)
        shares[-1] = (1 - p) ** (longest - 1)
        if stats.chisquare(found, shares * len(lengths)).pvalue < 1e-6:
            return f"p = {p}: runs are not geometric"
    words = np.packbits(draw(KEY, 0.5, SHAPE).ravel())
    uneven = stats.chisquare(np.bincount(words, minlength=256)).pvalue < 1e-6
    return "bytes of p = 1/2 are not uniform" if uneven else ""


def keys(draw: Draw) -> str:
    """Masks of successive steps and of split keys are unrelated, at every shift."""
    stream = nnx.Rngs(dropout=0).dropout
    steps = [stream() for _ in range(3)]
    layers = jax.random.split(steps[0], 3)
    for kind, pairs in {
        "steps": itertools.combinations(steps, 2),
        "layers": itertools.combinations(layers, 2),
        "seeds": [(jax.random.key(0), jax.random.key(1))],
    }.items():
        for one, two in pairs:
            by_shift = np.abs(correlation(draw(one, 0.3, SHAPE), draw(two, 0.3, SHAPE), 0.3))
            if by_shift.max() > OF_MANY:
                return f"two {kind} share a mask, {by_shift.argmax()} places apart"
    return ""


KEY = jax.random.key(11)
CHECKS = {check.__name__: check for check in (rate, positions, runs, keys)}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("draw", [ours, torchs])
def test_masks_are_independent_draws(draw, check):
    assert CHECKS[check](draw) == ""


@pytest.mark.parametrize(
    ("draw", "caught_by"),
    [
        (eight_bits, {"rate"}),
        (by_rows, {"positions"}),
        (neighbours, {"positions"}),
        (runs_too_even, {"runs", "positions"}),
        (one_seed, {"keys"}),
        (one_sequence, {"keys"}),
    ],
)
def test_unsound_generators_are_caught(draw, caught_by):
    found = {name: check(draw) for name, check in CHECKS.items()}
    assert caught_by <= {name for name, problem in found.items() if problem}, found


# In a model.

SIZES = {
    "vocab_size": 30,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "hidden_dropout_prob": 0.5,
    "attention_probs_dropout_prob": 0.5,
}


def shared_masks(monkeypatch) -> int:
    """Of the masks that a BERT draws in two steps, those of one shape that are alike."""
    drawn = []

    def recorded(key, p, shape):
        drawn.append(np.asarray(bernoulli(key, p, shape)))
        return drawn[-1]

    monkeypatch.setattr(jax_impl.dropout, "bernoulli", recorded)
    config = jax_impl.bert.BertConfig(**SIZES)
    model = jax_impl.bert.BertForSequenceClassification(config, rngs=nnx.Rngs(0))
    for _ in range(2):
        model(jnp.ones((4, 32), int))
    assert len(drawn) == 2 * (1 + 3 * 2 + 1)
    return sum(
        abs((one == two).mean() - 0.5) > ERRORS * 0.5 / math.sqrt(one.size)
        for one, two in itertools.combinations(drawn, 2)
        if one.shape == two.shape
    )


def test_every_layer_and_step_of_a_bert_has_its_own_mask(monkeypatch):
    assert shared_masks(monkeypatch) == 0


def test_a_mask_that_two_layers_share_is_caught(monkeypatch):
    monkeypatch.setattr(jax_impl.bert_layers, "split", lambda key, count: [key] * count)
    assert shared_masks(monkeypatch) > 0


def test_a_key_draws_the_same_under_jit_and_vmap():
    x, many = jnp.ones((64, 96)), jax.random.split(KEY, 5)
    plain = dropout(x, 0.3, key=KEY)
    np.testing.assert_array_equal(dropout(x, 0.3, key=KEY), plain)
    np.testing.assert_array_equal(jax.jit(lambda key: dropout(x, 0.3, key=key))(KEY), plain)
    np.testing.assert_array_equal(
        jax.vmap(lambda key: dropout(x, 0.3, key=key))(many),
        jnp.stack([dropout(x, 0.3, key=key) for key in many]),
    )


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_the_gradient_goes_by_the_same_mask(dtype):
    x = jnp.full((64, 96), 2, dtype)
    output, pull = jax.vjp(jax.jit(lambda x: dropout(x, 0.25, key=KEY)), x)
    (gradient,) = pull(jnp.ones_like(output))
    assert output.dtype == gradient.dtype == dtype
    np.testing.assert_array_equal(output, gradient * 2)
    kept = np.asarray(gradient != 0)
    assert set(np.asarray(gradient[kept], np.float32)) == {float(jnp.asarray(1 / 0.75, dtype))}
    np.testing.assert_array_equal(kept, jax.random.bernoulli(KEY, 0.75, x.shape))


def test_a_layer_draws_anew_at_every_call():
    layer = Dropout(0.5, rngs=nnx.Rngs(0))
    call = nnx.jit(lambda layer: jnp.stack([layer(jnp.ones(4096)) != 0 for _ in range(4)]))
    steps = np.concatenate([np.asarray(call(layer)) for _ in range(2)])
    alike = np.array([(a == b).mean() for a, b in itertools.combinations(steps, 2)])
    assert np.abs(alike - 0.5).max() < ERRORS * 0.5 / math.sqrt(4096)
