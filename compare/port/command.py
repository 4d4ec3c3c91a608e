"""`portbench check` and `portbench convert`: a user's own pair from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from compare.command import fail, names_of
from compare.options import Seed
from compare.port.named import given, made, named
from compare.port.options import (
    Batches,
    Inputs,
    Jax,
    JaxInputs,
    Layout,
    Losses,
    MapFile,
    Optimizers,
    Outputs,
    SaveMap,
    Torch,
    Train,
    pairs_of,
)


def check(
    torch: Torch,
    jax: Jax,
    inputs: Inputs,
    train: Train = False,
    dropout: Annotated[
        bool,
        typer.Option(
            help="In train mode dropout keeps everything, over 1 - p, on both sides; or is set "
            "aside."
        ),
    ] = True,
    weights: Annotated[
        str,
        typer.Option(
            help="drawn: the same drawn ones on both sides; torch: torch's own, carried over; "
            "as-is: both keep theirs, and your conversion is judged."
        ),
    ] = "drawn",
    map_file: MapFile = None,
    save_map: SaveMap = None,
    layout: Layout = "",
    output: Outputs = None,
    jax_inputs: JaxInputs = "",
    steps: Annotated[int, typer.Option(min=0, help="Training steps in lockstep.")] = 0,
    optimizers: Optimizers = "",
    losses: Losses = "",
    batches: Batches = "",
    seed: Seed = 0,
    seconds: Annotated[
        float, typer.Option(min=0, help="How long two causes at once are looked for.")
    ] = 30.0,
    to_json: Annotated[
        Path | None, typer.Option("--json", help="Also write the report there.")
    ] = None,
) -> None:
    """Check your own port: the verdict, the place, the cause, the line to change.

    portbench check --torch models:Net --jax port:make --inputs "float32[2,3,32,32]"

    Exit status: 0 the same, 1 it differs, 2 wrong use, 3 it could not be decided.
    """
    from compare.explain_case import prepare

    prepare("cpu")
    from compare.run.port.errors import PortError, Undecided

    try:
        pair = named(optimizers, "--optimizers") if optimizers else None
        from compare.port.check import check_port

        report = check_port(
            made(torch, "--torch"),
            made(jax, "--jax"),
            given(inputs),
            train=train,
            dropout=dropout,
            weights=weights,
            mapping=map_file,
            layout=layout or None,
            outputs=pairs_of(output),
            jax_inputs=names_of(jax_inputs) or None,
            optimizers=pair,
            losses=named(losses, "--losses") if losses else None,
            batches=made(batches, "--batches") if batches else None,
            steps=steps,
            name=f"{torch} against {jax}",
            seed=seed,
            seconds=seconds,
        )
    except Undecided as error:
        asked(error, save_map)
    except PortError as error:
        fail(str(error))
    if save_map is not None:
        save_map.write_text(report.table)
    if to_json is not None:
        to_json.write_text(json.dumps(report.to_dict(), indent=1) + "\n")
    show(report)
    raise typer.Exit({"same": 0, "error": 3, "unsupported": 3}.get(report.word, 1))


def asked(error: Any, save_map: Path | None) -> None:
    """What can't be decided: the table, with what is to be looked at marked."""
    print(error.table)
    if save_map is not None:
        save_map.write_text(error.table)
    fail(str(error), 3)


def show(report: Any) -> None:
    from rich.console import Console
    from rich.markup import escape

    from compare.report.terminal import COLOURS

    console = Console(soft_wrap=True)
    word, verdict = report.word, report.verdict
    paired = sum(row.paired for row in report.rows)
    console.print(
        f"[{COLOURS[word]}]{word}[/] {escape(verdict.case)}: {verdict.compared} arrays "
        f"compared, {paired} pairs of leaves", highlight=False,
    )  # fmt: skip
    for line in report.lines:
        head, _, rest = line.partition(": ")
        console.print(f"  [bold]{head:<9}[/]{escape(rest)}", highlight=False)


def convert(
    source: Annotated[Path, typer.Argument(help="A checkpoint: .safetensors, .pt or .bin.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    to: Annotated[str, typer.Option(help="jax or torch: whose layout is wanted.")] = "jax",
    map_file: MapFile = None,
    save_map: SaveMap = None,
    torch: Annotated[str, typer.Option(help="package.module:name of the torch model.")] = "",
    jax: Annotated[str, typer.Option(help="package.module:name of the JAX model.")] = "",
    inputs: Annotated[str, typer.Option(help="As for check; with --torch and --jax.")] = "",
    trust: Annotated[
        bool, typer.Option("--trust", help="Take a table drafted from the file alone as it is.")
    ] = False,
) -> None:
    """Carry a checkpoint from torch to NNX or Linen, or back.

    The table of leaves is that of --map, or of the two models; or it is drafted from the file
    alone, and what the file can't tell is asked for.
    """
    from compare.explain_case import prepare

    prepare("cpu")
    from compare.port.convert import converted, drafted, read, together, write
    from compare.run.port import table
    from compare.run.port.errors import PortError, Undecided

    if to not in ("jax", "torch"):
        fail(f"--to must be jax or torch, got {to!r}")
    try:
        tensors = read(source)
        if map_file is not None:
            rows = table.load(map_file)
        elif torch and jax and inputs:
            rows, *_ = together(made(torch, "--torch"), made(jax, "--jax"), given(inputs), None)
        elif torch or jax or inputs:
            fail("--torch, --jax and --inputs go together")
        else:
            rows = drafted(tensors, to)
            if not trust and any(not row.sure for row in rows):
                raise Undecided(
                    "the file alone does not tell a Linear's matrix from a table's: check the "
                    "rows marked ?, and pass them with --map, or say --trust", table.text(rows)
                )  # fmt: skip
        found = converted(rows, tensors, to)
        write(out, found)
    except Undecided as error:
        asked(error, save_map)
    except PortError as error:
        fail(str(error))
    if save_map is not None:
        save_map.write_text(table.text(rows))
    print(f"{len(tensors)} tensors of {source} -> {len(found)} of {out}")
