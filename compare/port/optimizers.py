"""Settings of a torch optimizer and of an optax transformation, beside each other.

optax keeps its settings in closures: they are read from there, under torch's names.
"""

from __future__ import annotations

from typing import Any

import torch

from compare.judge.static import Setting, equal

NAMES = {
    "b1": "beta1", "b2": "beta2", "eps": "eps", "eps_root": "eps_root", "decay": "alpha",
    "weight_decay": "weight_decay", "momentum": "momentum", "nesterov": "nesterov",
    "learning_rate": "lr", "step_size": "lr", "max_norm": "max_norm", "amsgrad": "amsgrad",
}  # fmt: skip
"""torch's word for a variable of optax's closures."""


def of_optax(transform: Any) -> dict[str, Any]:
    """The numbers and flags in the closures of a transformation, by torch's names."""
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def visit(value: Any, name: str = "") -> None:
        if id(value) in seen:
            return
        seen.add(id(value))
        if hasattr(value, "update") and hasattr(value, "init") and isinstance(value, tuple):
            for half in ("init", "update"):
                visit(getattr(value, half))
        elif isinstance(value, tuple | list):
            for one in value:
                visit(one, name)
        elif callable(value) and (cells := getattr(value, "__closure__", None)):
            for word, cell in zip(value.__code__.co_freevars, cells, strict=True):
                try:
                    inner = cell.cell_contents
                except ValueError:
                    continue
                if isinstance(inner, bool | int | float):
                    if word in NAMES:
                        number = abs(inner) if word == "step_size" else inner
                        found.setdefault(NAMES[word], number)
                else:
                    visit(inner, word)

    visit(transform)
    if found.get("decay") == found.get("alpha"):
        found.pop("decay", None)
    return found


def of_torch(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The settings of the first group."""
    group = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
    if "betas" in group:
        group["beta1"], group["beta2"] = group.pop("betas")
    return {k: v for k, v in group.items() if isinstance(v, bool | int | float)}


def differing(optimizer: torch.optim.Optimizer, transform: Any) -> list[Setting]:
    """Settings that both sides have and that differ; decay that one side lacks is 0 there."""
    ours, theirs = of_torch(optimizer), of_optax(transform)
    if "weight_decay" in ours:
        theirs.setdefault("weight_decay", 0.0)
    if "momentum" in ours and "alpha" not in ours and "alpha" in theirs:
        theirs["momentum"] = theirs.pop("alpha")  # optax's trace calls it decay too
    return [
        Setting("optimizer", name, ours[name], theirs[name])
        for name in ours
        if name in theirs and not equal(ours[name], theirs[name])
    ]
