"""The atlas as text: one plain dict for each row, a table for the terminal, JSON, Markdown."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from compare.cases.atlas import Row
from compare.judge.atlas import Judged

COLOURS = {"holds": "green", "does not hold": "yellow", "not here": "magenta", "error": "red"}
FILE = "atlas.json"
FEW = 6
"""Values that are written out; of more, their shape and the first of them."""


@dataclass(frozen=True)
class Entry:
    """A row and what it came to; `says` tells why it is not here or what broke.

    shown    what each side gave, in words; code the functions that ran, by side
    """

    row: Row
    judged: Judged
    says: str = ""
    shown: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def as_expected(self) -> bool:
        """The outcome is the row's, and its right port agrees with torch."""
        if self.judged.outcome == "not here":
            return bool(self.row.needs)
        right = self.judged.ports.get("right")
        agrees = right is None or right.verdict == self.row.right
        return self.judged.outcome == self.row.expect and agrees

    @property
    def trouble(self) -> str:
        """Why it is not as expected, or ""."""
        if self.as_expected:
            return ""
        right = self.judged.ports.get("right")
        if self.judged.outcome not in (self.row.expect, "error") and not self.says:
            failed = [one for one in self.judged.claims if not one.holds]
            told = "; ".join(f"{one.measure}: {number(one.found)}" for one in failed)
            return f"expected: {self.row.expect}" + (f" ({told})" if told else "")
        if self.says:
            return self.says
        return f"the right port is {right.verdict}: {right.says}" if right else ""

    def plain(self) -> dict[str, Any]:
        """Itself as JSON has it."""
        row, judged = self.row, self.judged
        ports = {
            side: {"verdict": one.verdict, "gap": finite(one.gap), "says": one.says}
            for side, one in judged.ports.items()
        }
        claims = [
            {
                "measure": one.measure,
                "relation": one.relation,
                "value": finite(one.value),
                "found": finite(one.found),
                "holds": one.holds,
            }
            for one in judged.claims
        ]
        return {
            "id": row.id,
            "statement": row.says,
            "source": row.source,
            "outcome": judged.outcome,
            "expected": row.expect,
            "as_expected": self.as_expected,
            "trouble": self.trouble,
            "needs": row.needs,
            "says": self.says,
            "shown": dict(self.shown),
            "ports": ports,
            "claims": claims,
            "measured": {name: finite(value) for name, value in self.measured.items()},
            "code": dict(self.code),
            "seconds": round(self.seconds, 3),
        }


def finite(value: Any) -> Any:
    """`value` as strict JSON has it: inf and NaN as words."""
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def number(value: Any) -> str:
    """A measured value, in words."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(number(one) for one in value) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def shown(arrays: Mapping[str, np.ndarray], error: str) -> str:
    """What a side gave: few values written out, else shapes and first values."""
    if error:
        return f"raises {error}"
    return "; ".join(_array(values) for values in arrays.values())


def _array(values: np.ndarray) -> str:
    flat = [number(one) for one in values.ravel()[:FEW].tolist()]
    if values.ndim == 0:
        return flat[0]
    listed = ", ".join(flat)
    if values.size <= FEW:
        return f"[{listed}]"
    return f"{' x '.join(map(str, values.shape))}: {', '.join(flat[:4])}, ..."


def summary(
    entries: Sequence[dict], edges: Sequence[dict], seconds: float, facts: Mapping[str, Any]
) -> dict:
    """What atlas.json says: the rows and the edges, how they came out, and where."""
    odd = [one["id"] for one in entries if not one["as_expected"]]
    odd += [f"{one['layer']}: {one['edge']}" for one in edges if not one["as_expected"]]
    return {
        "outcomes": dict(Counter(one["outcome"] for one in entries)),
        "edge_outcomes": dict(Counter(one["outcome"] for one in edges)),
        "unexpected": odd,
        "seconds": round(seconds, 1),
        "environment": dict(facts),
        "rows": list(entries),
        "edges": list(edges),
    }


def gap(port: Mapping[str, Any] | None) -> str:
    """A port's difference from torch: a size, or that it has another form."""
    if port is None:
        return ""
    size = port["gap"]
    if isinstance(size, str):
        return "other form"
    return f"{size:.1e}" if size else "0"


