"""portbench selftest: the judge on trial, with planted faults and correct comparisons."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compare.command import fail
from compare.options import Jobs, Limit, Out, Resume, Seed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from compare.proof import Item
    from compare.report.ledger import Ledger

COMPARISONS, QUICK_COMPARISONS = 20_000, 300


def selftest(
    quick: Annotated[
        bool,
        typer.Option("--quick", help="A minute: no deep models or trainings, 300 comparisons."),
    ] = False,
    out: Out = Path("out/selftest"),
    seed: Seed = 0,
    jobs: Jobs = 2,
    comparisons: Annotated[
        int | None, typer.Option(min=1, help="Random correct comparisons, if not 20,000.")
    ] = None,
    limit: Limit = 900,
    resume: Resume = False,
) -> None:
    """Prove the judge: plant every known fault, draw correct comparisons, try published rules.

    Writes selftest.json and selftest.md. Exit status: 0 every fault caught and no false alarm,
    1 one missed or one alarm, 2 wrong use, 3 incomplete.
    """
    from rich.console import Console

    from compare.measure.environment import machine, versions
    from compare.proof_plan import planned
    from compare.report.document import FolderError
    from compare.report.ledger import Ledger, plain
    from compare.report.selftest import summarise
    from compare.report.selftest_page import markdown

    wanted = comparisons or (QUICK_COMPARISONS if quick else COMPARISONS)
    header = {"schema": 1, "seed": seed, "quick": quick, "versions": versions()}
    console = Console()
    try:
        ledger = Ledger.open(out / "selftest.jsonl", header, resume)
    except FolderError as error:
        fail(str(error))
    started = time.perf_counter()
    try:
        batches = planned(quick)
        keep(ledger, batches)
        whole = run(ledger, batches, wanted, settings(seed, quick, jobs), jobs, limit, console)
    except KeyboardInterrupt:
        whole = False
        console.print("[yellow]stopped[/]")
    ran = f"portbench selftest{' --quick' if quick else ''} --comparisons {wanted}"
    summary = summarise(
        ledger.lines.values(),
        whole,
        command=f"{ran} --seed {seed} --jobs {jobs}",
        seed=seed,
        quick=quick,
        seconds=round(time.perf_counter() - started, 1),
        versions=versions(),
        machine=machine(),
    )
    (out / "selftest.json").write_text(json.dumps(plain(summary), indent=1) + "\n")
    (out / "selftest.md").write_text(markdown(summary))
    tell(summary, console)
    console.print(f"results: {out / 'selftest.md'}")
    raise typer.Exit(status(summary))


def settings(seed: int, quick: bool, jobs: int) -> dict[str, Any]:
    """What workers are told."""
    from compare.suite import environment

    return {"seed": seed, "quick": quick, "environment": environment("cpu", jobs)}


def keep(ledger: Ledger, batches: Sequence[Sequence[Item]]) -> None:
    """Leaves out what a resumed run holds of faults and pairs that were edited since."""
    planned = {item.key for batch in batches for item in batch}
    ledger.lines = {
        key: line
        for key, line in ledger.lines.items()
        if key in planned or line["kind"] == "drawn"
    }


def run(
    ledger: Ledger,
    batches: Sequence[Sequence[Item]],
    wanted: int,
    settings: dict[str, Any],
    jobs: int,
    limit: float,
    console: Console,
) -> bool:
    """Does what the ledger does not hold yet: the `batches`, then comparisons until there are
    `wanted`; whether all came to an end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        whole = advance(ledger, batches, settings, jobs, limit, progress, "cases")
        for drawn in draws(ledger, wanted):
            told = f"{compared(ledger)} of {wanted} correct comparisons"
            if not advance(ledger, drawn, settings, jobs, limit, progress, told):
                return False
    return whole


def draws(ledger: Ledger, wanted: int) -> Iterator[list[list[Item]]]:
    """Batches of comparisons until there are `wanted`: what torch refuses is drawn anew."""
    from compare.cases.drawn import DRAWS
    from compare.proof import CONFIGURATIONS, Drawn

    first = 0
    while (short := wanted - compared(ledger, first)) > 0:
        end = first + math.ceil(short / DRAWS)
        starts = range(first, end, CONFIGURATIONS)
        yield [[Drawn(start, min(CONFIGURATIONS, end - start))] for start in starts]
        first = end


def compared(ledger: Ledger, below: int | None = None) -> int:
    """Comparisons that the ledger holds, of configurations below a number, if one is given."""
    return sum(
        count.get("same", 0) + count.get("alarm", 0)
        for line in ledger.lines.values()
        if line["kind"] == "drawn" and (below is None or line["first"] < below)
        for count in line["families"].values()
    )


def advance(
    ledger: Ledger,
    batches: Sequence[Sequence[Item]],
    settings: dict[str, Any],
    jobs: int,
    limit: float,
    progress: Progress,
    told: str,
) -> bool:
    """Runs what the ledger lacks of `batches`; whether every piece came to an end."""
    from compare.proof import work
    from compare.run.pool import Lost, run_batches

    left = [[item for item in batch if item.key not in ledger.lines] for batch in batches]
    todo = [batch for batch in left if batch]
    if not todo:
        return True
    task = progress.add_task(told, total=sum(map(len, todo)))
    whole = True
    for answers in run_batches(todo, work, settings, jobs, limit):
        progress.advance(task, len(answers))
        for answer in answers:
            if isinstance(answer, Lost):
                whole = False
                progress.console.print(f"[red]{answer.item.key}[/]: {answer.reason}")
            else:
                ledger.append(answer)
    progress.remove_task(task)
    return whole


def tell(summary: dict[str, Any], console: Console) -> None:
    """The headline figures, and what is wrong."""
    from compare.report.selftest_page import figures

    for missed in summary["missed"]:
        console.print(f"[red]missed[/] {missed['name']}: {missed['verdict']}", soft_wrap=True)
    for alarm in summary["alarms"]:
        console.print(
            f"[red]alarm[/] {alarm['case']}: {alarm['verdict']}: {alarm['says']}",
            soft_wrap=True,
            highlight=False,
        )
    trial = summary["trial"]
    best = trial["rules"].get("this judge", {}).get("told_apart", 0)
    others = [row["told_apart"] for name, row in trial["rules"].items() if name != "this judge"]
    rows = [
        *figures(summary),
        (
            "mutants told apart",
            f"{best} of {trial['mutants']}, the best rule {max(others, default=0)}",
        ),
        ("seconds", f"{summary['seconds']:.0f}"),
    ]
    for name, value in rows:
        console.print(f"{name:<30}{value}", highlight=False)


def status(summary: dict[str, Any]) -> int:
    """0 proved, 1 a fault missed or a false alarm, 3 incomplete."""
    ours = summary["trial"]["rules"].get("this judge", {"false_alarms": 0, "missed": 0})
    wrong = summary["caught"] < summary["faults"] or summary["false_alarms"]
    if wrong or ours["false_alarms"] or ours["missed"]:
        return 1
    return 0 if summary["complete"] and summary["faults"] and summary["comparisons"] else 3
