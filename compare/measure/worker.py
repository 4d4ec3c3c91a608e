"""A worker's end: one process, one arm. It obeys, measures, and does not outlive its parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from compare.measure import timing
from compare.measure.job import Job, thinned
from compare.measure.knobs import KEPT
from compare.measure.timing import Prepared
from compare.run.target import named

GLIBC = (
    ("MALLOC_TRIM_THRESHOLD_", -1, 2**31 - 1),
    ("MALLOC_MMAP_MAX_", -4, 0),
    ("MALLOC_ARENA_MAX", -8, 1),
)
"""How glibc is told to keep freed memory: a variable's name, mallopt's number, the value."""


@dataclass(frozen=True)
class Settings:
    """Of a process: its environment, the file that its words go to, whom it dies with."""

    environment: Mapping[str, str] = field(default_factory=dict)
    log: str = ""
    parent: int = 0


@dataclass(frozen=True)
class Failed:
    """What an order ended with: `kind` is error, memory or unsupported."""

    kind: str
    says: str


def serve(pipe: Connection, settings: Settings) -> None:
    """The worker's life: (verb, arguments) in, answers out, until the parent closes or dies."""
    os.environ[KEPT] = str(keep_memory())
    follow(settings.parent)
    os.environ.update(settings.environment)
    if settings.log:
        words = os.open(settings.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(words, 1)
        os.dup2(words, 2)
    desk = Desk()
    while True:
        try:
            verb, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        if verb == "stop":
            return
        try:
            answer = getattr(desk, verb)(*arguments)
        except Exception as error:
            answer = failed(error)
        with contextlib.suppress(BrokenPipeError):
            pipe.send(answer)


def follow(parent: int) -> None:
    """Dies when `parent` does, in a step that never ends too; signals go to this process's own
    group, so that an interrupt of the parent is the parent's to deal with."""
    with contextlib.suppress(OSError):
        os.setsid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, on Linux
    if parent:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def keep_memory() -> bool:
    """Tells glibc to give no freed memory back and to map no array anew; whether it heard.

    Else a step may fault hundreds of pages in or none, by how the heap happens to lie: two
    identical processes were seen to differ by half (LeNet's step, 3.5 and 5.7 ms). To be called
    before there is a second thread: what has a heap of its own by then does not hear. XLA's
    threads did not, and its copy of 64 MiB took six times as long as with the memory kept.
    """
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(tell(number, value) for _, number, value in GLIBC)


def pin(core: int) -> None:
    """Lets all threads of this process, and what they start, run on `core` alone."""
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            os.sched_setaffinity(int(thread), {core})


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    with contextlib.suppress(OSError):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)


def failed(error: Exception) -> Failed:
    """The exception's type and first line, and whether memory ran out."""
    lines = str(error).strip().splitlines() or ["(no message)"]
    says = f"{type(error).__name__}: {lines[0]}"
    low = f"{type(error).__name__} {error}".lower()
    signs = ("out of memory", "outofmemory", "resource_exhausted", "memoryerror")
    if any(sign in low for sign in signs):
        return Failed("memory", f"out of memory: {says}")
    return Failed("unsupported" if isinstance(error, NotImplementedError) else "error", says)


class Desk:
    """What a worker does when asked; each verb is a method."""

    prepared: Prepared

    def ready(self, make: str, side: str) -> None:
        """Imports what `make` needs, its framework too."""
        named(make, side)

    def prepare(self, job: Job) -> tuple[dict[str, Any], Any]:
        """(facts, manifest) of `job`, made ready."""
        make: Callable[[Job], Prepared] = named(job.arm.make, job.arm.side)
        self.prepared = make(job)
        facts = {**self.prepared.facts, "prepared_peak": peak()}
        return facts, self.prepared.manifest()

    def call(self, name: str, *arguments: Any) -> Any:
        """What a function of "package.module:name" returns in this process."""
        return named(name, "")(*arguments)

    def agreement(self) -> dict[str, np.ndarray]:
        return thinned(self.prepared.agreement())

    def blocks(self, steps: int, count: int) -> list[timing.Block]:
        return [timing.block(self.prepared, steps) for _ in range(count)]

    def latency(self, calls: int, seconds: float) -> list[float]:
        return timing.latency(self.prepared, calls, seconds)

    def after(self) -> dict[str, Any]:
        """Once the rounds are over: peaks of memory, the feed, what the harness itself costs a
        step, whether the loss is finite."""
        found: dict[str, Any] = {"host_peak": peak(), **self.prepared.memory()}
        found["harness"] = timing.harness()
        if self.prepared.feed is not None:
            times = []
            for _ in range(5):
                began = time.perf_counter()
                self.prepared.feed()
                times.append(time.perf_counter() - began)
            found["feed"] = sorted(times)[2]
        found["finite"] = self.prepared.finite()
        return found

    def warm(self) -> float | None:
        return self.prepared.warm()

    def trace(self, folder: str) -> None:
        self.prepared.trace(folder)


def peak() -> int:
    """The most bytes of this process that were ever in memory; 0 where that is not told."""
    try:
        with open("/proc/self/status") as lines:
            held = next(line for line in lines if line.startswith("VmHWM"))
            return int(held.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return 0
