"""Leaves by path as the trees that optax takes, and what it holds of them between steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOMENTS = {"exp_avg": "mu", "exp_avg_sq": "nu", "momentum_buffer": "trace", "square_avg": "nu",
           "sum": "sum_of_squares"}  # fmt: skip
"""What optax calls what torch's optimizers hold."""


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves by path as the nested tree that an optimizer's masks expect."""
    from flax.traverse_util import unflatten_dict

    return unflatten_dict({tuple(path.split(".")): x for path, x in leaves.items()})


def flat(tree: Any) -> dict[str, Any]:
    from flax.traverse_util import flatten_dict

    return {".".join(path): x for path, x in flatten_dict(tree).items()}


def found_moments(state: Any) -> dict[str, Any]:
    """The trees of moments in a state of optax, by optax's name."""
    found: dict[str, Any] = {}
    stack = [state]
    while stack:
        one = stack.pop()
        for name in set(MOMENTS.values()):
            if (
                hasattr(one, "_fields")
                and name in one._fields
                and isinstance(getattr(one, name), Mapping)
            ):
                found.setdefault(name, getattr(one, name))
        if isinstance(one, tuple | list):
            stack += list(one)
        elif isinstance(one, Mapping):
            stack += list(one.values())
    return found
