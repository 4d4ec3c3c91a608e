"""Every schedule against torch's, step by step over 60 and more, boundaries included.

torch goes from one rate to the next by a factor, ours are closed forms: they part by rounding,
which the judge measures by the largest rate. One compile evaluates all of ours.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import jax_impl.schedule
import jax_impl.schedule_warmup
import torch_impl.schedule
import torch_impl.schedule_warmup
from compare.judge.agree import compare

LR = 0.3
STEPS = 72

# (name, arguments after lr, keyword arguments). OneCycleLR is asked up to its last step.
SCHEDULES = [
    ("StepLR", (7, 0.1), {}),
    ("StepLR", (71, 1.2), {}),
    ("StepLR", (72,), {}),
    ("MultiStepLR", ([50, 3, 3, 51], 0.5), {}),
    ("MultiStepLR", ([0, 71, 72], 0.2), {}),
    ("MultiStepLR", ([],), {}),
    ("ConstantLR", (), {}),
    ("ConstantLR", (0.2, 71), {}),
    ("ConstantLR", (0.2, 0), {}),
    ("LinearLR", (), {}),
    ("LinearLR", (1.0, 0.0, 50), {}),
    ("LinearLR", (0.1, 0.5, 71), {}),
    ("LinearLR", (0.25, 1.0, 1), {}),
    ("ExponentialLR", (0.9,), {}),
    ("ExponentialLR", (1.01,), {}),
    ("CosineAnnealingLR", (71,), {}),
    ("CosineAnnealingLR", (30, 0.05), {}),
    ("CosineAnnealingLR", (1,), {"eta_min": 0.1}),
    ("LambdaLR", (lambda epoch: 0.95**epoch,), {}),
    ("LambdaLR", (lambda epoch: epoch % 7 * 0.1,), {}),
    ("LambdaLR", (lambda epoch: 0.5,), {}),
    ("get_constant_schedule_with_warmup", (0,), {}),
    ("get_constant_schedule_with_warmup", (10,), {}),
    ("get_linear_schedule_with_warmup", (10, 60), {}),
    ("get_linear_schedule_with_warmup", (60, 50), {}),
    ("get_linear_schedule_with_warmup", (0, 71), {}),
    ("get_cosine_schedule_with_warmup", (10, 60), {}),
    ("get_cosine_schedule_with_warmup", (0, 72), {"num_cycles": 2}),
    ("OneCycleLR", (0.1, 72), {}),
    ("OneCycleLR", (0.1, 72), {"anneal_strategy": "linear", "three_phase": True}),
    ("OneCycleLR", (1.0,), {"epochs": 9, "steps_per_epoch": 8, "cycle_momentum": False}),
    ("OneCycleLR", (0.1, 72), {"pct_start": 0.45, "div_factor": 10.0, "three_phase": True}),
]
IDS = [
    f"{name}{arguments[1:] if callable(next(iter(arguments), 0)) else arguments}-{i}"
    for i, (name, arguments, _) in enumerate(SCHEDULES)
]


def named(side: str, name: str):
    plain, warm = {
        "torch": (torch_impl.schedule, torch_impl.schedule_warmup),
        "jax": (jax_impl.schedule, jax_impl.schedule_warmup),
    }[side]
    return getattr(plain if name in plain.__all__ else warm, name)


def ours(name: str, arguments: tuple, options: dict):
    base = () if name in ("OneCycleLR", "SequentialLR") else (LR,)
    return named("jax", name)(*base, *arguments, **options)


def theirs(make, steps: int = STEPS, start: float = LR) -> tuple[np.ndarray, np.ndarray]:
    """The rates and the momenta that torch's optimizer takes its steps with."""
    leaf = torch.zeros(1, requires_grad=True)
    leaf.grad = torch.zeros(1)
    optimizer = torch.optim.SGD([leaf], lr=start, momentum=0.9)
    optimizer.param_groups[0]["initial_lr"] = LR
    scheduler = make(optimizer)
    rates, momenta = [], []
    for step in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        if step < steps - 1:
            scheduler.step()
    return np.array(rates), np.array(momenta)


def verdict(expected: np.ndarray, found) -> str:
    return compare("rate", expected, np.asarray(found), None, None, {}).verdict


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def evaluated() -> list[np.ndarray]:
    """Ours at all steps at once, traced."""
    with jax.enable_x64(True):
        schedules = [ours(*one) for one in SCHEDULES]
        found = jax.jit(lambda steps: [one(steps) for one in schedules])(jnp.arange(STEPS))
        return [np.asarray(one) for one in found]


