"""Where a pair differs, why, and the line to change."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compare.cases.case import Case, Pair
from compare.judge.cause import Cause, Search
from compare.judge.evidence import evidence
from compare.judge.locate import FAULTS, Place, first, within
from compare.judge.static import Setting, differing
from compare.judge.verdict import Verdict
from compare.locate import Part, parts, placed

SECONDS = 30.0
"""How long pairs of causes are tried at one place."""

PLACES = 4
"""At how many places a cause is looked for."""


@dataclass(frozen=True)
class Explained:
    """One place: its causes, or, where no known cause explains it, what is known of it."""

    place: Place
    causes: tuple[Cause, ...] = ()
    known: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        said = [f"place: {self.place}"]
        for cause in self.causes:
            said += [f"cause: {cause.says} [{cause.source}]", f"proof: {cause.confidence}"]
            said.append(f"change: {cause.change}")
        if not self.causes:
            said += [
                "cause: no known cause explains it",
                *(f"known: {one}" for one in self.known),
            ]
        return said


@dataclass(frozen=True)
class Explanation:
    """What is known of a difference.

    static   settings that differ before anything is run
    forward, backward   the paths of the first module to diverge on the way there and back
    """

    case: str
    verdict: Verdict
    static: tuple[Setting, ...] = ()
    found: tuple[Explained, ...] = ()
    forward: str | None = None
    backward: str | None = None

    @property
    def causes(self) -> list[Cause]:
        return [cause for one in self.found for cause in one.causes]

    @property
    def lines(self) -> list[str]:
        said = [f"setting: {one}" for one in self.static]
        for one in self.found:
            said += one.lines
        return said or ["no difference to explain"]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a verdict's facts."""
        return {"lines": self.lines, "causes": [cause.name for cause in self.causes]}


def explain(
    case: Case, seed: int = 0, device: str = "cpu", seconds: float = SECONDS
) -> Explanation:
    """The static look, the places and the causes of `case`; nothing where it agrees.

    `seconds` bounds the search for two causes at once, at each place. Raises ValueError where
    torch's side fails.
    """
    found = parts(case, seed, device)
    verdict = found[-1].verdict
    at = placed(found)
    if verdict.verdict not in FAULTS:
        return Explanation(case.name, verdict)
    static = look(case)
    told = [explained(place, found, static, device, seconds) for place in at[:PLACES]]
    told += [Explained(place) for place in at[PLACES:]]
    ahead, back = first(at), first(at, "backward")
    return Explanation(
        case.name,
        verdict,
        tuple(static),
        tuple(told),
        ahead.path if ahead else None,
        back.path if back else None,
    )


def look(case: Pair) -> list[Setting]:
    """Settings of the two sides that differ, after defaults."""
    from compare.run import hyperparameters

    return differing(*hyperparameters.both(case))


def explained(
    place: Place, found: Sequence[Part], static: Sequence[Setting], device: str, seconds: float
) -> Explained:
    """The causes at one place."""
    part = next(one for one in found if one.path == place.path and one.verdict == place.verdict)
    if place.verdict.verdict == "leak":
        return leaked(place)
    from compare.run.subject import Subject
    from compare.run.suspects import suspects

    subject = Subject(part.case, part.given, device)
    inside = within(part.path, [one.path for one in found])
    start = f"{part.path}." if part.path else ""
    agreeing = [path.removeprefix(start) for path in inside]
    calls = [
        seen
        for seen in subject.calls
        if not any(seen.path == path or seen.path.startswith(f"{path}.") for path in agreeing)
    ]

    def run(combination: Sequence[tuple], precision: str):
        rewrites: dict[int, list] = {}
        for one, value in combination:
            for index in (one.index, *one.also):
                rewrites.setdefault(index, []).append((one.rewrite, value))
        return subject.run(rewrites, precision)

    search = Search(part.records, run, seconds)
    causes = search.causes(suspects(calls))
    causes = [dataclasses.replace(one, path=place.path) for one in agreed(causes, static, part)]
    records = [part.records[side, "float64"].arrays for side in ("torch", "jax")]
    known = () if causes else tuple(evidence(place.verdict, *records))
    return Explained(place, tuple(causes), known)


def agreed(causes: list[Cause], static: Sequence[Setting], part: Part) -> list[Cause]:
    """Causes that the static look bears out come first."""
    names = {one.name for one in static if one.path == part.path}

    def borne_out(cause: Cause) -> bool:
        return any(name.replace("_", " ") in cause.name for name in names)

    return sorted(causes, key=lambda cause: not borne_out(cause))


def leaked(place: Place) -> Explained:
    """A leak's cause is the cast that the audit saw."""
    casts = place.verdict.facts.get("casts", [])
    findings = [one for one in place.verdict.findings if one.verdict == "leak"]
    gap = max((one.gap for one in findings), default=0.0)
    causes = [
        Cause(
            "narrowing cast",
            "gotcha 46",
            f"the float64 run goes through {cast.partition('-> ')[2] or cast}",
            "keep the input's dtype there",
            place.path,
            before=gap,
            after=gap,
            arrays=len(findings),
            confidence="seen in the traced program; the gap is as large as float32 rounds",
        )
        for cast in casts
    ]
    return Explained(place, tuple(causes))


def told(verdict: Verdict, case: Case, seed: int, device: str) -> Verdict:
    """A verdict that was not expected, with its explanation among its facts."""
    if verdict.verdict not in FAULTS or verdict.as_expected:
        return verdict
    try:
        lines = explain(case, seed, device, seconds=5.0).lines
    except Exception as error:  # the verdict stands, explained or not
        lines = [f"no explanation: {type(error).__name__}: {error}"]
    return dataclasses.replace(verdict, facts={**verdict.facts, "explained": lines})
