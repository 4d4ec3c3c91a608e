"""The parent's end of the workers: spawn, ask with a deadline, say how one was lost, kill."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
from types import TracebackType
from typing import Any, Self

from compare.measure.arms import INDUCTOR, Arm, environment
from compare.measure.worker import Failed, Settings, serve
from compare.run.pool import ending

GRACE = 3.0
"""Seconds that a worker may take to end by itself, before it is killed."""


class Lost(RuntimeError):
    """A worker did not do what was asked; `kind` is error, memory, unsupported, died, hung, or
    killed: by signal 9, which the system sends where memory runs out."""

    def __init__(self, kind: str, says: str) -> None:
        super().__init__(says)
        self.kind = kind


class Worker:
    """One process of one arm. `ask` raises Lost; killed, died and hung: the process is gone."""

    def __init__(self, arm: Arm, device: str, threads: int = 1, probes: str = "") -> None:
        """`probes`: a folder of what torch.compile keeps, which its cache begins with."""
        self.arm = arm
        self.folder = tempfile.mkdtemp(prefix="portbench-")
        if probes and arm.side == "torch":
            shutil.copytree(probes, os.path.join(self.folder, INDUCTOR))
        self.log = os.path.join(self.folder, "log")
        settings = Settings(
            environment(arm, device, threads, self.folder),
            self.log,
            os.getpid(),
        )
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, settings), daemon=True)
        self.process.start()
        theirs.close()
        self.idle = True

    def ask(self, verb: str, *arguments: Any, seconds: float = 600.0) -> Any:
        """The worker's answer to `verb`, within `seconds`."""
        self.idle = False
        try:
            self.pipe.send((verb, arguments))
            if not self.pipe.poll(seconds):
                self.stop()
                raise Lost("hung", f"it did not {verb} within {seconds:.0f} s and was stopped")
            answer = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(5)
            said, code = self._last_words(), self.process.exitcode
            self.stop()
            kind = "killed" if code == -signal.SIGKILL else "died"
            raise Lost(kind, ending(code) + (f"; it said: {said}" if said else "")) from None
        self.idle = True
        if isinstance(answer, Failed):
            raise Lost(answer.kind, answer.says)
        return answer

    def dismiss(self) -> None:
        """Lets a process that waits for an order end by itself."""
        with contextlib.suppress(OSError, ValueError):
            if self.idle:
                self.pipe.send(("stop", ()))

    def stop(self) -> None:
        """Ends the process and all that it started; may be called twice."""
        self.dismiss()
        if self.idle:
            self.process.join(GRACE)
        self.idle = False
        if self.process.pid is not None:
            with contextlib.suppress(OSError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.join(10)
        self.pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _last_words(self) -> str:
        try:
            with open(self.log, errors="replace") as lines:
                said = [line.strip() for line in lines if line.strip()]
        except OSError:
            return ""
        return said[-1][:300] if said else ""
