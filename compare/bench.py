"""portbench bench: torch against JAX, an arm a process, in rounds that take turns."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from compare.command import fail
from compare.measure.environment import Device


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
    seed: Annotated[int, typer.Option(min=0, help="Seed of every array that is drawn.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of the results; made if need be.")] = Path(
        "out/bench"
    ),
    trace: Annotated[
        bool, typer.Option("--trace", help="Also write a profile of some steps of each arm.")
    ] = False,
) -> None:
    """Time torch against JAX: ratios with their intervals, rates, compile times, memory.

    Writes bench.json (raw samples and knobs with it) and bench.md to --out, after each
    workload. Exit status: 0 all arms ran and agreed, 1 one did not, 2 wrong use, 3 stopped
    before the end.
    """
    from rich.console import Console

    from compare.measure import figures
    from compare.measure.arms import PRECISIONS, UnknownArm, refused
    from compare.measure.arms import arms as chosen
    from compare.measure.rounds import Plan, run
    from compare.measure.workers import Lost
    from compare.measure.workloads import SIZES, UnknownWorkload, workloads
    from compare.report.bench import markdown, summary

    where = device.value
    size = size or {"cpu": "cpu"}.get(where, "gpu")
    if size not in SIZES:
        fail(f"--size must be one of {', '.join(SIZES)}, got {size!r}")
    names = [name.strip() for name in arms.split(",") if name.strip()]
    precisions = [name.strip() for name in precision.split(",") if name.strip()]
    if not precisions:
        fail(f"--precision names none of {', '.join(PRECISIONS)}")
    try:
        if workload == ["list"]:
            for one in workloads(size):
                print(one.name)
            return
        every = chosen(None if names == ["list"] else names, where)
        if names == ["list"]:
            for arm in every:
                print(f"{arm.name:<28}{arm.mode}, {arm.tuning}")
            return
        wanted = workloads(size, workload)
    except (UnknownArm, UnknownWorkload) as error:
        fail(str(error))
    for name in precisions:
        if why := refused(name, where):
            fail(why)
    profiles = str(out / "traces") if trace else ""
    plan = Plan(size, where, threads, budget, ci / 100, limit=limit, seed=seed, trace=profiles)
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results: list[figures.Result] = []
    status = 0
    try:
        with console.status("") as live:
            for one in wanted:
                for name in precisions:
                    try:
                        course = run(one, name, every, plan, live.update)
                    except Lost as error:
                        console.print(f"{one.name}, {name}: no reference: {error}")
                        status = 1
                        continue
                    results.append(figures.result(course, plan))
                    _write(out, figures.document(results, plan), markdown)
                    console.print(summary(results[-1:]), highlight=False, soft_wrap=True)
                    for row in results[-1]["rows"]:
                        if row["lost"] and row["kind"] != "unsupported":
                            status = 1
                            words = f"  {row['arm']}: {row['kind']}: {row['lost']}"
                            console.print(words, highlight=False, soft_wrap=True, markup=False)
    except KeyboardInterrupt:
        console.print("stopped")
        status = 3
    console.print(f"results: {out / 'bench.json'}, {out / 'bench.md'}")
    raise typer.Exit(status)


def _write(out: Path, document: dict, markdown) -> None:
    from compare.measure.figures import save

    try:
        save(out / "bench.json", document)
        (out / "bench.md").write_text(markdown(document))
    except OSError as error:
        fail(f"can't write to {out}: {error.strerror or error}")


def report(
    files: Annotated[list[Path], typer.Argument(help="Results of portbench bench.")],
    out: Annotated[Path, typer.Option(help="The Markdown page to write.")] = Path(
        "out/bench/report.md"
    ),
) -> None:
    """Merge results of several machines into one page; of the same figure the later counts.

    Exit status: 0 written, 2 wrong use.
    """
    from compare.measure.figures import NotResults, load, merged
    from compare.report.bench import markdown

    try:
        documents = [load(path) for path in files]
        page = markdown({**documents[-1], "results": merged(documents)})
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page)
    except NotResults as error:
        fail(str(error))
    except OSError as error:
        fail(f"can't write to {out}: {error.strerror or error}")
    print(out)
