"""portbench thresholds: the experiment behind compare/judge/thresholds.py, run again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compare.command import fail
from compare.options import Jobs, Limit, Out, Resume, Seed

if TYPE_CHECKING:
    from rich.console import Console

    from compare.proof import Item

COMPARISONS, QUICK_COMPARISONS = 2_000, 160

LEDGERS = ("thresholds.jsonl", "selftest.jsonl")
"""What a folder of results may hold, besides the results.jsonl of `portbench run`."""


def thresholds(
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Minutes: layers alone, small trainings, 160 comparisons."
        ),
    ] = False,
    out: Out = Path("out/thresholds"),
    source: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="Take what a selftest, or a run, wrote to this folder, and run nothing; "
            "repeatable.",
        ),
    ] = None,
    seed: Seed = 0,
    jobs: Jobs = 2,
    comparisons: Annotated[
        int | None, typer.Option(min=1, help="Random correct comparisons, if not 2,000.")
    ] = None,
    limit: Limit = 900,
    resume: Resume = False,
) -> None:
    """Measure where each threshold stands: the farthest correct pair, the nearest fault.

    Writes thresholds.json and thresholds.md. Exit status: 0 each stands between, 1 one does
    not, 2 wrong use, 3 incomplete.
    """
    from rich.console import Console

    from compare.measure.environment import machine, versions
    from compare.report.ledger import plain
    from compare.report.thresholds import markdown, summarise

    wanted = comparisons or (QUICK_COMPARISONS if quick else COMPARISONS)
    console = Console()
    started = time.perf_counter()
    if source:
        lines, whole = [line for folder in source for line in read(folder)], True
        ran = "".join(f" --from {folder}" for folder in source)
    else:
        lines, whole = measured(quick, out, seed, jobs, wanted, limit, resume, console)
        ran = (
            f"{' --quick' if quick else ''} --comparisons {wanted} --seed {seed} --jobs {jobs}"
        )
    summary = summarise(
        lines,
        whole,
        command=f"portbench thresholds{ran}",
        seconds=round(time.perf_counter() - started, 1),
        versions=versions(),
        machine=machine(),
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "thresholds.json").write_text(json.dumps(plain(summary), indent=1) + "\n")
        (out / "thresholds.md").write_text(markdown(summary))
    except OSError as error:
        fail(f"can't write to {out}: {error.strerror or error}; name another with --out")
    tell(summary, console)
    console.print(f"results: {out / 'thresholds.md'}")
    raise typer.Exit(status(summary))


def measured(
    quick: bool,
    out: Path,
    seed: int,
    jobs: int,
    wanted: int,
    limit: float,
    resume: bool,
    console: Console,
) -> tuple[list[dict[str, Any]], bool]:
    """The lines of a run, and whether all of it came to an end."""
    from compare.measure.environment import versions
    from compare.report.document import FolderError
    from compare.report.ledger import Ledger
    from compare.selftest import keep, run, settings

    header = {"schema": 1, "seed": seed, "quick": quick, "versions": versions()}
    try:
        ledger = Ledger.open(out / "thresholds.jsonl", header, resume)
    except FolderError as error:
        fail(str(error))
    told = {**settings(seed, quick, jobs), "explain": False, "quick": False}
    batches = planned(quick)
    keep(ledger, batches)
    try:
        whole = run(ledger, batches, wanted, told, jobs, limit, console)
    except KeyboardInterrupt:
        whole = False
        console.print("[yellow]stopped[/]")
    return list(ledger.lines.values()), whole


def planned(quick: bool) -> list[list[Item]]:
    """Faults, those too small to tell among them; trainings, and cases that ship.

    Of trainings, if `quick`, those on a few points: they take a second each.
    """
    from compare.cases.case import Case
    from compare.cases.planted_elements import TOO_SMALL
    from compare.cases.select import select
    from compare.cases.train_faults import CASES as TRAININGS
    from compare.proof import Mended, Planted, Shipped
    from compare.proof_faults import without_fault
    from compare.proof_plan import cut, planted
    from compare.report.thresholds import LIMITS
    from compare.suite import BATCH

    faults = [*planted(quick), *(Planted(LIMITS, case) for case in TOO_SMALL)]
    runs = [one for one in TRAININGS if not quick or one.data.target == "clusters"]
    alone: list[Item] = [Mended(without_fault(run)) for run in runs]
    alone += [one for one in faults if one.alone and not isinstance(one.case, Case)]
    together: list[Item] = [one for one in faults if isinstance(one.case, Case)]
    if not quick:
        cases = [case for _, case in select(["layers", "bert"]) if isinstance(case, Case)]
        together += [Shipped(case) for case in cases if case.expect == "same"]
    return [*cut(alone, 1), *cut(together, BATCH)]


def read(folder: Path) -> list[dict[str, Any]]:
    """The lines that a selftest, an earlier run of this, or `portbench run` left there."""
    from compare.report.document import FolderError, read
    from compare.report.ledger import parsed

    held = [folder / name for name in LEDGERS if (folder / name).exists()]
    try:
        if held:
            _, *texts = held[0].read_text().splitlines()
            lines = {line["key"]: line for line in map(parsed, texts) if line}
            return list(lines.values())
        return [line_of(result) for result in read(folder / "results.jsonl")]
    except FileNotFoundError:
        names = ", ".join((*LEDGERS, "results.jsonl"))
        fail(f"{folder} holds none of {names}: run portbench selftest --out {folder} first")
    except (FolderError, OSError) as error:
        fail(str(error))


def line_of(result: Any) -> dict[str, Any]:
    """A case of `portbench run` as a line: a planted fault, or a case that ships."""
    from compare.judge.calibration import reached

    verdict = result.verdict
    return {
        "kind": "fault" if result.planted else "shipped",
        "suite": result.suite,
        "name": verdict.case,
        "expect": verdict.expect,
        "verdict": verdict.verdict,
        "caught": verdict.as_expected,
        "reached": reached(verdict),
    }


def tell(summary: dict[str, Any], console: Console) -> None:
    """Each threshold with its room on both sides."""
    for row in summary["thresholds"]:
        rooms = [
            "nothing" if row[key] is None else f"2^{row[key]:.1f}"
            for key in ("room_below", "room_above")
        ]
        colour = {True: "green", False: "red", None: "yellow"}[row["between"]]
        console.print(
            f"[{colour}]{row['threshold']:<16}[/] {row['value']:<10.4g} {rooms[0]} above the "
            f"farthest correct, {rooms[1]} below the nearest fault",
            highlight=False,
            soft_wrap=True,
        )


def status(summary: dict[str, Any]) -> int:
    """0 each threshold stands between, 1 one does not, 3 incomplete."""
    found = [row["between"] for row in summary["thresholds"]]
    if False in found:
        return 1
    return 0 if summary["complete"] and None not in found else 3
