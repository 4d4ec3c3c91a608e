"""The processes of arms: what they are told, how they end."""

from __future__ import annotations

import multiprocessing
import platform
import time

import pytest
from test_bench_fakes import fake

from compare.measure import knobs
from compare.measure.workers import Lost, Worker


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
