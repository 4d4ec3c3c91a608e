"""The modules that have the leaves: what is beside a paired leaf goes with its partner's."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from compare.run.port.choices import Choice, Option, Pairing, options
from compare.run.port.layouts import layouts
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
        if (name == word or (len(word) > 2 and word in name)) and other in among:
            return among[other]
    return None


def beside(found: Pairing) -> None:
    """Vectors of an owner one leaf of which is paired go with the ones beside its partner.

    So a bias follows its kernel, and a norm's statistics its scale: again until nothing follows
    any more. What leads may be open: then it is followed in each way that there is.
    """
    again = True
    while again:
        again = False
        for row in [row for row in found.every_row() if row.paired]:
            if row.torch_part or row.jax_part:
                continue
            for use in [u for u in found.left("torch") if owner(u.path) == owner(row.torch)]:
                other = None if use.kernel or not use.role else follower(found, use, row)
                if other is not None and goes_along(found, row, use, other):
                    again = True


def follower(found: Pairing, use: Use, lead: Row) -> Use | None:
    """The JAX leaf that is to `lead.jax` what torch's `use` is to `lead.torch`."""
    left = {one.path: one for one in found.left("jax")}
    if sibling(lead.torch, found.torch) is use:
        other = sibling(lead.jax, left)
        if other is not None and other.buffer == use.buffer and layouts(use, other):
            return other
    if len(Owners(found).torch[owner(use.path)]) != 1:
        return None
    mine = [u for u in found.left("torch") if owner(u.path) == owner(use.path)]
    same = [u for u in left.values() if owner(u.path) == owner(lead.jax) and _like(u, use)]
    return same[0] if len(same) == 1 == sum(_like(u, use) for u in mine) else None


def goes_along(found: Pairing, lead: Row, use: Use, other: Use) -> bool:
    """Pairs `use` where `lead` is: among the rows, or in each option of its choice."""
    made = options(found, [(use.path, other.path)], BESIDE)
    if not made:
        return False
    if any(lead is row for row in found.rows):
        if len(made) == 1:
            found.rows += made[0]
        else:
            found.choices.append(Choice(made, "it could be laid out in several ways"))
        return True
    for i, choice in enumerate(found.choices):
        if any(lead is row for row in choice.options[0]):
            grown = tuple(_grown(found, one, lead, use, other) for one in choice.options)
            found.choices[i] = replace(choice, options=grown)
            return True
    return False


def _grown(found: Pairing, option: Option, lead: Row, use: Use, other: Use) -> Option:
    """`option` with the partner that `use` has there: beside the partner of `lead.torch`."""
    like = next((row for row in option if row.torch == lead.torch), None)
    if like is None:
        return option
    if like.jax != lead.jax:
        same = [u for u in found.jax.values() if owner(u.path) == owner(like.jax)]
        same = [u for u in same if _like(u, other)]
        beside_it = sibling(like.jax, found.jax)
        beside_it = beside_it if beside_it in same else same[0] if len(same) == 1 else None
    else:
        beside_it = other
    made = options(found, [(use.path, beside_it.path)], like.how) if beside_it else ()
    return (*option, replace(made[0][0], sure=like.sure)) if made else option


def _like(one: Use, other: Use) -> bool:
    return (one.role, one.buffer, one.sizes) == (other.role, other.buffer, other.sizes)
