"""Traps of pairing: leaves that names, order or shapes would pair wrongly."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from torch import nn

from compare.port.check import check_port
from compare.port.report import Report
from compare.run.port.errors import Undecided

X = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
TOKENS = np.random.default_rng(2).integers(0, 11, (3, 5))


def leaf(*shape: int) -> jax.Array:
    return jnp.zeros(shape)


def dense(*shape: int) -> dict[str, jax.Array]:
    return {"w": leaf(*shape), "b": leaf(shape[-1])}


def partners(report: Report) -> dict[str, str]:
    return {f"{r.torch}{r.torch_part}": f"{r.jax}{r.jax_part}" for r in report.rows if r.paired}


def asked(*pair: Any, **options: Any) -> Undecided:
    with pytest.raises(Undecided) as caught:
        check_port(*pair, **options)
    return caught.value


class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(3)])

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return x


def chain(parameters, x, order=(0, 1, 2), turned=False):
    for i in order:
        w, b = parameters[f"layers_{i}"]["w"], parameters[f"layers_{i}"]["b"]
        x = jnp.tanh(x @ (w.T if turned else w) + b)
    return x


LAYERS = {f"layers_{i}": dense(8, 8) for i in range(3)}


def test_the_flow_of_data_beats_names_and_says_so():
    report = check_port(Chain(), (partial(chain, order=(2, 0, 1)), LAYERS), X)
    assert report.same
    assert partners(report)["layers.0.weight"] == "layers_2.w"
    assert partners(report)["layers.2.bias"] == "layers_1.b"
    assert "names say otherwise; proven by a probe" in report.table
    assert any(note.startswith("names mislead") for note in report.notes)


def test_names_against_the_flow_of_data_in_a_wrong_port():
    """Nearness tells them in spite of a small mistake; after a large one it is asked."""

    def wrong(parameters, x, factor):
        return chain(parameters, x, order=(2, 0, 1)) * factor

    report = check_port(Chain(), (partial(wrong, factor=1.01), LAYERS), X, seconds=0.0)
    assert report.word == "different"
    assert partners(report)["layers.0.weight"] == "layers_2.w"
    assert "nearest by far in a probe" in report.table
    said = asked(Chain(), (partial(wrong, factor=-20.0), LAYERS), X)
    assert "names say otherwise" in str(said)


@pytest.mark.parametrize("turned", [False, True])
def test_square_matrices_are_laid_out_as_they_are_used(turned):
    report = check_port(Chain(), (partial(chain, turned=turned), LAYERS), X)
    assert report.same
    layout = next(row.layout for row in report.rows if row.torch == "layers.0.weight")
    assert layout == ("" if turned else "o i -> i o")


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))

    def forward(self, x):
        scores = self.q(x) @ self.k(x).T / 8**0.5
        return torch.softmax(scores, -1) @ self.v(x)


def attention(parameters, x, names="abc", scale=8**0.5):
    q, k, v = (x @ parameters[name]["w"] + parameters[name]["b"] for name in names)
    return jax.nn.softmax(q @ k.T / scale) @ v


PARALLEL = {name: dense(8, 8) for name in "abc"}


def test_a_probe_tells_equal_leaves_side_by_side():
    report = check_port(Attention(), (partial(attention, names="cab"), PARALLEL), X)
    assert report.same
    found = partners(report)
    assert [found[f"{name}.weight"] for name in "qkv"] == ["c.w", "a.w", "b.w"]
    assert [found[f"{name}.bias"] for name in "qkv"] == ["c.b", "a.b", "b.b"]
    assert "proven by a probe" in report.table


def test_a_wrong_port_is_asked_about_and_goes_on_with_the_table(tmp_path):
    wrong = (partial(attention, names="cab", scale=8), PARALLEL)
    said = asked(Attention(), wrong, X)
    assert "--save-map" in str(said)
    assert "? " in said.table
    file = tmp_path / "leaves.port"
    file.write_text(said.table)
    report = check_port(Attention(), wrong, X, mapping=file, seconds=0.0)
    assert report.word == "different"
    right = (partial(attention, names="cab"), PARALLEL)
    assert check_port(Attention(), right, X, mapping=file).same


def test_swapped_query_and_key_are_asked_about():
    """Exchanged they would be the same: either names mislead, or it is a mistake."""
    parameters = {name: dense(8, 8) for name in ("query", "key", "value")}
    swapped = (partial(attention, names=("key", "query", "value")), parameters)
    said = asked(Attention(), swapped, X)
    assert "names say one thing, a probe another" in str(said)
    right = (partial(attention, names=("query", "key", "value")), parameters)
    assert check_port(Attention(), right, X).same


class Language(nn.Module):
    def __init__(self, tied=True, spare=False):
        super().__init__()
        self.embed, self.middle = nn.Embedding(11, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 11, bias=False)
        if tied:
            self.head.weight = self.embed.weight
        if spare:
            self.spare = nn.Linear(8, 8)

    def forward(self, tokens):
        return self.head(torch.tanh(self.middle(self.embed(tokens))))


def language(parameters, tokens):
    h = jnp.tanh(parameters["embed"][tokens] @ parameters["mid"]["w"] + parameters["mid"]["b"])
    return h @ (parameters["head"] if "head" in parameters else parameters["embed"].T)


TIED = {"embed": leaf(11, 8), "mid": dense(8, 8)}


def test_tied_weights():
    assert check_port(Language(), (language, TIED), TOKENS).same
    report = check_port(Language(), (language, TIED | {"head": leaf(8, 11)}), TOKENS)
    assert report.same
    assert "tied in torch" in report.table
    report = check_port(Language(tied=False), (language, TIED), TOKENS, seconds=0.0)
    assert report.word == "different"
    assert "head.weight has no partner: the JAX side uses one leaf twice" in str(report)


def test_unused_leaves_take_no_partner():
    report = check_port(Language(spare=True), (language, TIED), TOKENS)
    assert report.same
    assert partners(report)["middle.weight"] == "mid.w"
    assert "no partner: the forward pass does not use it" in report.table
    report = check_port(Language(), (language, TIED | {"extra": dense(8, 8)}), TOKENS)
    assert report.same
    assert partners(report)["middle.weight"] == "mid.w"


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 8)

    def forward(self, x):
        return self.b(self.norm(torch.relu(self.a(x))))


class JaxTwo(nnx.Module):
    def __init__(self, first, second, rngs):
        self.a = nnx.Linear(8, 8, use_bias=first, rngs=rngs)
        self.norm = nnx.LayerNorm(8, epsilon=1e-5, use_fast_variance=False, rngs=rngs)
        self.b = nnx.Linear(8, 8, use_bias=second, rngs=rngs)

    def __call__(self, x):
        return self.b(self.norm(nnx.relu(self.a(x))))


@pytest.mark.parametrize("lacking", ["a", "b"])
def test_a_missing_bias_is_named(lacking):
    port = JaxTwo(lacking != "a", lacking != "b", nnx.Rngs(0))
    report = check_port(Two(), port, X, seconds=0.0)
    assert report.word == "different"
    alone = [row.torch for row in report.rows if not row.paired]
    assert alone == [f"{lacking}.bias"]


class Norms(nn.Module):
    """Linears before norms in train mode: their biases change no output."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.bn1, self.bn2 = nn.BatchNorm1d(8), nn.BatchNorm1d(8)

    def forward(self, x):
        return self.bn2(self.second(torch.relu(self.bn1(self.first(x)))))


