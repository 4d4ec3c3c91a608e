"""Checked ports as a page or as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Checks = Sequence[Mapping[str, Any]]


def page(checks: Checks) -> str:
    """One self-contained HTML page."""
    from compare.report.page import templates

    return templates().get_template("ports.html").render(checks=checks)


def markdown(checks: Checks) -> str:
    """For the summary of a pull request."""
    said = ["| port | verdict | arrays | what to change |", "|---|---|---:|---|"]
    for one in checks:
        changes = [x.removeprefix("change: ") for x in one["lines"] if x.startswith("change: ")]
        changes = changes or [one["says"]]
        cell = "<br>".join(dict.fromkeys(changes)).replace("|", "\\|")
        said.append(
            f"| {one['test']} | {one['verdict']} | {one['call']['compared']} | {cell} |"
        )
    return "\n".join(said) + "\n"
