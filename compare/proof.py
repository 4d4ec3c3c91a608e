"""The judge on trial, as work for a pool: planted faults, random correct cases, the rules.

Each piece of work comes back as one line of plain data; compare/selftest.py adds them up.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from compare.cases.case import Case, Pair
from compare.cases.drawn import DRAWS, comparisons
from compare.cases.training import Training
from compare.cases.trial_pair import TrialPair
from compare.judge.calibration import reached
from compare.judge.verdict import Verdict
from compare.rivals import opinions

CONFIGURATIONS = 16
"""Configurations that share a compile."""


@dataclass(frozen=True)
class Planted:
    """A planted fault, with the suite that it stands in.

    deep   it lies in a model: `place` of the case, or the whole, is asked for
    alone  its verdict is that of the explanation, which costs as much as a check
    """

    suite: str
    case: Pair
    deep: bool = False
    alone: bool = False

    @property
    def key(self) -> str:
        return f"fault {self.case.name} {self.case.fingerprint}"


@dataclass(frozen=True)
class Mended:
    """A training with its fault taken out: it must be the same."""

    case: Training

    @property
    def key(self) -> str:
        return f"mended {self.case.name} {self.case.fingerprint}"


@dataclass(frozen=True)
class Shipped:
    """A case that ships, of the same function on both sides."""

    case: Case

    @property
    def key(self) -> str:
        return f"shipped {self.case.name} {self.case.fingerprint}"


@dataclass(frozen=True)
class Drawn:
    """Random correct comparisons: configurations from number `first` on, DRAWS of each."""

    first: int
    configurations: int = CONFIGURATIONS

    @property
    def key(self) -> str:
        return f"configurations {self.first} to {self.first + self.configurations - 1}"


@dataclass(frozen=True)
class Tried:
    """A pair of the trial, on `seeds` draws."""

    pair: TrialPair
    seeds: int

    @property
    def key(self) -> str:
        return f"{self.pair.right.name}, {self.seeds} draws {self.pair.mutant.fingerprint}"


Item = Planted | Mended | Shipped | Drawn | Tried


def work(batch: Sequence[Item], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """What a worker does: a line for each item. torch's warnings are for users of a layer.

    Faults are not explained, only judged, where the settings say `explain: False`.
    """
    from compare.proof_faults import mended, planted

    warnings.simplefilter("ignore")
    found = [
        *planted([item for item in batch if isinstance(item, Planted)], settings),
        *(mended(item, settings) for item in batch if isinstance(item, Mended)),
        *shipped([item for item in batch if isinstance(item, Shipped)], settings),
        *(drawn(item, settings) for item in batch if isinstance(item, Drawn)),
        *(tried(item, settings) for item in batch if isinstance(item, Tried)),
    ]
    lines = {line["key"]: line for line in found}
    return [lines[item.key] for item in batch]


def shipped(items: Sequence[Shipped], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """A line for each case that ships; they share a compile."""
    from compare.check import check

    cases = [item.case for item in items]
    verdicts = check(cases, settings["seed"], quick=settings["quick"]) if cases else []
    return [
        {
            "kind": "shipped",
            "key": item.key,
            "name": item.case.name,
            "verdict": verdict.verdict,
            "says": verdict.says,
            "arrays": verdict.compared,
            "reached": reached(verdict),
        }
        for item, verdict in zip(items, verdicts, strict=True)
    ]


def drawn(item: Drawn, settings: dict[str, Any]) -> dict[str, Any]:
    """How many comparisons the item made, and which did not come out `same`."""
    from compare.check import check

    started = time.perf_counter()
    seed = settings["seed"]
    cases = list(comparisons(item.configurations * DRAWS, seed, item.first))
    families: dict[str, Counter[str]] = {}
    alarms, farthest, arrays = [], {}, 0
    for verdict in check(cases, seed, quick=settings["quick"]):
        word = standing(verdict)
        families.setdefault(verdict.case.split()[0], Counter())[word] += 1
        if word == "alarm":
            told = {"case": verdict.case, "verdict": verdict.verdict, "says": verdict.says}
            alarms.append(told)
        if word in ("refused", "vacuous"):
            continue
        arrays += verdict.compared
        for name, (value, array) in reached(verdict).items():
            if name not in farthest or value > farthest[name][0]:
                farthest[name] = (value, f"{verdict.case}, {array}")
    return {
        "kind": "drawn",
        "key": item.key,
        "first": item.first,
        "families": {name: dict(count) for name, count in families.items()},
        "arrays": arrays,
        "alarms": alarms,
        "reached": farthest,
        "seconds": round(time.perf_counter() - started, 2),
    }


def standing(verdict: Verdict) -> str:
    """`same`, `alarm`, or why the case is no comparison.

    `refused` is what torch takes no such arguments for, `vacuous` what the judge reports as a
    check that could not fail: nothing but zeros, or a function that is flat at these inputs.
    """
    if verdict.verdict == "same":
        return "same"
    if verdict.says.startswith("torch side: "):
        return "refused"
    failed = verdict.verdict != "error" or verdict.says.startswith("jax side: ")
    return "alarm" if failed else "vacuous"


def tried(item: Tried, settings: dict[str, Any]) -> dict[str, Any]:
    """What every rule says of the pair's correct port and of its mutant."""
    from compare.check import recorded

    def draws(case: Case) -> list[Case]:
        return [replace(case, name=f"{case.name}, draw {i}") for i in range(item.seeds)]

    rights, mutants = draws(item.pair.right), draws(item.pair.mutant)
    found = recorded([*rights, *mutants], settings["seed"], quick=settings["quick"])
    passed = {case.name: opinions(case, found[case.name], item.pair.arrays)
              for case in [*rights, *mutants]}  # fmt: skip
    told = [(passed[r.name], passed[m.name]) for r, m in zip(rights, mutants, strict=True)]
    return {
        "kind": "trial",
        "key": item.key,
        "name": item.pair.name,
        "equivalent": item.pair.equivalent,
        "draws": item.seeds,
        "rules": {
            rule: {
                "right_passed": sum(right[rule] for right, _ in told),
                "mutant_passed": sum(mutant[rule] for _, mutant in told),
                "told_apart": sum(right[rule] and not mutant[rule] for right, mutant in told),
            }
            for rule in told[0][0]
        },
    }
