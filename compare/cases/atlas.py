"""The atlas: what is said of PyTorch, of JAX and of ports, each statement to be executed.

A row of the atlas is one `Row` in compare/cases/atlas_<family>.py and one function in
compare/run/atlas_<family>.py, which measures. compare/judge/atlas.py decides.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FAMILIES = (
    *("conv", "conv_port", "pool", "norm", "norm_port", "dropout", "loss", "loss_port"),
    *("attention", "autodiff", "tensor", "optim", "schedule", "train", "precision"),
    *("text", "finetune"),
)
OUTCOMES = ("holds", "does not hold", "not here", "error")


@dataclass(frozen=True)
class Claim:
    """What a statement says of one measured thing, for the judge to decide.

    relation  "is": equal; "about": a number, as near as a figure quoted to two digits is;
              "rounding", "apart": a difference explained by float64's rounding, or not;
              "below", "above": than `value`; "plausible", "implausible": a p-value
    """

    measure: str
    relation: str
    value: Any = None


@dataclass(frozen=True)
class Row:
    """One statement.

    id       that of the note (N1.3) or the difference (G21); a letter tells its parts apart
    says     the statement in plain words
    run      its function: "norm.momentum" is compare.run.atlas_norm:momentum
    claims   what it says of the measures; all must be so for it to hold
    source   where it was said: a thread, a page, or "measured"
    expect   the outcome that is right; another one is news
    needs    what some machines lack for it; without that the outcome is "not here"
    right    the verdict on the right port: "same", unless a framework itself stands in its way
    quick    whether the tests' quick part runs it
    """

    id: str
    says: str
    run: str
    claims: tuple[Claim, ...]
    source: str = ""
    expect: str = "holds"
    needs: str = ""
    right: str = "same"
    quick: bool = False

    def __post_init__(self) -> None:
        if self.expect not in OUTCOMES[:2]:
            raise ValueError(f"{self.id}: a row holds or does not hold, not {self.expect!r}")
        if not self.claims:
            raise ValueError(f"{self.id}: a row without a claim can't fail")

    @property
    def target(self) -> str:
        family, _, name = self.run.partition(".")
        return f"compare.run.atlas_{family}:{name}"


NAIVE, RIGHT = "naive port", "right port"
DIFFERS = Claim(NAIVE, "is", "different")
CARELESS = Claim(NAIVE, "is", "less-careful")
NAIVE_SERVES = Claim(NAIVE, "is", "same")
AGREES = Claim(RIGHT, "is", "same")


def equal(measure: str, value: Any) -> Claim:
    return Claim(measure, "is", value)


def about(measure: str, value: float) -> Claim:
    return Claim(measure, "about", value)


def rounding(measure: str) -> Claim:
    return Claim(measure, "rounding")


def apart(measure: str) -> Claim:
    return Claim(measure, "apart")


def below(measure: str, value: float) -> Claim:
    return Claim(measure, "below", value)


def above(measure: str, value: float) -> Claim:
    return Claim(measure, "above", value)


def plausible(measure: str) -> Claim:
    return Claim(measure, "plausible")


def implausible(measure: str) -> Claim:
    return Claim(measure, "implausible")


def rows(families: Sequence[str] = FAMILIES) -> list[Row]:
    """Every row, notes first, then gotchas, in the order of their numbers.

    Raises ValueError where two rows have one id.
    """
    found = [row for family in families for row in load(family)]
    ids = [row.id for row in found]
    twins = sorted({one for one in ids if ids.count(one) > 1})
    if twins:
        raise ValueError(f"two rows of the atlas have one id: {', '.join(twins)}")
    return sorted(found, key=_place)


def load(family: str) -> list[Row]:
    """The rows of compare/cases/atlas_<family>.py."""
    return importlib.import_module(f"compare.cases.atlas_{family}").ROWS


def _place(row: Row) -> tuple:
    number = row.id[1:].rstrip("abcdefghijklmnopqrstuvwxyz")
    kind = "NGX".index(row.id[0])
    return kind, tuple(map(int, number.split("."))), row.id
