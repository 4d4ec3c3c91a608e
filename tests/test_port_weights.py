"""weights="as-is": a user's own conversion is judged leaf by leaf."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

from compare.port.check import check_port
from compare.port.report import Report

WIDTH = 6


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.query, self.key = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.value, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(1, 2)
        return self.out(scores.softmax(-1) @ self.value(x))


def attention(params, x):
    import jax

    query, key, value = (x @ params[n]["w"] + params[n]["b"] for n in ("query", "key", "value"))
    weights = jax.nn.softmax(query @ key.swapaxes(1, 2), axis=-1)
    return weights @ value @ params["out"]["w"] + params["out"]["b"]


def converted(model: nn.Module) -> dict:
    def leaf(values):
        return jnp.asarray(values.detach().numpy())

    return {
        name: {"w": leaf(part.weight).T, "b": leaf(part.bias)}
        for name, part in model.named_children()
    }


def judged(params: dict, model: nn.Module) -> Report:
    return check_port(model, (attention, params), "float32[2,5,6]", weights="as-is")


def test_a_right_conversion_is_the_same() -> None:
    model = Attention()
    report = judged(converted(model), model)
    assert report.same, str(report)
    assert not report.conversion


def untransposed(params: dict) -> None:
    params["value"]["w"] = params["value"]["w"].T


def swapped(params: dict) -> None:
    params["query"], params["key"] = params["key"], params["query"]


def blocks(params: dict) -> None:
    params["value"]["w"] = jnp.roll(params["value"]["w"], 3, axis=1)


def forgotten(params: dict) -> None:
    params["out"]["b"] = jnp.zeros(WIDTH)


def other(params: dict) -> None:
    params["out"]["w"] = params["out"]["w"] + 0.5


@pytest.mark.parametrize(
    ("mistake", "leaf", "says"),
    [
        (untransposed, "value.w", "left untransposed"),
        (swapped, "query.w", "holds key.weight: the two are swapped"),
        (blocks, "value.w", "blocks along axis 1 are in another order"),
        (forgotten, "out.b", "never loaded"),
        (other, "out.w", "other numbers"),
    ],
)
def test_what_a_conversion_got_wrong_is_named(mistake, leaf: str, says: str) -> None:
    model = Attention()
    params = converted(model)
    mistake(params)
    report = judged(params, model)
    assert report.word == "different"
    assert any(leaf in line and says in line for line in report.conversion), str(report)
    # The function itself is right, and the report says so.
    assert any("the verdict is same" in note for note in report.notes)


def test_numbers_of_another_precision_are_no_fault() -> None:
    model = Attention()
    params = converted(model)
    rounded = np.asarray(params["out"]["w"]).astype(np.float32)
    params["out"]["w"] = jnp.asarray(rounded)
    assert judged(params, model).same
