"""portbench diff: what became faster, slower or different from one benchmark to a later one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compare.command import fail


def diff(
    old: Annotated[Path, typer.Argument(help="bench.json, or its folder, of before.")],
    new: Annotated[Path, typer.Argument(help="bench.json, or its folder, of now.")],
    threshold: Annotated[
        float, typer.Option(min=0, help="Percent of change that does not matter.")
    ] = 2.0,
    across: Annotated[
        bool,
        typer.Option(
            "--across", help="Judge times also where machine, versions or knobs differ."
        ),
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Also write the changes as Markdown to this file.")
    ] = None,
) -> None:
    """Say of each arm whether it became faster, slower, different, or is not decided.

    Exit status: 0 nothing is slower, different or gone, 1 something is, 2 wrong use.
    """
    from compare.measure.difference import BAD, changes, elsewhere
    from compare.measure.figures import NotResults, load
    from compare.report.bench_diff import page, summary

    try:
        before, now = load(old), load(new)
    except NotResults as error:
        fail(str(error))
    found = changes(before, now, threshold / 100, across)
    if not found:
        fail("neither file has a result")
    moved = elsewhere(before, now)
    print(summary(found, moved, across))
    if markdown:
        try:
            markdown.parent.mkdir(parents=True, exist_ok=True)
            markdown.write_text(page(found, before, now, threshold, moved))
        except OSError as error:
            fail(f"can't write to {markdown}: {error.strerror or error}")
    raise typer.Exit(int(any(one.kind in BAD for one in found)))
