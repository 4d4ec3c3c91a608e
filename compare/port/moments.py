"""What optimizers of both sides hold between steps, under names that both have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from compare.run import torch_side

MOMENTS = {"exp_avg": "mu", "exp_avg_sq": "nu", "momentum_buffer": "trace", "square_avg": "nu",
           "sum": "sum_of_squares"}  # fmt: skip
"""What optax calls what torch's optimizers hold."""


def held(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """What torch's optimizer holds under names that optax has too."""
    found = {}
    for path, parameter in parameters.items():
        for name, value in optimizer.state.get(parameter, {}).items():
            if name in MOMENTS and isinstance(value, torch.Tensor):
                found[f"moment/{MOMENTS[name]}/{path}"] = torch_side.numpy(value)
    return found


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
