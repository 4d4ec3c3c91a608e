"""The batches of a user's training: what the model is given, and what its loss is told."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from compare.run.port.errors import PortError
from compare.run.port.given import as_numpy, slotted

if TYPE_CHECKING:
    from compare.port.models import Models


@dataclass(frozen=True)
class Batch:
    """One step's inputs by name, in torch's order of axes, and the targets of its loss.

    targets   a tree of arrays and numbers, the same for both sides; None: the loss is of the
              model's outputs alone
    """

    inputs: Mapping[str, np.ndarray]
    targets: Any = None

    def told(self, tensor: Callable[[np.ndarray], Any]) -> tuple[Any, ...]:
        """What a loss is given after the outputs, each array as a framework's."""
        if self.targets is None:
            return ()
        return (mapped(lambda x: tensor(x) if isinstance(x, np.ndarray) else x, self.targets),)


def a_batch_each(
    made: Models, inputs: Any, wanted: Iterable[Any] | None, steps: int, seed: int
) -> tuple[list[Batch], list[str]]:
    """A batch for each of `steps` steps, and notes on how they were come by.

    inputs   those of the call: a text is drawn anew at each step, arrays stay the same
    wanted   the user's own, each (inputs, targets), or inputs alone as a dict or an array; gone
             through again where there are fewer than steps

    Raises PortError for a batch that the model would be called with in another way.
    """
    if wanted is None and isinstance(inputs, str):
        return [Batch(slotted(inputs, seed, step)[0]) for step in range(steps)], []
    if wanted is None:
        words = "every step has the same inputs; batches=... gives each its own"
        return [Batch(made.given.inputs)] * steps, [words]
    if isinstance(wanted, str | Mapping) or not isinstance(wanted, Iterable):
        raise PortError(
            "", f"batches must be (inputs, targets) one by one, got a {type(wanted).__name__}"
        )
    found = [
        batch(one, f"batch {place}", made)
        for place, one in enumerate(itertools.islice(wanted, steps))
    ]
    if not found:
        raise PortError("", "there are no batches: an empty sequence, or one already read")
    fewer = [f"{len(found)} batches, gone through again until {steps} steps are done"]
    return list(itertools.islice(itertools.cycle(found), steps)), fewer * (len(found) < steps)


def batch(one: Any, name: str, made: Models) -> Batch:
    """A user's batch as a Batch."""
    alone = isinstance(one, Mapping) or hasattr(one, "shape")
    if not alone and (not isinstance(one, Sequence) or len(one) != 2):
        raise PortError(
            "", f"{name} must be (inputs, targets), or named inputs alone: {one!r:.60}"
        )
    inputs, targets = (one, None) if alone else one
    arrays, called = slotted(inputs)
    like = made.given.inputs
    if called != made.case.called:
        raise PortError(
            "", f"{name} calls the model with {', '.join(arrays) or 'no arrays'}, the check "
            f"with {', '.join(like)}: inputs and batches must be alike"
        )  # fmt: skip
    for key, values in arrays.items():
        for word, ours, theirs in (
            ("axes", values.ndim, like[key].ndim), ("kind", values.dtype, like[key].dtype)
        ):  # fmt: skip
            if ours != theirs:
                raise PortError(
                    "", f"{name}: {word} of {key} are {ours}, in the check {theirs}"
                )
    return Batch(arrays, mapped(lambda x: _target(x, name), targets))


def mapped(change: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` of dicts, lists and tuples with `change` of each leaf; None stays."""
    if isinstance(tree, Mapping):
        return {key: mapped(change, value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return tuple(mapped(change, value) for value in tree)
    return None if tree is None else change(tree)


def _target(value: Any, name: str) -> Any:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return as_numpy(value, f"{name}'s targets")
    if isinstance(value, bool | int | float):
        return value
    raise PortError("", f"{name}: targets are arrays and numbers, not a {type(value).__name__}")
