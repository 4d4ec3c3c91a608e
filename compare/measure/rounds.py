"""All arms of one workload at one precision: prepared, agreed, warmed up, timed in turns."""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np

from compare.measure import timing
from compare.measure.arms import AGAIN, BASELINE, Arm
from compare.measure.course import TURN, Course, Plan, Runner
from compare.measure.prepare import prepare
from compare.measure.workers import Lost
from compare.measure.workloads import Workload

WARM_UP = 0.1
"""Part of the budget that the warm-up of all arms may take, if their series are not flat."""
AFTERWARDS = 10.0
"""Seconds before the end of all at which rounds end, for what comes after them."""
FEWEST = 12
"""Rounds that are run in any case: an interval of fewer is wide, and a warm-up weighs more."""
CALLS = 30
PIN = "compare.measure.worker:pin"
MOST_STEPS = 1_000_000


def run(
    workload: Workload,
    precision: str,
    arms: Sequence[Arm],
    plan: Plan,
    say: Callable[[str], object] = print,
    until: float = math.inf,
) -> Course:
    """Runs `arms`, of which the first is the baseline; no worker is left when it returns."""
    course = Course(workload, precision, [Runner(arm) for arm in arms], until=until)
    try:
        prepare(course, plan, say)
        began = time.perf_counter()
        with _on_one_core(course, plan):
            _warm_up(course, plan, say)
            _rounds(course, plan, say)
            course.after_compile = time.perf_counter() - began
            _afterwards(course, plan)
    finally:
        course.stop()
    return course


@contextlib.contextmanager
def _on_one_core(course: Course, plan: Plan) -> Iterator[None]:
    """Arms of one thread take turns on one core, and the canary with them: to move from core
    to core costs a step its caches. What compiles has had all of them."""
    allowed = getattr(os, "sched_getaffinity", lambda _: set())(0)
    if plan.clock != "cpu" or not allowed:
        yield
        return
    core = course.core = max(allowed)  # the first has most interrupts
    for runner in course.live:
        runner.ask("call", PIN, core, seconds=course.patience(plan))
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _warm_up(course: Course, plan: Plan, say: Callable[[str], object]) -> None:
    """Each arm until its series is flat; then how many steps a block has."""
    from compare.measure import series

    live = course.live
    share = WARM_UP * plan.budget / max(1, len(live))
    turn = min(plan.turn, plan.budget / (plan.least * max(1, len(live))))
    for runner in live:
        say(f"{course.workload.name}, {course.precision}: {runner.arm.name} warms up")
        until = time.perf_counter() + share
        seen: list[timing.Block] = []
        flat = False
        while not flat and (not seen or time.perf_counter() < until):
            count = 4 if seen and seen[-1].wall < turn else 1
            got = runner.ask("blocks", 1, count, seconds=course.patience(plan))
            if got is None:
                break
            seen += got
            flat = len(seen) >= 16 and series.steady([b.wall for b in seen]).start is not None
        if runner.worker is None:
            continue
        runner.warm_up = len(seen)
        step = median(max(block.wall, 1e-9) for block in seen[len(seen) // 2 :])
        runner.steps = min(series.block(step, least=turn), MOST_STEPS)
        if runner.steps == 1:
            runner.once = seen[-1:]
        else:
            _waits(runner, course, plan)


def _waits(runner: Runner, course: Course, plan: Plan) -> None:
    """An arm that does not wait is out. Other work may disturb a look: there are three, each of
    longer blocks than the last, as what disturbs is short."""
    says, steps, blocks = "", max(1, runner.steps // 4), 1 if runner.once else 3
    for _ in range(3):
        once = runner.ask("blocks", steps, blocks, seconds=course.patience(plan))
        twice = runner.ask("blocks", 2 * steps, blocks, seconds=course.patience(plan))
        says = timing.careless(once, twice) if once and twice else ""
        if not says:
            return
        if min(block.wall for block in once) < TURN:
            steps *= 4
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
        live = course.live
        if not live:
            course.ended = "no arm is left"
            return
        if number % 2:
            order = [runner for runner in reversed(order) if runner.worker is not None]
        else:
            order = [live[i] for i in rng.permutation(len(live))]
        for runner in order:
            steps = 2 if runner.once else runner.steps
            got = runner.ask("blocks", steps, 1, seconds=course.patience(plan))
            if got and runner.once and timing.careless(runner.once, got):
                _waits(runner, course, plan)
            runner.once = []
            if got is None or runner.worker is None:
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
    live = course.live
    rounds = min((len(runner.blocks) for runner in live), default=0)
    if course.until - time.monotonic() < AFTERWARDS:
        course.short = True
        return f"{rounds} rounds, when the time for all was over"
    if rounds < FEWEST:
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
    for runner in course.live:
        runner.latency = _extra(course, runner, plan, "latency", CALLS, 2.0) or []
        runner.facts |= _extra(course, runner, plan, "after") or {}
        if runner.facts.get("finite") is False:
            runner.out("different", "its numbers are not finite after the rounds")
            continue
        tuned = runner.arm.tuning != "shipped" and runner.arm.make.startswith("compare.")
        if tuned and runner.arm.side not in course.ceilings:
            where = f"compare.measure.ceilings:{runner.arm.side}_ceilings"
            asked = (where, course.precision, plan.device)
            course.ceilings[runner.arm.side] = _extra(course, runner, plan, "call", *asked)
        if runner.arm.name not in (AGAIN, BASELINE):
            runner.facts["warm_compile"] = _extra(course, runner, plan, "warm")
        if plan.trace:
            name = f"{course.workload.name}, {course.precision}"
            folder = re.sub(r"[^a-z0-9]+", "-", name.lower())
            _extra(course, runner, plan, "trace", os.path.join(plan.trace, folder))


def _extra(course: Course, runner: Runner, plan: Plan, verb: str, *arguments: Any) -> Any:
    """An answer that the rounds do not depend on; where there is none, the row says why."""
    if runner.worker is None:
        return None
    try:
        return runner.worker.ask(verb, *arguments, seconds=course.patience(plan))
    except Lost as error:
        runner.facts[f"no {verb}"] = f"{error.kind}: {error}"
        if error.kind in ("killed", "died", "hung"):
            runner.worker = None
        return None
