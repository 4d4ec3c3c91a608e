"""Many workloads into one file: going on, running out of time, the accelerator's script."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from test_bench_fakes import FAKE, PLAN, fake

from compare import bench_gpu
from compare.measure import figures, session
from compare.measure.figures import NotResults
from compare.measure.session import Item, held, troubles


def todo(*names, behaviour="takes 1"):
    arms = (fake("torch-eager"), fake("torch-eager again"), fake("other", behaviour, "jax"))
    return [Item(replace(FAKE, name=name), "float32", arms) for name in names]


def done(items, out, results, until=math.inf, plan=PLAN):
    return list(session.session(items, plan, out, results, lambda words: None, until))


def test_it_goes_on_where_it_stopped(tmp_path):
    results = []
    done(todo("one"), tmp_path, results)
    again = held(tmp_path, PLAN)
    assert [one["workload"] for one in again] == ["one"]
    found = done(todo("one", "two"), tmp_path, again)
    assert [one["workload"] for one in found] == ["two"]
    whole = figures.load(tmp_path)
    assert [one["workload"] for one in whole["results"]] == ["one", "two"]
    assert "probes" not in whole["plan"]


def test_another_plan_is_refused(tmp_path):
    done(todo("one"), tmp_path, [])
    with pytest.raises(NotResults, match="is of size cpu, not gpu"):
        held(tmp_path, replace(PLAN, size="gpu"))


def test_time_that_is_over_leaves_whole_files(tmp_path):
    results = []
    started = time.monotonic()
    endless = replace(PLAN, budget=5.0, width=1e-9, least=4000)
    found = done(todo("one", "two", "three"), tmp_path, results, started + 18, endless)
    assert time.monotonic() - started < 30
    assert found[-1] is None
    assert 1 <= len(results) < 3
    held_now = held(tmp_path, PLAN)
    assert held_now == json.loads(json.dumps(results))
    assert all("seconds" in row for one in held_now for row in one["rows"])


def test_what_was_cut_before_any_ratio_is_not_kept(tmp_path):
    assert done(todo("one"), tmp_path, [], until=time.monotonic() + 1) == [None]
    assert not held(tmp_path, PLAN)


def test_a_lost_reference_is_a_result_that_says_so(tmp_path):
    plan = replace(PLAN, reference="operator:truediv")
    (one,) = done(todo("one"), tmp_path, [], plan=plan)
    assert not one["rows"]
    assert "no reference" in troubles(one)[0]


class TestAccelerator:
    def main(self, *words):
        return bench_gpu.main(["--device", "cpu", "--size", "tiny", *words])

    def test_it_runs_goes_on_and_ends(self, tmp_path):
        words = ("--workload", "gelu", "--arms", "jax-jit", "--budget", "0.5",
                 "--precision", "float32", "--out", str(tmp_path))  # fmt: skip
        assert self.main(*words, "--seconds", "21") == 2  # no time for anything
        assert self.main(*words) == 0
        whole = figures.load(tmp_path / "cpu")
        assert [one["workload"] for one in whole["results"]] == [
            "gelu, forward",
            "gelu, gradient",
        ]
        assert (tmp_path / "cpu" / "bench.html").exists()
        assert self.main(*words) == 0
        assert figures.load(tmp_path / "cpu")["results"] == whole["results"]

    def test_wrong_use(self, capsys):
        assert self.main("--precision", "tf32") == 2
        assert "no TF32" in capsys.readouterr().err
        assert self.main("--workload", "alexnet") == 2

    def test_the_most_wanted_come_first(self):
        every = session.items(
            replace(PLAN, size="gpu", device="cuda"), bench_gpu.ORDER, None, ()
        )
        names = [(item.workload.name, item.precision) for item in bench_gpu.ordered(every)]
        assert len(names) == len(every)
        assert {name for group in bench_gpu.WANTED for name in group} <= {
            name for name, _ in names
        }
        assert names[0] == ("resnet50, train", "bfloat16")
        assert names[8][1] == "float32"

    def test_it_needs_no_package_for_the_terminal_or_for_pages(self):
        code = (
            "import sys\n"
            "class Blocked:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name.split('.')[0] in {'typer', 'rich', 'matplotlib', 'jinja2',"
            " 'pydantic', 'datasets', 'sklearn', 'torch', 'jax'}:\n"
            "            raise ImportError(name)\n"
            "sys.meta_path.insert(0, Blocked())\n"
            "import compare.bench_gpu\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
