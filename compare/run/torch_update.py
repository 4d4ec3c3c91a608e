"""torch's update of a training: optimizer, schedule and clipping, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from compare.cases.training import Call, Training
from compare.run import target
from compare.run.torch_side import numpy


class Update:
    """One training's update of `parameters`, which are given by path."""

    def __init__(self, training: Training, parameters: dict[str, torch.nn.Parameter]) -> None:
        self.training = training
        self.parameters = parameters
        self.function = target.named(training.update.target, "torch")
        self.clip = training.clip and target.named(training.clip.target, "torch")
        self.optimizer = self.schedule = None
        self.count = 0
        if not training.by_hand:
            self.optimizer = self.function(self._groups(), **training.update.arguments)
            if training.schedule is not None:
                self.schedule = made(training.schedule, self.optimizer)

    def _groups(self) -> list[dict[str, Any]]:
        """The parameters, those that are spared weight decay apart."""
        spared = {k: self.training.spares(k) for k in self.parameters}
        if not any(spared.values()):
            return [{"params": list(self.parameters.values())}]
        decayed = [p for k, p in self.parameters.items() if not spared[k]]
        others = [p for k, p in self.parameters.items() if spared[k]]
        return [{"params": decayed}, {"params": others, "weight_decay": 0.0}]

    def rates(self) -> dict[str, np.ndarray]:
        """The rate of the coming update, and the momentum where a schedule moves it."""
        if self.optimizer is None:
            return {"lr": np.asarray(float(self.training.update.arguments["lr"]))}
        group = self.optimizer.param_groups[0]
        found = {"lr": np.asarray(float(group["lr"]))}
        if getattr(self.schedule, "cycle_momentum", False):
            momentum = group["betas"][0] if "betas" in group else group["momentum"]
            found["momentum"] = np.asarray(float(momentum))
        return found

    def clipped(self) -> dict[str, np.ndarray]:
        """Clips the gradients; what clipping reports of them."""
        if self.clip is None or self.training.clip is None:
            return {}
        norm = self.clip(self.parameters.values(), **self.training.clip.arguments)
        return {} if norm is None else {"grad_norm": numpy(norm)}

    def step(self, batch_size: int) -> None:
        """One update of the parameters and one step of the schedule; gradients end empty."""
        self.count += 1
        if self.optimizer is None:
            lr = self.training.update.arguments["lr"]
            self.function(self.parameters.values(), lr, batch_size)
            return
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.schedule is not None:
            self.schedule.step()

    def moments(self) -> dict[str, np.ndarray]:
        """What the optimizer holds: "moment/exp_avg/fc.weight", and its counters once."""
        if self.optimizer is None:
            return {}
        found: dict[str, np.ndarray] = {"moment/step": np.asarray(self.count)}
        for path, parameter in self.parameters.items():
            for name, value in self.optimizer.state[parameter].items():
                if name == "step":
                    found["moment/step"] = np.asarray(int(value))
                elif name == "mu_product":
                    found["moment/mu_product"] = np.asarray(float(value))
                elif value is not None:
                    found[f"moment/{name}/{path}"] = numpy(value)
        return found


def made(schedule: Call, optimizer: torch.optim.Optimizer) -> Any:
    """The schedule of `optimizer`, and the schedules among its arguments."""
    arguments = {
        name: target.mapped(value, lambda inner: made(inner, optimizer))
        for name, value in schedule.arguments.items()
    }
    return target.named(schedule.target, "torch")(optimizer, **arguments)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """torch's default dtype, which some optimizers keep their counters in."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
