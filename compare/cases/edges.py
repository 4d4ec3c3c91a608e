"""Special values and edges: what each layer must do at them, as data.

An `Edge` is a Case whose inputs hold what layers seldom meet, and what is looked at there.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from compare.cases.case import Case, Given, axis_sizes, draw

FAMILIES = ("layers", "norms", "values", "losses", "updates")
NAN, INF = math.nan, math.inf
TINY = (4e-39, -6e-39, 8e-39)
"""Float32's denormals: below 1.18e-38."""


class Named(NamedTuple):
    """The verdict that is right at an edge, whose difference it is, and whether by the CPU."""

    expect: str
    reason: str
    by_cpu: bool = False


SAME = Named("same", "")


@dataclass(frozen=True)
class Edge:
    """One layer at one edge.

    at       the edge in words
    case     what is compared; in float64 as any case is, and in float32 its special values
    watch    "signs": those of zeros, too; "denormals": those of float32, too; "care": bits lost
    expect   "same", "different" or "less-careful"; where not "same", `reason` says whose
             difference it is
    by_cpu   whether the difference shows hangs on the CPU's vector instructions, so "same" is
             right, too
    raises   torch raises, and so must JAX, called as a function outside of jit
    """

    at: str
    case: Case
    watch: str = ""
    expect: str = "same"
    reason: str = ""
    by_cpu: bool = False
    raises: bool = False

    def __post_init__(self) -> None:
        if (self.expect != "same") != bool(self.reason):
            raise ValueError(f"{self.name}: a difference has a reason, and only a difference")

    @property
    def layer(self) -> str:
        return self.case.target

    def right(self, outcome: str) -> bool:
        return outcome == self.expect or (self.by_cpu and outcome == "same")

    @property
    def name(self) -> str:
        return f"{self.case.target}({self.case.call}): {self.at}"


def holding(axes: str, *special: float, grad: bool = True, step: int = 5) -> Given:
    """Small numbers, no two alike; `special` stand at each `step`-th place from the second."""
    count = math.prod(axis_sizes(axes))
    turn = count + (count % 7 == 0)
    values = [((7 * i) % turn - count / 2 + 0.25) / 8 for i in range(count)]
    for index, one in enumerate(special):
        values[(1 + step * index) % count] = one
    return draw(axes, "given", grad=grad, values=values)


def edges(families: Sequence[str] = FAMILIES) -> list[Edge]:
    """Every edge. ValueError where two have one name."""
    found = [edge for family in families for edge in load(family)]
    names = [edge.name for edge in found]
    twins = sorted({one for one in names if names.count(one) > 1})
    if twins:
        raise ValueError(f"two edges have one name: {', '.join(twins)}")
    return found


def load(family: str) -> list[Edge]:
    """The edges of compare/cases/edges_<family>.py."""
    return importlib.import_module(f"compare.cases.edges_{family}").EDGES


FLUSHED = Named(
    "different",
    "XLA's CPU code takes denormals of float32 for 0, coming in and out",
)
FLUSHED_IN = Named(
    "less-careful",
    "XLA's CPU code takes denormals of float32 for 0 as they come in",
)
COMPARED = Named(
    "less-careful",
    "XLA's CPU code compares denormals of float32 as if they were 0: all are tied",
)


def at_specials(case: Case, name: str = "input", **named: Named) -> list[Edge]:
    """`case` with NaN, infinities, zeros of either sign and denormals in its input `name`.

    `named` holds, for one of nan, infinite, zeros, denormals, the verdict that is right where
    that is not "same", and the reason.
    """
    axes = case.inputs[name].axes
    each = {
        "nan": ("NaN", holding(axes, NAN), ""),
        "infinite": ("inf and -inf", holding(axes, INF, -INF), ""),
        "zeros": ("-0.0", holding(axes, -0.0, 0.0, -0.0), "signs"),
        "denormals": ("denormals", tiny(axes), "denormals"),
    }
    found = []
    for kind, (at, given, watch) in each.items():
        found.append(Edge(at, with_input(case, name, given), watch, *named.get(kind, SAME)))
    return found


def with_input(case: Case, name: str, given: Given) -> Case:
    """`case` with another input."""
    return replace(case, inputs={**case.inputs, name: given}, name="")


def tiny(axes: str) -> Given:
    """Denormals of float32 everywhere."""
    count = math.prod(axis_sizes(axes))
    values = [TINY[i % 3] * (1 + i % 2 / 4) for i in range(count)]
    return draw(axes, "given", values=values)
