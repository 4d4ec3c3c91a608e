"""One self-contained HTML page: no network, no script to load, nothing beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from compare.report import atlas, plot
from compare.report.document import Result

WATCHED = ("train", "finetune", "long")
"""Suites whose trainings are plotted, one by one."""


def write_page(file: Path, results: Sequence[Result], summary: dict[str, Any]) -> None:
    """Writes the page of `results` to `file`, with the atlas where one lies beside it.

    An atlas that can't be read is told on the page: a run's results do not wait for it.
    """
    try:
        said, problem = atlas.read(file.parent), ""
    except ValueError as error:
        said, problem = None, str(error)
    environment = templates()
    pairs = [result for result in results if not result.planted]
    suites = dict.fromkeys(result.suite for result in pairs)
    runs = [r for r in pairs if r.suite in WATCHED and r.verdict.facts.get("losses")]
    schedules = [r for r in pairs if r.suite == "schedule" and r.verdict.facts.get("rates")]
    page = environment.get_template("page.html").render(
        summary=summary,
        suites={suite: [r for r in pairs if r.suite == suite] for suite in suites},
        odd=[result for result in results if not result.verdict.as_expected],
        faults=[result for result in results if result.planted],
        runs=[(run, plot.losses(run)) for run in runs],
        maps={run.verdict.case: plot.maps(run) for run in runs if "maps" in run.verdict.facts},
        rates=plot.rates(schedules) if schedules else "",
        studies=[r for r in pairs if "pairings" in r.verdict.facts],
        error_fall=plot.error_fall(results),
        atlas=said,
        atlas_problem=problem,
    )
    file.write_text(page)


def write_atlas(file: Path, said: Mapping[str, Any]) -> None:
    """Writes the page of an atlas alone to `file`."""
    file.write_text(templates().get_template("atlas.html").render(atlas=said))


def templates() -> jinja2.Environment:
    """The templates of this folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(sci=scientific, gap=atlas.gap, number=atlas.number)
    return environment


def scientific(value: float) -> str:
    """1.2e-16, 0 for an exact agreement."""
    return f"{value:.1e}" if value else "0"
