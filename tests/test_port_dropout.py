"""Train mode: dropout keeps everything on both sides, so that place, rate and factor show."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import flax.linen as fnn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from flax import nnx
from torch import nn

from compare.port.check import check_port
from compare.port.report import Report
from jax_impl.dropout import Dropout

X = (np.random.default_rng(20).standard_normal((5, 4), dtype=np.float32),)
TOKENS = (np.random.default_rng(21).standard_normal((2, 5, 8), dtype=np.float32),)


class Dense(nn.Module):
    def __init__(self, rate: float = 0.3):
        super().__init__()
        self.up = nn.Linear(4, 6)
        self.drop = nn.Dropout(rate)
        self.down = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(self.drop(self.up(x).relu()))


class NnxDense(nnx.Module):
    def __init__(self, rate: float, rngs: nnx.Rngs):
        self.up = nnx.Linear(4, 6, rngs=rngs)
        self.drop = nnx.Dropout(rate, rngs=rngs)
        self.down = nnx.Linear(6, 3, rngs=rngs)

    def __call__(self, x):
        return self.down(self.drop(nnx.relu(self.up(x))))


class OwnDense(NnxDense):
    """With this project's layer in place of Flax's."""

    def __init__(self, rate: float, rngs: nnx.Rngs):
        super().__init__(rate, rngs)
        self.drop = Dropout(rate, rngs=rngs)


class LinenDense(fnn.Module):
    rate: float

    @fnn.compact
    def __call__(self, x, train: bool):
        x = fnn.relu(fnn.Dense(6)(x))
        x = fnn.Dropout(self.rate, deterministic=not train)(x)
        return fnn.Dense(3)(x)


class EquinoxDense(eqx.Module):
    up: eqx.nn.Linear
    drop: eqx.nn.Dropout
    down: eqx.nn.Linear

    def __init__(self, rate: float):
        first, second = jax.random.split(jax.random.key(0))
        self.up = eqx.nn.Linear(4, 6, key=first)
        self.drop = eqx.nn.Dropout(rate)
        self.down = eqx.nn.Linear(6, 3, key=second)

    def __call__(self, x, *, key):
        return self.down(self.drop(jax.nn.relu(self.up(x)), key=key))


def dense(parameters: dict, x: jax.Array, rate: float = 0.3, scaled: bool = True) -> jax.Array:
    x = jax.nn.relu(x @ parameters["up"]["w"] + parameters["up"]["b"])
    keep = jax.random.bernoulli(jax.random.key(0), 1 - rate, x.shape)
    x = jnp.where(keep, x / (1 - rate) if scaled else x, 0)
    return x @ parameters["down"]["w"] + parameters["down"]["b"]


PARAMETERS = {
    "up": {"w": np.zeros((4, 6), np.float32), "b": np.zeros(6, np.float32)},
    "down": {"w": np.zeros((6, 3), np.float32), "b": np.zeros(3, np.float32)},
}


def linen(rate: float) -> tuple:
    module = LinenDense(rate)
    return module, module.init(jax.random.key(0), jnp.ones((1, 4)), train=False)


KINDS: dict[str, Any] = {
    "nnx": lambda rate: NnxDense(rate, nnx.Rngs(0)),
    "jax_impl": lambda rate: OwnDense(rate, nnx.Rngs(0)),
    "linen": linen,
    "equinox": EquinoxDense,
    "function": lambda rate: (lambda p, x: dense(p, x, rate), PARAMETERS),
}


def checked(there: Any, ours: nn.Module | None = None, inputs: Any = X, **options) -> Report:
    torch.manual_seed(0)
    ours = Dense() if ours is None else ours
    return check_port(ours, there, inputs, train=True, seconds=5.0, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_dropout_is_the_same(kind):
    report = checked(KINDS[kind](0.3))
    assert report.same, str(report)
    assert "dropout keeps everything" in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rate", "says"), [(0.7, "0.3 as the probability to keep"), (0.5, "the JAX side 0.5")]
)
def test_another_rate_is_named(kind, rate, says):
    report = checked(KINDS[kind](rate))
    assert report.word == "different"
    assert report.places == ["drop"]
    assert says in str(report)
    assert report.proven, str(report)


def test_what_is_kept_must_be_divided():
    def unscaled(parameters, x):
        return dense(parameters, x, scaled=False)

    report = checked((unscaled, PARAMETERS))
    assert report.causes[0] == "no dropout", str(report)
    assert report.places == ["drop"]


def test_a_forgotten_dropout_is_named_unless_it_is_set_aside():
    report = checked(NnxDense(0.0, nnx.Rngs(0)))
    assert report.causes[0] == "no dropout", str(report)
    for there in (NnxDense(0.0, nnx.Rngs(0)), OwnDense(0.5, nnx.Rngs(0))):
        aside = checked(there, dropout=False)
        assert aside.same, str(aside)
        assert "set aside" in str(aside)


def test_evaluation_has_no_dropout():
    report = check_port(Dense(), NnxDense(0.0, nnx.Rngs(0)), X)
    assert report.same, str(report)


@pytest.mark.slow
def test_a_compiled_module_keeps_everything_too():
    report = checked(KINDS["nnx"](0.3), torch.compile(Dense(), backend="aot_eager"))
    assert report.same, str(report)
    assert report.compiled is not None
    assert report.compiled.verdict == "same"


class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class NnxAttends(nnx.Module):
    def __init__(self, rate: float, rngs: nnx.Rngs):
        self.attention = nnx.MultiHeadAttention(
            num_heads=2, in_features=8, decode=False, dropout_rate=rate, rngs=rngs,
            attention_fn=attention,
        )  # fmt: skip

    def __call__(self, x):
        return self.attention(x)


def attention(query, key, value, *, dropout_rng, dropout_rate, deterministic, **_):
    """Softmax in the precision of the inputs, which Flax's own lowers."""
    scores = jnp.einsum("...qhd,...khd->...hqk", query, key) / query.shape[-1] ** 0.5
    weights = nnx.softmax(scores)
    if not deterministic and dropout_rate:
        keep = jax.random.bernoulli(dropout_rng, 1 - dropout_rate, weights.shape)
        weights = weights * keep / (1 - dropout_rate)
    return jnp.einsum("...hqk,...khd->...qhd", weights, value)


