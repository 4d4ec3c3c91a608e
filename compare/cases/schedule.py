"""The learning rate schedules over 100 steps of SGD: every rate, and the path that it makes."""

from __future__ import annotations

from compare.cases.case import Call
from compare.cases.optim import trained
from compare.cases.training import Training, call

_WARM = {"num_warmup_steps": 10, "num_training_steps": 90}

SCHEDULES = [
    call("schedule.StepLR", step_size=30, gamma=0.3),
    call("schedule.MultiStepLR", milestones=[20, 50, 50], gamma=0.5),
    call("schedule.ConstantLR", factor=0.25, total_iters=40),
    call("schedule.LinearLR", start_factor=0.1, end_factor=0.8, total_iters=60),
    call("schedule.ExponentialLR", gamma=0.97),
    call("schedule.CosineAnnealingLR", T_max=30, eta_min=0.01),
    call("schedule.CosineAnnealingLR", T_max=100),
    call(
        "schedule.SequentialLR",
        schedulers=[
            call("schedule.LinearLR", start_factor=0.1, total_iters=10),
            call("schedule.ExponentialLR", gamma=0.98),
        ],
        milestones=[10],
    ),
    call("schedule_warmup.get_constant_schedule_with_warmup", num_warmup_steps=10),
    call("schedule_warmup.get_linear_schedule_with_warmup", **_WARM),
    call("schedule_warmup.get_cosine_schedule_with_warmup", **_WARM),
    call("schedule_warmup.OneCycleLR", max_lr=0.2, total_steps=100),
    call(
        "schedule_warmup.OneCycleLR",
        max_lr=0.2,
        total_steps=120,
        pct_start=0.4,
        anneal_strategy="linear",
        three_phase=True,
    ),
]


def shown(schedule: Call) -> str:
    """ "StepLR(step_size=30, gamma=0.3)": the schedules within a schedule by their names."""
    words = {
        name: [shown(x) if isinstance(x, Call) else x for x in value]
        if isinstance(value, list)
        else value
        for name, value in schedule.arguments.items()
    }
    return f"{schedule.target}({', '.join(f'{k}={v}' for k, v in words.items())})"


_MOVING = call("schedule_warmup.OneCycleLR", max_lr=0.02, total_steps=100)

CASES: list[Training] = [
    trained(
        shown(schedule),
        update=call("optim.SGD", lr=0.1, momentum=0.9),
        schedule=schedule,
    )
    for schedule in SCHEDULES
]
CASES.append(
    trained(
        f"{shown(_MOVING)} of Adam",
        update=call("optim_adam.Adam", lr=0.01, betas=(0.9, 0.99)),
        schedule=_MOVING,
        why="OneCycleLR moves betas[0] of Adam, where SGD has its momentum",
    )
)
