"""`portbench explain`: where a case differs, why, and the line to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from compare.command import fail
from compare.measure.environment import Device
from compare.options import Seed

if TYPE_CHECKING:
    from compare.cases.case import Case
    from compare.cases.training import Training


def explain_case(
    name: Annotated[str, typer.Argument(help="A case's name, or a part that is in it alone.")],
    seed: Seed = 0,
    seconds: Annotated[
        float, typer.Option(min=0, help="How long two causes at once are looked for.")
    ] = 30.0,
    device: Annotated[Device, typer.Option(help="Where both sides run.")] = Device.cpu,
) -> None:
    """Say where a case differs, why, and the line to change; exit status 1 if it differs."""
    from compare.cases.case import Case
    from compare.judge.locate import FAULTS

    case = one_case(name)
    prepare(device.value)
    from rich.console import Console
    from rich.markup import escape

    from compare.report.terminal import COLOURS

    console = Console(soft_wrap=True)
    try:
        if isinstance(case, Case):
            from compare.explain import explain

            found = explain(case, seed, device.value, seconds)
        else:
            from compare.explain_training import explain_training

            found = explain_training(case, seed, device.value)
    except ValueError as error:
        fail(str(error))
    word = found.verdict.verdict
    console.print(f"[{COLOURS[word]}]{word}[/] {escape(case.name)}")
    if word not in ("same", *FAULTS):
        fail(found.verdict.says, 3)
    for line in found.lines:
        head, _, rest = line.partition(": ")
        console.print(f"  [bold]{head:<9}[/]{escape(rest)}", highlight=False)
    raise typer.Exit(int(word in FAULTS))


def one_case(name: str) -> Case | Training:
    """The case called so, or the only one whose name has that in it; a user's mistake else."""
    from compare.cases.case import Case
    from compare.cases.planted import planted
    from compare.cases.select import select
    from compare.cases.training import Training

    every = {case.name: case for _, case in select()}
    every |= {case.name: case for case in planted()}
    if name not in every:
        near = [one for one in every if name.lower() in one.lower()]
        if not near:
            fail(f"no case has {name!r} in its name (portbench list shows all)")
        if len(near) > 1:
            fail(f"{len(near)} cases have {name!r} in their names: {', '.join(near[:5])}, ...")
        name = near[0]
    case = every[name]
    if not isinstance(case, Case | Training):
        fail(f"{name} is an experiment, which says by itself what it found")
    return case


def prepare(device: str) -> None:
    """The environment that workers set, before a framework is imported."""
    import os
    import warnings

    from compare.suite import environment

    warnings.simplefilter("ignore")
    for name, value in environment(device, jobs=1).items():
        os.environ.setdefault(name, value)
