"""portbench calibrate: the intervals and the stopping rule on traces of known ratio."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from compare.command import fail

EXACT = 5_000
"""Runs a row from which on figures must hold as they are; of fewer, by 3 standard errors."""


def calibrate(
    runs: Annotated[
        int, typer.Option(min=50, help="Of each kind of trace; the committed table has 10,000.")
    ] = 10_000,
    out: Annotated[
        Path | None, typer.Option(help="Folder for calibration.json and calibration.md.")
    ] = None,
) -> None:
    """Try the intervals and the stopping rule on traces whose true ratio is known.

    Exit status: 0 all required figures are reached, 1 one is missed, 2 wrong use.
    """
    from compare.measure.calibration import experiment, without_rule
    from compare.report.calibration import tables

    started = time.perf_counter()
    rows = []
    for row in experiment(runs):
        alarms = "" if row.alarms is None else f"  alarms {row.alarms:.1%}"
        print(
            f"{row.trace:<38}covers {row.coverage:.1%}  finds 1 % {row.power:.1%}{alarms}",
            flush=True,
        )
        rows.append(row)
    if out:
        fixed = without_rule(runs)
        document = {"runs": runs, "rows": [asdict(row) for row in rows], "fixed": fixed}
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / "calibration.json").write_text(json.dumps(document, indent=1) + "\n")
            (out / "calibration.md").write_text(tables(rows, fixed, runs))
        except OSError as error:
            fail(f"can't write to {out}: {error.strerror or error}")
    print(f"{runs:,} runs a row in {time.perf_counter() - started:.0f} s")
    missed = [text for row in rows for text in row.missed(runs, 0.0 if runs >= EXACT else 3.0)]
    for text in missed:
        print(f"portbench: {text}", file=sys.stderr)
    raise typer.Exit(int(bool(missed)))
