"""The modules that have the leaves: what stands beside a paired leaf goes with its partner's."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from compare.run.port.choices import Choice, Option, Pairing, options
from compare.run.port.table import Row
from compare.run.port.use import Use

COLLECTIONS = ("batch_stats", "state", "cache", "intermediates")
"""Where Linen keeps what is no parameter."""

BESIDE = "beside what is paired already"

BIAS = {"weight": "bias", "kernel": "bias", "w": "b", "W": "b", "g": "b", "scale": "bias"}


def owner(path: str) -> str:
    """The module that has the leaf; a collection of Linen's is no part of the path."""
    parts = path.split(".")[:-1]
    return ".".join(parts[1:] if parts and parts[0] in COLLECTIONS else parts)


class Owners:
    """Which modules have leaves that are paired with one another."""

    def __init__(self, found: Pairing) -> None:
        self.torch: dict[str, set[str]] = defaultdict(set)
        self.jax: dict[str, set[str]] = defaultdict(set)
        for row in found.every_row():
            if row.paired:
                self.torch[owner(row.torch)].add(owner(row.jax))
                self.jax[owner(row.jax)].add(owner(row.torch))

    def apart(self, ours: str, theirs: str) -> bool:
        """Whether both leaves have owners that are paired, and not with each other."""
        mine, other = self.torch.get(owner(ours)), self.jax.get(owner(theirs))
        return bool(mine and other) and owner(theirs) not in (mine or ())


def sibling(path: str, among: dict[str, Use]) -> Use | None:
    """The bias beside the kernel at `path`."""
    parent, dot, name = path.rpartition(".")
    for word, bias in BIAS.items():
        other = f"{parent}{dot}{name.replace(word, bias)}"
        if (name == word or len(word) > 2 and word in name) and other in among:
            return among[other]
    return None


def siblings(found: Pairing) -> None:
    """Biases whose kernels are paired as they are, by the names that both have."""
    left = {side: {u.path: u for u in found.left(side)} for side in ("torch", "jax")}
    for row in list(found.every_row()):
        if not row.paired or row.torch_part or row.jax_part:
            continue
        ours, theirs = sibling(row.torch, left["torch"]), sibling(row.jax, left["jax"])
        if ours is None or theirs is None or ours.buffer or theirs.buffer:
            continue
        made = options(found, [(ours.path, theirs.path)], BESIDE)
        if made and made[0][0].torch in left["torch"]:
            goes_along(found, row, made[0][0])
            del left["torch"][ours.path], left["jax"][theirs.path]


def goes_along(found: Pairing, lead: Row, row: Row) -> None:
    """`row` goes where `lead` is: among the rows, or into each option of its choice."""
    if any(lead is one for one in found.rows):
        found.rows.append(row)
        return
    for i, choice in enumerate(found.choices):
        if any(lead is one for one in choice.options[0]):
            grown = tuple(_grown(found, option, lead, row) for option in choice.options)
            found.choices[i] = replace(choice, options=grown)
            return


def _grown(found: Pairing, option: Option, lead: Row, row: Row) -> Option:
    """The option with the bias of the kernel that `lead.torch` has there."""
    like = next((one for one in option if one.torch == lead.torch), None)
    if like is None:
        return option
    theirs = row.jax if like.jax == lead.jax else ""
    if not theirs:
        beside_it = sibling(like.jax, found.jax)
        theirs = beside_it.path if beside_it is not None else ""
    made = options(found, [(row.torch, theirs)], like.how) if theirs else ()
    return (*option, replace(made[0][0], sure=like.sure)) if made else option


def beside(found: Pairing) -> None:
    """Vectors of an owner whose kernel is paired go with the ones beside that kernel.

    So do a norm's statistics with its scale: again until nothing follows any more.
    """
    count = -1
    while count != len(found.rows):
        count = len(found.rows)
        owners: dict[str, set[str]] = defaultdict(set)
        for row in found.rows:
            if row.paired and not (row.torch_part or row.jax_part):
                owners[owner(row.torch)].add(owner(row.jax))
        left = found.left("jax")
        for use in found.left("torch"):
            homes = owners.get(owner(use.path), set())
            if len(homes) != 1 or use.kernel or not use.role:
                continue
            mine = [u for u in found.left("torch") if owner(u.path) == owner(use.path)]
            rivals = [u for u in left if owner(u.path) in homes]
            same = [u for u in rivals if _like(u, use)]
            if len(same) == 1 and sum(_like(u, use) for u in mine) == 1:
                made = options(found, [(use.path, same[0].path)], BESIDE)
                if len(made) == 1:
                    found.rows += made[0]
                elif made:
                    found.choices.append(Choice(made, "it could be laid out in several ways"))
                left = found.left("jax")


def _like(one: Use, other: Use) -> bool:
    return (one.role, one.buffer, one.sizes) == (other.role, other.buffer, other.sizes)
