"""portbench bench: torch against JAX, an arm a process, in rounds that take turns."""

from __future__ import annotations

import math
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from compare.command import fail
from compare.measure.environment import Device
from compare.options import Out, Resume, Seed


def bench(
    workload: Annotated[
        list[str] | None,
        typer.Option(
            "--workload", "-w", help="Text in a workload's name, repeatable; or list."
        ),
    ] = None,
    arms: Annotated[
        str, typer.Option(help="Names of arms, with commas; or list. The usual if empty.")
    ] = "",
    precision: Annotated[
        str, typer.Option(help="float32 (IEEE), tf32, bfloat16; several with commas.")
    ] = "float32",
    device: Annotated[Device, typer.Option(help="Where all arms run.")] = Device.cpu,
    size: Annotated[
        str, typer.Option(help="Shapes: tiny, cpu, gpu; by the device if empty.")
    ] = "",
    threads: Annotated[
        int, typer.Option(min=1, help="Of a CPU's step. With 1, ratios are of CPU time.")
    ] = 1,
    budget: Annotated[
        float, typer.Option(min=0.1, help="Seconds of rounds for a workload and precision.")
    ] = 30.0,
    ci: Annotated[
        float,
        typer.Option(min=0.01, help="Width of the 95 % interval, in percent, that is enough."),
    ] = 2.0,
    limit: Annotated[
        float, typer.Option(min=1, help="Seconds that an arm may take to compile or answer.")
    ] = 1800.0,
    seed: Seed = 0,
    jobs: Annotated[
        int, typer.Option(min=0, help="Arms that compile at a time; 0: by the machine.")
    ] = 0,
    out: Out = Path("out/bench"),
    resume: Resume = False,
    until: Annotated[
        float, typer.Option(min=0, help="Seconds after which to stop; 0: when all is done.")
    ] = 0.0,
    trace: Annotated[
        bool, typer.Option("--trace", help="Also write Chrome/Perfetto traces of a few steps.")
    ] = False,
) -> None:
    """Time torch against JAX: ratios with their intervals, rates, compile times, memory.

    Writes bench.json (raw samples and knobs with it) to --out after each workload, bench.md
    and bench.html at the end. Exit status: 0 all arms ran and agreed, 1 one did not, 2 wrong
    use, 3 stopped before the end.
    """
    from rich.console import Console

    from compare.measure.course import Plan
    from compare.measure.figures import NotResults, Result, document
    from compare.measure.prepare import probes
    from compare.measure.session import held, items, session, troubles
    from compare.measure.workloads import SIZES, workloads
    from compare.report.bench import summary

    began, where = time.monotonic(), device.value
    size = size or {"cpu": "cpu"}.get(where, "gpu")
    if size not in SIZES:
        fail(f"--size must be one of {', '.join(SIZES)}, got {size!r}")
    names, precisions = _split(arms), _split(precision)
    _checked(precisions, where)
    profiles = str(out / "traces") if trace else ""
    plan = Plan(
        size,
        where,
        threads,
        budget,
        ci / 100,
        limit=limit,
        jobs=jobs,
        seed=seed,
        trace=profiles,
    )
    try:
        if workload == ["list"]:
            print("\n".join(one.name for one in workloads(size)))
            return
        if names == ["list"]:
            _list_arms(where)
            return
        todo = items(plan, precisions, workload, names)
        results: list[Result] = held(out, plan) if resume else []
    except (LookupError, NotResults) as error:
        fail(str(error))
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stopped = False
    try:
        with (
            console.status("") as live,
            probes([a for i in todo for a in i.arms], plan) as kept,
        ):
            plan = replace(plan, probes=kept)
            ends = began + until if until else math.inf
            for found in session(todo, plan, out, results, live.update, ends):
                if found is None:
                    console.print("the time is over; --resume goes on")
                    stopped = True
                    continue
                console.print(summary([found]), highlight=False, soft_wrap=True)
                for words in troubles(found):
                    console.print(f"  {words}", highlight=False, soft_wrap=True, markup=False)
    except KeyboardInterrupt:
        console.print("stopped")
        stopped = True
    except OSError as error:
        fail(f"can't write to {out}: {error.strerror or error}")
    if results:
        _pages(out / "bench.html", [document(results, plan)])
        console.print(f"results: {out / 'bench.html'}, and .md and .json beside it")
    status = 1 if any(troubles(one) for one in results) else 0
    raise typer.Exit(3 if stopped else status)


def _split(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _checked(precisions: list[str], device: str) -> None:
    from compare.measure.arms import PRECISIONS, refused

    if not precisions:
        fail(f"--precision names none of {', '.join(PRECISIONS)}")
    for name in precisions:
        if why := refused(name, device):
            fail(why)


def _list_arms(device: str) -> None:
    from compare.measure.arms import ARMS

    for arm in ARMS:
        if device in arm.devices:
            print(f"{arm.name:<28}{arm.mode}, {arm.tuning}")


def _pages(page: Path, documents: list[dict]) -> None:
    """The HTML page, and the same as Markdown beside it."""
    from compare.report.bench import markdown
    from compare.report.bench_page import write_page

    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.with_suffix(".md").write_text(markdown(documents))
        write_page(page, documents)
    except OSError as error:
        fail(f"can't write to {page.parent}: {error.strerror or error}")


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
    _pages(out, documents)
    print(out)