def table(entries: Sequence[dict]) -> Table:
    """A line a row: outcome, the naive and the right port's difference, the statement."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("row", "outcome"):
        grid.add_column(heading, no_wrap=True)
    for heading in ("naive", "right"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("statement")
    for one in entries:
        colour = COLOURS[one["outcome"]] if one["as_expected"] else "red"
        says = one["statement"] + ("" if one["as_expected"] else f" ({one['trouble']})")
        naive, right = (gap(one["ports"].get(side)) for side in ("naive", "right"))
        says += f" [{one['says']}]" if one["outcome"] == "not here" else ""
        grid.add_row(one["id"], f"[{colour}]{one['outcome']}[/]", naive, right, escape(says))
    return grid


def edge_table(edges: Sequence[dict]) -> Table:
    """A line a layer: its edges, and those where it differs, with the reason."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("layer", no_wrap=True)
    grid.add_column("edges", justify="right")
    grid.add_column("where it differs")
    for layer in dict.fromkeys((one["family"], one["layer"]) for one in edges):
        own = [one for one in edges if (one["family"], one["layer"]) == layer]
        told = [
            f"[red]{escape(one['edge'])}: {escape(one['outcome'])}: {escape(one['says'])}[/]"
            if not one["as_expected"]
            else f"{escape(one['edge'])}: {escape(one['reason'])}"
            for one in own
            if one["outcome"] != "same" or not one["as_expected"]
        ]
        grid.add_row(".".join(layer), str(len(own)), "; ".join(told))
    return grid


def closing(console: Console, said: Mapping[str, Any]) -> None:
    """What the command ends with."""
    counts = ", ".join(
        f"[{COLOURS[word]}]{count} {word}[/]" for word, count in said["outcomes"].items()
    )
    console.print(f"{len(said['rows'])} statements: {counts}; {said['seconds']:.0f} s in all")
    edges = ", ".join(f"{count} {word}" for word, count in said["edge_outcomes"].items())
    if edges:
        console.print(f"{len(said['edges'])} edges: {edges}")
    for one in said["edges"]:
        if not one["as_expected"]:
            told = f"{one['layer']}({one['call']}), {one['edge']}: {one['outcome']}"
            told += f", expected {one['expected']}: {one['says']}"
            console.print(f"[red]unexpected[/] {escape(told)}", soft_wrap=True)
    for one in said["rows"]:
        if not one["as_expected"]:
            console.print(
                f"[red]unexpected[/] {one['id']}: {escape(one['trouble'])}", soft_wrap=True
            )
    if not said["unexpected"]:
        console.print("[green]all as expected[/]")


def markdown(said: Mapping[str, Any]) -> str:
    """atlas.md: the table."""
    lines = [
        "# The atlas: what is said of PyTorch, JAX and their ports, executed",
        "",
        ", ".join(f"{count} {word}" for word, count in said["outcomes"].items())
        + f" of {len(said['rows'])} statements. `naive` and `right`: the ports' largest "
        "difference from torch in float64, of the largest value.",
        "",
        "| row | statement | source | outcome | naive | right |",
        "|---|---|---|---|---:|---:|",
    ]
    for one in said["rows"]:
        naive, right = (gap(one["ports"].get(side)) for side in ("naive", "right"))
        outcome = one["outcome"] + ("" if one["as_expected"] else ", not expected")
        outcome += f": {one['says']}" if one["says"] else ""
        cells = (one["id"], one["statement"], one["source"], outcome, naive, right)
        lines.append(
            f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"
        )
    lines += [
        "",
        "## Special values and edges",
        "",
        "| layer | edge | outcome | torch | JAX | reason |",
        "|---|---|---|---|---|---|",
    ]
    for one in said["edges"]:
        outcome = one["outcome"] + ("" if one["as_expected"] else ", not expected")
        why = one["reason"] or one["says"]
        layer = f"`{one['family']}.{one['layer']}({one['call']})`"
        cells = (layer, one["edge"], outcome, one["torch"], one["jax"], why)
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def write(folder: Path, said: Mapping[str, Any]) -> None:
    """Writes atlas.json and atlas.md into `folder`."""
    (folder / FILE).write_text(json.dumps(said, indent=1, allow_nan=False) + "\n")
    (folder / "atlas.md").write_text(markdown(said))


def read(folder: Path) -> dict[str, Any] | None:
    """What atlas.json in `folder` says; None where there is none. ValueError if it is none."""
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        said = json.loads(file.read_text())
        missing = {"rows", "edges", "outcomes", "seconds", "environment"} - set(said)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is no atlas ({error}): run portbench atlas again") from error
    if missing:
        raise ValueError(f"{file} lacks {sorted(missing)}: run portbench atlas again")
    return said
