"""Training steps of a user's pair, with the user's own optimizers."""

from __future__ import annotations

import optax
import pytest
import torch
from flax import nnx
from torch import nn

from compare.port.check import check_port
from compare.port.report import Report
from compare.run.port.errors import PortError

INPUTS = "float32[4,6]"


class Net(nnx.Module):
    def __init__(self) -> None:
        rngs = nnx.Rngs(0)
        self.hidden = nnx.Linear(6, 8, rngs=rngs)
        self.out = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.tanh(self.hidden(x)))


def trained(ours, theirs, **options) -> Report:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    return check_port(
        model, Net(), INPUTS, train=True, steps=3, optimizers=(ours, theirs), **options
    )


def explained(report: Report) -> str:
    assert report.verdict.verdict == "same"
    assert report.training is not None
    assert report.training.verdict == "different"
    return " ".join(report.training.facts["explained"])


def test_the_same_optimizer_trains_the_same() -> None:
    report = trained(
        lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=1e-2),
        optax.adamw(1e-3, weight_decay=1e-2),
        losses=(lambda y: (y**2).mean(), lambda y: (y**2).mean()),
    )
    assert report.same, str(report)
    assert report.training is not None
    assert report.training.compared > 3 * 10


def test_weight_decay_by_default_is_named() -> None:
    report = trained(lambda p: torch.optim.AdamW(p, lr=1e-3), optax.adamw(1e-3))
    assert "weight_decay: torch 0.01, JAX 0.0001" in explained(report)
    assert any(one.name == "weight_decay" for one in report.settings)


def test_an_l2_penalty_for_decoupled_decay_is_named() -> None:
    report = trained(
        lambda p: torch.optim.Adam(p, lr=1e-3, weight_decay=1e-2),
        optax.adamw(1e-3, weight_decay=1e-2),
    )
    assert "decoupled on the JAX side" in explained(report)


def test_another_momentum_is_named_and_shows_at_its_step() -> None:
    report = trained(
        lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9), optax.sgd(1e-2, momentum=0.8)
    )
    assert "momentum: torch 0.9, JAX 0.8" in explained(report)
    assert report.training is not None
    assert report.training.says.startswith("step 1/")


@pytest.mark.parametrize(
    ("optimizers", "says"),
    [
        (None, "steps need optimizers"),
        ((torch.optim.SGD([torch.zeros(1)], 0.1), optax.sgd(0.1)), "how to make the optimizer"),
        ((lambda p: torch.optim.SGD(p, 0.1), "sgd"), "no optax transformation"),
    ],
)
def test_optimizers_that_are_none(optimizers, says: str) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    with pytest.raises(PortError, match=says):
        check_port(model, Net(), INPUTS, steps=1, optimizers=optimizers)
