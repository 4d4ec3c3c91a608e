"""The terminal: an agreeing case is quiet, a diverging one explains; then one table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from compare.judge.verdict import ORDER
from compare.report.document import Result

COLOURS = {
    "same": "green",
    "less-careful": "yellow",
    "leak": "yellow",
    "different": "red",
    "unsupported": "magenta",
    "error": "red",
}


def explain(result: Result) -> str:
    """A case that did not come out as expected, and under it where and why, where known."""
    verdict = result.verdict
    colour = COLOURS[verdict.verdict]
    expected = f" (expected {verdict.expect})" if verdict.expect != "same" else ""
    head = f"[{colour}]{verdict.verdict}[/]{expected} {escape(verdict.case)}"
    said = f"{head}: {escape(verdict.says)}" if verdict.says else head
    return "\n  ".join([said, *map(escape, verdict.facts.get("explained", []))])


def table(results: Sequence[Result]) -> Table:
    """A row a suite: cases, arrays compared, verdicts, and the largest gap."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("suite", "verdicts"):
        grid.add_column(heading)
    for heading in ("cases", "arrays", "largest float64 gap", "of its bound"):
        grid.add_column(heading, justify="right")
    for suite in dict.fromkeys(result.suite for result in results):
        verdicts = [result.verdict for result in results if result.suite == suite]
        counts = {word: sum(v.verdict == word for v in verdicts) for word in ORDER}
        said = ", ".join(f"[{COLOURS[w]}]{n} {w}[/]" for w, n in counts.items() if n)
        findings = [one for v in verdicts for one in v.findings if one.bound and not one.noise]
        worst = max(findings, key=lambda one: one.gap / one.bound, default=None)
        grid.add_row(
            suite,
            said,
            str(len(verdicts)),
            str(sum(v.compared for v in verdicts)),
            f"{worst.gap:.1e}" if worst else "",
            f"{worst.gap / worst.bound:.1e}" if worst else "",
        )
    return grid


def closing(console: Console, results: Sequence[Result], summary: dict) -> None:
    """What a run ends with."""
    console.print(table(results))
    faults = summary["faults"]
    said = f"{summary['cases']} cases, {summary['compared']} arrays compared"
    if faults["planted"]:
        said += f"; {faults['caught']} of {faults['planted']} planted faults caught"
    console.print(f"{said}; {summary['seconds']:.0f} s")
    odd = summary["unexpected"]
    if not summary["complete"]:
        console.print("[yellow]incomplete[/]: run again with --resume to go on from here")
    elif not odd:
        console.print("[green]all as expected[/]")
    else:
        console.print(f"[red]{len(odd)} not as expected[/], listed above and in the report")
