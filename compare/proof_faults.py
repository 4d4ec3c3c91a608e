"""Planted faults on trial: is each called by its verdict, its place and its cause?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from compare.cases.case import Case, Pair
from compare.cases.training import Training
from compare.judge.calibration import reached
from compare.judge.verdict import Verdict
from compare.proof import Mended, Planted

FORWARD_ONLY = ("momentum", "running variance biased", "buffers not updated")
"""Causes that change buffers, and no gradient."""

BACKWARD_ONLY = ("gradient stopped",)
"""Causes that change gradients, and no output."""


def planted(items: Sequence[Planted], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """A line for each fault; those that are not judged alone share a compile."""
    from compare.check import check
    from compare.explain import explain
    from compare.explain_training import explain_training

    seed = settings["seed"]
    shared = [one.case for one in items if not one.alone and isinstance(one.case, Case)]
    found = {one.case: one for one in check(shared, seed, quick=settings["quick"])}
    lines = []
    for item in items:
        case = item.case
        make = explain_training if isinstance(case, Training) else explain
        told = make(case, seed)  # pyright: ignore[reportArgumentType]
        verdict = expecting(found.get(case.name, told.verdict), case)
        lines.append(
            {
                "kind": "fault",
                "key": item.key,
                "name": case.name,
                "suite": item.suite,
                "expect": case.expect,
                "verdict": verdict.verdict,
                "says": verdict.says,
                "caught": verdict.as_expected,
                "reached": reached(verdict),
                "cause": {
                    "planted": case.cause,
                    "found": sorted({cause.name for cause in told.causes}),
                },
                "place": {
                    "planted": ways(case) if item.deep else None,
                    "found": {"forward": told.forward, "backward": told.backward},
                },
            }
        )
    return lines


def expecting(verdict: Verdict, case: Pair) -> Verdict:
    """`verdict` with what is expected of the case; of a training, where it must part, too."""
    at = case.parts_at if isinstance(case, Training) else ""
    return replace(verdict, expect=case.expect, expect_at=at)


def ways(case: Pair) -> dict[str, str | None]:
    """The module that must be found first on the way forward, and back; None where none is."""
    return {
        "forward": None if case.cause in BACKWARD_ONLY else case.place,
        "backward": None if case.cause in FORWARD_ONLY else case.place,
    }


def mended(item: Mended, settings: dict[str, Any]) -> dict[str, Any]:
    """Whether the training is the same without its fault."""
    from compare.check import check_training

    verdict = check_training(item.case, settings["seed"])
    return {
        "kind": "mended",
        "key": item.key,
        "name": item.case.name,
        "verdict": verdict.verdict,
        "says": verdict.says,
        "reached": reached(verdict),
    }


def without_fault(case: Training) -> Training:
    """A faulty training with its JAX side like its torch side."""
    name = case.name.replace("fault: ", "mended: ")
    return replace(case, name=name, jax_changes={}, parts_at="", expect="same", cause="")
