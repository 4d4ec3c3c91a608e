"""portbench finetune: BERT on MRPC by both sides' Trainers, seed by seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from compare.command import fail
from compare.options import Jobs


def finetune(
    checkpoint: Annotated[
        str, typer.Option(help="A BERT: a folder, a name on the Hub, minilm, or sample.")
    ] = "bert-base-uncased",
    data: Annotated[
        str, typer.Option(help="MRPC: hub, a folder with its files, or sample.")
    ] = "hub",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each side.")] = 3,
    epochs: Annotated[float, typer.Option(min=0, help="Passes over the data.")] = 3.0,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of a step.")] = 32,
    learning_rate: Annotated[float, typer.Option(min=0, help="It falls linearly to 0.")] = 5e-5,
    jobs: Jobs = 2,
    limit: Annotated[float, typer.Option(min=1, help="Seconds that one run may take.")] = 7200,
    out: Annotated[
        Path, typer.Option(help="Folder of the results; what is there is kept.")
    ] = Path("out/finetune"),
) -> None:
    """Fine-tune BERT on MRPC in torch and in JAX, and compare accuracy, F1 and curves.

    A run that is already in --out is not repeated. Exit status: 0 all runs came to an end,
    2 wrong use, 3 some did not.
    """
    from rich.console import Console

    from compare.report.finetune import page, summary, table
    from compare.run.finetune import FineTuning, run
    from compare.run.pool import Lost, run_batches
    from compare.suite import environment

    shared = (checkpoint, data, epochs, batch_size, learning_rate)
    wanted = [
        FineTuning(side, seed, *shared) for seed in range(seeds) for side in ("torch", "jax")
    ]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"can't write to {out}: {error.strerror or error}")
    console = Console()
    todo = [one for one in wanted if not one.file(out).is_file()]
    settings = {"out": str(out.resolve()), "environment": environment("cpu", jobs)}
    lost = []
    for answers in (
        run_batches([[one] for one in todo], run, settings, jobs, limit) if todo else ()
    ):
        for answer in answers:
            if isinstance(answer, Lost):
                lost.append(answer)
                console.print(f"[red]{answer.item.name}[/]: {answer.reason}", soft_wrap=True)
            else:
                console.print(f"{answer} done", highlight=False)
    found = [json.loads(one.file(out).read_text()) for one in wanted if one.file(out).is_file()]
    if found:
        said = summary(found)
        (out / "summary.json").write_text(json.dumps(said, indent=2) + "\n")
        (out / "README.md").write_text(table(said))
        (out / "report.html").write_text(page(found, said))
        console.print(table(said), highlight=False)
    raise typer.Exit(3 if lost or not found else 0)
