"""A block of steps on the clock, in the worker; and what shows that nobody waited.

A block is k launches and one synchronisation. Beside its time stands the time until the last
launch had returned (the host's part) and that of a second wait, by other means, which must find
nothing left to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from statistics import median
from typing import Any

import numpy as np

LATE = 0.1
"""Part of a block that a second wait may take: more, and the first did not wait."""
GRAIN = 2e-4
"""Seconds below which a second wait says nothing: a wake-up takes some of it."""
GROWS = 1.3
"""A block of 2 k steps takes twice a block of k; below this times it, it does no work."""


def nothing() -> None:
    """No work, or none left."""


@dataclass
class Prepared:
    """A workload, ready in its process, by one arm.

    step      launches one step on what is resident
    sync      returns when all that was launched is done
    settle    the same by other means
    agreement arrays by name, in torch's order, of the first steps from the givens
    manifest  what was read of the knobs once all was set
    facts     seconds of tracing, compiling, the first step; memory that the compiler planned
    warm      compiles anew with what the compiler kept on disk; seconds
    feed      takes a batch from the host to the device and waits
    memory    peak bytes on the device
    trace     writes a profile of some steps into a folder
    """

    step: Callable[[], Any]
    sync: Callable[[], Any] = nothing
    settle: Callable[[], Any] = nothing
    agreement: Callable[[], Mapping[str, np.ndarray]] = dict
    manifest: Callable[[], Any] = nothing
    facts: Mapping[str, Any] = field(default_factory=dict)
    warm: Callable[[], float | None] = nothing
    feed: Callable[[], Any] | None = None
    memory: Callable[[], Mapping[str, float]] = dict
    trace: Callable[[str], Any] = lambda folder: None
    finite: Callable[[], bool] = lambda: True
    wall: Callable[[], int] = time.perf_counter_ns
    cpu: Callable[[], int] = time.process_time_ns


@dataclass(frozen=True)
class Block:
    """Of `steps` steps: seconds on the wall and of CPU, of the launches alone, of a second
    wait (where it was long, beyond what a third took); and the process's resident bytes after.
    """

    steps: int
    wall: float
    cpu: float
    issued: float
    late: float
    resident: int = 0


def block(one: Prepared, steps: int) -> Block:
    """Times `steps` steps. In the loop stands the step and nothing else."""
    step, wall, cpu = one.step, one.wall, one.cpu
    began_cpu, began = cpu(), wall()
    for _ in repeat(None, steps):
        step()
    issued = wall()
    one.sync()
    ended, ended_cpu = wall(), cpu()
    one.settle()
    late = (settled := wall()) - ended
    if late > GRAIN * 1e9:
        one.settle()  # nothing is left: this is what the looking itself takes
        late -= wall() - settled
    return Block(
        steps,
        wall=(ended - began) * 1e-9,
        cpu=(ended_cpu - began_cpu) * 1e-9,
        issued=(issued - began) * 1e-9,
        late=late * 1e-9,
        resident=resident(),
    )


def harness(steps: int = 20_000) -> float:
    """Seconds of the host that the timed loop takes a step, beside the step."""
    one = Prepared(step=nothing)
    return min(block(one, steps).wall for _ in range(3)) / steps


def latency(one: Prepared, calls: int, seconds: float) -> list[float]:
    """Seconds of single calls, each waited for."""
    found: list[float] = []
    until = time.perf_counter() + seconds
    while len(found) < calls and (len(found) < 3 or time.perf_counter() < until):
        began = one.wall()
        one.step()
        one.sync()
        found.append((one.wall() - began) * 1e-9)
    return found


def careless(blocks: Sequence[Block], doubled: Sequence[Block]) -> str:
    """ "" where each block waited for its work; else how it shows.

    `doubled` has twice the steps of `blocks`.
    """
    late = min(one.late for one in (*blocks, *doubled))
    whole = median(one.wall for one in blocks)
    if late > max(GRAIN, LATE * whole):
        return (
            f"a synchronisation is missing: a second wait took {late:.2g} s more after a block "
            f"of {whole:.2g} s"
        )
    if not doubled:
        return ""
    least, twice = (min(one.wall for one in some) for some in (blocks, doubled))
    worked, twice_worked = (min(one.cpu for one in some) for some in (blocks, doubled))
    grew = max(twice / max(least, 1e-9), twice_worked / max(worked, 1e-9))
    if least > GRAIN and grew < GROWS:
        steps = blocks[0].steps
        return (
            f"a synchronisation is missing, or no work is done: {2 * steps} steps took "
            f"{twice:.2g} s, {steps} took {least:.2g} s"
        )
    return ""


def resident() -> int:
    """Bytes of this process that are in memory; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm") as lines:
            return int(lines.read().split()[1]) * 4096
    except (OSError, ValueError):
        return 0


def spin(work: np.ndarray | None = None, times: int = 12) -> tuple[float, float]:
    """The canary: a fixed piece of NumPy on one thread, in seconds of (the wall, CPU).

    On the wall it tells whether other work takes the processor, by CPU time its speed.
    """
    work = np.linspace(0.1, 0.9, 1 << 14) if work is None else work
    began_cpu, began = time.process_time(), time.perf_counter()
    for _ in repeat(None, times):
        np.sqrt(work + 1.0).sum()
    return time.perf_counter() - began, time.process_time() - began_cpu
