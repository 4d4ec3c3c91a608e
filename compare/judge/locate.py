"""Where a difference begins: the module that differs by itself while all within it agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compare.judge.verdict import ORDER, Verdict

FAULTS = ("less-careful", "leak", "different")
"""Verdicts that make a place. A module that could not be run by itself is none."""


@dataclass(frozen=True)
class Place:
    """A module with a fault of its own.

    whole     whether it has no module within that was compared: the fault is the layer itself
    verdict   what its comparison by itself came to
    """

    path: str
    whole: bool
    verdict: Verdict

    @property
    def forward(self) -> bool:
        """Whether an output or a buffer differs, given the right inputs."""
        return any(
            one.verdict in FAULTS and not _pulled(one.array) for one in self.verdict.findings
        )

    @property
    def backward(self) -> bool:
        """Whether a gradient differs, given the right inputs and cotangents."""
        return any(
            one.verdict in FAULTS and _pulled(one.array) for one in self.verdict.findings
        )

    @property
    def where(self) -> str:
        if self.whole:
            return self.path or "the whole"
        return f"inside {self.path or 'the model'}, whose children agree"

    def __str__(self) -> str:
        return f"{self.where}: {self.verdict.says}"


def _pulled(array: str) -> bool:
    return array.startswith("grad/")


def places(verdicts: Mapping[str, Verdict]) -> list[Place]:
    """The modules at fault, in the order given, which should be that of being computed.

    `verdicts` are those of modules by themselves, by path. A module that differs because one
    within it does is no place of its own. "" stands for the whole model.
    """
    differing = {path for path, one in verdicts.items() if one.verdict in FAULTS}
    return [
        Place(path, not within(path, verdicts), one)
        for path, one in verdicts.items()
        if path in differing and not differing & set(within(path, verdicts))
    ]


def first(found: Sequence[Place], direction: str = "forward") -> Place | None:
    """The first module to diverge: on the way forward, or on the way back from the outputs."""
    if direction == "forward":
        return next((place for place in found if place.forward), None)
    return next((place for place in reversed(found) if place.backward), None)


def within(path: str, paths: Mapping[str, Verdict] | Sequence[str]) -> list[str]:
    """Those of `paths` that lie inside of the module at `path`."""
    start = f"{path}." if path else ""
    return [one for one in paths if one != path and one.startswith(start)]


def better(verdicts: Sequence[Verdict]) -> Verdict:
    """Of a module's verdicts under several layouts of its inputs the one that fits."""
    return min(verdicts, key=misfit)


def misfit(verdict: Verdict) -> tuple[int, float]:
    """How far a verdict is from agreement: by its word, then by its largest gap."""
    worst = verdict.worst
    return ORDER.index(verdict.verdict), worst.gap if worst else float("inf")
