"""All arms of one workload at one precision: prepared, agreed, warmed up, timed in turns."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compare.measure import timing
from compare.measure.agreement import Agreement, agree
from compare.measure.arms import AGAIN, BASELINE, Arm, lacks
from compare.measure.job import Job
from compare.measure.knobs import Manifest
from compare.measure.workers import Lost, Worker
from compare.measure.workloads import Workload

TURN = 0.1
"""Seconds that a block takes at least, or one step: the way to the worker costs 1e-4."""
WARM_UP = 0.1
"""Part of the budget that the warm-up of all arms may take, if their series are not flat."""
CALLS = 30


@dataclass(frozen=True)
class Plan:
    """How a run is done.

    budget   seconds of rounds for a workload at a precision
    width    of the 95 % interval over the ratio at which rounds may end
    limit    seconds that a worker may take to answer once
    resident bytes that a worker may hold in the host's memory; 0: nine tenths of the machine's
    """

    size: str = "cpu"
    device: str = "cpu"
    threads: int = 1
    budget: float = 30.0
    width: float = 0.02
    turn: float = TURN
    least: int = 40
    limit: float = 1800.0
    resident: float = 0.0
    seed: int = 0
    trace: str = ""
    reference: str = "compare.measure.torch_arm:reference"

    @property
    def clock(self) -> str:
        """What ratios are of: CPU time where one thread of a CPU works, else the wall's."""
        return "cpu" if self.device == "cpu" and self.threads == 1 else "wall"


@dataclass
class Runner:
    """An arm's course: its worker, what is known of it, and how it ended, if it was lost."""

    arm: Arm
    worker: Worker | None = None
    steps: int = 1
    facts: dict[str, Any] = field(default_factory=dict)
    manifest: Manifest | None = None
    agreement: Agreement | None = None
    blocks: list[timing.Block] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    warm_up: int = 0
    kind: str = ""
    lost: str = ""

    def ask(self, verb: str, *arguments: Any, seconds: float) -> Any:
        """The worker's answer; None, and the arm is out, where there is none."""
        if self.worker is None:
            return None
        try:
            return self.worker.ask(verb, *arguments, seconds=seconds)
        except Lost as error:
            self.out(error.kind, str(error))
            return None

    def out(self, kind: str, says: str) -> None:
        """The arm is timed no more; its row says why."""
        self.kind, self.lost = kind, says
        if self.worker is not None:
            self.worker.stop()
            self.worker = None


@dataclass
class Course:
    """What came of one workload: its arms, the canary's times, and how long each part took."""

    workload: Workload
    precision: str
    runners: list[Runner]
    canary: list[float] = field(default_factory=list)
    ended: str = ""
    measured: float = 0.0
    after_compile: float = 0.0
    ceilings: dict[str, Any] = field(default_factory=dict)


def run(
    workload: Workload,
    precision: str,
    arms: Sequence[Arm],
    plan: Plan,
    say: Callable[[str], object] = print,
) -> Course:
    """Runs `arms`, of which the first is the baseline; no worker is left when it returns."""
    course = Course(workload, precision, [Runner(arm) for arm in arms])
    try:
        _prepare(course, plan, say)
        began = time.perf_counter()
        _warm_up(course, plan, say)
        _rounds(course, plan, say)
        course.after_compile = time.perf_counter() - began
        _afterwards(course, plan)
    finally:
        for runner in course.runners:
            if runner.worker is not None:
                runner.worker.stop()
    return course


def _prepare(course: Course, plan: Plan, say: Callable[[str], object]) -> None:
    """Compiles and checks one arm after the other."""
    workload, precision = course.workload, course.precision
    leaves, reference, twins = _reference(course, plan)
    for runner in course.runners:
        if why := lacks(runner.arm, workload):
            runner.out("unsupported", why)
            continue
        say(f"{workload.name}, {precision}: {runner.arm.name} compiles")
        runner.worker = Worker(runner.arm, plan.device, plan.threads)
        job = Job(workload, runner.arm, precision, plan.device, plan.threads, leaves, plan.seed)
        answer = runner.ask("prepare", job, seconds=plan.limit)
        if answer is None:
            continue
        runner.facts, runner.manifest = answer
        found = runner.ask("agreement", seconds=plan.limit)
        if found is None:
            continue
        runner.agreement = agree(found, reference, twins[precision], precision, workload.mode)
        if not runner.agreement.agrees:
            runner.out("different", f"it does not compute the same: {runner.agreement.says}")


def _reference(course: Course, plan: Plan) -> tuple[tuple, dict, dict]:
    """torch's float64, in a process that is gone before any timing. Raises Lost."""
    arm = next(r.arm for r in course.runners)
    threads = os.cpu_count() or 1
    with Worker(arm, plan.device, threads) as worker:
        job = Job(course.workload, arm, course.precision, plan.device, threads, seed=plan.seed)
        asked = (plan.reference, job, (course.precision,))
        leaves, reference, twins = worker.ask("call", *asked, seconds=plan.limit)
    return tuple(leaves), reference, twins


