"""portbench bench: torch against JAX, an arm a process, in rounds that take turns."""

from __future__ import annotations

import math
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compare.command import fail, names_of
from compare.measure.environment import Device
from compare.options import Out, Resume, Seed
from compare.port.options import (
    Batches,
    JaxInputs,
    Layout,
    Losses,
    MapFile,
    Optimizers,
    Outputs,
    OwnInputs,
    OwnJax,
    OwnTorch,
    Train,
    pairs_of,
)

if TYPE_CHECKING:
    from compare.measure.course import Plan
    from compare.measure.session import Item


def bench(
    torch: OwnTorch = "",
    jax: OwnJax = "",
    inputs: OwnInputs = "",
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
    train: Train = False,
    weights: Annotated[
        str, typer.Option(help="Of your own pair: drawn, or torch's own carried over.")
    ] = "drawn",
    map_file: MapFile = None,
    layout: Layout = "",
    output: Outputs = None,
    jax_inputs: JaxInputs = "",
    optimizers: Optimizers = "",
    losses: Losses = "",
    batches: Batches = "",
) -> None:
    """Time torch against JAX: ratios with their intervals, rates, compile times, memory.

    portbench bench --torch models:Net --jax port:make --inputs "float32[32,3,64,64]"

    Without a pair of your own the shipped workloads are timed. Of yours a call and a call with
    every gradient are, and with --optimizers a step of training; dropout is set aside.

    Writes bench.json (raw samples and knobs with it) to --out after each workload, bench.md
    and bench.html at the end. Exit status: 0 all arms ran and agreed, 1 one did not, 2 wrong
    use, 3 stopped before the end.
    """
    from compare.measure.course import Plan

    where = device.value
    size = size or {"cpu": "cpu"}.get(where, "gpu")
    precisions = names_of(precision)
    _checked(size, precisions, where)
    profiles = str(out / "traces") if trace else ""
    plan = Plan(
        size, where, threads, budget, ci / 100, limit=limit, jobs=jobs, seed=seed,
        trace=profiles,
    )  # fmt: skip
    own = None
    if torch or jax or inputs:
        from compare.port.bench import Asked

        if not (torch and jax and inputs):
            fail("--torch, --jax and --inputs go together")
        own = Asked(
            torch, jax, inputs, train, weights, map_file, layout, tuple(pairs_of(output) or ()),
            tuple(names_of(jax_inputs)), optimizers, losses, batches, seed,
        )  # fmt: skip
    elif any((train, map_file, layout, output, jax_inputs, optimizers, losses, batches)) or (
        weights != "drawn"
    ):
        fail("these are of a pair of your own: name it by --torch, --jax and --inputs")
    with tempfile.TemporaryDirectory(prefix="portbench-") as folder:
        todo, plan = _todo(own, folder, plan, precisions, workload, names_of(arms))
        _timed(todo, plan, out, resume, until)


def _todo(
    own: Any,
    folder: str,
    plan: Plan,
    precisions: list[str],
    texts: list[str] | None,
    names: list[str],
) -> tuple[list[Item], Plan]:
    """What is to be timed; or it is listed, and that was all."""
    from compare.measure.session import items
    from compare.measure.workers import Lost
    from compare.measure.workloads import workloads
    from compare.run.port.errors import PortError

    try:
        if names == ["list"]:
            _list_arms(plan.device)
            raise typer.Exit
        if own is None:
            if texts == ["list"]:
                print("\n".join(one.name for one in workloads(plan.size)))
                raise typer.Exit
            return items(plan, precisions, texts, names), plan
        from compare.port import bench as port

        wanted = () if texts == ["list"] else texts or ()
        todo, notes = port.items(
            own, folder, precisions, names, plan.device, wanted, plan.limit
        )
        if texts == ["list"]:
            print("\n".join(dict.fromkeys(item.workload.name for item in todo)))
            raise typer.Exit
    except (LookupError, PortError, Lost) as error:
        fail(str(error))
    for note in notes:
        print(f"note: {note}")
    return todo, replace(plan, reference=port.REFERENCE)


def _timed(todo: list[Item], plan: Plan, out: Path, resume: bool, until: float) -> None:
    """Times `todo` into `out`, and exits."""
    from rich.console import Console

    from compare.bench_report import pages
    from compare.measure.figures import NotResults, Result, document
    from compare.measure.prepare import probes
    from compare.measure.session import held, session, troubles
    from compare.report.bench import summary

    began, console, stopped = time.monotonic(), Console(), False
    try:
        results: list[Result] = held(out, plan) if resume else []
    except NotResults as error:
        fail(str(error))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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
        pages(out / "bench.html", [document(results, plan)])
        console.print(f"results: {out / 'bench.html'}, and .md and .json beside it")
    status = 1 if any(troubles(one) for one in results) else 0
    raise typer.Exit(3 if stopped else status)


def _checked(size: str, precisions: list[str], device: str) -> None:
    from compare.measure.arms import PRECISIONS, refused
    from compare.measure.workloads import SIZES

    if size not in SIZES:
        fail(f"--size must be one of {', '.join(SIZES)}, got {size!r}")
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
