"""What stops a check of a user's pair: which side, which module, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

PLUMBING = ("/site-packages/", "/dist-packages/", "/compare/", "<frozen", "<string>")
"""Where lines are that a user did not write."""


class PortError(ValueError):
    """A pair that can't be compared as it was given.

    side    "torch", "jax", or "" where both are meant
    module  the path of the module at fault, where one is known
    """

    def __init__(self, side: str, says: str, module: str | None = None) -> None:
        self.side, self.module, self.says = side, module, says
        where = {"torch": "torch side", "jax": "JAX side"}.get(side, "")
        if module is not None:
            where += f", in {module!r}" if module else ", in the model itself"
        super().__init__(f"{where}: {says}" if where else says)


def some(paths: Sequence[str]) -> str:
    """The first of many, for a sentence."""
    return ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")


def users_line(trace: TracebackType | None) -> str:
    """ " (at file:line, function)" of the innermost line of the user's own; "" for none."""
    found = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if not any(part in code.co_filename for part in PLUMBING):
            short = "/".join(code.co_filename.split("/")[-2:])
            found = f" (at {short}:{trace.tb_lineno}, {code.co_name})"
        trace = trace.tb_next
    return found


def advised(says: str) -> str:
    """The words of an error of torch's, with what to do where that is known."""
    line = (says.strip().splitlines() or ["no message"])[0].split(" Hint: ")[0]
    if "inplace" in line or "in-place" in line:
        return f"{line} It works in place on what its gradient needs: write x = x + ... there"
    return line


class Undecided(PortError):
    """Leaves whose partners can't be told: the table says which, to be edited, passed back."""

    def __init__(self, says: str, table: str) -> None:
        self.table = table
        super().__init__("", says)