class JaxNorms(nnx.Module):
    def __init__(self, rngs):
        norm = partial(nnx.BatchNorm, 8, momentum=0.9, epsilon=1e-5, use_fast_variance=False)
        self.z, self.y = nnx.Linear(8, 8, rngs=rngs), norm(rngs=rngs)
        self.x, self.w = nnx.Linear(8, 8, rngs=rngs), norm(rngs=rngs)

    def __call__(self, x):
        return self.w(self.x(nnx.relu(self.y(self.z(x)))))


def test_statistics_go_with_their_own_norm():
    report = check_port(Norms(), JaxNorms(nnx.Rngs(0)), X, train=True, seconds=0.0)
    found = partners(report)
    assert found["bn1.running_mean"] == "y.mean"
    assert found["bn2.running_var"] == "w.var"
    assert found["first.bias"] == "z.bias"
    differing = {one.array for one in report.verdict.findings if one.verdict != "same"}
    # Flax stores the biased variance.
    assert differing == {"buffer/bn1.running_var", "buffer/bn2.running_var"}


class Insensitive(nn.Module):
    """Two branches, normalised over the batch: which bias is which, no output tells."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.shift_one, self.shift_two = (nn.Parameter(torch.randn(8)) for _ in range(2))
        self.norm = nn.BatchNorm1d(8, affine=False, track_running_stats=False)

    def forward(self, x):
        return torch.sin(self.norm(self.one(x) + self.shift_one)) + torch.cos(
            self.norm(self.two(x) + self.shift_two)
        )


def insensitive(parameters, x):
    def norm(y):
        return (y - y.mean(0)) / jnp.sqrt(y.var(0) + 1e-5)

    return jnp.sin(norm(x @ parameters["a"] + parameters["s"])) + jnp.cos(
        norm(x @ parameters["b"] + parameters["t"])
    )


def test_a_probe_proves_nothing_that_it_does_not_feel():
    parameters = {"a": leaf(8, 8), "b": leaf(8, 8), "s": leaf(8), "t": leaf(8)}
    try:
        report = check_port(Insensitive(), (insensitive, parameters), X, train=True)
    except Undecided as said:
        rows = [line for line in said.table.splitlines() if line.startswith("shift")]
        assert all("? " in line for line in rows)
        return
    rows = [row for row in report.rows if row.torch.startswith("shift")]
    assert not any("proven" in row.how for row in rows)
    assert [row.jax for row in rows] == ["s", "t"]


def test_equinox_modules_take_arguments_by_name():
    eqx = pytest.importorskip("equinox")

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 3)

        def forward(self, x, mask):
            return self.linear(x) * mask[:, None]

    class JaxMasked(eqx.Module):
        linear: Any

        def __call__(self, x, mask):
            return self.linear(x) * mask

    port = JaxMasked(eqx.nn.Linear(8, 3, key=jax.random.key(0)))
    assert check_port(Masked(), port, {"x": X, "mask": np.arange(5.0)}).same
