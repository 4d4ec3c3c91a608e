"""Draw: what a family of random cases is written with, on one generator of NumPy's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

AXES = {1: ("l",), 2: ("h", "w"), 3: ("d", "h", "w")}
REDUCTIONS = ("none", "mean", "sum")


class Draw:
    """Draws arguments, sizes and values; the same generator gives the same case."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def integer(self, low: int, high: int) -> int:
        """An integer of low .. high, both included."""
        return int(self.generator.integers(low, high + 1))

    def boolean(self) -> bool:
        return self.integer(0, 1) == 1

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def integers(self, count: int, low: int, high: int) -> list[int]:
        return [self.integer(low, high) for _ in range(count)]

    def per_axis(self, rank: int, low: int, high: int) -> int | tuple[int, ...]:
        """An int for all axes, or one for each."""
        if self.boolean():
            return self.integer(low, high)
        return tuple(self.integers(rank, low, high))

    def pair(self, low: int, high: int) -> int | tuple[int, ...]:
        """An int for both axes, or one for each."""
        return self.per_axis(2, low, high)

    def spatial(self, rank: int, low: int, high: int) -> str:
        """Sizes of the axes beyond the channels': "h=5 w=7"."""
        return " ".join(f"{name}={self.integer(low, high)}" for name in AXES[rank])

    def batch(self) -> str:
        """The axis of a batch, or none: "n=2 "."""
        return self.choice(("", "n=1 ", "n=2 "))


def options(draw: Draw, choices: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """One of the values of each argument."""
    return {name: draw.choice(values) for name, values in choices.items()}
