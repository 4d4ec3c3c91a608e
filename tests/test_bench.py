"""portbench bench: rounds, faults of workers, the command."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from dataclasses import replace

import pytest
import typer
from test_bench_fakes import FAKE, PLAN, fake
from typer.testing import CliRunner

from compare.bench import bench
from compare.measure import figures, rounds
from compare.measure.knobs import KNOBS
from compare.measure.workers import Worker
from compare.report.bench import markdown


def course_of(*chosen, plan=PLAN):
    return rounds.run(FAKE, "float32", chosen, plan, lambda words: None)


@pytest.fixture(scope="module")
def troubled():
    """A baseline, an arm twice as slow, the baseline again, and every fault beside them."""
    return course_of(
        fake("torch-eager"),
        fake("slow", "takes 2", "jax"),
        fake("torch-eager again"),
        fake("dies", "dies"),
        fake("fills", "fills"),
        fake("leaks", "leaks"),
        fake("forgets", "forgets"),
        fake("disagrees", "disagrees"),
        fake("near", "near"),
        fake("rounds", "rounds"),
        fake("refuses", "refuses"),
        plan=replace(PLAN, resident=300 * 2.0**20),
    )


def of(course, name):
    return next(runner for runner in course.runners if runner.arm.name == name)


class TestRounds:
    def test_a_known_ratio_is_found(self, troubled):
        rows = {row["arm"]: row for row in figures.result(troubled, PLAN)["rows"]}
        found = rows["slow"]["ratio"]
        assert found["verdict"] == "slower"
        assert found["low"] < 2.0 < found["high"] or found["value"] == pytest.approx(
            2, rel=0.02
        )
        assert rows["slow"]["samples_per_second"] == pytest.approx(2000, rel=0.02)
        assert rows["slow"]["flops_per_second"] == pytest.approx(5000, rel=0.02)

    def test_an_arm_against_itself_is_no_faster(self, troubled):
        rows = {row["arm"]: row for row in figures.result(troubled, PLAN)["rows"]}
        assert rows["torch-eager again"]["ratio"]["value"] == pytest.approx(1, rel=0.01)

    @pytest.mark.parametrize(
        ("name", "kind", "says"),
        [
            ("dies", "died", "signal 11"),
            ("dies", "died", "the fake says goodbye"),
            ("fills", "memory", "out of memory"),
            ("leaks", "memory", "grew from"),
            ("forgets", "unsynchronised", "synchronisation is missing"),
            ("disagrees", "different", "output/0: off by 0.001"),
            ("near", "different", "in float64 output/0 is off by 4e-06"),
            ("refuses", "unsupported", "no such thing"),
        ],
    )
    def test_a_fault_is_its_own_arms_row(self, troubled, name, kind, says):
        lost = of(troubled, name)
        assert (lost.kind, says in lost.lost) == (kind, True), lost.lost

    def test_the_others_went_on(self, troubled):
        assert len(of(troubled, "torch-eager").blocks) >= PLAN.least
        assert len(of(troubled, "slow").blocks) == len(of(troubled, "torch-eager").blocks)

    def test_no_process_is_left(self, troubled):
        assert not multiprocessing.active_children()

    def test_what_did_not_agree_was_not_timed(self, troubled):
        assert not of(troubled, "disagrees").blocks
        assert not of(troubled, "near").blocks

    def test_what_rounds_farther_is_the_same_in_float64(self, troubled):
        rows = {row["arm"]: row for row in figures.result(troubled, PLAN)["rows"]}
        agreement = rows["rounds"]["agreement"]
        assert agreement["agrees"]
        assert agreement["gap"] == pytest.approx(4e-6)
        assert "it adds in an order that rounds farther" in agreement["says"]
        assert len(of(troubled, "rounds").blocks) >= PLAN.least
        assert "rounds: output/0: off by 4e-06" in markdown(
            [figures.document([figures.result(troubled, PLAN)], PLAN)]
        )

    def test_a_block_that_begins_slowly_is_no_missing_wait(self):
        """Of a few steps twice as many took hardly longer, on a machine with other work."""
        found = of(course_of(fake("torch-eager"), fake("slow", "wakes 3")), "slow")
        assert not found.lost
        assert found.blocks

    @pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux's")
    def test_arms_of_one_thread_take_turns_on_one_core(self):
        allowed = os.sched_getaffinity(0)
        course = course_of(fake("torch-eager"), fake("slow", "takes 2"))
        assert course.core == max(allowed)
        assert os.sched_getaffinity(0) == allowed
        with Worker(fake("torch-eager"), "cpu") as worker:
            worker.ask("call", rounds.PIN, course.core)
            assert worker.ask("call", "test_bench_fakes:cores") == {course.core}
        assert course_of(fake("torch-eager"), plan=replace(PLAN, threads=2)).core is None

    def test_rounds_take_turns_in_opposite_order(self):
        course = course_of(fake("torch-eager"), fake("slow", "takes 2", "jax"))
        assert len({len(runner.blocks) for runner in course.runners}) == 1
        assert len(course.canary) == len(course.runners[0].blocks) + 1

    def test_a_worker_that_hangs_is_stopped(self):
        course = course_of(
            fake("torch-eager"), fake("hangs", "hangs"), plan=replace(PLAN, limit=6.0)
        )
        assert of(course, "hangs").kind == "hung"
        assert len(of(course, "torch-eager").blocks) >= PLAN.least


class TestCommand:
    app = typer.Typer()
    app.command()(bench)

    def run(self, *arguments):
        return CliRunner().invoke(self.app, list(arguments))

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--precision", "tf32"], "no TF32"),
            (["--precision", "float8"], "no precision 'float8'"),
            (["--arms", "torch-magic"], "no arm 'torch-magic'"),
            (["-w", "alexnet"], "no workload has 'alexnet'"),
            (["--size", "huge"], "--size must be one of"),
        ],
    )
    def test_wrong_use_is_one_line(self, arguments, says):
        found = self.run(*arguments)
        assert found.exit_code == 2
        assert says in found.output

    def test_lists(self):
        assert "resnet50, train" in self.run("-w", "list").output
        assert "jax-jit" in self.run("--arms", "list").output

    def test_torch_and_jax_on_a_tiny_layer(self, tmp_path):
        found = self.run(
            "--size", "tiny", "-w", "linear 768 to 3072, gradient",
            "--arms", "jax-jit", "--budget", "1", "--out", str(tmp_path),
        )  # fmt: skip
        assert found.exit_code == 0, found.output
        whole = json.loads((tmp_path / "bench.json").read_text())
        (one,) = whole["results"]
        names = [row["arm"] for row in one["rows"]]
        assert names == ["torch-eager", "torch-eager again", "jax-jit"]
        for row in one["rows"]:
            assert row["agreement"]["compared"] == 4
            assert set(row["knobs"]) == set(KNOBS)
            assert len(row["samples"]["wall"]) >= 6
            assert row["knobs"]["float32 products"] == "ieee"
            assert row["knobs"]["threads"] == "1"
        assert one["rows"][2]["facts"]["warm_compile"] > 0
        assert one["ceilings"]["torch"]["matmul"] > 0
        text = (tmp_path / "bench.md").read_text()
        assert "the noise floor" in text
        assert text == markdown([whole])
        assert "linear 768 to 3072, gradient" in (tmp_path / "bench.html").read_text()
        assert one["measured_share"] > 0.5
        assert all(row["facts"]["harness"] < 2e-6 for row in one["rows"])
        assert figures.load(tmp_path / "bench.json") == whole
        assert len(figures.merged([whole, whole])) == 1

    def test_results_of_two_machines_are_one_page(self, tmp_path, troubled):
        from compare.bench_report import report

        document = figures.document([figures.result(troubled, PLAN)], PLAN)
        for name, processor in (("a", "one chip"), ("b", "another chip")):
            for row in document["results"][0]["rows"]:
                if "knobs" in row:
                    row["knobs"]["device"] = processor
            figures.save(tmp_path / f"{name}.json", document)
        app = typer.Typer()
        app.command()(report)
        files = [str(tmp_path / f"{name}.json") for name in "ab"]
        page = tmp_path / "page.html"
        assert CliRunner().invoke(app, [*files, "--out", str(page)]).exit_code == 0
        text = page.with_suffix(".md").read_text()
        assert "## fake, float32, one chip" in text
        assert "## fake, float32, another chip" in text
        html = page.read_text()
        assert "one chip, 1 thread: float32" in html
        assert "another chip, 1 thread: float32" in html
        assert "synchronisation is missing" in html
        assert not re.search(r"<script|<link|<img|@import|url\(http", html)
        found = CliRunner().invoke(app, [*files, "--out", str(tmp_path / "page.txt")])
        assert (found.exit_code, "must end in .html" in found.output) == (2, True)
        (tmp_path / "a.json").write_text("{}")
        found = CliRunner().invoke(app, [*files, "--out", str(page)])
        assert found.exit_code == 2
        assert "holds no results" in found.output
