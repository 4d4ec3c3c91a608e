"""Before the clock runs: each arm's process, its compile, its agreement with the reference."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from compare.measure.agreement import agree
from compare.measure.arms import INDUCTOR, Arm, arithmetic, lacks
from compare.measure.course import Course, Plan, Runner
from compare.measure.job import Arrays, Job, Reference
from compare.measure.room import Room
from compare.measure.second_look import looked_again
from compare.measure.workers import Lost, Worker

PEAK = "compare.measure.worker:peak"


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
    known, taken = _reference(course, plan)
    for runner in course.runners:
        if why := lacks(runner.arm, course.workload):
            runner.out("unsupported", why)
        else:
            runner.worker = Worker(runner.arm, plan.device, plan.threads, plan.probes)
    live = course.live
    stage = Preparation(course, plan, known, Room(taken), lambda said: say(f"{name}: {said}"))
    stage.say(f"{len(live)} arms start")
    _each(stage.ready, live, max(plan.together, os.cpu_count() or 1), course)
    _each(stage.prepare, live, plan.together, course)


@dataclass(frozen=True)
class Preparation:
    """What is done to each arm of a workload before the clock runs."""

    course: Course
    plan: Plan
    known: Reference
    room: Room
    say: Callable[[str], object]

    def ready(self, runner: Runner) -> None:
        """Its process is there, with what the arm imports."""
        self._ask(runner, "ready", runner.arm.make, runner.arm.side)

    def prepare(self, runner: Runner) -> None:
        """It is compiled and has agreed, or it is out; what memory did not hold beside other
        arms is left for a group of fewer."""
        with self.room.one_more() as little:
            if little:
                runner.out("memory", little)
            else:
                self.say(f"{runner.arm.name} compiles")
                self._compile(runner)
        others = [one for one in self.course.live if one is not runner]
        if little or (runner.kind in ("memory", "killed") and others):
            self.course.unheld.append(runner.arm)

    def _compile(self, runner: Runner) -> None:
        plan, course = self.plan, self.course
        job = Job(course.workload, runner.arm, course.precision, plan.device, plan.threads,
                  self.known.leaves, plan.seed)  # fmt: skip
        answer = self._ask(runner, "prepare", job)
        if answer is None:
            return
        runner.facts, runner.manifest = answer
        found = self._ask(runner, "agreement")
        if found is None:
            return
        runner.facts["agreed_peak"] = self._ask(runner, "call", PEAK) or 0
        self.room.took(max(runner.facts.get("prepared_peak", 0), runner.facts["agreed_peak"]))
        self._agree(runner, job, found)

    def _agree(self, runner: Runner, job: Job, found: Arrays) -> None:
        known, allowed = self.known, arithmetic(runner.arm, job.precision, job.device)
        mode = job.workload.mode
        others = known.twins[allowed], allowed, mode, known.own[allowed], known.largest
        judged = replace(agree(found, known.arrays, *others), precision=allowed)
        if not judged.agrees:
            self.say(f"{runner.arm.name} in float64")
            patience = self.course.patience(self.plan)
            judged = looked_again(judged, found, job, known, self.plan, patience)
        runner.agreement = judged
        if not judged.agrees:
            runner.out("different", f"it does not compute the same: {judged.says}")

    def _ask(self, runner: Runner, verb: str, *arguments: Any) -> Any:
        return runner.ask(verb, *arguments, seconds=self.course.patience(self.plan))


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


def _reference(course: Course, plan: Plan) -> tuple[Reference, float]:
    """torch's eager runs, in a process that is gone before any timing, and the bytes that it
    took at its peak. Raises Lost."""
    arm = course.runners[0].arm
    threads = os.cpu_count() or 1
    with Worker(arm, plan.device, threads) as worker:
        job = Job(course.workload, arm, course.precision, plan.device, threads, seed=plan.seed)
        needed = {arithmetic(r.arm, course.precision, plan.device) for r in course.runners}
        asked = (plan.reference, job, tuple(sorted(needed)))
        found = worker.ask("call", *asked, seconds=course.patience(plan))
        return found, worker.ask("call", PEAK, seconds=course.patience(plan))
