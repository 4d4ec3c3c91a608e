"""Planted faults on trial: is each called by its verdict, its place and its cause?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from compare.cases.case import Case, Pair
from compare.cases.training import Training
from compare.judge.calibration import reached
from compare.judge.verdict import Verdict
from compare.proof import Mended, Planted

if TYPE_CHECKING:
    from compare.explain import Explanation

FORWARD_ONLY = ("momentum", "running variance biased", "buffers not updated")
"""Causes that change buffers, and no gradient."""

BACKWARD_ONLY = ("gradient stopped",)
"""Causes that change gradients, and no output."""


def planted(items: Sequence[Planted], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """A line for each fault; those that are not judged alone share a compile."""
    from compare.check import check, check_training

    seed, explained = settings["seed"], settings.get("explain", True)
    cases = [(one.case, one.alone and explained) for one in items]
    shared = [case for case, alone in cases if isinstance(case, Case) and not alone]
    found = {one.case: one for one in check(shared, seed, quick=settings["quick"])}
    lines = []
    for item in items:
        case, told = item.case, explanation(item.case, seed) if explained else None
        verdict = found.get(case.name) or (told and told.verdict)
        if verdict is None:
            verdict = check_training(case, seed)  # pyright: ignore[reportArgumentType]
        lines.append(line(item, expecting(verdict, case), told))
    return lines


def explanation(case: Pair, seed: int) -> Explanation:
    from compare.explain import explain
    from compare.explain_training import explain_training

    make = explain_training if isinstance(case, Training) else explain
    return make(case, seed)  # pyright: ignore[reportArgumentType]


def line(item: Planted, verdict: Verdict, told: Explanation | None) -> dict[str, Any]:
    """What became of a fault. Of place and cause nothing is asked where nothing was told."""
    case, causes = item.case, told.causes if told else []
    return {
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
            "planted": case.cause if told else "",
            "found": sorted({cause.name for cause in causes}),
        },
        "place": {
            "planted": ways(case) if item.deep and told else None,
            "found": {
                "forward": told.forward if told else None,
                "backward": told.backward if told else None,
            },
        },
    }


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
