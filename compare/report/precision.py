"""What each side loses at each precision: a table for the terminal, Markdown, plain data."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from compare.judge.thresholds import CARE_BITS, UNIT
from compare.measure import environment

if TYPE_CHECKING:
    from compare.judge.precision import Measured

HEADINGS = (
    "precision", "suite", "cases", "arrays", "torch, median", "worst", "JAX, median", "worst",
    "JAX loses more", "torch loses more", "not there",
)  # fmt: skip


def rows(found: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """A row a precision and suite: bits lost, and in how many arrays one side loses more."""
    for precision, suite in dict.fromkeys((one.precision, one.suite) for one in found):
        mine = [one for one in found if (one.precision, one.suite) == (precision, suite)]
        losses = [loss for one in mine for loss in one.losses]
        verdicts = [loss.verdict for loss in losses]
        sides = [[getattr(loss, side) for loss in losses] for side in ("torch", "jax")]
        told = [
            _bits(of(lost)) if lost else "" for lost in sides for of in (statistics.median, max)
        ]
        yield (
            precision, suite, str(len(mine)), str(len(losses)), *told,
            str(verdicts.count("JAX loses more")), str(verdicts.count("torch loses more")),
            str(sum(bool(one.says) for one in mine)),
        )  # fmt: skip


def table(found: Sequence[Measured]) -> Table:
    """For the terminal."""
    grid = Table(box=None, pad_edge=False, header_style="bold", title="bits lost")
    for number, heading in enumerate(HEADINGS):
        words = number < 2
        grid.add_column(heading, justify="left" if words else "right", no_wrap=words)
    for row in rows(found):
        grid.add_row(*row)
    return grid


def markdown(found: Sequence[Measured]) -> str:
    """The table, the arrays of which one side keeps more, and what a side can't run."""
    lines = [
        "# Bits that each side loses",
        "",
        "Against its own float64 run from numbers that are exact in the precision: "
        "log2 of the largest error over one rounding of the largest value, 0 at best. One side "
        f"loses more where the two are over {CARE_BITS:g} bits apart.",
        "",
        "| " + " | ".join(HEADINGS) + " |",
        "|---|---|" + "---:|" * (len(HEADINGS) - 2),
        *(f"| {' | '.join(row)} |" for row in rows(found)),
    ]
    apart = [(one, loss) for one in found for loss in one.losses if loss.verdict != "alike"]
    if apart:
        lines += ["", "| precision | case | array | torch | JAX |", "|---|---|---|---:|---:|"]
    for one, loss in sorted(apart, key=lambda pair: (pair[0].precision, -abs(pair[1].more))):
        lines.append(
            f"| {one.precision} | `{one.case}` | {loss.array} | {_bits(loss.torch)} "
            f"| {_bits(loss.jax)} |"
        )
    lacking = [one for one in found if one.says]
    if lacking:
        lines += ["", "| precision | case | why it is not there |", "|---|---|---|"]
    for one in lacking:
        says = one.says.replace("|", "\\|")
        lines.append(f"| {one.precision} | `{one.case}` | {says} |")
    return "\n".join(lines) + "\n"


def document(found: Sequence[Measured]) -> dict[str, Any]:
    """Everything, for JSON; inf as text."""
    cases = [asdict(one) for one in found]
    for case in cases:
        for loss in case["losses"]:
            loss |= {side: _plain(loss[side]) for side in ("torch", "jax")}
    return {
        "schema": 1,
        "units": {name: UNIT[name] for name in dict.fromkeys(one.precision for one in found)},
        "care_bits": CARE_BITS,
        "versions": environment.versions(),
        "machine": environment.machine(),
        "cases": cases,
    }


def _plain(bits: float) -> float | str:
    return round(bits, 2) if math.isfinite(bits) else str(bits)


def _bits(bits: float) -> str:
    return f"{bits:.1f}"
