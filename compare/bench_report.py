"""portbench report: results of several machines as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compare.command import fail


def report(
    files: Annotated[
        list[Path], typer.Argument(help="bench.json of portbench bench; a folder that has one.")
    ],
    out: Annotated[
        Path, typer.Option(help="The page to write; the same as .md beside it.")
    ] = Path("out/bench/report.html"),
) -> None:
    """Merge results of several machines into one page; of the same figure the later counts.

    Exit status: 0 written, 2 wrong use.
    """
    from compare.measure.figures import NotResults, load

    if out.suffix != ".html":
        fail(f"--out must end in .html, got {out}")
    try:
        documents = [load(path) for path in files]
    except NotResults as error:
        fail(str(error))
    pages(out, documents)
    print(out)


def pages(page: Path, documents: list[dict]) -> None:
    """The HTML page, and the same as Markdown beside it."""
    from compare.report.bench import markdown
    from compare.report.bench_page import write_page

    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.with_suffix(".md").write_text(markdown(documents))
        write_page(page, documents)
    except OSError as error:
        fail(f"can't write to {page.parent}: {error.strerror or error}")
