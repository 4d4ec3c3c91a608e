"""Planted faults of training: each must be caught at the right step, by the right name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from compare.cases.optim import trained
from compare.cases.overfitting import TRAININGS
from compare.cases.train import LENET, MLP, RESNET, SOFTMAX
from compare.cases.training import Call, Training, call

# The name of the known cause that the JAX side has; "" where none of the library explains it.
_CAUSES = {
    "learning rate off by 1e-6": "lr",
    "momentum off by 1e-3": "momentum",
    "buffers of BatchNorm left as they were": "buffers not updated",
    "two batches swapped": "batches swapped",
    "a mean loss for the hand-written update": "reduction",
    "no Nesterov": "nesterov",
    "no dampening": "dampening",
    "weight decay decoupled in Adam": "decay form",
    "weight decay of optax's AdamW": "weight decay",
    "Adam's second beta 0.99": "betas",
    "no AMSGrad": "amsgrad",
    "biases decayed too": "undecayed",
    "L2 penalty without its 1/2": "strength",
    "schedule one step late": "step size",
    "warm-up one step short": "num warmup steps",
    "warm-up left out of the decay's steps": "num training steps",
    "cosine to a floor": "eta min",
    "gradients clipped as optax does, without the 1e-6": "clip eps",
    "gradients not clipped": "not clipped",
}


def fault(name: str, run: Training, parts_at: str, **jax: Any) -> Training:
    """`run` with fields of the JAX side changed, and where that must show."""
    return replace(
        run,
        name=f"fault: {name}",
        why="",
        jax_changes=jax,
        expect="different",
        cause=_CAUSES.get(name, ""),
        parts_at=parts_at,
    )


def updated(run: Training, **changes: Any) -> Call:
    """The run's update with other arguments."""
    return replace(run.update, arguments={**run.update.arguments, **changes})


LINEAR = "schedule_warmup.get_linear_schedule_with_warmup"

_heavy = replace(MLP, update=call("optim.SGD", lr=0.1, momentum=0.9))
_adam = trained("base", update=call("optim_adam.Adam", weight_decay=0.1))
_adamw = trained("base", update=call("optim_adam.AdamW"))
_nesterov = trained("base", update=call("optim.SGD", lr=0.1, momentum=0.9, nesterov=True))
_damped = trained("base", update=call("optim.SGD", lr=0.1, momentum=0.9, dampening=0.5))
_amsgrad = trained(
    "base", update=call("optim_adam.Adam", lr=0.1, amsgrad=True, betas=(0.3, 0.6))
)
_stepped = trained(
    "base",
    update=call("optim.SGD", lr=0.1),
    schedule=call("schedule.StepLR", step_size=30, gamma=0.3),
)
_warm = trained(
    "base",
    update=call("optim.SGD", lr=0.1),
    schedule=call(LINEAR, num_warmup_steps=10, num_training_steps=90),
)
_cosine = trained(
    "base",
    update=call("optim.SGD", lr=0.1),
    schedule=call("schedule.CosineAnnealingLR", T_max=100),
)
_clipped = trained(
    "base",
    update=call("optim.SGD", lr=0.1),
    clip=call("optim.clip_grad_norm_", max_norm=0.5),
)
_decayed = next(run for run in TRAININGS if run.name.endswith("weight_decay"))
_penalised = next(run for run in TRAININGS if run.name.endswith("l2_penalty"))

CASES = [
    fault(
        "learning rate off by 1e-6",
        SOFTMAX,
        "step 0/lr",
        update=updated(SOFTMAX, lr=0.1 * (1 + 1e-6)),
    ),
    fault(
        "momentum off by 1e-3",
        _heavy,
        "step 1/moment/momentum_buffer/",
        update=updated(_heavy, momentum=0.9 + 1e-3),
    ),
    fault(
        "buffers of BatchNorm left as they were",
        RESNET,
        "step 0/buffer/bn1.running_mean",
        target="compare.run.naive:resnet18_frozen_buffers",
    ),
    fault("two batches swapped", LENET, "step 7/loss", swap=(7, 9)),
    fault(
        "a mean loss for the hand-written update",
        LENET,
        "step 0/grad/conv1.weight",
        loss=call("loss.cross_entropy", reduction="mean"),
    ),
    fault(
        "no Nesterov",
        _nesterov,
        "step 0/update/weight",
        update=updated(_nesterov, nesterov=False),
    ),
    fault(
        "no dampening",
        _damped,
        "step 1/moment/momentum_buffer/weight",
        update=updated(_damped, dampening=0),
    ),
    fault(
        "weight decay decoupled in Adam",
        _adam,
        "step 0/moment/exp_avg/weight",
        update=updated(_adam, decoupled_weight_decay=True),
    ),
    fault(
        "weight decay of optax's AdamW",
        _adamw,
        "step 0/update/weight",
        update=updated(_adamw, weight_decay=1e-4),
    ),
    fault(
        "Adam's second beta 0.99",
        _adam,
        "step 0/moment/exp_avg_sq/weight",
        update=updated(_adam, betas=(0.9, 0.99)),
    ),
    fault(
        "no AMSGrad",
        _amsgrad,
        "step 0/moment/max_exp_avg_sq/",
        update=updated(_amsgrad, amsgrad=False),
    ),
    fault(
        "biases decayed too",
        _decayed,
        "step 0/update/hidden.bias",
        undecayed=(),
    ),
    fault(
        "L2 penalty without its 1/2",
        _penalised,
        "step 0/loss",
        penalty=call("overfitting.l2_penalty", strength=2e-2),
    ),
    fault(
        "schedule one step late",
        _stepped,
        "step 30/lr",
        schedule=call("schedule.StepLR", step_size=31, gamma=0.3),
    ),
    fault(
        "warm-up one step short",
        _warm,
        "step 1/lr",
        schedule=call(LINEAR, num_warmup_steps=9, num_training_steps=90),
    ),
    fault(
        "warm-up left out of the decay's steps",
        _warm,
        "step 11/lr",
        schedule=call(LINEAR, num_warmup_steps=10, num_training_steps=100),
    ),
    fault(
        "cosine to a floor",
        _cosine,
        "step 1/lr",
        schedule=call("schedule.CosineAnnealingLR", T_max=100, eta_min=1e-6),
    ),
    fault(
        "gradients clipped as optax does, without the 1e-6",
        _clipped,
        "step 0/update/weight",
        clip=call("compare.run.naive:clip_by_global_norm", max_norm=0.5),
    ),
    fault("gradients not clipped", _clipped, "step 0/grad_norm", clip=None),
]
