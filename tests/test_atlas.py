"""The atlas: every statement and edge comes out as expected, and could come out otherwise."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from compare import __main__ as commands
from compare.atlas import chosen, execute
from compare.cases import atlas as cases
from compare.cases.atlas import FAMILIES, Row, equal, load, rows
from compare.cases.case import VERDICTS
from compare.cases.edges import Edge, edges
from compare.cases.edges import load as load_edges
from compare.edges import contract
from compare.judge.atlas import RELATIONS, judge_row
from compare.judge.edges import judge_edge, kinds
from compare.report import atlas as report
from compare.report import page
from compare.run import atlas as bench
from compare.run.record import Record

NOTES = {1: 11, 2: 6, 3: 6, 4: 5, 5: 2, 6: 1, 7: 4, 8: 1, 9: 5, 10: 1}
QUICK = [row for row in rows() if row.quick]
EVERYWHERE = ("pool.max_pool2d", "loss.cross_entropy")
QUICK_EDGES = [edge for edge in edges() if edge.layer in EVERYWHERE]


def trouble(entries):
    odd = [one for one in entries if not one.as_expected]
    return [f"{one.row.id}: {one.judged.outcome}: {one.trouble}" for one in odd]


def differing(found):
    odd = [one for one in found if not one["as_expected"]]
    return [f"{one['layer']}, {one['edge']}: {one['outcome']}: {one['says']}" for one in odd]


def atlas(*words: str):
    return CliRunner().invoke(commands.app, ["atlas", *words])


def test_every_note_and_every_difference_has_a_row():
    known = {re.sub("[a-z]+$", "", row.id) for row in rows()}
    assert {f"N{n}.{i}" for n, count in NOTES.items() for i in range(1, count + 1)} <= known
    assert {f"G{i}" for i in range(1, 61)} <= known
    assert len(QUICK) >= 30


def test_quick_rows_come_out_as_expected():
    assert not trouble(execute(QUICK, seed=0))


def test_quick_edges_come_out_as_expected():
    assert len(QUICK_EDGES) >= 10
    assert not differing(contract(QUICK_EDGES))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_rows_come_out_as_expected(family):
    assert not trouble(execute(load(family), seed=0))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_outcomes_do_not_hang_on_the_seed(seed):
    assert not trouble(execute(rows(), seed))
    assert not differing(contract(edges(), seed))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["layers", "norms", "values", "losses", "updates"])
def test_edges_come_out_as_expected(family):
    assert not differing(contract(load_edges(family)))


def test_the_command_writes_what_it_found(tmp_path):
    done = atlas("-k", "G43a", "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    said = json.loads((tmp_path / "atlas.json").read_text())
    [row] = said["rows"]
    assert (row["id"], row["outcome"], row["measured"]["JAX"]) == ("G43a", "holds", 0.5)
    assert row["ports"]["naive"]["verdict"] == "different"
    assert row["ports"]["right"]["verdict"] == "same"
    shown = (tmp_path / "atlas.html").read_text()
    for code in row["code"].values():
        assert code.splitlines()[0] in shown
    assert "jnp.maximum(x, 0)" in shown
    assert "| G43a |" in (tmp_path / "atlas.md").read_text()


def test_code_that_is_shown_is_the_code_that_ran():
    def naive(x):
        return x * 2

    found = bench.Bench("a row", 0).sides(naive, x="n=3")
    assert found.code["naive"] == "def naive(x):\n    return x * 2"
    [entry] = execute(chosen("G10"), seed=0)
    assert "ports.conv2d_same" in entry.code["naive"]
    assert "def conv2d_same" in entry.code["naive"], "the port that it calls is shown too"


def test_another_outcome_is_news(tmp_path, monkeypatch):
    [row] = chosen("N7.4")
    news = replace(row, expect="does not hold")
    monkeypatch.setattr(cases, "rows", lambda: [news])
    done = atlas("-k", "N7.4", "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "unexpected N7.4: expected: does not hold" in done.output
    assert json.loads((tmp_path / "atlas.json").read_text())["unexpected"] == ["N7.4"]


def raising(bench):
    raise ZeroDivisionError("by nothing")


def missing(bench):
    raise __import__("compare.run.atlas", fromlist=["NotHere"]).NotHere("needs a sextant")


def constant(bench):
    def in_torch(x):
        return x

    def right(x):
        return x + 1e-6

    return bench.sides(in_torch, right, x="n=3").note(three=3, small=2e-13)


def own(monkeypatch, name: str, *claims, **changes) -> report.Entry:
    """The entry of a row whose function stands in this file."""
    monkeypatch.setattr(Row, "target", property(lambda row: f"{__name__}:{row.run}"))
    row = Row("X99", "a statement", name, claims or (equal("three", 3),), **changes)
    return execute([row], seed=0)[0]


def test_a_row_that_raises_is_an_error_that_names_it(monkeypatch):
    entry = own(monkeypatch, "raising")
    assert entry.judged.outcome == "error"
    assert not entry.as_expected
    assert entry.trouble == "X99 (raising) failed: ZeroDivisionError: by nothing"


def test_only_a_row_that_needs_something_may_be_not_here(monkeypatch):
    assert own(monkeypatch, "missing", needs="a sextant").as_expected
    entry = own(monkeypatch, "missing")
    assert not entry.as_expected
    assert "sextant" in entry.trouble


def test_a_right_port_that_differs_is_news_though_the_statement_holds(monkeypatch):
    entry = own(monkeypatch, "constant")
    assert entry.judged.outcome == "holds"
    assert not entry.as_expected
    assert "right port is different" in entry.trouble


def test_a_claim_on_what_was_not_measured_is_an_error(monkeypatch):
    entry = own(monkeypatch, "constant", equal("four", 4))
    assert entry.judged.outcome == "error"
    assert "'four' was not measured" in entry.says


def test_a_side_that_raises_unasked_is_an_error():
    def naive(x):
        return x.no_such_thing

    with pytest.raises(AttributeError):
        bench.Bench("a row", 0).sides(naive, x="n=3")
    record = bench.Bench("a row", 0).sides(naive, x="n=3", raises=("naive",))
    assert record.records["naive", "float64"].error.startswith("AttributeError")


@pytest.mark.parametrize(
    ("relation", "value", "so", "not_so"),
    [
        ("is", 3, 3, 4),
        ("is", True, True, 1),
        ("is", [1.0], [1.0], [2.0]),
        ("about", 1.0667, 1.06, 1.0),
        ("rounding", None, 1e-16, 1e-12),
        ("apart", None, 1e-12, 1e-16),
        ("below", 2, 1.9, 2.0),
        ("above", 2, 2.1, 2.0),
        ("plausible", None, 0.3, 1e-9),
        ("implausible", None, 1e-9, 0.3),
    ],
)
def test_each_relation_can_fail(relation, value, so, not_so):
    assert RELATIONS[relation](so, value)
    assert not RELATIONS[relation](not_so, value)
    assert set(RELATIONS) >= {relation}


def test_a_port_is_judged_by_rounding():
    exact = np.array([1.0, 2.0, 3.0])
    records = {
        (side, precision): Record(side, precision, {"output/0": exact * (1 + gap)})
        for side, gap in (("torch", 0), ("naive", 1e-9), ("right", 1e-16))
        for precision in ("float64", "float32")
    }
    ports = judge_row((equal("naive port", "different"),), records, {}).ports
    assert (ports["naive"].verdict, ports["right"].verdict) == ("different", "same")


def test_a_row_and_an_edge_without_a_reason_are_refused():
    with pytest.raises(ValueError, match="can't fail"):
        Row("X99", "a statement", "train.pairings", ())
    edge = QUICK_EDGES[0]
    with pytest.raises(ValueError, match="has a reason"):
        Edge("somewhere", edge.case, expect="different")


def test_only_a_difference_by_the_cpu_may_be_missing():
    told = ("somewhere", QUICK_EDGES[0].case, "", "different", "a reason")
    assert not Edge(*told).right("same")
    by_cpu = Edge(*told, by_cpu=True)
    assert [one for one in VERDICTS if by_cpu.right(one)] == ["same", "different"]


def records_of(torch: list[float], jax: list[float]) -> dict[tuple[str, str], Record]:
    return {
        (side, precision): Record(side, precision, {"output/0": np.array(values, precision)})
        for side, values in (("torch", torch), ("jax", jax))
        for precision in ("float64", "float32")
    }


@pytest.mark.parametrize(
    ("torch", "jax", "watch"),
    [
        ([1.0, np.nan], [1.0, 2.0], ""),
        ([1.0, np.inf], [1.0, -np.inf], ""),
        ([1.0, 0.0], [1.0, -0.0], "signs"),
        ([1e-40, 1.0], [0.0, 1.0], "denormals"),
        ([1.0, 2.0], [1.0, 2.5], ""),
    ],
)
def test_special_values_that_differ_are_told(torch, jax, watch):
    assert judge_edge(records_of(torch, torch), watch).outcome == "same"
    found = judge_edge(records_of(torch, jax), watch)
    assert found.outcome == "different"
    assert found.says


def test_an_edge_at_which_one_side_raises_differs():
    records = records_of([1.0], [1.0])
    records["torch", "float64"] = Record("torch", "float64", error="IndexError: no")
    assert judge_edge(records).outcome == "different"
    records["jax", "float64"] = Record("jax", "float64", error="IndexError: no")
    assert judge_edge(records).outcome == "same"


def test_kinds_are_told_apart():
    values = np.array([1.0, 0.0, -0.0, 1e-40, np.inf, -np.inf, np.nan], np.float32)
    assert kinds(values, "float32").tolist() == list(range(7))


def test_mistakes(tmp_path):
    assert atlas("-k", "no such words").exit_code == 2
    (tmp_path / "file").write_text("")
    assert atlas("-k", "N7.4", "--out", str(tmp_path / "file")).exit_code == 2
    assert atlas("--seed", "-1").exit_code == 2


def test_the_report_has_the_atlas_that_lies_beside_it(tmp_path):
    assert report.read(tmp_path) is None
    entries = [one.plain() for one in execute(chosen("N7.4"), seed=0)]
    report.write(tmp_path, report.summary(entries, [], 1.0, {"versions": {}}))
    summary = {"cases": 0, "compared": 0, "verdicts": {}, "faults": {"planted": 0},
               "seconds": 1.0, "complete": True, "seed": 0, "device": "cpu",
               "environment": {}}  # fmt: skip
    page.write_page(tmp_path / "report.html", [], summary)
    assert "train_ch3 takes either updater" in (tmp_path / "report.html").read_text()
    (tmp_path / "atlas.json").write_text("{}")
    with pytest.raises(ValueError, match="portbench atlas again"):
        report.read(tmp_path)
    page.write_page(tmp_path / "report.html", [], summary)
    assert "portbench atlas again" in (tmp_path / "report.html").read_text()
