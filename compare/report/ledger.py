"""Lines of plain data, appended as they come: a killed run goes on where it stopped."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compare.report.document import FolderError


@dataclass
class Ledger:
    """A file of JSON lines, the first of which says what all others were made with."""

    file: Path
    header: dict[str, Any]
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, file: Path, header: dict[str, Any], resume: bool) -> Ledger:
        """Makes the file, or goes on from it. A last line that a kill cut short is left out.

        Raises FolderError where the file can't be written, or was made with another header.
        """
        ledger = cls(file, header)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if resume and file.exists():
                ledger._read()
            kept = [header, *ledger.lines.values()]
            file.write_text("".join(f"{json.dumps(line)}\n" for line in kept))
        except OSError as error:
            if isinstance(error, FolderError):
                raise
            raise FolderError(
                f"can't write to {file.parent}: {error.strerror or error}; "
                "name another with --out"
            ) from error
        return ledger

    def _read(self) -> None:
        first, *rest = self.file.read_text().splitlines() or [""]
        if parsed(first) != self.header:
            raise FolderError(
                f"{self.file} was made with {first or 'nothing'}, this run is "
                f"{json.dumps(self.header)}: pass the same, or leave out --resume"
            )
        for number, text in enumerate(rest, start=2):
            line = parsed(text)
            if line is None and number <= len(rest):
                raise FolderError(f"{self.file}, line {number}, is broken: leave out --resume")
            if line is not None:
                self.lines[line["key"]] = line

    def append(self, line: dict[str, Any]) -> None:
        """Adds `line`, which has a key of its own, and sees it to the disk."""
        self.lines[line["key"]] = line = plain(line)
        with open(self.file, "a") as file:
            file.write(f"{json.dumps(line)}\n")
            file.flush()
            os.fsync(file.fileno())


def parsed(text: str) -> dict[str, Any] | None:
    """The line, or None where it is not one."""
    try:
        line = json.loads(text)
    except json.JSONDecodeError:
        return None
    return line if isinstance(line, dict) else None


def plain(value: Any) -> Any:
    """`value` for JSON: tuples are lists, and NaN and inf, which JSON lacks, are strings."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
