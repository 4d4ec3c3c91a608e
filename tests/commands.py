"""The command line as a user runs it: a process of its own."""

from __future__ import annotations

import subprocess
import sys

PORTBENCH = [sys.executable, "-m", "compare"]


def portbench(*words: str, **options) -> subprocess.CompletedProcess:
    """`portbench words...`, with both streams as text; `options` go to subprocess.run."""
    return subprocess.run(
        [*PORTBENCH, *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )
