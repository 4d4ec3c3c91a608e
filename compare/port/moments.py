"""What torch's optimizers hold between steps, under names that optax has too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from compare.port.trees import MOMENTS
from compare.run import torch_side


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
