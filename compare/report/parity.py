"""The README's table of layers, from compare/cases/parity.py: torch, plain Flax, and here."""

from __future__ import annotations

import argparse
from pathlib import Path

from compare.cases.parity import PARITY, Row

BEGIN, END = "<!-- parity:begin -->", "<!-- parity:end -->"
_HEAD = """\
| torch | plain Flax, optax, JAX | where that differs | here | a case |
|---|---|---|---|---|"""


def table() -> str:
    """Markdown: how much plain Flax covers, then every layer, folded by file."""
    rows = [row for rows in PARITY.values() for row in rows]
    alike = sum(bool(row.plain) and not row.differs for row in rows)
    partly = sum(bool(row.plain and row.differs) for row in rows)
    head = (
        f"Of these {len(rows)} classes of torch.nn, plain Flax, optax and JAX have {alike} as "
        f"they are, {partly} with other defaults, conventions or fewer options, and "
        f"{len(rows) - alike - partly} not at all. `jax_impl` has all of them, and the case in "
        "the last column compares it with torch: `portbench run -k 'its name'`."
    )
    return "\n\n".join([head, *(_family(stem, rows) for stem, rows in PARITY.items())])


def rewrite(text: str) -> str:
    """`text` with the table between its markers; ValueError where they do not stand there."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the text must hold {BEGIN} and, after it, {END}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def _family(stem: str, rows: list[Row]) -> str:
    lines = "\n".join(_line(row) for row in rows)
    count = f"{len(rows)} layer{'s' if len(rows) > 1 else ''}"
    return (
        f"<details>\n<summary><code>{stem}</code>: {count}</summary>\n\n"
        f"{_HEAD}\n{lines}\n\n</details>"
    )


def _line(row: Row) -> str:
    cells = (row.layer, row.plain or "-", row.differs, row.here, f"`{row.case}`")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    """Print the table, or put it into a file that holds the markers."""
    parser = argparse.ArgumentParser(
        prog="python -m compare.report.parity", description=__doc__
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="a file with the markers")
    path = parser.parse_args().write
    if path is None:
        print(table())
        return
    try:
        path.write_text(rewrite(path.read_text()))
    except (OSError, ValueError) as error:
        parser.error(f"{path}: {error}")


if __name__ == "__main__":
    main()
