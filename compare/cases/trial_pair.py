"""What the trial is made of: a correct port beside its mutant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from compare.cases.case import Case


@dataclass(frozen=True)
class TrialPair:
    """A correct port and its mutant; `arrays` of the Record are compared.

    equivalent   the mutant computes the same function: it is a correct port as well
    """

    name: str
    right: Case
    mutant: Case
    arrays: tuple[str, ...] = ("output/0",)
    equivalent: bool = False


def pair(
    name: str,
    target: str,
    inputs: dict[str, Any],
    *,
    mutant: str = "",
    arrays: tuple[str, ...] = ("output/0",),
    equivalent: bool = False,
    jax_init: dict[str, Any] | None = None,
    jax_options: dict[str, Any] | None = None,
    **fields: Any,
) -> TrialPair:
    """A pair from the correct case, and what the mutant has instead on its JAX side."""
    if not any(array.startswith("grad/") for array in arrays):
        inputs = {key: replace(given, grad=False) for key, given in inputs.items()}
    right = Case(target, inputs, name=f"trial: {name}", **fields)
    wrong = replace(
        right,
        name=f"trial: {name}, mutant",
        jax=mutant or right.jax,
        jax_init=jax_init or {},
        jax_options=jax_options or {},
        expect="same" if equivalent else "different",
    )
    return TrialPair(name, right, wrong, arrays, equivalent)


def naive(name: str) -> str:
    return f"compare.run.naive:{name}"


def trial(name: str) -> str:
    return f"compare.run.trial_jax:{name}"


def sides(name: str) -> dict[str, Any]:
    """The two sides of a function that stands in the trial's own files."""
    return {"torch": f"compare.run.trial_torch:{name}", "jax": trial(name)}
