"""Whole trainings, an hour together: `make train-long` runs them, and keeps the results."""

from __future__ import annotations

from dataclasses import replace

from compare.cases.finetune import LONG
from compare.cases.train import BURGERS, LENET, MLP, RESNET, SOFTMAX
from compare.cases.train_faults import fault, updated
from compare.cases.training import Training, call

STEPS = 200
FASHION = call("fashion_mnist")


def _long(run: Training, **changes) -> Training:
    name = run.name.replace("train.", "long.")
    return replace(run, **{"name": name, "steps": STEPS, "why": "", **changes})


_softmax, _lenet = _long(SOFTMAX), _long(LENET)
_mlp = _long(MLP, update=call("optim.SGD", lr=0.1, momentum=0.9))
_resnet = _long(RESNET, data=call("digits", scale=6, border=0, channels=3, test=100))

CASES = [
    _softmax,
    _mlp,
    _lenet,
    *LONG,
    *(
        fault(
            f"batches {first} and 180 of {run.name} swapped",
            run,
            f"step {first}/loss",
            swap=(first, 180),
        )
        for run, first in ((_softmax, 150), (_mlp, 150), (_lenet, 150), (_resnet, 20))
    ),
    *(
        fault(
            f"learning rate of {run.name} off by 1e-6",
            run,
            "step 0/lr",
            update=updated(run, lr=run.update.arguments["lr"] * (1 + 1e-6)),
        )
        for run in (_softmax, _mlp, _lenet, _resnet)
    ),
    *(
        fault(
            f"momentum of {run.name} off by 1e-3",
            run,
            "step 1/moment/momentum_buffer/",
            update=updated(run, momentum=0.9 + 1e-3),
        )
        for run in (_mlp, _resnet)
    ),
    fault(
        "buffers of long.resnet18 left as they were",
        _resnet,
        "step 0/buffer/bn1.running_mean",
        target="compare.run.naive:resnet18_frozen_buffers",
    ),
    _long(
        BURGERS,
        name="long.burgers",
        init={},
        data=call("burgers", n=2, size=24, times=11),
        why="velocities of the viscous Burgers equation, learned from its residual",
    ),
    replace(
        SOFTMAX,
        name="long.softmax_regression(fashion-mnist)",
        leaves="own",
        data=FASHION,
        batch_size=256,
        steps=2340,
        why="d2l's ten epochs",
    ),
    replace(
        MLP,
        name="long.mlp(fashion-mnist)",
        data=FASHION,
        update=call("optim.SGD", lr=0.1),
        batch_size=256,
        steps=2340,
        why="d2l's ten epochs",
    ),
    _resnet,
]
