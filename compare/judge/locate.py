"""Where a difference begins: the module that differs by itself while all within it agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compare.judge.verdict import ORDER, Verdict


@dataclass(frozen=True)
class Place:
    """A module with a fault of its own.

    whole     whether it has no module within that was compared: the fault is the layer itself
    verdict   what its comparison by itself came to
    """

    path: str
    whole: bool
    verdict: Verdict

    def __str__(self) -> str:
        where = self.path or "the model"
        if not self.whole:
            where = f"inside {where}, whose children agree"
        return f"{where}: {self.verdict.says}"


def places(verdicts: Mapping[str, Verdict]) -> list[Place]:
    """The modules at fault, in the order given, which should be that of being computed.

    `verdicts` are those of modules by themselves, by path. A module that differs because one
    within it does is no place of its own. "" stands for the whole model.
    """
    differing = {path for path, one in verdicts.items() if one.verdict != "same"}
    return [
        Place(path, not within(path, verdicts), one)
        for path, one in verdicts.items()
        if path in differing and not differing & set(within(path, verdicts))
    ]


def within(path: str, paths: Mapping[str, Verdict] | Sequence[str]) -> list[str]:
    """Those of `paths` that lie inside of the module at `path`."""
    start = f"{path}." if path else ""
    return [one for one in paths if one != path and one.startswith(start)]


def better(verdicts: Sequence[Verdict]) -> Verdict:
    """Of a module's verdicts under several layouts of its inputs the one that fits."""
    return min(verdicts, key=_misfit)


def _misfit(verdict: Verdict) -> tuple[int, float]:
    worst = verdict.worst
    return ORDER.index(verdict.verdict), worst.gap if worst else float("inf")
