"""Ports as users write them: correct ones are the same, mistakes are named with their place."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from compare.port.check import check_port
from compare.port.report import Report
from tests.ports import PORTS, Mistake

QUICK = {
    ("cnn_nnx", "three mistakes"),
    ("mlp_equinox", "no bias in one layer"),
}
"""Checks of the default run; the others are slow."""


def every() -> list[Any]:
    """Each port as it should be, then with each of its mistakes."""
    found = []
    for name in PORTS:
        mistakes = importlib.import_module(f"tests.ports.{name}").MISTAKES
        for mistake in ("", *mistakes):
            marks = [] if (name, mistake) in QUICK else [pytest.mark.slow]
            found.append(
                pytest.param(name, mistake, marks=marks, id=f"{name}-{mistake or 'right'}")
            )
    return found


def checked(name: str, mistake: str) -> Report:
    port = importlib.import_module(f"tests.ports.{name}")
    return check_port(
        port.torch_model(), port.jax_model(mistake), port.INPUTS, train=port.TRAIN, seconds=60.0
    )


@pytest.mark.parametrize(("name", "mistake"), every())
def test_verdict_place_and_cause(name: str, mistake: str) -> None:
    report = checked(name, mistake)
    if not mistake:
        assert report.same, str(report)
        assert not report.found
        return
    assert not report.same
    wanted: Mistake = importlib.import_module(f"tests.ports.{name}").MISTAKES[mistake]
    for one in wanted.also or (wanted,):
        assert one.place in report.places, str(report)
        assert one.cause in words(report), str(report)
    assert report.proven == wanted.proven, str(report)


def words(report: Report) -> str:
    """All that the report says of causes, in lower case."""
    causes = [f"{c.name} {c.says}" for one in report.found for c in one.causes]
    return " ".join([*causes, *report.notes, *map(str, report.settings)]).lower()
