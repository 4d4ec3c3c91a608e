"""Training runs in lockstep, on real images."""

from __future__ import annotations

from compare.cases.case import Training

CASES = [
    Training(
        "lenet.LeNet",
        name="train.lenet(digits)",
        init={"activation": "relu"},
        steps=132,
        batch_size=32,
        learning_rate=0.05,
        why="three epochs over the 1,797 real digits, by d2l's hand-written update",
    ),
]
