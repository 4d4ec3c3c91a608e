"""Training steps of a user's pair, with the user's own optimizers."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
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


def plateau(optimizer):
    return optimizer, torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)


@pytest.mark.parametrize(
    ("optimizers", "says"),
    [
        (None, "steps need optimizers"),
        ((torch.optim.SGD([torch.zeros(1)], 0.1), optax.sgd(0.1)), "how to make the optimizer"),
        ((lambda p: torch.optim.SGD(p, 0.1), "sgd"), "no optax transformation"),
        ((lambda p: list(p), optax.sgd(0.1)), "a list is no torch optimizer"),
        ((lambda p: plateau(torch.optim.SGD(p, 0.1)), optax.sgd(0.1)), "ReduceLROnPlateau"),
    ],
)
def test_optimizers_that_are_none(optimizers, says: str) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    with pytest.raises(PortError, match=says):
        check_port(model, Net(), INPUTS, steps=1, optimizers=optimizers)


def halved(step: int) -> float:
    return 0.5**step


def test_schedules_are_followed_and_a_shift_is_named() -> None:
    def ours(p):
        optimizer = torch.optim.SGD(p, lr=0.1, momentum=0.9)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, halved)

    def theirs(shift: int):
        return optax.sgd(lambda count: 0.1 * 0.5 ** (count + shift), momentum=0.9)

    assert trained(ours, theirs(0)).same
    assert "schedule: a step early on the JAX side" in explained(trained(ours, theirs(1)))
    late = optax.sgd(lambda count: 0.1 * 0.5 ** jnp.maximum(count - 1, 0), momentum=0.9)
    assert "schedule: a step late on the JAX side" in explained(trained(ours, late))
    assert "schedule: none on the JAX side" in explained(
        trained(ours, optax.sgd(0.1, momentum=0.9))
    )
    twice = optax.sgd(lambda count: 0.2 * 0.5**count, momentum=0.9)
    assert "the JAX side's is 2 times torch's" in explained(trained(ours, twice))


def test_clipping_is_named() -> None:
    def ours(p):
        p = list(p)

        def clip(*_) -> None:
            nn.utils.clip_grad_norm_(p, 0.05)

        optimizer = torch.optim.SGD(p, lr=0.1)
        optimizer.register_step_pre_hook(clip)
        return optimizer

    clipped = optax.chain(optax.clip_by_global_norm(0.05), optax.sgd(0.1))
    report = trained(ours, clipped)
    assert "clip_grad_norm_ adds 1e-06 to the norm" in explained(report)
    report = trained(lambda p: torch.optim.SGD(p, lr=0.1), clipped)
    assert "clips to a norm of 0.05, torch's side does not" in explained(report)


def classes(seed: int = 0, rows: tuple[int, ...] = (4, 4, 3)) -> list[tuple]:
    rng = np.random.default_rng(seed)
    return [
        (torch.tensor(rng.normal(size=(n, 6)), dtype=torch.float32), rng.integers(0, 3, n))
        for n in rows
    ]


def torch_loss(logits, labels):
    return nn.functional.cross_entropy(logits, labels)


def jax_loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


SGD = (lambda p: torch.optim.SGD(p, lr=0.1), optax.sgd(0.1))


def test_batches_with_targets_and_a_smaller_last_one() -> None:
    def summed(logits, labels):
        """Over a constant batch size: right but for the last batch."""
        each = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return each.sum() / 4

    same = trained(*SGD, losses=(torch_loss, jax_loss), batches=classes())
    assert same.same, str(same)
    report = trained(*SGD, losses=(torch_loss, summed), batches=classes())
    assert report.verdict.verdict == "same"
    assert report.training is not None
    assert report.training.says.startswith("step 2/loss")
    equal = trained(*SGD, losses=(torch_loss, summed), batches=classes(rows=(4, 4, 4)))
    assert equal.same, str(equal)


def test_what_is_said_of_batches() -> None:
    losses = (torch_loss, jax_loss)
    few = trained(*SGD, losses=losses, batches=iter(classes()[:2]))
    assert few.same
    assert "2 batches, gone through again until 3 steps are done" in few.notes
    arrays = check_port(
        nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), Net(),
        torch.ones(4, 6), steps=2, optimizers=SGD,
    )  # fmt: skip
    assert "every step has the same inputs; batches=... gives each its own" in arrays.notes
    assert not [note for note in trained(*SGD).notes if "inputs" in note]


def test_shapes_as_text_are_drawn_anew_at_each_step() -> None:
    losses = [[], []]
    for seed in (0, 1):
        report = trained(*SGD, losses=((lambda y: y.sum()),) * 2, seed=seed)
        assert report.training is not None
        losses[seed] = report.training.facts["losses"]["torch float64"]
    # Of the same inputs a step of plain SGD takes rate * |g|^2 off a loss that is a sum.
    assert len({round(value, 3) for run in losses for value in run}) == 6


@pytest.mark.parametrize(
    ("batches", "says"),
    [
        ([], "no batches"),
        ("float32[4,6]", "got a str"),
        (classes()[0][0], "batch 0: axes of input0 are 1, in the check 2"),
        ([classes()[0] + (1,)], "batch 0 must be (inputs, targets)"),
        ([{"x": np.ones((4, 6))}], "batch 0 calls the model with x, the check with input0"),
        ([(np.ones((4, 6), int), None)], "batch 0: kind of input0 are int64"),
        ([(np.ones((4, 6)), "cat")], "batch 0: targets are arrays and numbers, not a str"),
        (classes(), "batch 0 has targets: losses="),
        ([(np.ones((3, 6)), None)], "batches of several shapes need losses"),
    ],
)
def test_batches_that_do_not_fit(batches, says: str) -> None:
    with pytest.raises(PortError) as error:
        trained(*SGD, batches=batches)
    assert says in str(error.value)


def test_what_is_for_training_only() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    for options in ({"optimizers": SGD}, {"batches": classes()}, {"losses": (sum, sum)}):
        with pytest.raises(PortError, match="are for training: say steps="):
            check_port(model, Net(), INPUTS, **options)
