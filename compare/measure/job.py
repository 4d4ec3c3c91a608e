"""What a worker is given to do, and the givens of it: drawn in NumPy, the same in all arms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from compare.measure.arms import Arm
from compare.measure.workloads import Workload
from compare.run.draw import Givens, Leaf, generator, givens

Arrays = dict[str, np.ndarray]

KEPT = 1 << 14
"""Entries that the agreement looks at; of a longer array some, the same in all arms."""


@dataclass(frozen=True)
class Job:
    """What a worker prepares: a workload by an arm, from leaves that are drawn by the seed."""

    workload: Workload
    arm: Arm
    precision: str
    device: str
    threads: int = 1
    leaves: tuple[Leaf, ...] = ()
    seed: int = 0

    @property
    def draws(self) -> bool:
        """Whether a step draws random numbers."""
        pair = self.workload.pair
        return bool(pair.masks) and self.workload.mode != "inference" and pair.train

    def policy(self, partly: str) -> str:
        """How bfloat16 is used: none; whole; `partly`, in training, upon float32 parameters."""
        if self.precision != "bfloat16":
            return "none"
        trains = self.workload.mode == "train"
        return partly if trains and self.arm.tuning != "matched" else "whole"


@dataclass(frozen=True)
class Reference:
    """What arms are held against: torch's eager runs of the same step.

    arrays    in float64
    twins     per precision: the farthest of those that began one rounding of it off
    own       per precision: at it, from the givens themselves
    largest   of arrays of which some entries are kept: the largest value of all
    """

    leaves: tuple[Leaf, ...]
    arrays: Arrays
    twins: Mapping[str, Arrays]
    own: Mapping[str, Arrays]
    largest: Arrays = field(default_factory=dict)


def drawn(job: Job) -> Givens:
    """The givens of `job`: inputs of a Case, or the batch of a Training."""
    workload = job.workload
    pair = workload.pair
    if workload.trained:
        sizes = {"n": workload.samples}
        first = next(iter(workload.batch.values()))
        sizes |= dict(zip(first.names.split(), first.shape, strict=True))
        masks = {path: one.sized(sizes) for path, one in pair.masks.items()}
        pair = replace(
            pair, inputs=workload.batch, masks=masks if workload.mode == "train" else {}
        )
    return givens(pair, list(job.leaves), job.seed)


def moved(given: Givens, off: float, twin: int = 0) -> Givens:
    """`given` with each floating input and parameter x made x (1 +- off)."""
    if not off:
        return given

    def shifted(name: str, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind != "f":
            return values
        return values * (
            1 + off * generator(twin, "twin", name).choice([-1.0, 1.0], values.shape)
        )

    inputs = {name: shifted(name, x) for name, x in given.inputs.items()}
    leaves = {
        path: x if given.owners[path].buffer else shifted(path, x)
        for path, x in given.leaves.items()
    }
    return replace(given, inputs=inputs, leaves=leaves)


def farthest(expected: Arrays, twins: list[Arrays]) -> Arrays:
    """Of each array that twin's which is farthest from what is expected."""
    found = {}
    for name, values in expected.items():
        gaps = [float(np.abs(twin[name] - values).max(initial=0.0)) for twin in twins]
        found[name] = twins[int(np.argmax(gaps))][name]
    return found


def floating(arrays: Arrays) -> Arrays:
    return {name: values for name, values in arrays.items() if values.dtype.kind == "f"}


def scales(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """The largest finite value of each array that `thinned` takes some of."""
    found = {}
    for name, values in arrays.items():
        values = np.abs(np.asarray(values, np.float64))
        if values.size > KEPT:
            found[name] = values[np.isfinite(values)].max(initial=0.0)
    return found


def thinned(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Arrays of more than KEPT entries as KEPT of them, drawn by name and size."""
    found = {}
    for name, values in arrays.items():
        values = np.asarray(values)
        if values.size > KEPT:
            rng = generator(0, "agreement", name, str(values.shape))
            values = values.reshape(-1)[rng.integers(0, values.size, KEPT)]
        found[name] = values
    return found
