"""Memory for one more arm, as far as what was taken before it tells."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

MARGIN = 1.1
"""An arm is started where this times the most that one before it took is free."""


class Room:
    """What arms that compile at once have between them.

    Each takes as much as the one that took most; before the first has ended, as the reference.
    One that finds too little waits for those that compile, and is refused only where what is
    then free is too little for it alone.
    """

    def __init__(self, reference: float) -> None:
        """`reference`: bytes that the reference's process took at its peak."""
        self.reference = reference
        self.most = 0.0
        self.begun = 0
        self.change = threading.Condition()

    @contextlib.contextmanager
    def one_more(self) -> Iterator[str]:
        """Yields "" once there is memory for one more arm; why, where there is none."""
        with self.change:
            self.change.wait_for(lambda: not self.begun or not self.lacks(self.begun + 1))
            why = self.lacks(1)
            self.begun += 1
        try:
            yield why
        finally:
            with self.change:
                self.begun -= 1
                self.change.notify_all()

    def took(self, peak: float) -> None:
        """An arm's process took `peak` bytes."""
        with self.change:
            self.most = max(self.most, peak)

    def lacks(self, arms: int) -> str:
        """ "" if there is memory for so many arms; what is free, and what is needed."""
        each, free = self.most or self.reference, available()
        if free is None or free > MARGIN * each * arms:
            return ""
        before = "an arm before it" if self.most else "the reference"
        return (
            f"out of memory: {free / 2**30:.1f} GiB is free, {before} took {each / 2**30:.1f}"
        )


def available() -> float | None:
    """Bytes that processes may still take; None where the system does not tell."""
    try:
        with open("/proc/meminfo") as lines:
            held = next(line for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return None
    return int(held.split()[1]) * 1024.0
