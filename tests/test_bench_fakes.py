"""Arms without a framework, on a clock of their own: what they take is exactly known."""

from __future__ import annotations

import ctypes
import itertools
import os
import resource
import signal
import threading
import time

import numpy as np

from compare.cases.case import Case, draw
from compare.measure.arms import Arm
from compare.measure.course import Plan
from compare.measure.job import Job, Reference
from compare.measure.knobs import KNOBS, Manifest
from compare.measure.timing import Prepared
from compare.measure.workloads import Workload

MILLISECOND = 1_000_000
EXPECTED = {"output/0": np.linspace(1.0, 2.0, 5)}


FAKE = Workload(
    "fake", Case("fake.fake", {"input": draw("n=1")}), "forward", flops=10, samples=4
)
PLAN = Plan(
    budget=20.0,
    turn=0.004,
    least=12,
    width=0.5,
    limit=20.0,
    reference="test_bench_fakes:reference",
    jobs=2,
)


def fake(name: str, behaviour: str = "takes 1", side: str = "torch", **more) -> Arm:
    """An arm whose `mode` says how it behaves."""
    return Arm(name, side, "test_bench_fakes:make", behaviour, **more)


class Clock:
    """Advances by what a step takes, and a little at each look; queued work at a wait."""

    def __init__(self) -> None:
        self.now = self.queued = 0
        self.wakes = 0
        self.noise = itertools.cycle((0, 9000, 3000, 12000, 6000))

    def __call__(self) -> int:
        self.now += 100 + next(self.noise)
        return self.now

    def wait(self) -> None:
        self.now, self.queued = self.now + self.queued + self.wakes, 0


def make(job: Job) -> Prepared:
    """The fake of `job.arm.mode`: "takes N" (milliseconds), or a fault; "wakes N" waits N
    longer for each block; "crowded FILE" is killed where there is no such file yet."""
    verb, _, amount = job.arm.mode.partition(" ")
    clock, held = Clock(), []
    if verb == "crowded" and not os.path.exists(amount):
        os.close(os.open(amount, os.O_CREAT))
        os.kill(os.getpid(), signal.SIGKILL)
    takes = MILLISECOND if verb == "crowded" else int(float(amount or 1) * MILLISECOND)
    if verb == "wakes":
        takes, clock.wakes = MILLISECOND, takes
    count = itertools.count()

    def step() -> None:
        number = next(count)
        clock.queued += takes
        if verb == "hangs" and number > 3:
            time.sleep(600)
        if verb == "dies" and number > 30:
            print("the fake says goodbye", flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if verb == "leaks":
            held.append(np.ones(1 << 18))
        if verb == "fills" and number > 30:
            raise MemoryError("the fake is full")

    if verb == "refuses":
        raise NotImplementedError("the fake has no such thing")
    off = {"disagrees": 1e-3, "near": 4e-6, "rounds": 4e-6}.get(verb, 0.0)
    if verb == "rounds" and job.precision == "float64":
        off = 1e-15
    words = dict.fromkeys(KNOBS, "alike") | dict(
        word.split("=") for word in amount.split(";") if "=" in word
    )
    return Prepared(
        step=step,
        sync=(lambda: None) if verb == "forgets" else clock.wait,
        settle=clock.wait,
        agreement=lambda: {name: x * (1 + off) for name, x in EXPECTED.items()},
        manifest=lambda: Manifest(job.arm.side, words),
        wall=clock,
        cpu=clock,
    )


def reference(job: Job, precisions: tuple[str, ...]) -> Reference:
    twins = {name: {k: x + 1e-9 for k, x in EXPECTED.items()} for name in precisions}
    return Reference((), EXPECTED, twins, dict.fromkeys(precisions, EXPECTED))


def cores() -> set[int]:
    """On which any thread of this process may run."""
    return set().union(
        *(os.sched_getaffinity(int(thread)) for thread in os.listdir("/proc/self/task"))
    )


def faults() -> int:
    """Pages faulted in for a block of 64 MiB that its thread had before: the worst of four."""

    def filled() -> None:
        """By malloc itself: NumPy asks for pages so large that they hardly count."""
        place = libc.malloc(1 << 26)
        libc.memset(place, 1, 1 << 26)
        libc.free(place)

    def again() -> None:
        with one_by_one:
            filled()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            filled()
            found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        together.wait()  # else the next thread takes over this one's heap

    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.memset.argtypes = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
    libc.free.argtypes = (ctypes.c_void_p,)
    one_by_one, together, found = threading.Lock(), threading.Barrier(4), []
    threads = [threading.Thread(target=again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(found)


def parent(pipe) -> None:
    """A parent with one worker, which says the worker's process and then never ends."""
    from compare.measure.workers import Worker

    worker = Worker(fake("torch-eager"), "cpu")
    pipe.send(worker.ask("call", "os:getpid"))
    time.sleep(600)
