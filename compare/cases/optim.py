"""The optimizers over 100 steps, every option that both sides have.

A linear classifier on a few clusters: convex, so that rounding is not amplified, and each
moment is judged as closely at the last step as at the first.
"""

from __future__ import annotations

from dataclasses import replace

from compare.cases.training import Training, call

_LINEAR = Training(
    "linear.Linear",
    init={"in_features": 6, "out_features": 3},
    data=call("clusters"),
    axes=("n a", "n"),
    batch_size=16,
    steps=100,
    name="base",
)


def trained(name: str, **changes) -> Training:
    """The linear classifier, trained another way."""
    return replace(_LINEAR, name=name, **changes)


OPTIONS = {
    "optim.SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        {"lr": 0.01, "momentum": 0.5, "dampening": 1.0, "maximize": True},
    ],
    "optim.RMSprop": [
        {},
        {"alpha": 0.9, "eps": 1e-2, "weight_decay": 0.1},
        {"momentum": 0.9},
        {"centered": True, "alpha": 0.9, "eps": 1e-3},
        {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "maximize": True, "lr": 1e-3},
    ],
    "optim.Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.1, "eps": 1e-2},
        {"initial_accumulator_value": 2.0, "weight_decay": 0.3, "maximize": True},
    ],
    "optim.Adadelta": [
        {},
        {"lr": 0.1, "rho": 0.5, "eps": 1e-2},
        {"rho": 0.99, "weight_decay": 0.1, "maximize": True},
    ],
    "optim_adam.Adam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-2},
        {"weight_decay": 0.1, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
        {"amsgrad": True, "weight_decay": 0.1, "betas": (0.3, 0.6)},
    ],
    "optim_adam.AdamW": [
        {},
        {"lr": 0.1, "weight_decay": 0.5},
        {"weight_decay": 0.0, "betas": (0.2, 0.6), "eps": 1e-3},
        {"amsgrad": True, "maximize": True, "betas": (0.5, 0.6)},
    ],
    "optim_adam.Adamax": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-2},
        {"weight_decay": 0.1, "maximize": True},
    ],
    "optim_adam.NAdam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "momentum_decay": 0.1, "eps": 1e-2},
        {"weight_decay": 0.1, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.0},
    ],
    "optim_adam.RAdam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-2},
        {"betas": (0.9, 0.6)},  # never rectified
        {"weight_decay": 0.1, "maximize": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
}


def _name(target: str, options: dict) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return f"{target}({given})"


_CLIPPED = {
    "optim.clip_grad_norm_": [
        {"max_norm": 0.5},
        {"max_norm": 0.3, "norm_type": 1.0},
        {"max_norm": 0.2, "norm_type": float("inf")},
    ],
    "optim.clip_grad_value_": [{"clip_value": 0.05}],
}

CASES = [
    trained(_name(target, options), update=call(target, **options))
    for target, every in OPTIONS.items()
    for options in every
] + [
    trained(
        _name(target, options),
        update=call("optim.SGD", lr=0.1, momentum=0.9),
        clip=call(target, **options),
    )
    for target, every in _CLIPPED.items()
    for options in every
]
