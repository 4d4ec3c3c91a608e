"""What stops a check of a user's pair: which side, which module, and what to do."""

from __future__ import annotations


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


class Undecided(PortError):
    """Leaves whose partners can't be told: the table says which, to be edited and passed back."""

    def __init__(self, says: str, table: str) -> None:
        self.table = table
        super().__init__("", says)