@pytest.mark.slow
def test_dropout_within_attention():
    assert checked(NnxAttends(0.2, nnx.Rngs(0)), Attends(), TOKENS).same
    report = checked(NnxAttends(0.4, nnx.Rngs(0)), Attends(), TOKENS)
    assert report.word == "different"
    assert report.places == ["attention"]


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.scaled_dot_product_attention(x, x, x, dropout_p=0.25 * self.training)
        return F.alpha_dropout(self.out(F.dropout(x, 0.1, self.training)), 0.5, self.training)


def functional(parameters, x):
    a = ((1.7580993408473766**2 * 0.5 + 1) * 0.5) ** -0.5
    weights = jax.nn.softmax(x @ x.swapaxes(-1, -2) / 8**0.5, axis=-1)
    x = (weights / 0.75) @ x / 0.9
    return a * (x @ parameters["w"] + parameters["b"]) + a * 1.7580993408473766 * 0.5


def test_functions_of_torch_too():
    parameters = {"w": np.zeros((8, 8), np.float32), "b": np.zeros(8, np.float32)}
    report = checked((functional, parameters), Functional(), TOKENS)
    assert report.same, str(report)


@pytest.mark.slow
def test_training_steps_keep_everything_too():
    import optax

    report = checked(
        NnxDense(0.3, nnx.Rngs(0)),
        steps=3,
        optimizers=(lambda p: torch.optim.SGD(p, lr=0.1), optax.sgd(0.1)),
    )
    assert report.same, str(report)
    assert report.training is not None
