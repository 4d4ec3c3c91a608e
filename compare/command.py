"""What the commands share: how a user's mistake is said, and how a run's results end."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from compare.report.document import Results


def fail(message: str, status: int = 2) -> NoReturn:
    """One line on standard error, and the documented exit status."""
    print(f"portbench: {message}", file=sys.stderr)
    raise typer.Exit(status)


def names_of(text: str) -> list[str]:
    """Names with commas between."""
    return [name.strip() for name in text.split(",") if name.strip()]


def write_results(
    results: Results, out: Path, seconds: float, unfinished: Iterable[str] = ()
) -> dict[str, Any]:
    """Writes summary.json and report.html of `results` to `out`; the summary."""
    from compare.measure import environment
    from compare.report.document import summarise
    from compare.report.page import write_page

    facts = {"versions": environment.versions(), "machine": environment.machine()}
    summary = summarise(results.done, seconds, facts, complete=not list(unfinished))
    results.write_summary(summary)
    write_page(out / "report.html", results.done, summary)
    return summary
