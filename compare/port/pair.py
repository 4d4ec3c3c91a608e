"""Which leaf is which: what uses, flow and names leave open is probed, and what is left asked.

The probe runs both sides in float64 with torch's leaves carried over in each way that is open; a
way that gives torch's outputs is right, as drawn leaves give no two ways the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import torch

from compare.judge.agree import compare
from compare.port.models import Models
from compare.run import state, target, torch_side
from compare.run.jax_leaves import cast
from compare.run.jax_side import QUICK_COMPILE, output_names
from compare.run.port import jax_ready, table
from compare.run.port.errors import Undecided
from compare.run.port.jax_uses import jax_uses
from compare.run.port.pairing import Choice, Pairing, paired
from compare.run.port.table import Row
from compare.run.port.torch_uses import torch_uses
from compare.run.port.use import Use, named_statistic

WAYS = 48
"""Combinations of what is open that are probed."""


def pair(made: Models, given: Sequence[Row] | None = None, as_is: bool = False) -> list[Row]:
    """The table of `made`: the rows that are `given`, or found. Raises Undecided, PortError."""
    ours = {path: leaf.shape for path, leaf in made.given.owners.items()}
    theirs = {path: tuple(np.shape(x)) for path, x in made.jax.leaves.items()}
    used = uses(made)
    if given is not None:
        return table.checked(given, ours, theirs)
    found = paired(*used)
    rows = probed(made, found) if found.choices else found.rows
    rows = table.checked(in_order(rows, ours), ours, theirs)
    unsure = [row for row in rows if not row.sure]
    if unsure:
        raise Undecided(
            f"{len(unsure)} rows of the table of leaves can't be decided: "
            + "; ".join(dict.fromkeys(f"{row.torch or row.jax}" for row in unsure[:6]))
            + f" ({_why(found)}). Save the table (--save-map FILE), check the rows marked ?, and "
            "pass it back (--map FILE, or mapping=)",
            table.text(rows),
        )
    return rows


def _why(found: Pairing) -> str:
    whys = [choice.why for choice in found.choices if not choice.settled]
    return whys[0] if whys else "each would fit another leaf too"


def in_order(rows: Sequence[Row], torch_leaves: Mapping[str, Any]) -> list[Row]:
    order = {path: place for place, path in enumerate(torch_leaves)}
    return sorted(rows, key=lambda row: (order.get(row.torch, len(order)), row.torch_part))


def uses(made: Models) -> tuple[dict[str, Use], dict[str, Use]]:
    """What both sides use their leaves for."""
    module = torch_side.filled(made.torch, made.given, torch.float64, "cpu")
    module.train(made.case.train)
    leaves = list(made.given.owners.values())
    with torch.no_grad():
        ours = torch_uses(module, leaves, made.call_torch)
    inputs = {k: jax.ShapeDtypeStruct(x.shape, x.dtype) for k, x in made.jax_inputs().items()}
    wide = {k: np.asarray(x, np.float64) if np.result_type(x).kind == "f" else x
            for k, x in made.jax.leaves.items()}  # fmt: skip
    with jax.enable_x64(True), jax_ready.told(made.jax):
        model = replace(made.jax, leaves=wide)
        jaxpr = jax.make_jaxpr(made.call_jax)(wide, inputs)
        jax_ready.deterministic(jaxpr, made.case.train)
        theirs = jax_uses(model, made.call_jax, inputs)
    return {path: named_statistic(use) for path, use in ours.items()}, theirs


def probed(made: Models, found: Pairing) -> list[Row]:
    """The rows, every choice taken as the probe says; as they stand where it can't tell."""
    probe = Probe(made)
    for way in itertools.islice(combinations(found.choices), WAYS):
        rows = [*found.rows, *(row for option in way for row in option)]
        if not probe.agrees(rows):
            continue
        taken = []
        for choice, option in zip(found.choices, way, strict=True):
            others = [one for one in choice.options if one is not option]
            rest = [row for row in rows if all(row is not mine for mine in option)]
            # What the outputs do not feel, the probe can't tell.
            if others and probe.agrees([*rest, *others[0]]):
                taken += settled(choice)
            else:
                taken += [replace(row, sure=True, how=_proven(row)) for row in option]
        return [*found.rows, *taken]
    return [*found.rows, *(row for choice in found.choices for row in settled(choice))]


