"""Which leaf is which: what uses, flow and names leave open is probed, then asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import torch

from compare.port.models import Models
from compare.port.probe import Probe
from compare.port.search import Found, has, search
from compare.run import torch_side
from compare.run.jax_leaves import cast
from compare.run.port import jax_ready, stacked, table
from compare.run.port.choices import Choice, Option, Pairing
from compare.run.port.errors import Undecided
from compare.run.port.jax_uses import jax_uses
from compare.run.port.pairing import paired
from compare.run.port.table import Row
from compare.run.port.torch_uses import torch_uses
from compare.run.port.use import Use, named_statistic


def pair(made: Models, given: Sequence[Row] | None = None) -> list[Row]:
    """The table of `made`: the rows that are `given`, or found. Raises Undecided, PortError."""
    ours = {path: leaf.shape for path, leaf in made.given.owners.items()}
    theirs = {path: tuple(np.shape(x)) for path, x in made.jax.leaves.items()}
    used, unrolled = uses(made)
    if given is not None:
        return table.checked(given, ours, theirs)
    used_jax, parts = stacked.layers(unrolled)
    found = folded(paired(used, used_jax), parts)
    rows = probed(made, found) if found.choices else found.rows
    rows = table.checked(in_order(rows, ours), ours, theirs)
    unsure = [row for row in rows if not row.sure]
    if unsure:
        raise Undecided(
            f"{len(unsure)} rows of the table of leaves can't be decided: "
            + "; ".join(dict.fromkeys(f"{row.torch or row.jax}" for row in unsure[:6]))
            + f" ({_why(found, unsure)}). Save the table (--save-map FILE), check the rows "
            "marked ?, and pass it back (--map FILE, or mapping=)",
            table.text(rows),
        )
    made.notes += contradicted(rows)
    return rows


def _why(found: Pairing, unsure: Sequence[Row]) -> str:
    """Why the first of the rows is asked for."""
    for choice in found.choices:
        if any(row.torch == unsure[0].torch for row in choice.options[0]):
            return "names say one thing, a probe another" if choice.asked else choice.why
    return "each would fit another leaf too"


def contradicted(rows: Sequence[Row]) -> list[str]:
    """A note where leaves are paired against what they are called."""
    some = [row for row in rows if "names say otherwise" in row.how]
    if not some:
        return []
    told = ", ".join(f"{row.torch} is {row.jax}{row.jax_part}" for row in some[:4])
    more = ", ..." if len(some) > 4 else ""
    return [f"names mislead: by the flow of data {told}{more}; carry weights over accordingly"]


def folded(found: Pairing, parts: stacked.Parts) -> Pairing:
    """The pairing with the leaves of looped layers as parts of their stacks."""
    rows = [stacked.folded(row, parts) for row in found.rows]
    choices = [
        replace(one, options=tuple(
            tuple(stacked.folded(row, parts) for row in option) for option in one.options))
        for one in found.choices
    ]  # fmt: skip
    return Pairing(found.torch, found.jax, rows, choices)


def in_order(rows: Sequence[Row], torch_leaves: Mapping[str, Any]) -> list[Row]:
    order = {path: place for place, path in enumerate(torch_leaves)}

    def key(row: Row) -> tuple[int, list[int]]:
        starts = [part.split(":")[0] for part in row.torch_part.strip("[]").split(",")]
        return order.get(row.torch, len(order)), [int(n) for n in starts if n.strip().isdigit()]

    return sorted(rows, key=key)


def uses(made: Models) -> tuple[dict[str, Use], dict[str, Use]]:
    """What both sides use their leaves for."""
    module = torch_side.filled(made.torch, made.given, torch.float64, "cpu")
    module.train(made.case.train)
    leaves = list(made.given.owners.values())
    with torch.no_grad():
        ours = torch_uses(module, leaves, made.call_torch)
    inputs = {k: jax.ShapeDtypeStruct(x.shape, x.dtype) for k, x in made.jax_inputs().items()}
    wide = {k: cast(np.asarray(x), np.float64) for k, x in made.jax.leaves.items()}
    with jax.enable_x64(True), jax_ready.told(made.jax):
        model = replace(made.jax, leaves=wide)
        jaxpr = jax.make_jaxpr(made.call_jax)(wide, inputs)
        jax_ready.deterministic(jaxpr, made.case.train)
        theirs = jax_uses(model, made.call_jax, inputs)
    return {path: named_statistic(use) for path, use in ours.items()}, theirs


def probed(made: Models, found: Pairing) -> list[Row]:
    """The rows, every choice taken as names and a probe say."""
    best = search(Probe(made), found)
    rows = list(found.rows)
    for choice, taken in zip(found.choices, best, strict=True):
        rows += decided(choice, taken)
    return rows


def decided(choice: Choice, taken: Found) -> Option:
    """The rows of a choice: sure where a probe tells them, or names do and no probe objects."""
    first, chosen = choice.options[0], choice.options[taken.index]
    apart = taken.index > 0 and all(row in taken.told or has(first, row) for row in chosen)
    if choice.settled and not apart:
        return tuple(replace(row, sure=True) for row in first)
    said = "proven by a probe" if taken.proven else "nearest by far in a probe"
    return tuple(
        replace(row, how=_words(row, said), sure=not choice.asked or has(first, row))
        if row in taken.told else replace(row, sure=has(first, row) and choice.settled)
        for row in chosen
    )  # fmt: skip


def _words(row: Row, said: str) -> str:
    words = row.how.removesuffix("a guess").strip("; ")
    return f"{words + '; ' if words else ''}{said}"
