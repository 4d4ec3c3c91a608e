"""What one training run is: data, and no framework.

Model, loss, optimizer and schedule are names that stand on both sides, with their arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compare.cases.case import Call, Pair, call


@dataclass(frozen=True)
class Training(Pair):
    """One model trained on both sides in lockstep, from the same leaves on the same batches.

    data        a data set of compare/run/batches.py, with its arguments
    axes        axis names of each array of a batch
    objective   what is minimised, of compare/run/objective.py
    loss        its loss function; d2l's loss.reduction is 'none'
    penalty     a penalty of the weights, `strength` times it
    update      the hand-written "sgd.sgd", which follows the summed loss and divides by the
                batch size, or an optimizer, which follows the mean
    undecayed   parameters whose path has one of these in it get no weight decay
    schedule    of the learning rate, if it moves
    clip        of the gradients, if they are clipped
    leaves      the first parameters: "own", as torch's constructor draws them, or those of a
                checkpoint; drawn by the harness if empty
    masks       keep-masks drawn anew each step; an axis without a size has the batch's
    swap        two steps whose batches change places: a fault to plant
    jax_changes fields that the JAX side is given instead: how a planted fault is written
    parts_at    where a planted fault must show: "step 3/lr"; a text that `says` begins with
    """

    data: Call = Call("digits")
    axes: tuple[str, ...] = ("n c h w", "n")
    objective: str = "supervised"
    loss: Call = call("loss.cross_entropy", reduction="none")
    penalty: Call | None = None
    update: Call = call("sgd.sgd", lr=0.1)
    undecayed: tuple[str, ...] = ()
    schedule: Call | None = None
    clip: Call | None = None
    steps: int = 100
    batch_size: int = 32
    leaves: str = ""
    swap: tuple[int, int] | None = None
    jax_changes: Mapping[str, Any] = field(default_factory=dict)
    parts_at: str = ""

    @property
    def by_hand(self) -> bool:
        """Whether the update divides the gradient of the summed loss by the batch size."""
        return self.update.target == "sgd.sgd"

    def spares(self, path: str) -> bool:
        """Whether weight decay spares the parameter at torch's `path`."""
        return any(part in path for part in self.undecayed)

    def on(self, side: str) -> Training:
        """The run as `side` does it: JAX's with its planted fault."""
        return replace(self, **self.jax_changes) if side == "jax" else self
