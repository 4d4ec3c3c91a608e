"""How far torch's values are found among JAX's: the graph of calls, and where agreement ends.

A call of torch whose result JAX computes too agrees. One whose result JAX lacks may be the same
computation done otherwise: then what depends on it is found again. Where nothing that depends on
it is, agreement ends: the first such calls, whose own inputs still agree, are the sources of
the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from compare.run import target
from compare.run.calls import WHOLE, Seen
from compare.run.port.trace import Values
from compare.run.torch_side import numpy

AHEAD = 40
"""How many calls after a rewritten one are looked at for values that agree again."""


@dataclass
class Flow:
    """torch's calls in the order of computing, and which of their results JAX has.

    found     by the call's index: whether its floating results are all among JAX's values; None
              for a call without any
    parents   the calls whose results it takes
    """

    calls: list[Seen]
    values: Values
    found: dict[int, bool | None] = field(default_factory=dict)
    parents: dict[int, set[int]] = field(default_factory=dict)
    children: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made: dict[int, int] = {}
        for seen in self.calls:
            self.parents[seen.index] = {
                made[id(x)] for x in tensors(seen.arguments) if id(x) in made
            } - {seen.index}
            for parent in self.parents[seen.index]:
                self.children.setdefault(parent, set()).add(seen.index)
            made |= {id(x): seen.index for x in tensors(seen.result)}

    def agrees(self, index: int) -> bool | None:
        """Whether the results of a call are among JAX's values, in any order of axes."""
        if index not in self.found:
            self.found[index] = present(self.by_index[index], self.values)
        return self.found[index]

    @property
    def by_index(self) -> dict[int, Seen]:
        return {seen.index: seen for seen in self.calls}

    def recovered(self) -> set[int]:
        """Calls that agree, or on whose results some call that agrees depends."""
        well: set[int] = set()
        for seen in reversed(self.calls):
            later = self.children.get(seen.index, set())
            if self.agrees(seen.index) or later & well:
                well.add(seen.index)
        return well

    def sources(self) -> list[Seen]:
        """Where agreement ends: those through which a gradient passes first."""
        well = self.recovered()
        ends = [
            seen
            for seen in self.calls
            if self.agrees(seen.index) is False
            and seen.index not in well
            and all(p in well or self.agrees(p) is None for p in self.parents[seen.index])
        ]
        # A mask or a table that JAX makes otherwise ends nothing by itself.
        return sorted(
            ends, key=lambda seen: not any(x.requires_grad for x in tensors(seen.result))
        )


def mended(calls: Sequence[Seen], values: Values, index: int) -> bool:
    """Whether call `index`, or one of those that depend on it, agrees now."""
    flow = Flow(list(calls), values)
    reached = {index}
    if flow.agrees(index):
        return True
    looked = 0
    for seen in flow.calls:
        if flow.parents[seen.index] & reached:
            reached.add(seen.index)
            looked += 1
            if flow.agrees(seen.index):
                return True
        if looked > AHEAD:
            return False
    return False


def present(seen: Seen, values: Values) -> bool | None:
    """Whether JAX has what the call returned; None where that is no floating numbers."""
    floats = [x for x in tensors(seen.result) if x.is_floating_point() and telling(x)]
    if not floats or seen.index == WHOLE:
        return None
    return all(values.find(numpy(x)) is not None or rearranged(x, seen, values) for x in floats)


def telling(value: torch.Tensor) -> bool:
    """Whether it is more than one number many times, which would be found anywhere."""
    return value.numel() > 1 and bool((value != value.flatten()[0]).any())


def rearranged(result: torch.Tensor, seen: Seen, values: Values) -> bool:
    """Whether JAX has these numbers in another order, which no order of axes gives.

    Heads are folded into the batch on one side only: it agrees, but for what flattens, where the
    order is what the next layer sees.
    """
    if seen.name in ("flatten", "reshape", "view") and result.dim() == 2:
        return False
    return values.holds(numpy(result))


def tensors(part: Any) -> list[torch.Tensor]:
    return [x for x in target.flatten([part]) if isinstance(x, torch.Tensor)]


@dataclass
class Backward:
    """The same on the way back: what is pulled back through each tensor, among JAX's values."""

    calls: list[Seen]
    pulled: dict[int, np.ndarray]
    values: Values
    takers: dict[int, list[Seen]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for seen in self.calls:
            if seen.index != WHOLE:
                for one in {id(x): x for x in tensors(seen.arguments)}.values():
                    self.takers.setdefault(id(one), []).append(seen)

    def sources(self) -> list[Seen]:
        """Calls through whose results what is pulled back agrees, and through an argument not."""
        ends: list[Seen] = []
        for seen in reversed(self.calls):
            if seen.index == WHOLE:
                continue
            after = [x for x in tensors(seen.result) if id(x) in self.pulled]
            if not after or not all(self.agrees(x) for x in after):
                continue
            before = [x for x in tensors(seen.arguments) if id(x) in self.pulled]
            if any(not self.agrees(x) for x in before):
                ends.append(seen)
        return ends

    def agrees(self, tensor: torch.Tensor) -> bool:
        return self.values.holds(self.pulled[id(tensor)])
