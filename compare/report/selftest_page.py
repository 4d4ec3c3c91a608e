"""selftest.md: the figures of selftest.json as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Summary = Mapping[str, Any]


def markdown(summary: Summary) -> str:
    """The page: figures, calibration, trial, what was missed, families."""
    parts = [
        "# The judge on trial",
        f"`{summary['command']}`, seed {summary['seed']}, {summary['seconds']:.0f} s"
        + (
            "" if summary["complete"] else ". **Incomplete: some of it did not come to an end**"
        ),
        table(("", ""), figures(summary)),
        "## Thresholds",
        *calibrated(summary["calibration"]),
        *tried(summary["trial"]),
        *listed("Missed faults", "name", summary["missed"]),
        *listed("False alarms", "case", summary["alarms"]),
        *misled("Places", summary["places_wrong"]),
        *misled("Causes", summary["causes_wrong"]),
        "## Random correct comparisons",
        table(
            ("family", "comparisons", "false alarms"),
            [(name, *count.values()) for name, count in summary["families"].items()],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def figures(summary: Summary) -> list[tuple[str, str]]:
    """The headline figures, a row each."""
    rows = [
        ("planted faults caught", f"{summary['caught']} of {summary['faults']}"),
        (
            "false alarms",
            f"{summary['false_alarms']} of {summary['comparisons']} correct comparisons "
            f"({summary['arrays']} arrays)",
        ),
    ]
    rows.append(
        (
            "drawn, but no comparison",
            f"{summary['refused_by_torch']} refused by torch, {summary['vacuous']} reported as "
            "vacuous",
        )
    )
    for what, word in (("place", "first divergent module right"), ("cause", "cause right")):
        share, asked = summary[f"{what}_accuracy"], summary[f"{what}s_asked"]
        rows.append((word, "not measured" if share is None else f"{share:.1%} of {asked}"))
    return rows


def calibrated(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Where the thresholds stand, and the empty room on both sides."""
    head = ("threshold", "value", "farthest correct", "nearest fault", "room below, above",
            "what is measured")  # fmt: skip
    says = (
        "A threshold is well set where correct comparisons stay below it and faults above. The "
        "empty room is in powers of two; a fault is held against the threshold that it passes "
        "by more."
    )
    return [says, table(head, map(threshold, rows))]


def threshold(row: Mapping[str, Any]) -> tuple[str, ...]:
    far, near = row["farthest_correct"], row["nearest_fault"]
    return (
        f"`{row['threshold']}`",
        f"{row['value']:.4g}",
        f"{far['value']:.3g} ({far['case']}, {far['array']})" if far else "-",
        f"{near['value']:.3g} ({near['case']}, {near['array']})" if near else "-",
        ", ".join(
            "-" if room is None else f"{room:.1f}"
            for room in (row["room_below"], row["room_above"])
        ),
        row["measures"],
    )


def tried(trial: Mapping[str, Any]) -> list[str]:
    """The published rules beside this judge."""
    correct, mutants = trial["correct"], trial["mutants"]
    rows = [
        (
            f"**{name}**" if name == "this judge" else name,
            *(str(count[key]) for key in ("false_alarms", "missed", "told_apart")),
            f"{count['told_apart'] / mutants:.0%}" if mutants else "-",
        )
        for name, count in trial["rules"].items()
    ]
    head = (
        "rule",
        f"false alarms (of {correct})",
        f"missed (of {mutants})",
        f"told apart (of {mutants})",
        "",
    )
    return ["## Published rules on the same pairs", table(head, rows)]


def listed(title: str, name: str, lines: Sequence[Mapping[str, Any]]) -> list[str]:
    if not lines:
        return []
    rows = [(line[name], line["verdict"], line["says"]) for line in lines]
    return [f"## {title}", table((name, "verdict", "says"), rows)]


def misled(title: str, wrong: Sequence[Mapping[str, Any]]) -> list[str]:
    if not wrong:
        return []
    rows = [(line["name"], line["planted"], line["found"]) for line in wrong]
    return [f"## {title} that were told wrongly", table(("fault", "planted", "found"), rows)]


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )
