"""Every value that a JAX program computes, to be looked up by what it holds.

A value of torch's is found again whatever the JAX model is called, built of or laid out like:
by its size and sums first, which no order of axes changes, then element by element.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

UNROLLED = 64
"""Turns of a loop whose values are told one by one."""

SAME = 1e-9
"""How near two float64 values are to be called the same at a glance; a float32 number is 6e-8
off, what was computed in another order 1e-12."""

ORDERS = 40
"""Orders of axes that are tried where nothing agrees."""


@dataclass
class Values:
    """The values of a program at one precision, in the order of computing."""

    arrays: list[np.ndarray]
    _by_size: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _sums: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        for index, array in enumerate(self.arrays):
            self._by_size[array.size].append(index)
            self._sums.append(sums(array))

    def alike(self, value: np.ndarray) -> Iterator[int]:
        """Values of the same size and sums."""
        wanted = sums(value)
        scale = np.maximum(np.abs(wanted), wanted[1:2] * 1e-3)
        for index in self._by_size.get(value.size, ()):
            gap = np.abs(self._sums[index] - wanted)
            if np.all(gap <= SAME * np.maximum(scale, 1e-300)) or np.array_equal(
                self._sums[index], wanted, equal_nan=True
            ):
                yield index

    def find(self, value: np.ndarray) -> tuple[int, np.ndarray] | None:
        """The first value that is `value` in some order of axes: its index, laid out alike."""
        for index in self.alike(value):
            laid = fitted(self.arrays[index], value)
            if laid is not None:
                return index, laid
        return None

    def holds(self, value: np.ndarray) -> int | None:
        """The first value that has the numbers of `value`, in whatever order."""
        ours = np.sort(value, axis=None)
        scale = np.abs(ours[np.isfinite(ours)]).max(initial=0.0)
        for index in self.alike(value):
            theirs = np.sort(self.arrays[index], axis=None)
            with np.errstate(invalid="ignore"):
                near = np.abs(theirs - ours) <= SAME * scale
            if np.all(near | (theirs == ours) | (np.isnan(theirs) & np.isnan(ours))):
                return index
        return None

    def near(self, value: np.ndarray, most: int = 8) -> list[tuple[float, int, np.ndarray]]:
        """(distance, index, laid out as `value`) of the values most like it."""
        scale = float(np.abs(value).max(initial=0.0)) or 1.0
        found = []
        for index in self._by_size.get(value.size, ()):
            for laid in orders(self.arrays[index], value.shape):
                with np.errstate(invalid="ignore"):
                    gap = float(
                        np.nan_to_num(np.abs(laid - value), nan=np.inf).max(initial=0.0)
                    )
                found.append((gap / scale, index, laid))
        found.sort(key=lambda one: one[:2])
        kept: dict[int, tuple[float, int, np.ndarray]] = {}
        for one in found:
            kept.setdefault(one[1], one)
        return list(kept.values())[:most]


def sums(array: np.ndarray) -> np.ndarray:
    """Sums of x, |x|, x^2, |x|^3 and of cos x: alike in every order of the elements."""
    with np.errstate(invalid="ignore", over="ignore"):
        x = np.asarray(array, np.float64)
        size = np.abs(x)
        return np.array(
            [x.sum(), size.sum(), (x * x).sum(), (size * x * x).sum(), np.cos(x).sum()]
        )


def orders(array: np.ndarray, shape: Sequence[int]) -> Iterator[np.ndarray]:
    """`array` in every order of its axes that gives `shape`; without its axes of one."""
    shape = tuple(shape)
    plain = [n for n in array.shape if n != 1]
    wanted = [n for n in shape if n != 1]
    if sorted(plain) == sorted(wanted):
        bare = array.reshape(plain)
        every = itertools.islice(itertools.permutations(range(len(plain))), 5 * ORDERS)
        fitting = (order for order in every if [plain[a] for a in order] == wanted)
        for order in itertools.islice(fitting, ORDERS):
            yield bare.transpose(order).reshape(shape)
    elif array.size == int(np.prod(shape)):
        yield array.reshape(shape)


def fitted(array: np.ndarray, value: np.ndarray) -> np.ndarray | None:
    scale = np.abs(value[np.isfinite(value)]).max(initial=0.0)
    for laid in orders(array, value.shape):
        with np.errstate(invalid="ignore"):
            near = np.abs(laid - value) <= SAME * scale
        if np.all(near | (laid == value) | (np.isnan(laid) & np.isnan(value))):
            return laid
    return None


def values(call: Callable[..., Any], arguments: Sequence[Any], quick: dict | None) -> Values:
    """What `call(*arguments)` computes on the way, floating arrays alone."""
    closed = jax.make_jaxpr(call)(*arguments)
    flat = jax.tree.leaves(arguments)

    def every(flat: list[Any]) -> list[Any]:
        seen: list[Any] = [x for x in flat if floating(x)]
        _evaluate(closed.jaxpr, closed.consts, flat, seen)
        return [x for x in seen if floating(x) and np.size(x)]

    compiled = jax.jit(every).lower(flat).compile(compiler_options=quick)
    return Values([np.asarray(x) for x in jax.device_get(compiled(flat))])


def floating(value: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(value), jnp.floating)


def _evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], seen: list) -> list[Any]:
    """Runs a jaxpr one equation at a time, inner ones too; every result goes to `seen`."""
    known: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, core.Literal) else known[atom]

    for eqn in jaxpr.eqns:
        results = _equation(eqn, [read(atom) for atom in eqn.invars], seen)
        seen += results
        known.update(zip(eqn.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _equation(eqn: Any, given: list[Any], seen: list) -> list[Any]:
    name, params = eqn.primitive.name, eqn.params
    if name == "scan" and params["length"] <= UNROLLED:
        return _unrolled(params, given, seen)
    if name not in ("scan", "while", "cond"):
        for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
            inner = params.get(key)
            if inner is not None and hasattr(inner, "jaxpr"):
                return _evaluate(inner.jaxpr, inner.consts, given, seen)
            if inner is not None and hasattr(inner, "eqns"):
                return _evaluate(inner, (), given, seen)
    bound = eqn.primitive.get_bind_params(params)
    functions, rest = bound if isinstance(bound, tuple) else ((), bound)  # by jax's version
    made = eqn.primitive.bind(*functions, *given, **rest)
    return list(made) if eqn.primitive.multiple_results else [made]


def _unrolled(params: dict[str, Any], given: list[Any], seen: list) -> list[Any]:
    """A scan, turn by turn."""
    held, begun = params["num_consts"], params["num_consts"] + params["num_carry"]
    consts, carry, stacks = given[:held], given[held:begun], given[begun:]
    body, turns = params["jaxpr"], range(params["length"])
    told: list[list[Any]] = []
    for turn in reversed(turns) if params["reverse"] else turns:
        slices = [stack[turn] for stack in stacks]
        found = _evaluate(body.jaxpr, body.consts, [*consts, *carry, *slices], seen)
        carry = found[: len(carry)]
        told.append(found[len(carry) :])
    told = told[::-1] if params["reverse"] else told
    return [*carry, *(jnp.stack(one) for one in zip(*told, strict=True))]
