"""The command line: portbench list | run | train | finetune | bench | report | doctor ...

Frameworks are imported by workers, and by `train`, whose one run goes on in this process.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compare.atlas import atlas
from compare.bench import bench
from compare.bench_report import report
from compare.calibrate import calibrate
from compare.command import fail, write_results
from compare.data import data
from compare.diff import diff
from compare.explain_case import explain_case
from compare.finetune import finetune
from compare.measure.environment import Device
from compare.options import Jobs, Out, Resume, Seed
from compare.port.command import check, convert
from compare.precision import precision
from compare.selftest import selftest
from compare.thresholds import thresholds
from compare.train import train

if TYPE_CHECKING:
    from compare.cases.case import Pair

app = typer.Typer(
    name="portbench",
    help="Compare PyTorch models and layers with their JAX/Flax ports: the same function? "
    "computed with the same care? Exit status: 0 all as expected, 1 something differs, "
    "2 wrong use, 3 nothing compared or incomplete.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


Suite = Annotated[
    list[str] | None,
    typer.Option(
        "--suite", "-s", help="A suite, repeatable: all, layers, faults, or a case file."
    ),
]
Keyword = Annotated[str, typer.Option("-k", help="Only cases with this text in their name.")]


def chosen(suite: list[str] | None, keyword: str) -> list[tuple[str, Pair]]:
    from compare.cases.select import UnknownName, select

    try:
        return select(suite, keyword)
    except UnknownName as error:
        fail(str(error))


@app.command("list")
def list_cases(suite: Suite = None, keyword: Keyword = "") -> None:
    """List the cases, one a line: suite, name, and what the case can tell apart."""
    for stem, case in chosen(suite, keyword):
        print(f"{stem:<18}{case.name}" + (f"   # {case.why}" if case.why else ""))


@app.command()
def run(
    suite: Suite = None,
    keyword: Keyword = "",
    seed: Seed = 0,
    jobs: Jobs = 2,
    limit: Annotated[float, typer.Option(min=1, help="Seconds that one case may take.")] = 300,
    device: Annotated[Device, typer.Option(help="Where both sides run.")] = Device.cpu,
    out: Out = Path("out"),
    resume: Resume = False,
) -> None:
    """Compare both sides of every case; write results.jsonl, summary.json and report.html."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    from compare.measure import environment
    from compare.report import terminal
    from compare.report.document import FolderError, Results, exit_status
    from compare.suite import remaining, run_suite

    cases = chosen(suite, keyword)
    if device is not Device.cpu and (problem := environment.available(device.value)):
        fail(problem)
    started = time.perf_counter()
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        results = Results.open(out, resume)
        results.keep(cases, seed, device.value)
    except FolderError as error:
        fail(str(error))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("comparing", total=len(cases), completed=len(results.done))

        def on_result(result) -> None:
            progress.advance(task)
            if not result.verdict.as_expected:
                console.print(terminal.explain(result), soft_wrap=True)

        try:
            run_suite(cases, results, seed, device.value, jobs, limit, on_result)
        except KeyboardInterrupt:
            console.print("[yellow]stopped[/]")
        except OSError as error:
            fail(f"can't write to {out}: {error.strerror or error}; results so far are kept", 3)
    unfinished = list(remaining(cases, results))
    summary = write_results(results, out, time.perf_counter() - started, unfinished)
    terminal.closing(console, results.done, summary)
    console.print(f"report: {out / 'report.html'}")
    raise typer.Exit(exit_status(results.done, not unfinished))


app.command()(train)
app.command()(finetune)
app.command()(data)
app.command()(atlas)
app.command()(precision)
app.command()(bench)
app.command()(report)
app.command()(diff)
app.command()(check)
app.command()(convert)
app.command("explain")(explain_case)
app.command()(calibrate)
app.command()(selftest)
app.command()(thresholds)


@app.command()
def doctor() -> None:
    """Show devices, versions, precision switches and threads of both frameworks."""
    from rich.console import Console

    from compare.measure import environment

    console = Console()
    groups = {
        "versions": environment.versions(),
        "machine": environment.machine(),
        **environment.frameworks(),
    }
    for group, values in groups.items():
        console.print(f"[bold]{group}[/]")
        for name, value in values.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            console.print(f"  {name:<18}{shown}", highlight=False)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
