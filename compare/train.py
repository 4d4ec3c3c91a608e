"""portbench train: one training in lockstep, watched live, stopped where it parts."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compare.command import fail, write_results
from compare.measure.environment import Device, available

if TYPE_CHECKING:
    from rich.console import Console

    from compare.cases.training import Training
    from compare.judge.trajectory import Step
    from compare.judge.verdict import Verdict


def train(
    name: Annotated[str, typer.Argument(help="A training, or a part of its name.")] = "",
    steps: Annotated[int | None, typer.Option(min=1, help="Steps, if not the case's.")] = None,
    data: Annotated[
        str, typer.Option(help="Images to train on: digits or fashion-mnist.")
    ] = "digits",
    data_folder: Annotated[
        str, typer.Option(help="Folder of the IDX files of Fashion-MNIST.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of all that is drawn.")] = 0,
    device: Annotated[Device, typer.Option(help="Where both sides run.")] = Device.cpu,
    out: Annotated[Path | None, typer.Option(help="Folder of the results, if wanted.")] = None,
) -> None:
    """Train one model on both sides in lockstep; stop at the first step that parts.

    Without a name the trainings are listed. Exit status: 0 the same, 1 parted, 2 wrong use,
    3 broken.
    """
    from rich.console import Console

    console = Console()
    training = chosen(name, console)
    training = replace(training, steps=steps or training.steps)
    if data != "digits" or data_folder:
        training = on_images(training, data, data_folder)
    if device is not Device.cpu and (problem := available(device.value)):
        fail(problem)
    verdict = watched(training, seed, device.value, console)
    if out is not None:
        keep(out, training, verdict, seed, device.value, console)
    tell(verdict, console)
    raise typer.Exit({"same": 0, "error": 3, "unsupported": 3}.get(verdict.verdict, 1))


def chosen(name: str, console: Console) -> Training:
    """The training whose name is `name`, or the one that has it in its name."""
    from compare.cases.select import select
    from compare.cases.training import Training

    stems = ["training", "faults", "long"]
    every = [(stem, one) for stem, one in select(stems) if isinstance(one, Training)]
    found = [(stem, one) for stem, one in every if name.lower() in one.name.lower()]
    exact = [one for _, one in found if one.name == name]
    models = [one for stem, one in found if stem in ("train", "finetune")]
    candidates = exact or (models if len(models) == 1 else [one for _, one in found])
    if name and len(candidates) == 1:
        return candidates[0]
    for one in candidates or [one for _, one in every]:
        console.print(f"{one.name}   [dim]{one.why}[/]", highlight=False, soft_wrap=True)
    if not name:
        raise typer.Exit(0)
    count = f"{len(candidates)} trainings have" if candidates else "no training has"
    fail(f"{count} {name!r} in the name; choose one of those above")


def on_images(training: Training, data: str, folder: str) -> Training:
    """`training` on other images of 28x28."""
    from compare.cases.training import call

    if training.data != call("digits"):
        fail(f"{training.name} has data of its own: --data is for those on 28x28 digits")
    if data != "fashion-mnist":
        fail(f"unknown data {data!r}: digits or fashion-mnist (which --data-folder is for)")
    name = training.name.replace("digits", "fashion-mnist")
    return replace(training, name=name, data=call("fashion_mnist", folder=folder))


def watched(training: Training, seed: int, device: str, console: Console) -> Verdict:
    """Runs `training`, showing each step as it is judged."""
    import warnings

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from compare.suite import environment

    for variable, value in environment(device, jobs=1).items():
        os.environ[variable] = value
    warnings.simplefilter("ignore")
    from compare.check import check_training

    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("compiling", total=training.steps)

        def on_step(step: Step) -> None:
            progress.update(task, completed=step.number + 1, description=shown(step))

        return check_training(training, seed, device, on_step)


def shown(step: Step) -> str:
    """One line on a step: both losses, how near to its bound the nearest array is, partings."""
    ours, theirs = step.losses["torch float64"], step.losses["jax float64"]
    share = step.finding.gap / step.finding.bound if step.finding.bound else 0.0
    apart, *twins = step.partings.values()
    return (
        f"loss torch {ours:.6f} jax {theirs:.6f}  gap {share:.1e} of its bound  "
        f"float32 apart {apart:.0e}, twins {max(twins):.0e}"
    )


def tell(verdict: Verdict, console: Console) -> None:
    """What a training ends with."""
    from compare.report.terminal import COLOURS

    facts = verdict.facts
    head = f"[{COLOURS[verdict.verdict]}]{verdict.verdict}[/] {verdict.case}"
    console.print(head + (f": {verdict.says}" if verdict.says else ""), soft_wrap=True)
    if not facts:
        return
    says = (
        f"{facts['steps']} steps, {verdict.compared} arrays compared, {verdict.seconds:.0f} s"
    )
    if "correct" in facts:
        told = ", ".join(f"{run} {count}" for run, count in facts["correct"].items())
        says += f"; classified rightly: {told}"
    console.print(says, highlight=False, soft_wrap=True)
    apart, *twins = [values[-1] for values in facts["partings"].values()]
    beyond = facts.get("beyond")
    console.print(
        f"float32: the sides end {apart:.1e} apart, twins that began one ulp apart "
        f"{', '.join(f'{twin:.1e}' for twin in twins)}"
        + ("" if beyond is None else f"; farther than twins from step {beyond} on"),
        highlight=False,
        soft_wrap=True,
    )


def keep(
    out: Path, training: Training, verdict: Verdict, seed: int, device: str, console: Console
) -> None:
    """Writes results.jsonl, summary.json and report.html of the one training."""
    from compare.report.document import FolderError, Result, Results

    started = time.perf_counter()
    try:
        results = Results.open(out, resume=False)
        results.append(Result("train", training.fingerprint, seed, device, verdict))
    except FolderError as error:
        fail(str(error))
    write_results(results, out, verdict.seconds + time.perf_counter() - started)
    console.print(f"report: {out / 'report.html'}")
