"""The layer benchmark: how it divides, that it refuses unlike pairs, and what was committed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compare.cases.case import draw
from compare.measure import layer_rows, layers
from compare.measure.paired import paired

COMMITTED = Path(__file__).parent.parent / "results" / "layers-cpu.json"


def test_the_ratio_is_ours_over_theirs(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.process_time", lambda: clock[0])

    def taking(seconds):
        def call():
            clock[0] += seconds

        return call

    found = paired(taking(0.003), taking(0.002), seconds=1)
    assert (found.ratio, found.low, found.high) == pytest.approx((1.5, 1.5, 1.5))
    assert (found.ours, found.theirs) == pytest.approx((0.003, 0.002))
    assert paired(taking(10), taking(1), seconds=1).rounds == 3


def test_unlike_functions_are_not_timed():
    row = layer_rows.Row(
        "ReLU",
        layer_rows.ours("activation.ReLU"),
        layer_rows.plain(layer_rows.nnx.tanh),
        (draw("n=2 c=3"),),
    )
    with pytest.raises(ArithmeticError, match="ReLU: ours and plain differ"):
        layers.measure(row)


def test_committed_figures_are_of_these_rows_and_explain_what_is_over():
    figures = json.loads(COMMITTED.read_text())
    rows = {row["layer"]: row for row in figures["layers"]}
    assert list(rows) == [row.name for row in layer_rows.ROWS]
    for name, row in rows.items():
        for mode in layers.MODES:
            assert row[mode]["low"] <= layers.LIMIT or row["reason"], (name, mode)
