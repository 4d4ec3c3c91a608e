"""The contract at special values: every edge run by the path of any case, and judged."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compare.cases.edges import Edge

BATCH = 16


def contract(
    edges: Sequence[Edge], seed: int = 0, on_edge: Callable[[str], None] = lambda name: None
) -> list[dict[str, Any]]:
    """A row for each edge: what both sides do, whether it is the same, and if not, why.

    Edges share compiles by the sixteen; those whose care is looked at compile as users do.
    """
    from compare.check import recorded
    from compare.judge.edges import judge_edge
    from compare.run.edges import outside_jit

    named = {edge.name: replace(edge.case, name=edge.name) for edge in edges}
    care = [edge.name for edge in edges if edge.watch == "care"]
    plain = [name for name in named if name not in care]
    found: dict[str, dict] = {}
    for group, quick in ((plain, True), (care, False)):
        for first in range(0, len(group), BATCH):
            names = group[first : first + BATCH]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # meant for users of a layer
                found |= recorded([named[name] for name in names], seed, quick=quick)
            for name in names:
                on_edge(name)
    rows = []
    for edge in edges:
        records = found[edge.name]
        if edge.raises:
            records["jax", "float64"] = outside_jit(named[edge.name], seed)
        rows.append(row(edge, judge_edge(records, edge.watch)))
    return rows


def row(edge: Edge, found: Any) -> dict[str, Any]:
    """An edge and what it came to, as JSON has it."""
    stem, _, name = edge.layer.partition(".")
    known = edge.expect != "same" and found.outcome == edge.expect
    return {
        "family": stem,
        "layer": name,
        "call": edge.case.call,
        "edge": edge.at,
        "outcome": found.outcome,
        "expected": edge.expect,
        "as_expected": edge.right(found.outcome),
        "torch": found.torch,
        "jax": found.jax,
        "says": found.says,
        "reason": edge.reason if known else "",
        "bits": round(found.bits, 1) if edge.watch == "care" else None,
    }
