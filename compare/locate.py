"""The whole line for one case with its modules: each compared by itself on torch's own inputs.

A layer that is no container is compared first, and the whole; then the containers in which no
layer differs, for a fault between the layers. In float64 alone, unless it is care that differs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

from compare.cases.case import Case
from compare.judge.agree import judge
from compare.judge.locate import FAULTS, Place, misfit, places, within
from compare.judge.verdict import Verdict
from compare.run.draw import Givens, givens
from compare.run.record import PRECISIONS, Record

TOGETHER = 24
"""How many modules share one JAX compile."""


@dataclass
class Part:
    """A module of a case, "" the whole, as a comparison of its own.

    others   the same in other layouts of its inputs, tried where this one does not agree
    """

    path: str
    case: Case
    given: Givens
    leaf: bool = True
    others: tuple[Case, ...] = ()
    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=lambda: Verdict("", "error"))

    @property
    def agrees(self) -> bool:
        return self.verdict.verdict not in FAULTS


def locate(case: Case, seed: int = 0, device: str = "cpu") -> list[Place]:
    """Where `case` differs, in the order of computing: each module within it by itself.

    Empty where every module agrees by itself and so does the whole.
    """
    return placed(parts(case, seed, device))


def placed(found: Sequence[Part]) -> list[Place]:
    """The modules at fault among `found`."""
    verdicts: dict[str, Verdict] = {}
    for part in found:  # of several calls of one module the one that differs most
        known = verdicts.get(part.path)
        worse = known is None or misfit(part.verdict) > misfit(known)
        if (worse and part.verdict.verdict != "error") or known is None:
            verdicts[part.path] = part.verdict
    return places(verdicts)


def parts(case: Case, seed: int = 0, device: str = "cpu") -> list[Part]:
    """The modules of `case` that were compared, in the order of computing, and the whole, last.

    A function has no modules; nor are they compared where the whole agrees. Raises ValueError
    where torch's side fails.
    """
    from compare.run import isolate, torch_side  # torch before jax

    from compare.run import jax_leaves  # isort: skip

    given = givens(case, torch_side.leaves(case), seed)
    whole = Part("", case, given)
    compared([whole], PRECISIONS[:1], seed, device)
    if whole.agrees:
        compared([whole], PRECISIONS, seed, device)
    broken = whole.records["torch", "float64"].error
    if broken:
        raise ValueError(f"{case.name}: {broken}")
    if whole.agrees or not case.is_class:
        return [whole]
    given.built = {"torch": torch_side.build(case), "jax": jax_leaves.build(case)}
    precisions = PRECISIONS if whole.verdict.verdict == "less-careful" else PRECISIONS[:1]
    found = [
        Part(one.path, one.cases[0], one.given, one.leaf, one.cases[1:])
        for one in isolate.isolated(case, given, device)
    ]
    compared([part for part in found if part.leaf], precisions, seed, device)
    guilty = [part.path for part in found if not part.agrees]
    rest = [p for p in found if not p.leaf and not within(p.path, guilty)]
    compared(rest, precisions, seed, device)
    return [part for part in found if part.records] + [whole]


def compared(found: Sequence[Part], precisions: Sequence[str], seed: int, device: str) -> None:
    """Runs and judges `found`; those that do not agree again in the other layouts they have."""
    for start in range(0, len(found), TOGETHER):
        together(found[start : start + TOGETHER], precisions, seed, device)
    again = [part for part in found if part.others and part.verdict.verdict != "same"]
    if not again:
        return
    tried = [dataclasses.replace(p, case=p.others[0], others=p.others[1:]) for p in again]
    for one in tried:
        one.records = {}
    compared(tried, precisions, seed, device)
    for part, one in zip(again, tried, strict=True):
        if misfit(one.verdict) < misfit(part.verdict):
            part.case, part.records, part.verdict = one.case, one.records, one.verdict


def together(found: Sequence[Part], precisions: Sequence[str], seed: int, device: str) -> None:
    """One compile for all of `found`. torch runs in float32 too: how much it rounds matters."""
    from compare.run import torch_side  # torch before jax

    from compare.run import jax_side  # isort: skip

    for part in found:
        for precision in PRECISIONS:
            record = torch_side.run(part.case, part.given, precision, seed, device)
            part.records["torch", precision] = record
            if precision == "float64" and not record.error:
                spread = torch_side.spread(part.case, part.given, record, seed, device)
                record.spread = spread
    named = [dataclasses.replace(part.case, name=str(i)) for i, part in enumerate(found)]
    for precision in PRECISIONS:
        if precision in precisions:
            quick = precision == "float64" or len(found) > 1
            done = jax_side.run(named, [p.given for p in found], precision, device, quick)
        else:  # nothing is said of care: torch's own float32 stands in
            done = [
                dataclasses.replace(part.records["torch", precision], side="jax")
                for part in found
            ]
        for part, record in zip(found, done, strict=True):
            part.records["jax", precision] = record
    for part in found:
        part.verdict = judge(part.case.name, part.records, part.case.may_be_empty)
