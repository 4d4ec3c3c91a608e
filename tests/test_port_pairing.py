"""Leaves find their partners: right, or asked for; never wrong in silence."""

from __future__ import annotations

import importlib
import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from compare.port.models import Models, models
from compare.port.pair import pair
from compare.port.probe import Probe
from compare.port.search import place
from compare.run.port.errors import Undecided
from compare.run.port.jax_model import taken_apart
from compare.run.port.table import Row
from compare.run.port.torch_model import taken
from tests.port_oracle import misplaced
from tests.ports import PORTS

QUICK = ("gpt_function", "lstm_linen", "mha_nnx", "d2l_lenet_linen")

ALONE = {
    ("bert_linen", "token types forgotten"): "embeddings.token_type_embeddings.weight",
    ("mlp_equinox", "no bias in one layer"): "3.bias",
    ("vit_nnx", "positions forgotten"): "pos_embed",
    ("convnext_equinox", "layer scale forgotten in one layer"): "stages.1.gamma",
}
"""Mistakes that leave a torch leaf without a partner."""

OTHERWISE = {("mha_nnx", "two heads of four"), ("autoencoder_nnx", "kernel not flipped")}
"""Mistakes that lay out a leaf otherwise."""


def ready(name: str, mistake: str = "") -> Models:
    port = importlib.import_module(f"tests.ports.{name}")
    module = taken(port.torch_model())
    model = taken_apart(port.jax_model(mistake), port.TRAIN, {})
    return models(module, model, port.INPUTS, train=port.TRAIN)


def exchanged(rows: list[Row], one: Row, other: Row) -> list[Row]:
    """The table with the JAX sides of two rows exchanged."""
    swap = {place(one): other, place(other): one}
    return [replace(row, jax=swap[place(row)].jax, jax_part=swap[place(row)].jax_part)
            if place(row) in swap else row for row in rows]  # fmt: skip


def every_port() -> list[Any]:
    return [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
            for name in PORTS]  # fmt: skip


@pytest.mark.parametrize("name", every_port())
def test_right_ports_pair_as_a_hand_would(name):
    made = ready(name)
    rows = pair(made)
    assert misplaced(name, rows) == []
    alone = [row for row in rows if not row.paired]
    assert all("num_batches_tracked" in row.torch for row in alone), alone
    probe = Probe(made)
    assert probe.agreeing(rows) >= probe.outputs
    # What was found matters: no two rows of one layout could be the other way round unnoticed.
    felt = probe.agreeing(rows)
    like: dict[Any, list[Row]] = {}
    for row in rows:
        if row.paired and not row.how.startswith("adds to"):
            shape = np.shape(made.jax.leaves[row.jax])
            like.setdefault((row.layout, row.jax in made.jax.buffers, shape), []).append(row)
    for group in like.values():
        for one, other in itertools.pairwise(group):
            agreeing = probe.agreeing(exchanged(rows, one, other))
            unfelt = "bias" in one.torch or "bias" in other.torch
            assert unfelt or not agreeing >= felt, (one, other)


@pytest.mark.slow
@pytest.mark.parametrize("name", PORTS)
def test_wrong_ports_pair_alike(name):
    """A mistake elsewhere does not lead a leaf astray; at worst it is asked for."""
    port = importlib.import_module(f"tests.ports.{name}")
    right = {place(row) for row in pair(ready(name)) if row.paired}
    for mistake in port.MISTAKES:
        try:
            rows = pair(ready(name, mistake))
        except Undecided:
            continue
        assert misplaced(name, rows) == [], mistake
        got = {place(row) for row in rows if row.paired}
        lacking = {torch for torch, *_ in right - got}
        if (name, mistake) in ALONE:
            assert lacking == {ALONE[name, mistake]}, mistake
        elif (name, mistake) not in OTHERWISE:
            assert got == right, mistake
