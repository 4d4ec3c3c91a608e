"""Results as files: results.jsonl, one line a case as it comes, and summary.json at the end."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compare.judge.verdict import Verdict, from_dict

SCHEMA = 1


class FolderError(OSError):
    """An output folder that can't be used; the message says why and what to do."""


@dataclass(frozen=True)
class Result:
    """One line of results.jsonl: a verdict and what it was made with.

    `suite` is the stem of its case file; `fingerprint` changes when the case does.
    """

    suite: str
    fingerprint: str
    seed: int
    device: str
    verdict: Verdict

    @property
    def planted(self) -> bool:
        """Whether the case is a planted fault, which ought to differ."""
        return self.verdict.expect != "same"

    def line(self) -> str:
        own = {key: getattr(self, key) for key in ("suite", "fingerprint", "seed", "device")}
        return json.dumps({"schema": SCHEMA, **own, **self.verdict.to_dict()})


@dataclass
class Results:
    """The results of one output folder, appended to disk as they come."""

    folder: Path
    done: list[Result] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, resume: bool) -> Results:
        """Makes `folder`; keeps its results to go on from, or sets them aside as *.previous.

        Raises FolderError where the folder can't be made or written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "results.jsonl"
            if resume:
                done = read(file) if file.exists() else []
                # Written anew without a line that a kill cut short.
                file.write_text("".join(f"{result.line()}\n" for result in done))
                return cls(folder, done)
            if file.exists() and file.stat().st_size:
                file.replace(folder / "results.previous.jsonl")
            file.write_text("")
        except OSError as error:
            raise FolderError(
                f"can't write to {folder}: {error.strerror or error}; name another with --out"
            ) from error
        return cls(folder)

    def keep(self, cases: Sequence[tuple[str, Any]], seed: int, device: str) -> None:
        """Leaves out results of cases that were edited or not asked for.

        Raises FolderError where results were made with another seed or on another device.
        """
        for result in self.done:
            if (result.seed, result.device) != (seed, device):
                raise FolderError(
                    f"{self.folder} holds results of seed {result.seed} on {result.device}, "
                    f"not of seed {seed} on {device}: pass the same, or leave out --resume"
                )
        wanted = {(case.name, case.fingerprint) for _, case in cases}
        self.done = [r for r in self.done if (r.verdict.case, r.fingerprint) in wanted]

    def append(self, result: Result) -> None:
        """Adds `result` and sees it to the disk."""
        self.done.append(result)
        with open(self.folder / "results.jsonl", "a") as file:
            file.write(f"{result.line()}\n")
            file.flush()
            os.fsync(file.fileno())

    def write_summary(self, summary: dict[str, Any]) -> None:
        (self.folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")


def read(file: Path) -> list[Result]:
    """The results in `file`; a last line that a kill cut short is left out."""
    results = []
    lines = file.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            plain = json.loads(line)
            if plain["schema"] != SCHEMA:
                raise FolderError(
                    f"{file} was written with schema {plain['schema']}, this is {SCHEMA}: "
                    "run again without --resume"
                )
            own = {key: plain[key] for key in ("suite", "fingerprint", "seed", "device")}
            results.append(Result(**own, verdict=from_dict(plain)))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise FolderError(
                f"{file}, line {number}, is not a result ({error}): run again without --resume"
            ) from error
    return results


def summarise(
    results: Sequence[Result], seconds: float, environment: dict[str, Any], complete: bool
) -> dict[str, Any]:
    """What summary.json says. Planted faults are counted apart: they ought to differ."""
    pairs = [result for result in results if not result.planted]
    faults = [result for result in results if result.planted]
    odd = [result.verdict for result in results if not result.verdict.as_expected]
    return {
        "schema": SCHEMA,
        "complete": complete,
        "cases": len(pairs),
        "compared": sum(result.verdict.compared for result in pairs),
        "verdicts": dict(Counter(result.verdict.verdict for result in pairs)),
        "suites": {
            suite: dict(Counter(r.verdict.verdict for r in results if r.suite == suite))
            for suite in dict.fromkeys(result.suite for result in results)
        },
        "faults": {
            "planted": len(faults),
            "caught": sum(result.verdict.as_expected for result in faults),
        },
        "unexpected": [
            {"case": v.case, "verdict": v.verdict, "expected": v.expect, "says": v.says}
            for v in odd
        ],
        "seed": results[0].seed if results else None,
        "device": results[0].device if results else None,
        "seconds": round(seconds, 2),
        "environment": environment,
    }


def exit_status(results: Sequence[Result], complete: bool) -> int:
    """0 all as expected, 1 something differs, 3 nothing compared or incomplete.

    A case that failed to run was not compared: without a difference elsewhere that is a 3.
    """
    odd = [result.verdict for result in results if not result.verdict.as_expected]
    if any(verdict.verdict not in ("error", "unsupported") for verdict in odd):
        return 1
    return 0 if complete and results and not odd else 3
