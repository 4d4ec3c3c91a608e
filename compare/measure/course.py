"""What a run is to do, and the state of it: the plan, each arm's course, a workload's."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

from compare.measure import timing
from compare.measure.agreement import Agreement
from compare.measure.arms import Arm
from compare.measure.environment import machine
from compare.measure.knobs import Manifest
from compare.measure.workers import Lost, Worker
from compare.measure.workloads import Workload

TURN = 0.1
"""Seconds that a block takes at least, or one step: the way to the worker costs 1e-4."""


@dataclass(frozen=True)
class Plan:
    """How a run is done.

    budget   seconds of rounds for a workload at a precision
    width    of the 95 % interval over the ratio at which rounds may end
    limit    seconds that a worker may take to answer once
    jobs     arms that compile at a time; 0: on a CPU as many as it has cores, else one
    resident bytes that a worker may hold in the host's memory; 0: nine tenths of the machine's
    probes   folder of what torch.compile asked of the machine once, which its caches begin with
    """

    size: str = "cpu"
    device: str = "cpu"
    threads: int = 1
    budget: float = 30.0
    width: float = 0.02
    turn: float = TURN
    least: int = 40
    limit: float = 1800.0
    jobs: int = 0
    resident: float = 0.0
    seed: int = 0
    trace: str = ""
    probes: str = ""
    reference: str = "compare.measure.torch_arm:reference"

    @property
    def clock(self) -> str:
        """What ratios are of: CPU time where one thread of a CPU works, else the wall's."""
        return "cpu" if self.device == "cpu" and self.threads == 1 else "wall"

    @property
    def together(self) -> int:
        """How many arms compile at a time."""
        alone = self.device != "cpu" or self.threads > 1
        return self.jobs or (1 if alone else machine()["cores"])


@dataclass
class Runner:
    """An arm's course: its worker, what is known of it, and how it ended, if it was lost.

    once   the last block of the warm-up of an arm whose step is long: against it stands the
           first round's, of two steps, to show that it waits
    """

    arm: Arm
    worker: Worker | None = None
    steps: int = 1
    facts: dict[str, Any] = field(default_factory=dict)
    manifest: Manifest | None = None
    agreement: Agreement | None = None
    blocks: list[timing.Block] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)
    warm_up: int = 0
    once: list[timing.Block] = field(default_factory=list)
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
    """What came of one workload: its arms, the canary's times, and how long each part took.

    canary   (wall, CPU) seconds, before the first round and after each
    until    of time.monotonic, when all must have ended
    short    whether rounds ended for that alone
    core     on which all arms take turns, if they are of one thread of a CPU
    unheld   arms that were not prepared, as memory did not hold them beside others
    """

    workload: Workload
    precision: str
    runners: list[Runner]
    canary: list[tuple[float, float]] = field(default_factory=list)
    ended: str = ""
    measured: float = 0.0
    after_compile: float = 0.0
    ceilings: dict[str, Any] = field(default_factory=dict)
    until: float = math.inf
    short: bool = False
    core: int | None = None
    unheld: list[Arm] = field(default_factory=list)

    @property
    def live(self) -> list[Runner]:
        return [runner for runner in self.runners if runner.worker is not None]

    @property
    def cut(self) -> bool:
        """Whether the end came before all was done."""
        return self.short or time.monotonic() >= self.until

    def patience(self, plan: Plan) -> float:
        """Seconds that a worker may take for its next answer."""
        return max(0.0, min(plan.limit, self.until - time.monotonic()))

    def stop(self) -> None:
        """Ends all workers, together."""
        for runner in self.live:
            assert runner.worker is not None
            runner.worker.dismiss()
        for runner in self.live:
            assert runner.worker is not None
            runner.worker.stop()
