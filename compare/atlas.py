"""portbench atlas: what is said of PyTorch, JAX and ports, executed in both frameworks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compare.command import fail
from compare.options import Out, Seed

if TYPE_CHECKING:
    from compare.cases.atlas import Row
    from compare.cases.edges import Edge
    from compare.report.atlas import Entry


def atlas(
    keyword: Annotated[
        str,
        typer.Option(
            "-k", help="Only what has this text: an id, a statement, a layer, an edge."
        ),
    ] = "",
    out: Out = Path("out"),
    seed: Seed = 0,
) -> None:
    """Execute every statement of the atlas and the contract at special values.

    Writes atlas.json, atlas.md and atlas.html. Exit status: 0 all as expected, 1 an outcome
    is news or a row failed, 2 wrong use.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from compare.edges import contract
    from compare.measure import environment
    from compare.report import atlas as report
    from compare.report.page import write_atlas

    wanted, at_edges = chosen(keyword), chosen_edges(keyword)
    if not wanted and not at_edges:
        fail(f"no row of the atlas has {keyword!r} in it; portbench atlas without -k runs all")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"can't write to {out}: {error.strerror or error}; name another with --out")
    console, started = Console(), time.perf_counter()
    prepare()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=len(wanted) + len(at_edges))

        def on_done(name: str) -> None:
            progress.update(task, advance=1, description=name[:40])

        entries = [entry.plain() for entry in execute(wanted, seed, on_done)]
        rows = contract(at_edges, seed, on_done)
    facts = {"versions": environment.versions(), "machine": environment.machine()}
    said = report.summary(entries, rows, time.perf_counter() - started, facts)
    report.write(out, said)
    write_atlas(out / "atlas.html", said)
    into_report(out)
    console.print(report.table(entries))
    console.print(report.edge_table(rows))
    report.closing(console, said)
    console.print(f"report: {out / 'atlas.html'}")
    raise typer.Exit(1 if said["unexpected"] else 0)


def into_report(out: Path) -> None:
    """Writes out/report.html again, the atlas in it, where `portbench run` has left results."""
    from compare.report.document import read
    from compare.report.page import write_page

    results, summary = out / "results.jsonl", out / "summary.json"
    if results.is_file() and summary.is_file() and (out / "report.html").is_file():
        write_page(out / "report.html", read(results), json.loads(summary.read_text()))


def chosen(keyword: str) -> list[Row]:
    """The rows that have `keyword` in their id, statement or source; case does not matter."""
    from compare.cases.atlas import rows

    word = keyword.lower()
    every = rows()
    exact = [row for row in every if row.id.lower() == word]
    return exact or [
        row for row in every if any(word in s.lower() for s in (row.id, row.says, row.source))
    ]


def chosen_edges(keyword: str) -> list[Edge]:
    """The edges that have `keyword` in their layer, arguments or edge."""
    from compare.cases.edges import edges

    return [edge for edge in edges() if keyword.lower() in edge.name.lower()]


def prepare() -> None:
    """What this process sets before it imports the frameworks, torch first."""
    from compare.suite import environment

    for variable, value in environment("cpu", jobs=1).items():
        os.environ[variable] = value
    import torch  # noqa: F401  before jax: the other order can crash

    import jax  # noqa: F401  isort: skip


def execute(
    rows: Sequence[Row], seed: int, on_row: Callable[[str], None] = lambda name: None
) -> list[Entry]:
    """Runs and judges each row; a function that serves several rows runs once."""
    from compare.run.atlas import Facts

    done: dict[str, Facts | Exception] = {}
    entries = []
    for row in rows:
        entries.append(entry_of(row, seed, done))
        on_row(row.id)
    return entries


def entry_of(row: Row, seed: int, done: dict) -> Entry:
    """One row's entry; `done` holds what functions have measured or raised."""
    from compare.judge.atlas import Judged, judge_row
    from compare.report.atlas import Entry, shown
    from compare.run.atlas import NotHere, run
    from compare.run.record import failed

    started = time.perf_counter()
    if row.target not in done:
        try:
            done[row.target] = run(row, seed)
        except Exception as error:
            done[row.target] = error
    facts = done[row.target]
    try:
        if isinstance(facts, Exception):
            raise facts
        judged = judge_row(row.claims, facts.records, facts.measured)
    except NotHere as missing:
        return Entry(row, Judged("not here", ()), str(missing))
    except Exception as error:
        told = failed("", "", error).error
        return Entry(row, Judged("error", ()), f"{row.id} ({row.run}) failed: {told}")
    seconds = time.perf_counter() - started
    words = {
        side: shown(record.arrays, record.error)
        for (side, precision), record in facts.records.items()
        if precision == "float64"
    }
    return Entry(row, judged, "", words, facts.code, facts.measured, seconds)
