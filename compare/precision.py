"""portbench precision: the bits that each side loses, at float32, bfloat16, float16, TF32."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compare.command import fail, names_of
from compare.measure.environment import Device, available
from compare.options import Jobs, Seed

if TYPE_CHECKING:
    from compare.cases.case import Case
    from compare.judge.precision import Measured

PRECISIONS = ("float32", "bfloat16", "float16", "tf32")


def precision(
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", "-s", help="A suite of layers, repeatable: layers, norm, ..."),
    ] = None,
    keyword: Annotated[str, typer.Option("-k", help="Only cases with this in the name.")] = "",
    at: Annotated[
        str, typer.Option("--precision", help="Names of precisions, with commas.")
    ] = "float32,bfloat16,float16",
    seed: Seed = 0,
    jobs: Jobs = 2,
    limit: Annotated[float, typer.Option(min=1, help="Seconds a batch of 16 may take.")] = 600,
    device: Annotated[Device, typer.Option(help="Where both sides run.")] = Device.cpu,
    out: Annotated[Path, typer.Option(help="Folder of precision.json and .md.")] = Path("out"),
) -> None:
    """Say how many bits each side loses at each precision, held against float64.

    Exit status: 0 measured, 2 wrong use, 3 a case broke.
    """
    from rich.console import Console

    from compare.cases.case import Case
    from compare.cases.select import UnknownName, select
    from compare.judge.precision import Measured
    from compare.report.precision import document, markdown, table
    from compare.run.pool import Lost, run_batches
    from compare.suite import BATCH, environment

    names = names_of(at)
    for name in names:
        if name not in PRECISIONS:
            fail(f"there is no precision {name!r}; there are {', '.join(PRECISIONS)}")
        if name == "tf32" and device is not Device.cuda:
            fail(f"{device.value} has no TF32: float32 is IEEE there; use --device cuda")
    if device is not Device.cpu and (problem := available(device.value)):
        fail(problem)
    try:
        chosen = select(suite or ["layers"], keyword)
    except UnknownName as error:
        fail(str(error))
    cases = [
        (stem, one) for stem, one in chosen if isinstance(one, Case) and one.expect == "same"
    ]
    if not cases:
        fail("none of these is a case that is called once: choose suites of layers")
    work = [(name, *pair) for name in names for pair in cases]
    settings = {"seed": seed, "device": device.value}
    settings["environment"] = environment(device.value, jobs)
    batches = [work[i : i + BATCH] for i in range(0, len(work), BATCH)]
    found: list[Measured] = []
    for answers in run_batches(batches, batch, settings, jobs, limit):
        for one in answers:
            if isinstance(one, Lost):
                name, stem, case = one.item
                one = Measured(stem, case.name, name, says=one.reason, lost=True)
            found.append(one)
    console = Console()
    console.print(table(found))
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "precision.json").write_text(json.dumps(document(found), indent=1) + "\n")
        (out / "precision.md").write_text(markdown(found))
    except OSError as error:
        fail(f"can't write to {out}: {error.strerror or error}")
    console.print(f"results: {out / 'precision.json'}, {out / 'precision.md'}")
    raise typer.Exit(3 if any(one.lost for one in found) else 0)


def batch(work: Sequence[tuple[str, str, Case]], settings: dict[str, Any]) -> list[Measured]:
    """What a worker does with some (precision, suite, case)."""
    import warnings

    warnings.simplefilter("ignore")
    found = []
    for name in dict.fromkeys(name for name, _, _ in work):
        mine = [(stem, case) for other, stem, case in work if other == name]
        found += measured(mine, name, settings["seed"], settings["device"])
    return found


def measured(
    cases: Sequence[tuple[str, Case]], precision: str, seed: int = 0, device: str = "cpu"
) -> list[Measured]:
    """Both sides in float64 and at `precision`, from numbers that are exact in it."""
    from compare.judge.precision import Measured, losses
    from compare.run import torch_side  # torch before jax: the other order can crash

    from compare.run import jax_side  # isort: skip
    from compare.run.draw import Givens, givens, narrowed
    from compare.run.products import products
    from compare.run.record import Record

    wide = "float32" if precision == "tf32" else precision
    given: dict[str, Givens] = {}
    runs: dict[str, dict[tuple[str, str], Record]] = {case.name: {} for _, case in cases}
    for _, case in cases:
        drawn = givens(case, torch_side.leaves(case), seed)
        torch_side.run(case, drawn, "float64", seed, device)  # draws the cotangents
        given[case.name] = narrowed(drawn, wide)
        for name in ("float64", wide):
            with products(precision if name == wide else "float32"):
                record = torch_side.run(case, given[case.name], name, seed, device)
            runs[case.name]["torch", name] = record
    ready = [case for _, case in cases if not any(r.error for r in runs[case.name].values())]
    for name in ("float64", wide):
        with products(precision if name == wide else "float32"):
            arrays = [given[case.name] for case in ready]
            for case, record in zip(
                ready, jax_side.run(ready, arrays, name, device), strict=True
            ):
                runs[case.name]["jax", name] = record
    found = []
    for stem, case in cases:
        mine = runs[case.name]
        errors = [f"{one.side} side: {one.error}" for one in mine.values() if one.error]
        if errors:
            found.append(Measured(stem, case.name, precision, says=errors[0]))
            continue
        torch, jax = (
            (mine[side, "float64"].arrays, mine[side, wide].arrays) for side in ("torch", "jax")
        )
        found.append(Measured(stem, case.name, precision, losses(precision, torch, jax)))
    return found
