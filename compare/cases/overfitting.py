"""Against overfitting, each trained in lockstep: penalties, weight decay, dropout, and more."""

from __future__ import annotations

from dataclasses import replace

from compare.cases.case import Pair, Study, draw
from compare.cases.train import MLP
from compare.cases.training import Training, call

_SMALL = {"num_inputs": 784, "num_outputs": 10, "num_hiddens": 32}
_MLP = replace(MLP, init=_SMALL, steps=30, name="base")


def _mlp(name: str, **changes) -> Training:
    return replace(_MLP, name=f"overfitting.{name}", **changes)


_MEMBER = call("mlp.MLP", num_hiddens=16)

TRAININGS = [
    _mlp("l2_penalty", penalty=call("overfitting.l2_penalty", strength=1e-2)),
    _mlp("l1_penalty", penalty=call("overfitting.l1_penalty", strength=1e-3)),
    _mlp(
        "weight_decay",
        update=call("optim.SGD", lr=0.1, weight_decay=1e-2),
        undecayed=("bias",),
        why="of the weights alone: the same path as the L2 penalty's",
    ),
    _mlp(
        "dropout",
        target="overfitting.DropoutMLP",
        init={"num_hiddens_1": 32, "num_hiddens_2": 32},
        masks={
            "dropout1.mask": draw("n k=32", "bits", keep=0.8),
            "dropout2.mask": draw("n k=32", "bits", keep=0.5),
        },
        why="masks drawn anew each step, shared by both sides",
    ),
    _mlp(
        "ensemble",
        target="overfitting.Ensemble",
        init={"models": [_MEMBER, _MEMBER, _MEMBER]},
        loss=call("softmax_regression.cross_entropy"),
        why="each member starts from leaves of its own",
    ),
    _mlp(
        "soft_weight_sharing",
        attach={"sharing": call("overfitting.SoftWeightSharing", num_components=4)},
        penalty=call("model.sharing", strength=1e-4),
        why="the mixture over the weights learns along with them",
    ),
]

CASES: list[Pair] = [
    Study(
        "compare.studies:early_stopping",
        name="overfitting.early_stopping",
        why="on a validation set: the epoch that was best, and its parameters put back",
    ),
    *TRAININGS,
]
