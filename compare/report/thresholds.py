"""What `portbench thresholds` found: where each threshold of the judge stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from compare.report.selftest import calibrated
from compare.report.selftest_page import calibrated as shown
from compare.report.selftest_page import table

SCHEMA = 1
LIMITS = "limits"
"""The suite of faults that are too small to tell."""

Line = Mapping[str, Any]
Summary = Mapping[str, Any]


def summarise(lines: Iterable[Line], complete: bool, **facts: Any) -> dict[str, Any]:
    """The figures, from the lines of a run; `facts` say how it was made."""
    lines = list(lines)
    faults = [line for line in lines if line["kind"] == "fault"]
    correct = [line for line in lines if line["kind"] in ("drawn", "mended", "shipped")]
    rows = calibrated(correct, [line for line in faults if line["suite"] != LIMITS])
    return {
        "schema": SCHEMA,
        "complete": complete,
        "between": [row["between"] for row in rows].count(True),
        "faults": sum(line["suite"] != LIMITS for line in faults),
        "correct": sum(map(comparisons, correct)),
        **facts,
        "thresholds": rows,
        "too_small": [
            {"name": line["name"], "verdict": line["verdict"], "reached": line["reached"]}
            for line in faults
            if line["suite"] == LIMITS
        ],
    }


def comparisons(line: Line) -> int:
    """How many correct comparisons a line holds."""
    if line["kind"] != "drawn":
        return 1
    return sum(
        count.get("same", 0) + count.get("alarm", 0) for count in line["families"].values()
    )


def markdown(summary: Summary) -> str:
    """thresholds.md."""
    parts = [
        "# Where the thresholds stand",
        f"`{summary['command']}`: {summary['correct']} correct comparisons, "
        f"{summary['faults']} planted faults, {summary['seconds']:.0f} s"
        + ("" if summary["complete"] else ". **Incomplete: not all of it came to an end**"),
        *shown(summary["thresholds"]),
        *outside(summary["thresholds"]),
        *limits(summary["too_small"]),
    ]
    return "\n\n".join(parts) + "\n"


def outside(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The thresholds that are not where they ought to be, a sentence each."""
    words = {False: "**not between**", None: "not measured: no such comparison was made"}
    return [
        f"`{row['threshold']}`: {words[row['between']]}" for row in rows if not row["between"]
    ]


def limits(lines: Sequence[Line]) -> list[str]:
    """What is too small to tell, and how far it came."""
    if not lines:
        return []
    names = ("FLOAT64_MARGIN", "ELEMENT_MARGIN", "CARE_BITS")
    rows = [
        (
            line["name"],
            line["verdict"],
            *(f"{float(line['reached'][name][0]):.3g}" for name in names),
        )
        for line in lines
    ]
    head = ("fault", "verdict", *(f"`{name}`" for name in names))
    says = (
        "The same function by these thresholds, and planted all the same: what can't be told."
    )
    return ["## Too small to tell", says, table(head, rows)]
