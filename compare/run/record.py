"""A Record: what one side computed at one precision, as named NumPy arrays in torch's order.

Names say what an array is: "output/0", "grad/input", "grad/conv.weight", "buffer/running_mean".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

PRECISIONS = ("float64", "float32")


@dataclass
class Record:
    """`arrays` by name; `casts`, the narrowing casts seen on the way; `error`, if it failed.

    `unsupported` marks an error that says the side lacks the feature, not that it broke.
    `spread` says by name how far each element moved at most when inputs, and the results of
    operations, were a float64 ulp off.
    `parameters` are those after a step of training, by path: only their distance is judged.
    """

    side: str
    precision: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    casts: tuple[str, ...] = ()
    error: str = ""
    unsupported: bool = False
    spread: dict[str, np.ndarray] = field(default_factory=dict)
    parameters: dict[str, np.ndarray] = field(default_factory=dict)


def failed(side: str, precision: str, error: BaseException) -> Record:
    """The record of a side that raised: the exception's type and first line, and what that line
    announces by a colon at its end."""
    lines = str(error).strip().splitlines() or ["(no message)"]
    said = " ".join(line.strip() for line in lines[: 1 + lines[0].endswith(":")])
    text = f"{type(error).__name__}: {said}"
    return Record(
        side, precision, error=text, unsupported=isinstance(error, NotImplementedError)
    )
