"""Before the clock runs: each arm's process, its compile, its agreement with the reference."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from compare.measure.agreement import agree
from compare.measure.arms import INDUCTOR, Arm, arithmetic, lacks
from compare.measure.course import Course, Plan, Runner
from compare.measure.job import Job, Reference
from compare.measure.second_look import looked_again
from compare.measure.workers import Lost, Worker

ROOM = 1.1
"""An arm is started where this times the most that one before it took is free."""


@contextlib.contextmanager
def probes(arms: Sequence[Arm], plan: Plan) -> Iterator[str]:
    """A folder of what torch.compile asks of a machine once (which instructions work, its own
    headers): no part of what a workload costs. "" where no arm compiles, or that fails."""
    compiles = [a for a in arms if a.side == "torch" and a.mode not in ("eager", "cudagraph")]
    with tempfile.TemporaryDirectory(prefix="portbench-") as folder:
        goal = os.path.join(folder, INDUCTOR)
        yield goal if compiles and _probed(compiles[0], plan, goal) else ""


def _probed(arm: Arm, plan: Plan, goal: str) -> bool:
    with Worker(arm, plan.device, plan.threads) as worker:
        try:
            worker.ask("call", "compare.measure.torch_arm:probe", plan.device, seconds=300)
            shutil.copytree(os.path.join(worker.folder, INDUCTOR), goal)
        except (Lost, OSError):
            return False
    return True


def prepare(course: Course, plan: Plan, say: Callable[[str], object]) -> None:
    """Compiles and checks all arms, some at a time; their workers are made here, as they die
    with the thread that made them."""
    name = f"{course.workload.name}, {course.precision}"
    say(f"{name}: torch in float64")
    known = _reference(course, plan)
    for runner in course.runners:
        if why := lacks(runner.arm, course.workload):
            runner.out("unsupported", why)
        else:
            runner.worker = Worker(runner.arm, plan.device, plan.threads, plan.probes)
    live = course.live

    def ready(runner: Runner) -> None:
        made = (runner.arm.make, runner.arm.side)
        runner.ask("ready", *made, seconds=course.patience(plan))

    def prepared(runner: Runner) -> None:
        say(f"{name}: {runner.arm.name} compiles")
        if why := _too_little(course):
            course.unheld.append(runner.arm)
            runner.out("memory", why)
            return
        job = Job(course.workload, runner.arm, course.precision, plan.device, plan.threads,
                  known.leaves, plan.seed)  # fmt: skip
        answer = runner.ask("prepare", job, seconds=course.patience(plan))
        if answer is None:
            return
        runner.facts, runner.manifest = answer
        found = runner.ask("agreement", seconds=course.patience(plan))
        if found is None:
            return
        peak = runner.ask("call", "compare.measure.worker:peak", seconds=course.patience(plan))
        runner.facts["agreed_peak"] = peak or 0
        allowed = arithmetic(runner.arm, course.precision, plan.device)
        mode = course.workload.mode
        others = known.twins[allowed], allowed, mode, known.own[allowed], known.largest
        judged = replace(agree(found, known.arrays, *others), precision=allowed)
        if not judged.agrees:
            say(f"{name}: {runner.arm.name} in float64")
            judged = looked_again(judged, found, job, known, plan, course.patience(plan))
        runner.agreement = judged
        if not runner.agreement.agrees:
            runner.out("different", f"it does not compute the same: {runner.agreement.says}")

    say(f"{name}: {len(live)} arms start")
    _each(ready, live, max(plan.together, os.cpu_count() or 1), course)
    _each(prepared, live, plan.together, course)


def _each(
    do: Callable[[Runner], None], runners: Sequence[Runner], jobs: int, course: Course
) -> None:
    """`do` for each of `runners`, `jobs` at a time. Stopped, it leaves no thread behind."""
    pool = ThreadPoolExecutor(jobs)
    tasks = [pool.submit(do, runner) for runner in runners]
    try:
        for task in tasks:
            task.result()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        while not all(task.done() for task in tasks):
            course.stop()
            time.sleep(0.05)
        raise
    pool.shutdown()


def _too_little(course: Course) -> str:
    """ "" if there is memory for one more arm, as far as those before it tell."""
    peaks = ("prepared_peak", "agreed_peak")
    most = max(runner.facts.get(name, 0) for runner in course.runners for name in peaks)
    free = _available()
    if free is None or free > ROOM * most:
        return ""
    return (
        f"out of memory: {free / 2**30:.1f} GiB is free, an arm before it took "
        f"{most / 2**30:.1f}"
    )


def _reference(course: Course, plan: Plan) -> Reference:
    """torch's eager runs, in a process that is gone before any timing. Raises Lost."""
    arm = course.runners[0].arm
    threads = os.cpu_count() or 1
    with Worker(arm, plan.device, threads) as worker:
        job = Job(course.workload, arm, course.precision, plan.device, threads, seed=plan.seed)
        needed = {arithmetic(r.arm, course.precision, plan.device) for r in course.runners}
        asked = (plan.reference, job, tuple(sorted(needed)))
        return worker.ask("call", *asked, seconds=course.patience(plan))


def _available() -> float | None:
    """Bytes that processes may still take; None where the system does not tell."""
    try:
        with open("/proc/meminfo") as lines:
            held = next(line for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
    return int(held.split()[1]) * 1024.0