def _proven(row: Row) -> str:
    words = row.how.removesuffix("a guess").strip("; ")
    return f"{words + '; ' if words else ''}proven by a probe"


def settled(choice: Choice) -> list[Row]:
    """A choice that no probe could tell: the first, which stands where names decide."""
    return [replace(row, sure=choice.settled) for row in choice.options[0]]


def combinations(choices: Sequence[Choice]) -> list[tuple]:
    """Ways to take every choice, those that differ from the likeliest in least first.

    Choices that are open for one reason with as many ways, as blocks of one model are, are taken
    alike before they are taken apart.
    """
    counts = [len(choice.options) for choice in choices]
    kinds = [(choice.why, count) for choice, count in zip(choices, counts, strict=True)]
    names = list(dict.fromkeys(kinds))
    alike = itertools.product(*(range(count) for _, count in names))
    found = []
    for places in sorted(itertools.islice(alike, 10 * WAYS), key=sum):
        at = dict(zip(names, places, strict=True))
        found.append(tuple(at[kind] for kind in kinds))
    apart = itertools.islice(itertools.product(*map(range, counts)), 10 * WAYS)
    found += [places for places in sorted(apart, key=sum)]
    unique = dict.fromkeys(found)
    return [
        tuple(c.options[i] for c, i in zip(choices, places, strict=True)) for places in unique
    ]


class Probe:
    """JAX's float64 outputs for leaves carried by any table, from one compile."""

    def __init__(self, made: Models) -> None:
        self.made = made
        self.ours: dict[str, dict[str, np.ndarray]] = {}
        for precision in ("float64", "float32"):
            module = torch_side.filled(made.torch, made.given, getattr(torch, precision), "cpu")
            module.train(made.case.train)
            inputs = torch_side.inputs_of(
                made.case, made.given, getattr(torch, precision), "cpu"
            )
            with torch.no_grad():
                result = torch_side.apply(module, inputs, {}, made.case)
            outputs = target.outputs(made.case, result, "torch")
            self.ours[precision] = {str(i): torch_side.numpy(x) for i, x in enumerate(outputs)}
        made.torch.double()
        self.inputs = {k: cast(v, np.float64) for k, v in made.jax_inputs().items()}
        self.own = {k: cast(np.asarray(v), np.float64) for k, v in made.jax.leaves.items()}
        with jax.enable_x64(True):
            lowered = jax.jit(made.call_jax).lower(self.own, self.inputs)
            self.compiled = lowered.compile(compiler_options=QUICK_COMPILE)

    def outputs(self, rows: Sequence[Row]) -> dict[str, np.ndarray]:
        """JAX's outputs, in torch's order of axes."""
        leaves = self.made.given.leaves
        with jax.enable_x64(True):
            carried = table.carried(rows, leaves, self.own)
            narrow = {k: np.asarray(carried[k], x.dtype) for k, x in self.own.items()}
            found, _ = jax.device_get(self.compiled(narrow, self.inputs))
        laid = {}
        for i, out in enumerate(found):
            names = output_names(self.made.case, i, np.ndim(out))
            laid[str(i)] = state.to_torch(np.asarray(out), state.channels_last(names))
        return laid

    def agrees(self, rows: Sequence[Row]) -> bool:
        """Whether outputs that are more than zeros are torch's, by the judge's own word."""
        theirs = self.outputs(rows)
        found = [
            compare(name, wide, theirs.get(name), self.ours["float32"][name], None, {})
            for name, wide in self.ours["float64"].items()
        ]
        some = [one for one in found if not one.noise]
        return bool(some) and all(one.verdict in ("same", "less-careful") for one in found)
