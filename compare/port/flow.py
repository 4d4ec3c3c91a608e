"""How far torch's values are found among JAX's: the graph of calls, and where agreement ends.

A call of torch whose result JAX computes too agrees. One whose result JAX lacks may be the same
computation done otherwise: then what depends on it is found again. Where nothing that depends
on it is, agreement ends: the first such calls, whose own inputs still agree, are the sources of
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

    strict    numbers in another order do not agree: for a difference that is one of order alone

    found     by the call's index: whether its floating results are all among JAX's values; None
              for a call without any
    parents   the calls whose results it takes
    """

    calls: list[Seen]
    values: Values
    strict: bool = False
    found: dict[int, bool | None] = field(default_factory=dict)
    parents: dict[int, set[int]] = field(default_factory=dict)
    children: dict[int, set[int]] = field(default_factory=dict)
    by_index: dict[int, Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_index = {seen.index: seen for seen in self.calls}
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
            self.found[index] = present(self.by_index[index], self.values, self.strict)
        return self.found[index]

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


def mended(calls: Sequence[Seen], values: Values, index: int, known: set[int]) -> bool:
    """Whether call `index`, or one that depends on it, now gives a value of JAX's that is new.

    New are those that are not among `known`, what torch gave already: a call that is left out
    gives its own input, which proves nothing.
    """
    flow = Flow(list(calls), values)
    reached, looked = {index}, 0
    for seen in flow.calls:
        if seen.index != index and not flow.parents[seen.index] & reached:
            continue
        reached.add(seen.index)
        looked += 1
        places = located(seen, values)
        if places and not set(places) <= known:
            return True
        if looked > AHEAD:
            return False
    return False


def present(seen: Seen, values: Values, strict: bool = False) -> bool | None:
    """Whether JAX has what the call returned; None where that is no floating numbers."""
    places = located(seen, values, strict)
    return None if places is None else bool(places)


def located(seen: Seen, values: Values, strict: bool = False) -> list[int] | None:
    """The places among JAX's values of all that a call returned; [] where one is missing."""
    floats = [x for x in seen.held if telling(x)]
    if not floats or seen.index == WHOLE:
        return None
    places = [place(x, seen, values, strict) for x in floats]
    return [] if None in places else [one for one in places if one is not None]


def place(result: torch.Tensor, seen: Seen, values: Values, strict: bool = False) -> int | None:
    """Where JAX has these numbers: in some order of axes, or in any order at all.

    Heads are folded into the batch on one side only: that agrees. What flattens does not, as
    the order is what the next layer sees.
    """
    array = numpy(result)
    found = values.find(array)
    row = seen.name in ("flatten", "reshape", "view") and result.dim() == 2
    if found is not None:
        # A row in the right order is more than the same numbers in a map: a place of its own.
        return -1 - found[0] if row else found[0]
    if strict or row:
        return None
    return values.holds(array)


def known(calls: Sequence[Seen], values: Values) -> set[int]:
    """The places of all that torch's calls are given and give."""
    found: set[int] = set()
    done: set[int] = set()
    for seen in calls:
        for one in [*tensors(seen.arguments), *seen.held]:
            if id(one) not in done and one.is_floating_point() and telling(one):
                done.add(id(one))
                at = place(one, seen, values)
                found |= {at} if at is not None else set()
    return found


def telling(value: torch.Tensor) -> bool:
    """Whether it is more than one number many times, which would be found anywhere."""
    if value.numel() == 1:
        return float(value) not in (0.0, 1.0, -1.0)
    return value.numel() > 1 and bool((value != value.flatten()[0]).any())


def tensors(part: Any) -> list[torch.Tensor]:
    return [x for x in target.flatten([part]) if isinstance(x, torch.Tensor)]


@dataclass
class Backward:
    """The same on the way back: what is pulled back through each tensor, among JAX's values."""

    calls: list[Seen]
    pulled: dict[int, np.ndarray]
    values: Values

    def sources(self) -> list[Seen]:
        """Calls where what is pulled back agrees at the results, and not at some argument."""
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
        pulled = self.pulled[id(tensor)]
        trivial = pulled.size < 2 or not np.any(pulled != pulled.flat[0])
        return trivial or self.values.holds(pulled) is not None
