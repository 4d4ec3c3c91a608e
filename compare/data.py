"""A look at a data set: columns, sizes, label counts, a few rows; not all of it is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compare.command import fail

if TYPE_CHECKING:
    from rich.console import Console

COUNTED = 100_000
"""Labels of a remote split are counted up to this many rows, which are streamed for it."""

SHORTHANDS = {"mrpc": ("glue", "mrpc")}


@dataclass(frozen=True)
class SplitLook:
    """One split: its rows and how often each label occurs (None: unknown), its first rows."""

    rows: int | None
    labels: dict[str, int] | None
    first: list[dict[str, Any]]


def data(
    source: Annotated[
        str,
        typer.Argument(
            help="sample, a folder with MRPC's files, or a data set on the Hub: mrpc, NAME or "
            "NAME:CONFIG, which is streamed."
        ),
    ] = "sample",
    rows: Annotated[int, typer.Option(min=0, help="Rows to show of each split.")] = 3,
) -> None:
    """Show a data set's splits, their sizes and label counts, and a few rows."""
    from rich.console import Console

    from compare.run.images import DataError

    try:
        render(look(source, rows), Console())
    except DataError as error:
        fail(str(error))


def look(source: str, rows: int = 3) -> dict[str, SplitLook]:
    """What `source` holds, split by split; for what it may be, see `data`.

    Files are read line by line and nothing but the first rows is kept; of a remote data set
    the sizes come from its description. Raises DataError that says what is missing or wrong.
    """
    name, _, config = source.partition(":")
    if config:
        return hub_look(name, config, rows)
    if source != "sample" and not Path(source).exists() and not source.startswith((".", "/")):
        return hub_look(*SHORTHANDS.get(source, (source, None)), rows)
    from compare.run import mrpc
    from compare.run.text import SAMPLE

    folder = SAMPLE if source == "sample" else Path(source)
    names = {-1: "kept back", **dict(enumerate(mrpc.LABELS))}
    return {
        split: _split_look(mrpc.rows(folder, split), rows, names)
        for split in mrpc.splits(folder)
    }


def hub_look(name: str, config: str | None, rows: int = 3) -> dict[str, SplitLook]:
    """`look` at what `datasets` finds under a name: on the Hub, or in a folder laid out for it.

    Raises DataError where the package is missing or the data set can't be reached.
    """
    from compare.run.images import DataError

    try:
        from datasets import load_dataset, load_dataset_builder
    except ImportError as error:
        raise DataError(
            f"{name} is no folder, and the Hub needs the package datasets ({error}): "
            "pip install 'portbench[hub]'"
        ) from None
    try:
        info = load_dataset_builder(name, config).info
        found = {}
        for split, stream in load_dataset(name, config, streaming=True).items():
            features = stream.features or {}
            sizes = (info.splits or {}).get(str(split))
            names = getattr(features.get("label"), "names", None) or []
            size = sizes.num_examples if sizes else None
            found[str(split)] = _split_look(stream, rows, dict(enumerate(names)), size, COUNTED)
    except Exception as error:  # its errors for names, networks and formats share no class
        raise DataError(f"{name} can't be looked at on the Hub: {error}") from error
    return found


def _split_look(
    stream: Iterable[dict[str, Any]],
    rows: int,
    names: dict[int, str],
    size: int | None = None,
    bound: int | None = None,
) -> SplitLook:
    """Reads and counts all, or at most `bound`; of a split known to be larger just `rows`."""
    if bound is not None and size is not None and size > bound:
        bound = rows
    first, labels, read, ended = [], Counter(), 0, True
    for row in stream:
        if read == bound:
            ended = False
            break
        if read < rows:
            first.append(row)
        labels[row.get("label")] += 1
        read += 1
    if not ended or None in labels or not labels:
        return SplitLook(read if ended else size, None, first)
    return SplitLook(read, {str(names.get(k, k)): labels[k] for k in sorted(labels)}, first)


def render(splits: dict[str, SplitLook], console: Console) -> None:
    """The splits as a table, then the first rows of each."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    columns = next((list(s.first[0]) for s in splits.values() if s.first), [])
    if columns:
        console.print("columns: " + ", ".join(columns), highlight=False)
    sizes = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    sizes.add_column("split")
    sizes.add_column("rows", justify="right")
    sizes.add_column("labels")
    for name, split in splits.items():
        labels = split.labels or {}
        total = max(sum(labels.values()), 1)
        counts = ", ".join(f"{k} {v:,} ({v / total:.1%})" for k, v in labels.items())
        rows = "unknown" if split.rows is None else f"{split.rows:,}"
        sizes.add_row(name, rows, counts or "not counted")
    console.print(sizes)
    for name, split in splits.items():
        for i, row in enumerate(split.first):
            console.print(Text(f"{name} {i}", style="bold"))
            for column, value in row.items():
                console.print(Text(f"  {column}: {value}"), soft_wrap=True)