@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.parametrize("index", range(len(SCHEDULES)), ids=IDS)
def test_rates_are_torchs(index, evaluated):
    name, arguments, options = SCHEDULES[index]
    rates, momenta = theirs(lambda one: named("torch", name)(one, *arguments, **options))
    assert evaluated[index].dtype == np.float64
    assert verdict(rates, evaluated[index]) == "same"
    schedule = ours(name, arguments, options)
    some = [0, 1, STEPS // 2, STEPS - 1]
    assert verdict(rates[some], np.array([schedule(step) for step in some])) == "same"
    assert len(set(rates)) == 1 or verdict(rates[1:], evaluated[index][:-1]) == "different"
    if options.get("cycle_momentum", name == "OneCycleLR"):
        assert verdict(momenta, schedule.momentum(jnp.arange(STEPS))) == "same"


SEQUENCES = [
    ([("LinearLR", (0.1, 1.0, 10)), ("CosineAnnealingLR", (62,))], [10]),
    ([("ConstantLR", (0.1, 20)), ("StepLR", (9,)), ("ExponentialLR", (0.9,))], [30, 50]),
    ([("LinearLR", (0.1, 1.0, 10)), ("MultiStepLR", ([5, 7],))], [7]),
]


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize(("parts", "milestones"), SEQUENCES)
def test_sequences_start_each_schedule_anew(parts, milestones):
    def make(optimizer):
        schedulers = [named("torch", name)(optimizer, *given) for name, given in parts]
        return torch_impl.schedule.SequentialLR(optimizer, schedulers, milestones)

    sequence = jax_impl.schedule.SequentialLR([ours(*one, {}) for one in parts], milestones)
    rates, _ = theirs(make)
    assert verdict(rates, sequence(jnp.arange(STEPS))) == "same"
    edges = [at for one in milestones for at in (one - 1, one)]
    assert verdict(rates[edges], np.array([sequence(at) for at in edges])) == "same"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("StepLR", (7,)), ("MultiStepLR", ([3, 20],)), ("CosineAnnealingLR", (100,))],
)
def test_training_is_resumed_one_step_after_last_epoch(name, arguments):
    resumed = ours(name, arguments, {"last_epoch": 10})
    full = ours(name, arguments, {})
    np.testing.assert_array_equal(resumed(jnp.arange(40)), full(jnp.arange(11, 51)))
    # torch leaves the rate as the optimizer's checkpoint has it, and goes on from there.
    rates, _ = theirs(
        lambda one: named("torch", name)(one, *arguments, last_epoch=10), 40, float(full(11))
    )
    assert verdict(rates, resumed(jnp.arange(40))) == "same"


def test_what_is_nearly_torchs_is_seen_and_what_is_passes():
    steps = jnp.arange(STEPS)
    cosine, _ = theirs(lambda one: torch_impl.schedule.CosineAnnealingLR(one, 60))
    assert verdict(cosine[:61], optax.cosine_decay_schedule(LR, 60)(steps)[:61]) == "same"
    # optax stays at the end, torch's wave rises again
    assert verdict(cosine, optax.cosine_decay_schedule(LR, 60)(steps)) == "different"
    stairs, _ = theirs(lambda one: torch_impl.schedule.StepLR(one, 7, 0.5))
    for staircase, right in ((True, "same"), (False, "different")):
        decay = optax.exponential_decay(LR, 7, 0.5, staircase=staircase)
        assert verdict(stairs, decay(steps)) == right
    assert verdict(stairs, np.asarray(stairs) * (1 + 1e-9)) == "different"


WRONG = [
    ("StepLR", (0,), {}, "step_size"),
    ("CosineAnnealingLR", (0,), {}, "T_max"),
    ("ConstantLR", (1.1,), {}, "factor"),
    ("LinearLR", (0.0,), {}, "start_factor"),
    ("LinearLR", (0.5, 1.1), {}, "end_factor"),
    ("OneCycleLR", (0.1,), {}, "total_steps"),
    ("OneCycleLR", (0.1, 10), {"pct_start": 2.0}, "pct_start"),
    ("OneCycleLR", (0.1, 10), {"anneal_strategy": "x"}, "anneal_strategy"),
    ("SequentialLR", ([], []), {}, "schedulers"),
    ("SequentialLR", ([optax.constant_schedule(1.0)], [3]), {}, "milestones"),
]


@pytest.mark.parametrize(("name", "arguments", "options", "word"), WRONG)
def test_wrong_arguments_are_named(name, arguments, options, word):
    with pytest.raises(ValueError, match=word):
        ours(name, arguments, options)


def test_a_step_beyond_one_cycle_raises_or_is_nan():
    cycle = jax_impl.schedule_warmup.OneCycleLR(0.1, 60)
    with pytest.raises(ValueError, match="61"):
        cycle(61)
    assert np.isnan(cycle(jnp.array(61)))
    assert np.isfinite(cycle(jnp.array(59)))
