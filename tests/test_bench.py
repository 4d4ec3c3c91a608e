"""portbench bench: agreement, rounds, faults of workers, knobs, counts, the command."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import platform
import re
import time
from dataclasses import replace

import numpy as np
import pytest
import typer
from test_bench_fakes import fake
from typer.testing import CliRunner

from compare.bench import bench
from compare.cases.case import Case, draw
from compare.measure import figures, knobs, rounds, timing
from compare.measure.agreement import agree
from compare.measure.arms import ARMS, COLUMNS, UnknownArm, arms, refused
from compare.measure.knobs import KNOBS, Manifest, differences
from compare.measure.workers import Lost, Worker
from compare.measure.workloads import Workload, workloads
from compare.report.bench import markdown

FAKE = Workload(
    "fake", Case("fake.fake", {"input": draw("n=1")}), "forward", flops=10, samples=4
)
PLAN = rounds.Plan(
    budget=20.0,
    turn=0.004,
    least=12,
    width=0.5,
    limit=20.0,
    reference="test_bench_fakes:reference",
    jobs=2,
)


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


class TestWorkers:
    @pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
    def test_freed_memory_is_kept_in_every_thread(self):
        with Worker(fake("torch-eager"), "cpu") as worker:
            assert worker.ask("call", "test_bench_fakes:faults") < 100

    def test_a_worker_dies_with_its_parent(self):
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        from test_bench_fakes import parent

        process = context.Process(target=parent, args=(theirs,))
        process.start()
        assert ours.poll(60)
        worker = ours.recv()
        process.kill()
        process.join()
        until = time.monotonic() + 30
        while alive(worker) and time.monotonic() < until:
            time.sleep(0.05)
        assert not alive(worker)

    def test_an_error_leaves_the_worker_alive(self):
        with Worker(fake("torch-eager"), "cpu") as worker:
            with pytest.raises(Lost, match="ZeroDivisionError"):
                worker.ask("call", "operator:truediv", 1, 0)
            assert worker.ask("call", "operator:add", 1, 2) == 3

    @pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
    def test_freed_memory_is_kept_and_the_manifest_says_so(self):
        with Worker(fake("torch-eager"), "cpu") as worker:
            words, _ = worker.ask("call", "compare.measure.knobs:shared", "cpu", "float32")
        assert words["host memory"] == "kept"
        assert knobs.shared("cpu", "float32")[0]["host memory"] == "as the system does"

    def test_the_environment_is_there_before_any_import(self):
        with Worker(fake("torch-eager"), "cpu", threads=1) as worker:
            assert worker.ask("call", "os:getenv", "OMP_NUM_THREADS") == "1"


def alive(pid: int) -> bool:
    """Whether it runs: a zombie that nobody waits for does not."""
    try:
        with open(f"/proc/{pid}/stat") as lines:
            return lines.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestTiming:
    def test_the_loop_costs_under_two_microseconds_a_step(self):
        one = timing.Prepared(step=timing.nothing)
        cheapest = min(timing.block(one, 100_000).cpu for _ in range(5))
        assert cheapest / 100_000 < 2e-6

    @pytest.mark.parametrize(("left", "late"), [(0, 0.0), (7, 7e-3)])
    def test_what_a_second_wait_takes_without_work_is_none_left(self, left, late):
        """A wait takes 2 ms of itself, and the milliseconds that are left."""
        clock, queue = [0], [left]

        def settle():
            clock[0] += (2 + queue.pop() if queue else 2) * 10**6

        one = timing.Prepared(timing.nothing, settle=settle, wall=lambda: clock[0])
        assert timing.block(one, 1).late == pytest.approx(late)

    @pytest.mark.parametrize(
        ("late", "twice", "says"),
        [(0.0, 0.02, ""), (0.005, 0.02, "a second wait"), (0.0, 0.0101, "no work is done")],
    )
    def test_what_shows_that_nobody_waited(self, late, twice, says):
        once = [timing.Block(5, 0.01, 0.01, 0.001, late)] * 2
        doubled = [timing.Block(10, twice, twice, 0.001, late)]
        found = timing.careless(once, doubled)
        assert says in found
        assert bool(says) == bool(found)


REFERENCE = {"output/0": np.array([1.0, -4.0, 2.0]), "grad/x": np.array([1e-9, 0.0, 0.0])}
TWIN = {"output/0": REFERENCE["output/0"] + 1e-7, "grad/x": np.array([1.0, 0.0, 0.0])}


class TestAgreement:
    def judged(self, mode="forward", **arrays):
        found = {"output/0": REFERENCE["output/0"], **arrays}
        return agree(found, REFERENCE, TWIN, "float32", mode)

    def test_rounding_agrees(self):
        assert self.judged(**{"output/0": REFERENCE["output/0"] * (1 + 2.0**-23)}).agrees

    @pytest.mark.parametrize(
        ("values", "says"),
        [
            ([1.0, -4.0, 2.0001], "off by"),
            ([1.0, -4.0], "shape"),
            ([1.0, -4.0, np.nan], "not finite"),
        ],
    )
    def test_what_does_not(self, values, says):
        found = self.judged(**{"output/0": np.array(values)})
        assert not found.agrees
        assert says in found.says

    def test_a_lower_precision_may_be_farther_off(self):
        arrays = {"output/0": REFERENCE["output/0"] * (1 + 2.0**-8)}
        twin = {**TWIN, "output/0": REFERENCE["output/0"] * (1 + 2.0**-8)}
        assert not agree(arrays, REFERENCE, TWIN, "float32", "forward").agrees
        assert agree(arrays, REFERENCE, twin, "bfloat16", "forward").agrees

    def test_what_torch_itself_loses_is_allowed_up_to_a_limit(self):
        def found(own, off):
            arrays = {"output/0": REFERENCE["output/0"] + 4 * off}
            theirs = {"output/0": REFERENCE["output/0"] + 4 * own}
            return agree(arrays, REFERENCE, TWIN, "float32", "forward", theirs).agrees

        assert not found(0.0, 1e-5)
        assert found(1e-5, 1e-5)
        assert found(1e-5, 3.9e-5)
        assert not found(1e-5, 4.1e-5)
        assert not found(1e-3, 1e-3)  # torch too is wrong there

    def test_of_some_entries_the_whole_array_is_the_measure(self):
        arrays = {"output/0": REFERENCE["output/0"] + 1e-4}
        given = (arrays, REFERENCE, TWIN, "float32", "forward", {})
        assert not agree(*given, {}).agrees
        assert agree(*given, {"output/0": 400.0}).agrees

    def test_nothing_compared_is_no_agreement(self):
        found = self.judged("gradient", **{"grad/x": np.array([5.0, 0.0, 0.0])})
        assert not found.agrees
        assert "nothing was compared of: grad" in found.says


class TestKnobs:
    ALIKE = dict.fromkeys(KNOBS, "alike")

    @pytest.mark.parametrize("knob", KNOBS)
    def test_one_that_differs_is_named_and_refused(self, knob):
        torch, jax = (rounds.Runner(fake(name, side=side)) for name, side in
                      zip(COLUMNS["matched"], ("torch", "jax"), strict=True))  # fmt: skip
        for runner in (torch, jax):
            runner.blocks = [timing.Block(1, 0.01, 0.01, 0.0, 0.0)] * 8
        torch.manifest = Manifest("torch", self.ALIKE)
        jax.manifest = Manifest("jax", {**self.ALIKE, knob: "flipped"})
        course = rounds.Course(FAKE, "float32", [torch, jax])
        column = figures.columns(course, PLAN)["matched"]
        assert column["refused"] == [f"{knob}: torch alike, jax flipped"]
        jax.manifest = Manifest("jax", self.ALIKE)
        assert "ratio" in figures.columns(course, PLAN)["matched"]

    def test_a_manifest_has_every_knob(self):
        with pytest.raises(ValueError, match="threads"):
            Manifest("torch", {k: "x" for k in KNOBS if k != "threads"})

    def test_alike_is_no_difference(self):
        assert not differences(Manifest("torch", self.ALIKE), Manifest("jax", self.ALIKE))


class TestData:
    def test_tf32_is_refused_on_a_cpu_with_words(self):
        assert "no TF32" in refused("tf32", "cpu")
        assert not refused("tf32", "cuda")
        assert not refused("bfloat16", "cpu")

    def test_the_first_arm_is_the_baseline_and_its_second_self_is_there(self):
        assert [arm.name for arm in arms(["jax-jit"], "cpu")] == [
            "torch-eager", "torch-eager again", "jax-jit",
        ]  # fmt: skip

    def test_an_arm_of_another_device_is_refused(self):
        with pytest.raises(UnknownArm, match="torch-cudagraph"):
            arms(["torch-cudagraph"], "cpu")

    def test_names_are_unique(self):
        assert len({arm.name for arm in ARMS}) == len(ARMS)
        for size in ("tiny", "cpu", "gpu"):
            names = [one.name for one in workloads(size)]
            assert len(set(names)) == len(names)

    def test_flops_of_known_models(self):
        counts = {one.name: one.flops / one.samples for one in workloads("gpu")}
        assert counts["resnet50, inference"] == pytest.approx(2 * 4.089e9, rel=1e-3)
        assert counts["resnet18, inference"] == pytest.approx(2 * 1.814e9, rel=1e-3)
        assert counts["bert-base, train"] == pytest.approx(67.0e9, rel=1e-2)


class NoModules(contextlib.nullcontext):
    """All operations as of one place."""

    parents = frozenset({"Global"})


COUNTED = [one for one in workloads("tiny") if one.flops]


@pytest.mark.parametrize("workload", COUNTED, ids=[one.name for one in COUNTED])
def test_flops_are_those_that_torch_counts(workload):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from compare.measure.job import Job
    from compare.measure.torch_arm import program
    from compare.run import torch_side

    arm = arms(None, "cpu")[0]
    job = Job(workload, arm, "float32", "cpu")
    job = replace(job, leaves=tuple(torch_side.leaves(workload.pair)))
    step = program(job)
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = NoModules()  # torch's own cannot follow autograd.grad
    # Of the fused kernels torch counts some only: the written-out attention is all products.
    with counter, sdpa_kernel(SDPBackend.MATH):
        step()
    assert counter.get_total_flops() == workload.flops


@pytest.mark.parametrize("side", ["torch", "jax"])
def test_the_second_wait_fetches_one_number(side, monkeypatch):
    """A large result's way to the host was taken for work that nobody had waited for."""
    import torch

    from compare.measure import jax_arm, jax_knobs, torch_knobs
    from compare.measure.job import Job
    from compare.measure.torch_arm import make
    from compare.run import torch_side

    for knobs_of in (jax_knobs, torch_knobs):  # this process is not an arm's
        monkeypatch.setattr(knobs_of, "turn", lambda job: None)
    workload = next(one for one in workloads("tiny") if "conv 1x1" in one.name)
    arm = next(one for one in arms(None, "cpu") if one.side == side)
    job = Job(workload, arm, "float32", "cpu")
    job = replace(job, leaves=tuple(torch_side.leaves(workload.pair)))
    one = (make if side == "torch" else jax_arm.make)(job)
    fetched = []
    cpu = torch.Tensor.cpu

    class Watched:
        """NumPy as jax_arm sees it, and no one else: what it takes to the host is counted."""

        def __getattr__(self, name):
            return getattr(np, name)

        def asarray(self, values):
            fetched.append(values.size)
            return np.asarray(values)

    one.step()
    monkeypatch.setattr(jax_arm, "np", Watched())
    monkeypatch.setattr(torch.Tensor, "cpu", lambda x: fetched.append(x.numel()) or cpu(x))
    one.settle()
    assert fetched == [1]


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
