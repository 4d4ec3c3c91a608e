"""Changes from one benchmark to a later one, for a terminal and for a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from compare.measure.difference import BAD, KINDS, Change
from compare.report.bench import escaped

TOLD = (*BAD, "faster", "new")
"""Kinds that are listed one by one."""


def summary(found: Sequence[Change], moved: str, across: bool) -> str:
    """What changed, a line each, and the counts."""
    lines = [f"{one.kind:<10}{_name(one)}  {_figure(one)}".rstrip() for one in found
             if one.kind in TOLD]  # fmt: skip
    if moved:
        judged = "judged all the same" if across else "so nothing is called faster or slower"
        lines.append(f"another machine ({moved}), {judged}")
    return "\n".join([*lines, _counts(found)])


def page(
    found: Sequence[Change],
    old: dict[str, Any],
    new: dict[str, Any],
    threshold: float,
    moved: str,
) -> str:
    """Markdown: the changes in a table, the rest folded, and what is assumed."""
    told = [one for one in found if one.kind in TOLD]
    rest = [one for one in found if one.kind not in TOLD]
    lines = ["## Benchmark: what changed", "", f"**{_counts(found)}**", ""]
    if moved:
        lines += [f"Another machine: {moved}.", ""]
    lines += _table(told) if told else ["Nothing became faster, slower or different."]
    if rest:
        lines += ["", f"<details><summary>{len(rest)} more</summary>", ""]
        lines += [*_table(rest), "", "</details>"]
    lines += [
        "",
        f"Time now ({new['when']}) over time before ({old['when']}), with a 95 % interval that "
        "allows for autocorrelation and for the machine's own change, as its canary shows it. "
        "The runs did not take turns: that two processes differ no more than the first arm and "
        f"its second self did is assumed. Within {threshold:g} % or the noise floor nothing is "
        "called faster or slower.",
    ]
    return "\n".join(lines) + "\n"


def _table(found: Sequence[Change]) -> list[str]:
    lines = [
        "| | workload | precision | device | arm | now / before | |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        workload, precision, device, *_, arm = one.key
        cells = (f"**{one.kind}**" if one.kind in BAD else one.kind, workload, precision)
        cells += (device, arm, _ratio(one), one.says)
        lines.append(f"| {' | '.join(escaped(cell) for cell in cells)} |")
    return lines


def _counts(found: Sequence[Change]) -> str:
    counts = Counter(one.kind for one in found)
    return ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])


def _name(one: Change) -> str:
    workload, precision, device, *_, arm = one.key
    return f"{workload}, {precision}, {device}: {arm}"


def _figure(one: Change) -> str:
    return "  ".join(text for text in (_ratio(one), one.says) if text)


def _ratio(one: Change) -> str:
    return f"{one.value:.3f} ({one.low:.3f} - {one.high:.3f})" if one.value else ""
