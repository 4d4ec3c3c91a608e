"""portbench thresholds: where each threshold stands, and that one out of place is seen."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from compare.cases.planted_elements import CASES, HIDDEN, TOO_SMALL
from compare.check import check
from compare.judge import calibration, thresholds
from compare.judge.calibration import MEANING, reached
from compare.judge.verdict import Finding, Verdict
from compare.report.thresholds import markdown, summarise
from compare.thresholds import status
from compare.thresholds import thresholds as command

app = typer.Typer()
app.command()(command)


def line(kind: str, name: str, come: dict[str, float], **more) -> dict:
    return {
        "kind": kind,
        "key": name,
        "name": name,
        "suite": "faults",
        "expect": "different",
        "caught": True,
        "reached": {threshold: [value, "output/0"] for threshold, value in come.items()},
        **more,
    }


RIGHT = line("shipped", "right", dict.fromkeys(MEANING, 2.0))
FAULTS = [
    line("fault", "whole", {"FLOAT64_MARGIN": 2.0**20, "ELEMENT_MARGIN": 1.0}),
    line("fault", "element", {"FLOAT64_MARGIN": 1.0, "ELEMENT_MARGIN": 2.0**20}),
    line("fault", "care", {"CARE_BITS": 7.0}, expect="less-careful"),
]


def rows(*lines: dict) -> dict[str, dict]:
    return {row["threshold"]: row for row in summarise(lines, True)["thresholds"]}


def test_the_room_on_both_sides_is_told_in_powers_of_two():
    found = rows(RIGHT, *FAULTS)
    assert [found[name]["between"] for name in MEANING] == [True] * len(MEANING)
    rooms = [(found[name]["room_below"], found[name]["room_above"]) for name in MEANING]
    assert rooms == [(9.0, 10.0), (11.0, 8.0), (3.0, 2.0), (4.0, None)]
    assert found["ELEMENT_MARGIN"]["nearest_fault"]["case"] == "element"


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        (line("mended", "alarm", {"ELEMENT_MARGIN": 2.0**13}), "ELEMENT_MARGIN"),
        (line("fault", "missed", {"FLOAT64_MARGIN": 9.0}, caught=False), "FLOAT64_MARGIN"),
        (line("mended", "apart", {"PARTING": 40.0}), "PARTING"),
    ],
)
def test_a_threshold_that_is_not_between_is_seen(extra, name):
    summary = {**summarise([RIGHT, *FAULTS, extra], True), "seconds": 1.0, "command": "x"}
    assert [row["threshold"] for row in summary["thresholds"] if not row["between"]] == [name]
    assert status(summary) == 1
    assert f"`{name}`: **not between**" in markdown(summary)


def test_what_was_not_compared_is_incomplete():
    assert status(summarise([RIGHT, *FAULTS], True)) == 0
    assert status(summarise([RIGHT, *FAULTS[:2]], True)) == 3
    assert status(summarise([RIGHT, *FAULTS], False)) == 3


def test_a_fault_that_is_told_without_a_number_says_nothing_of_a_threshold():
    absent = Verdict("x", "different", (Finding("a", "different", says="only torch has it"),))
    assert reached(absent)["FLOAT64_MARGIN"][0] == float("inf")
    found = rows(RIGHT, *FAULTS, line("fault", "old", {"FLOAT64_MARGIN": 0.0}))
    assert found["FLOAT64_MARGIN"]["between"]


def test_care_counts_where_it_is_judged():
    def bits(array: str) -> float:
        finding = Finding(array, "same", bits=9.0)
        return reached(Verdict("x", "same", (finding,)))["CARE_BITS"][0]

    assert [bits(f"step {step}") for step in ("0/loss", "0/grad/a", "1/loss")] == [
        9.0,
        0.0,
        0.0,
    ]
    assert bits("grad/a") == 9.0


def test_faults_of_small_numbers_are_told_and_those_too_small_are_not():
    every = [*CASES, *TOO_SMALL]
    found = dict(zip([case.name for case in every], check(every), strict=True))
    assert {name: one.verdict for name, one in found.items()} == {
        case.name: case.expect for case in every
    }
    for case in HIDDEN:  # told by the element that is off, not by the array
        come = {name: value for name, (value, _) in reached(found[case.name]).items()}
        assert calibration.decided_by("different", come) == "ELEMENT_MARGIN"


def test_the_command_reads_what_a_selftest_left(tmp_path):
    held = tmp_path / "held"
    held.mkdir()
    lines = [{"schema": 1}, RIGHT, *FAULTS]
    (held / "selftest.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    done = CliRunner().invoke(app, ["--from", str(held), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out" / "thresholds.json").read_text())
    assert (found["faults"], found["correct"]) == (3, 1)
    assert found["thresholds"][0]["value"] == thresholds.FLOAT64_MARGIN


def test_a_folder_without_results_is_a_mistake(tmp_path):
    done = CliRunner().invoke(app, ["--from", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "none of" in done.output
