"""Worker processes that outlive what they run: a crash, a hang or a full memory costs one case.

The parent hands out batches, takes verdicts as they come, and repeats case by case what a lost
batch left undone, so that only the guilty case is reported.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

Work = Callable[[Sequence[Any], dict], Sequence[Any]]


@dataclass
class Worker:
    """One process, its pipe, and the batch it holds."""

    process: Any
    pipe: Connection
    batch: list[Any] = field(default_factory=list)
    deadline: float = 0.0

    def start(self, batch: list[Any], seconds: float) -> None:
        self.batch, self.deadline = batch, time.monotonic() + seconds
        self.pipe.send(batch)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


@dataclass(frozen=True)
class Lost:
    """An item whose worker did not return: `reason` says how it ended."""

    item: Any
    reason: str


@dataclass(frozen=True)
class Escaped:
    """An exception that `work` let through, in its own words."""

    says: str


def serve(pipe: Connection, work: Work, settings: dict) -> None:
    """The worker's life: batches in, results out, until the parent closes or dies."""
    for name, value in settings.get("environment", {}).items():
        os.environ[name] = value
    while True:
        try:
            batch = pipe.recv()
        except (EOFError, OSError):
            return
        if batch is None:
            return
        try:
            pipe.send(work(batch, settings))
        except OSError:
            return
        except Exception as error:
            pipe.send(Escaped(f"{type(error).__name__}: {error}"))


def run_batches(
    batches: Sequence[Sequence[Any]], work: Work, settings: dict, jobs: int, seconds: float
) -> Iterator[list[Any]]:
    """Yields the results of each batch as it ends, or `Lost` items, using `jobs` processes.

    `seconds` bounds one item; a batch may take that long for each item it holds.
    """
    waiting = deque(list(batch) for batch in batches)
    workers = [_spawn(work, settings) for _ in range(max(1, min(jobs, len(waiting))))]

    def feed(worker: Worker) -> None:
        worker.batch = []
        if waiting:
            batch = waiting.popleft()
            worker.start(batch, seconds * len(batch))

    try:
        for worker in workers:
            feed(worker)
        while any(worker.batch for worker in workers):
            for worker, results, reason in _answers(workers):
                lost = worker.batch
                if isinstance(results, Escaped):
                    results, reason = None, results.says
                elif results is None:
                    worker.stop()
                    workers[workers.index(worker)] = worker = _spawn(work, settings)
                if results is None and len(lost) > 1:
                    waiting.extendleft([one] for one in reversed(lost))
                else:
                    yield [Lost(lost[0], reason)] if results is None else list(results)
                feed(worker)
    finally:
        for worker in workers:
            worker.stop()


def _spawn(work: Work, settings: dict) -> Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, work, settings), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours)


def _answers(workers: Sequence[Worker]) -> list[tuple[Worker, Any, str]]:
    """Waits for news: (worker, results, "") where one answered, (worker, None, why) if lost."""
    busy = [worker for worker in workers if worker.batch]
    patience = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
    ready = set(wait([worker.pipe for worker in busy], timeout=patience))
    found: list[tuple[Worker, Any, str]] = []
    for worker in busy:
        if worker.pipe in ready:
            try:
                found.append((worker, worker.pipe.recv(), ""))
            except (EOFError, OSError):
                worker.process.join(5)
                found.append((worker, None, ending(worker.process.exitcode)))
        elif time.monotonic() >= worker.deadline:
            found.append((worker, None, "it did not end in time and was stopped"))
    return found


def ending(code: int | None) -> str:
    """How a process that nobody stopped came to its end, by its exit code."""
    if code == -9:
        return "its process was killed (signal 9: often out of memory)"
    if code is not None and code < 0:
        return f"its process crashed (signal {-code})"
    return f"its process ended (exit status {code})"