def _warm_up(course: Course, plan: Plan, say: Callable[[str], object]) -> None:
    """Each arm until its series is flat; then how many steps a block has."""
    from compare.measure.series import steady

    live = [runner for runner in course.runners if runner.worker is not None]
    share = WARM_UP * plan.budget / max(1, len(live))
    for runner in live:
        say(f"{course.workload.name}, {course.precision}: {runner.arm.name} warms up")
        series: list[timing.Block] = []
        until = time.perf_counter() + share
        flat = False
        while not flat and (len(series) < 4 or time.perf_counter() < until):
            got = runner.ask("blocks", 1, 4, seconds=plan.limit)
            if got is None:
                break
            series += got
            flat = len(series) >= 16 and steady([b.wall for b in series]).start is not None
        if runner.worker is None:
            continue
        runner.warm_up = len(series)
        late = sorted(block.wall for block in series[len(series) // 2 :])
        runner.steps = max(1, round(plan.turn / max(late[len(late) // 2], 1e-9)))
        runner.steps = min(runner.steps, 1_000_000)
        _waits(runner, plan)


def _waits(runner: Runner, plan: Plan) -> None:
    """An arm that does not wait is out; three looks, since other work may disturb one."""
    says = ""
    for _ in range(3):
        once = runner.ask("blocks", runner.steps, 2, seconds=plan.limit)
        twice = runner.ask("blocks", 2 * runner.steps, 1, seconds=plan.limit)
        says = timing.careless(once, twice) if once and twice else ""
        if not says:
            return
    runner.out("unsynchronised", says)


def _rounds(course: Course, plan: Plan, say: Callable[[str], object]) -> None:
    """A round has one block of each arm; every second one goes through the last's reversed."""
    from compare.measure.statistics import Sampling

    rule = Sampling(plan.width, plan.budget, plan.least)
    rng = np.random.default_rng(plan.seed)
    began, number, told = time.perf_counter(), 0, 0.0
    order: list[Runner] = []
    limit = plan.resident or 0.9 * _memory()
    course.canary.append(timing.spin())
    while not course.ended:
        live = [runner for runner in course.runners if runner.worker is not None]
        if not live:
            course.ended = "no arm is left"
            return
        if number % 2:
            order = [runner for runner in reversed(order) if runner.worker is not None]
        else:
            order = [live[i] for i in rng.permutation(len(live))]
        for runner in order:
            got = runner.ask("blocks", runner.steps, 1, seconds=plan.limit)
            if got is None:
                continue
            runner.blocks += got
            course.measured += got[0].wall
            if got[0].resident > limit:
                runner.out("memory", _grown(runner.blocks, limit))
        course.canary.append(timing.spin())
        number += 1
        seconds = time.perf_counter() - began
        if seconds - told > 5:
            told = seconds
            say(f"{course.workload.name}, {course.precision}: round {number}, {seconds:.0f} s")
        course.ended = _enough(course, rule, plan, seconds) or ""


def _enough(course: Course, rule: Any, plan: Plan, seconds: float) -> str | None:
    """Why rounds may end; a single arm's, at the budget or the rounds asked for."""
    live = [runner for runner in course.runners if runner.worker is not None]
    rounds = min((len(runner.blocks) for runner in live), default=0)
    if rounds < 6:
        return None
    series = [times(runner, plan.clock, rounds) for runner in live]
    if len(live) > 1:
        return rule.enough(series[0], *series[1:], seconds=seconds)
    done = seconds >= rule.budget or rounds >= rule.least
    return f"{rounds} rounds of the only arm" if done else None


def times(runner: Runner, clock: str, rounds: int | None = None) -> list[float]:
    """Seconds a step, a round each. A coarse clock that saw none of a block shows its grain."""
    return [max(getattr(b, clock), 1e-9) / b.steps for b in runner.blocks[:rounds]]


def _grown(blocks: list[timing.Block], limit: float) -> str:
    first, last = blocks[0], blocks[-1]
    steps = sum(block.steps for block in blocks)
    return (
        f"out of memory: its process grew from {first.resident / 2**20:.0f} to "
        f"{last.resident / 2**20:.0f} MiB in {steps} steps, allowed are {limit / 2**20:.0f}"
    )


def _memory() -> float:
    """Bytes of the machine."""
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _afterwards(course: Course, plan: Plan) -> None:
    """Latency, memory, the feed, ceilings, the warm compile, the trace: outside the rounds."""
    sides = set()
    for runner in course.runners:
        if runner.worker is None:
            continue
        runner.latency = runner.ask("latency", CALLS, 2.0, seconds=plan.limit) or []
        runner.facts |= runner.ask("after", seconds=plan.limit) or {}
        if runner.facts.get("finite") is False:
            runner.out("different", "its numbers are not finite after the rounds")
            continue
        tuned = runner.arm.tuning == "preset" and runner.arm.make.startswith("compare.")
        if tuned and runner.arm.side not in sides:
            sides.add(runner.arm.side)
            where = f"compare.measure.ceilings:{runner.arm.side}_ceilings"
            found = runner.ask("call", where, course.precision, plan.device, seconds=plan.limit)
            course.ceilings[runner.arm.side] = found
        if runner.arm.name not in (AGAIN, BASELINE):
            runner.facts["warm_compile"] = runner.ask("warm", seconds=plan.limit)
        if plan.trace:
            runner.ask("trace", plan.trace, seconds=plan.limit)
