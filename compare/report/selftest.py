"""What `portbench selftest` found, as the figures of selftest.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from compare.judge.calibration import Reached, calibration

SCHEMA = 1
WAYS = ("forward", "backward")

Line = Mapping[str, Any]


def summarise(lines: Iterable[Line], complete: bool, **facts: Any) -> dict[str, Any]:
    """The figures, from the lines of a run; `facts` say how it was made.

    An accuracy is None where nothing was asked.
    """
    lines = list(lines)
    faults, drawn, mended, trial = (
        [line for line in lines if line["kind"] == kind]
        for kind in ("fault", "drawn", "mended", "trial")
    )
    families = added(line["families"] for line in drawn)
    alarms = [alarm for line in drawn for alarm in line["alarms"]]
    alarms += [
        {"case": line["name"], "verdict": line["verdict"], "says": line["says"]}
        for line in mended
        if line["verdict"] != "same"
    ]
    missed = [line for line in faults if not line["caught"]]
    compared = sum(count["same"] + count["alarm"] for count in families.values())
    asked = {what: answers(faults, what) for what in ("place", "cause")}
    return {
        "schema": SCHEMA,
        "complete": complete,
        "faults": len(faults),
        "caught": len(faults) - len(missed),
        "comparisons": compared + len(mended),
        "false_alarms": len(alarms),
        "place_accuracy": accuracy(asked["place"]),
        "cause_accuracy": accuracy(asked["cause"]),
        "arrays": sum(line["arrays"] for line in drawn),
        **facts,
        "refused_by_torch": sum(count["refused"] for count in families.values()),
        "vacuous": sum(count["vacuous"] for count in families.values()),
        "missed": [
            picked(line, "name", "suite", "expect", "verdict", "says") for line in missed
        ],
        "alarms": alarms,
        **{f"{what}s_asked": len(found) for what, found in asked.items()},
        **{
            f"{what}s_wrong": [picked(one, "name", "planted", "found") for one in found
                               if not one["right"]]
            for what, found in asked.items()
        },
        "suites": suites(faults),
        "families": {
            name: {
                "comparisons": count["same"] + count["alarm"],
                "false_alarms": count["alarm"],
            }
            for name, count in sorted(families.items())
        },
        "calibration": calibrated([*drawn, *mended], faults),
        "trial": rules(trial),
    }  # fmt: skip


def calibrated(correct: Iterable[Line], faults: Iterable[Line]) -> list[dict[str, Any]]:
    """Where each threshold stands between correct comparisons and faults."""
    return calibration(
        [one for line in correct for one in came(line)],
        [(x["name"], x["expect"], x["caught"], x["reached"]) for x in faults],
    )


def came(line: Line) -> list[tuple[str, Reached]]:
    """How far the correct cases of a line came; of drawn ones the array names its case too."""
    if line["kind"] != "drawn":
        return [(line["name"], line["reached"])]
    found = []
    for name, (value, where) in line["reached"].items():
        case, _, array = where.rpartition(", ")
        found.append((case, {name: (value, array)}))
    return found


def picked(line: Line, *keys: str) -> dict[str, Any]:
    return {key: line[key] for key in keys}


def added(counts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, Counter[str]]:
    """Counts by family, added up."""
    families: dict[str, Counter[str]] = {}
    for one in counts:
        for family, count in one.items():
            families.setdefault(family, Counter()).update(count)
    return families


def suites(faults: Sequence[Line]) -> dict[str, dict[str, int]]:
    """How many faults each suite plants, and how many of them were caught."""
    found: dict[str, dict[str, int]] = {}
    for line in faults:
        count = found.setdefault(line["suite"], {"faults": 0, "caught": 0})
        count["faults"] += 1
        count["caught"] += line["caught"]
    return found


def answers(faults: Sequence[Line], what: str) -> list[dict[str, Any]]:
    """What was asked of the faults: the planted cause, and its place, forward and back.

    A place that is found on a way on which nothing differs is a wrong answer.
    """
    asked = []
    for line in faults:
        planted, found = line[what]["planted"], line[what]["found"]
        if what == "cause" and planted:
            asked.append((line["name"], planted, found, planted in found))
        if what == "place" and planted is not None:
            for way in WAYS:
                if (planted[way], found[way]) != (None, None):
                    right = planted[way] == found[way]
                    asked.append((line["name"], f"{way}: {planted[way]}", found[way], right))
    return [dict(zip(("name", "planted", "found", "right"), one, strict=True)) for one in asked]


def accuracy(asked: Sequence[Mapping[str, Any]]) -> float | None:
    """The share of right answers."""
    return sum(one["right"] for one in asked) / len(asked) if asked else None


def rules(trial: Sequence[Line]) -> dict[str, Any]:
    """Each rule on all pairs of the trial.

    A mutant of the same function is a correct port: it counts among false alarms only.
    """
    draws = sum(line["draws"] for line in trial)
    same = sum(line["draws"] for line in trial if line["equivalent"])
    found: dict[str, dict[str, int]] = {}
    for line in trial:
        for rule, count in line["rules"].items():
            row = found.setdefault(rule, {"false_alarms": 0, "missed": 0, "told_apart": 0})
            row["false_alarms"] += line["draws"] - count["right_passed"]
            if line["equivalent"]:
                row["false_alarms"] += line["draws"] - count["mutant_passed"]
            else:
                row["missed"] += count["mutant_passed"]
                row["told_apart"] += count["told_apart"]
    ranked = sorted(found.items(), key=lambda row: -row[1]["told_apart"])
    return {
        "pairs": len(trial),
        "correct": draws + same,
        "mutants": draws - same,
        "rules": dict(ranked),
        "missed_by": {
            line["name"]: [r for r, c in line["rules"].items() if c["mutant_passed"]]
            for line in trial
            if not line["equivalent"]
        },
    }
