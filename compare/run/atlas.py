"""What the atlas' functions have in common: torch, a naive port and the right one.

Each of the three is a small function of the same arrays, and the text of it that is shown is
that of the function that ran.
"""

from __future__ import annotations

import inspect
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compare.cases.atlas import Row
from compare.cases.case import Given, draw
from compare.run import naive, state, target
from compare.run.draw import array, generator
from compare.run.record import PRECISIONS, Record, failed

SIDES = ("torch", "naive", "right")


class NotHere(Exception):
    """A row that this machine can't run; the message says what it needs."""


@dataclass
class Facts:
    """What a row measured: records by (side, precision), the code that ran, and numbers."""

    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)

    def value(self, side: str, index: int = 0, precision: str = "float64") -> np.ndarray:
        """An output of a side; RuntimeError with the side's own words where it raised."""
        record = self.records[side, precision]
        if record.error:
            raise RuntimeError(f"the {side} side failed: {record.error}")
        return record.arrays[f"output/{index}"]

    def note(self, **measured: Any) -> Facts:
        """Itself with numbers more; `_` in a name is read as a blank."""
        found = {name.replace("_", " "): plain(value) for name, value in measured.items()}
        self.measured.update(found)
        return self


def run(row: Row, seed: int) -> Facts:
    """Calls the row's function. Raises NotHere where something is missing."""
    import torch

    function = target.named(row.target, "torch")
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(Bench(row.run, seed))


class Bench:
    """Draws a row's arrays, keyed by (seed, function, name); calls functions on them."""

    def __init__(self, row: str, seed: int) -> None:
        self.row, self.seed = row, seed

    def rng(self, name: str) -> np.random.Generator:
        return generator(self.seed, self.row, name)

    def array(self, name: str, given: Given | str | np.ndarray) -> np.ndarray:
        """Axes ("n=2 c=3") are drawn from N(0.25, 1), a Given as it says; an array stays."""
        if isinstance(given, np.ndarray):
            return given
        given = draw(given) if isinstance(given, str) else given
        return array(given, self.rng(name))

    def sides(
        self,
        *functions: Callable,
        out: str | Sequence[str] | None = None,
        raises: Sequence[str] = (),
        care: bool = False,
        **givens: Given | str | np.ndarray,
    ) -> Facts:
        """What functions called `in_torch`, `naive` and `right` make of the arrays.

        Arrays of named axes reach JAX as state.LAYOUTS has it, c last, and results come back
        by the axes of `out`, by default those of the first array. A side named in `raises` may
        raise, which is then what it does; elsewhere it is an error of the row. JAX runs in
        float32 only where `care` is asked for: eagerly each run compiles each operation.
        """
        arrays = {name: self.array(name, given) for name, given in givens.items()}
        axes = {name: names_of(given) for name, given in givens.items()}
        outs = [out] if isinstance(out, str) else list(out or [next(iter(axes.values()), "")])
        facts = Facts()
        for function in functions:
            side = function.__name__.removeprefix("in_")
            facts.code[side] = code(function)
            for precision in PRECISIONS if care or side == "torch" else PRECISIONS[:1]:
                call = torch_call if side == "torch" else jax_call
                try:
                    found = call(function, arrays, axes, outs, precision)
                except Exception as error:
                    if side not in raises:
                        raise
                    facts.records[side, precision] = failed(side, precision, error)
                else:
                    facts.records[side, precision] = Record(side, precision, found)
        return facts

    def value(
        self,
        function: Callable,
        out: str | Sequence[str] | None = None,
        **givens: Given | str | np.ndarray,
    ) -> np.ndarray:
        """The first output, in float64, of one function more of JAX."""

        def right(*arrays: Any) -> Any:
            return function(*arrays)

        return self.sides(right, out=out, raises=(), care=False, **givens).value("right")


def names_of(given: Given | str | np.ndarray) -> str:
    if isinstance(given, np.ndarray):
        return ""
    return draw(given).names if isinstance(given, str) else given.names


def code(function: Callable) -> str:
    """The text of `function`, and of the ports of compare/run/naive.py that it calls."""
    text = textwrap.dedent(inspect.getsource(function)).strip()
    used = dict.fromkeys(re.findall(r"\bports\.(\w+)", text))
    return "\n\n\n".join(
        [text, *(inspect.getsource(getattr(naive, name)).strip() for name in used)]
    )


def torch_call(
    function: Callable, arrays: Mapping[str, np.ndarray], axes: Any, outs: Any, precision: str
) -> dict[str, np.ndarray]:
    """Outputs of `function` on torch's tensors at `precision`."""
    import torch

    dtype = getattr(torch, precision)

    def tensor(values: np.ndarray) -> Any:
        fresh = torch.tensor(values)
        return fresh.to(dtype) if fresh.is_floating_point() else fresh

    found = function(*map(tensor, arrays.values()))
    return {f"output/{i}": host(x) for i, x in enumerate(target.flatten(found))}


def jax_call(
    function: Callable,
    arrays: Mapping[str, np.ndarray],
    axes: Mapping[str, str],
    outs: Sequence[str],
    precision: str,
) -> dict[str, np.ndarray]:
    """Outputs of `function` on JAX's arrays at `precision`, in torch's order of axes."""
    import jax.numpy as jnp

    with x64(precision):
        given = []
        for name, values in arrays.items():
            moved = state.to_jax(values, pattern(axes[name]))
            given.append(jnp.asarray(moved, precision if moved.dtype.kind == "f" else None))
        found = [host(one) for one in target.flatten(function(*given))]
    laid = {}
    for i, values in enumerate(found):
        names = outs[min(i, len(outs) - 1)]
        fits = np.ndim(values) == len(names.split())
        laid[f"output/{i}"] = state.to_torch(values, pattern(names)) if fits else values
    return laid


@contextmanager
def x64(precision: str = "float64") -> Iterator[None]:
    """JAX at `precision`."""
    import jax

    with jax.enable_x64(precision == "float64"):
        yield


def pattern(names: str) -> str:
    """How an array of these axes is laid out: a weight by its row of the leaf table."""
    rows = (row for row in state.LAYOUTS.values() if row.partition(" ->")[0] == names)
    return next(rows, None) or state.channels_last(names)


def host(value: Any) -> np.ndarray:
    """A tensor, an array, a Flax variable or a plain value as NumPy's; a word stays one."""
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach().float() if value.dtype == torch.bfloat16 else value.detach()
        return value.cpu().numpy().copy()
    value = value.get_value() if hasattr(value, "get_value") else value
    return np.asarray(value)


def plain(value: Any) -> Any:
    """`value` as JSON has it: a number, a word, a truth, or a list of them."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    values = host(value)
    return values.item() if values.ndim == 0 else values.tolist()


def gap(values: Any, reference: Any) -> float:
    """max|values - reference| / max|reference|, or the absolute one where that is 0."""
    values, reference = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    if values.shape != reference.shape:
        raise ValueError(f"shapes {values.shape} and {reference.shape} can't be compared")
    scale = float(np.abs(reference).max(initial=0.0)) or 1.0
    return float(np.abs(values - reference).max(initial=0.0)) / scale


def error_of(function: Callable) -> str:
    """The class of what `function` raises, or "nothing"."""
    try:
        function()
    except Exception as error:
        return type(error).__name__
    return "nothing"
