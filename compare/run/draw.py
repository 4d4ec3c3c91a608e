"""The givens: every array of a case, drawn once in NumPy, keyed by (seed, case, name).

Values are exactly representable in float32, the lowest precision under test, so that every run
starts from the same numbers; no array depends on the order in which others are drawn.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from typing import Any

import ml_dtypes
import numpy as np

from compare.cases.case import Given, Pair


@dataclass(frozen=True)
class Leaf:
    """One leaf of a module: its path, its owner's class, shape, and whether it is a buffer."""

    path: str
    owner: str
    shape: tuple[int, ...]
    buffer: bool = False
    integer: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


@dataclass
class Givens:
    """What both sides are handed, as NumPy in torch's order of axes.

    built   the modules themselves, by side, where they are at hand and need not be made
    """

    inputs: dict[str, np.ndarray]
    leaves: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    owners: dict[str, Leaf]
    cotangents: list[np.ndarray] = field(default_factory=list)
    built: dict[str, Any] = field(default_factory=dict)


def givens(case: Pair, leaves: list[Leaf], seed: int) -> Givens:
    """Draws the inputs, leaves and masks of `case`; cotangents follow once shapes are known."""

    def keyed(name: str) -> np.random.Generator:
        return generator(seed, case.name, name)

    return Givens(
        inputs={name: array(given, keyed(name)) for name, given in case.inputs.items()},
        leaves={leaf.path: leaf_array(leaf, keyed(leaf.path)) for leaf in leaves},
        masks={path: array(given, keyed(path)) for path, given in case.masks.items()},
        owners={leaf.path: leaf for leaf in leaves},
    )


def jittered(given: Givens, off: float, twin: int) -> Givens:
    """`given` with each number x that is no integer made x (1 + off) or x (1 - off)."""

    def moved(kind: str, name: str, values: np.ndarray) -> np.ndarray:
        if values.dtype.kind not in "fc":
            return values
        sides = generator(twin, "jitter", kind, name).choice([-1.0, 1.0], values.shape)
        # A label of -1.0 or a pixel of exactly 0.0 would be something else.
        return np.where(values == np.rint(values), values, values * (1 + off * sides))

    return replace(
        given,
        inputs={name: moved("input", name, x) for name, x in given.inputs.items()},
        leaves={path: moved("leaf", path, x) for path, x in given.leaves.items()},
        cotangents=[moved("cotangent", str(i), x) for i, x in enumerate(given.cotangents)],
    )


def cotangent(case: Pair, index: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """What is pulled back through output `index`: random, since a sum hides whole gradients."""
    rng = generator(seed, case.name, f"cotangent {index}")
    return representable(rng.normal(size=shape))


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for each (seed, names)."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, np.uint32).tolist()])


def representable(values: np.ndarray) -> np.ndarray:
    """`values` rounded to float32, as float64; NaN and inf stay."""
    return np.asarray(values, np.float64).astype(np.float32).astype(np.float64)


def narrowed(given: Givens, precision: str) -> Givens:
    """`given` with each floating number rounded to bfloat16 or float16, to be exact in it."""
    dtype = np.dtype(getattr(ml_dtypes, precision, None) or precision)

    def exact(values: np.ndarray) -> np.ndarray:
        return values.astype(dtype).astype(np.float64) if values.dtype.kind == "f" else values

    return replace(
        given,
        inputs={name: exact(values) for name, values in given.inputs.items()},
        leaves={path: exact(values) for path, values in given.leaves.items()},
        cotangents=[exact(values) for values in given.cotangents],
    )


def array(given: Given, rng: np.random.Generator) -> np.ndarray:
    """One array by its `Given`: float64 holding float32 values, int64, or bool for bits."""
    option, shape = given.options.get, given.shape
    match given.kind:
        case "normal":
            values = rng.normal(option("mean", 0.25), option("std", 1.0), shape)
        case "uniform":
            values = rng.uniform(option("low", 0.0), option("high", 1.0), shape)
        case "distinct":
            size = math.prod(shape)
            grid = (np.arange(size) - size // 2) * option("step", 2.0**-5)
            return rng.permutation(grid).reshape(shape)
        case "simplex" | "log_simplex":
            names = given.names.split()
            axis = names.index("c") if "c" in names else len(shape) - 1
            values = rng.gamma(2.0, size=shape) + 0.05
            values = values / values.sum(axis, keepdims=True)
            values = np.log(values) if given.kind == "log_simplex" else values
        case "signs":
            return rng.choice([-1.0, 1.0], shape)
        case "bits":
            return rng.random(shape) < option("keep", 0.5)
        case "integers":
            values = rng.integers(option("low", 0), option("high", 2), shape)
            if "also" in given.options:
                values = np.where(rng.random(shape) < 0.25, int(option("also", 0)), values)
            return values
        case "permutation":
            rows = [rng.permutation(shape[-1]) for _ in range(math.prod(shape[:-1]))]
            return np.array(rows, np.int64).reshape(shape)
        case "given":
            values = np.array(option("values"))
            if values.dtype.kind in "biuc":
                return values.reshape(shape)
            return representable(values).reshape(shape)
        case _:
            raise AssertionError(given.kind)
    return representable(values)


def leaf_array(leaf: Leaf, rng: np.random.Generator) -> np.ndarray:
    """A parameter or buffer: never the 0 and 1 of an initialiser, which hide mistakes."""
    if leaf.integer:
        return np.full(leaf.shape, 3, np.int64)
    if leaf.name == "running_var":
        return representable(rng.uniform(0.5, 2.0, leaf.shape))
    if len(leaf.shape) >= 2:
        fan_in = math.prod(leaf.shape[1:]) or 1
        return representable(rng.normal(0.0, 1.0 / math.sqrt(fan_in), leaf.shape))
    if leaf.name == "weight":
        return representable(rng.uniform(0.5, 1.5, leaf.shape))
    return representable(rng.normal(0.1, 0.5, leaf.shape))
