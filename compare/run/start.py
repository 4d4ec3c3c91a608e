"""Where a training starts: leaves drawn by the seed, or those of a checkpoint; and its twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from compare.cases.training import Training
from compare.run.draw import Givens, Leaf, generator, givens

CHECKPOINTS: dict[str, Callable[[list[Leaf]], dict[str, np.ndarray]]] = {}
"""By name: what gives the leaves that a checkpoint holds; those it lacks are drawn."""


def start(training: Training, leaves: list[Leaf], seed: int) -> Givens:
    """The leaves of `training` before its first step, the same on both sides."""
    given = givens(replace(training, masks={}), leaves, seed)
    if training.leaves:
        given.leaves |= CHECKPOINTS[training.leaves](leaves)
    return given


def one_ulp_off(given: Givens, seed: int) -> Givens:
    """`given` with each number of each parameter moved to the next float32, up or down."""

    def moved(path: str, values: np.ndarray) -> np.ndarray:
        rng = generator(seed, "twin", path)
        side = np.where(rng.random(values.shape) < 0.5, -np.inf, np.inf)
        narrow = np.asarray(values, np.float32)
        return np.nextafter(narrow, side.astype(np.float32)).astype(np.float64)

    leaves = {
        path: values if given.owners[path].buffer else moved(path, values)
        for path, values in given.leaves.items()
    }
    return replace(given, leaves=leaves)
