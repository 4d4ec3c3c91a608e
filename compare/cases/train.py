"""Models trained in lockstep on real images."""

from __future__ import annotations

from compare.cases.case import Study
from compare.cases.training import Training, call

SOFTMAX = Training(
    "softmax_regression.SoftmaxRegressionScratch",
    name="train.softmax_regression(digits)",
    init={},
    loss=call("softmax_regression.cross_entropy"),
    update=call("sgd.sgd", lr=0.1),
    steps=60,
)
MLP = Training(
    "mlp.MLP",
    name="train.mlp(digits)",
    init={},
    update=call("optim.SGD", lr=0.1),
    steps=60,
)
LENET = Training(
    "lenet.LeNet",
    name="train.lenet(digits)",
    init={"activation": "relu"},
    update=call("sgd.sgd", lr=0.05),
    steps=44,
    why="an epoch of real digits, by d2l's hand-written update",
)
RESNET = Training(
    "resnet.resnet18",
    name="train.resnet18(digits)",
    init={"num_classes": 10},
    data=call("digits", scale=6, border=0, channels=3, test=0),
    update=call("optim.SGD", lr=0.005, momentum=0.9, weight_decay=5e-4),
    steps=3,
    batch_size=8,
    why="batch norm's buffers, momentum and weight decay; long runs: portbench run -s long",
)
BURGERS = Training(
    "convlstm.PhysicsRNN",
    name="train.burgers",
    init={"hidden_channels": 6, "kernel_size": 3, "spacing": 1 / 12},
    data=call("burgers", n=2, size=12, times=5),
    axes=("n t c h w",),
    objective="physics",
    loss=call("convlstm.physics_loss", shown=2),
    update=call("optim_adam.Adam", lr=0.01),
    steps=20,
    batch_size=2,
    why="a physics-informed recurrent network: gradients through time and finite differences",
)
PAIRINGS = Study(
    "compare.studies:pairings",
    name="train.pairings",
    why="hand-written or built-in loss and updater: which belong together, and by what factor "
    "the others are off",
)
CASES = [PAIRINGS, SOFTMAX, MLP, LENET, RESNET, BURGERS]
