"""Settings of a torch optimizer and of an optax transformation, beside each other.

optax keeps its settings in closures: they are read from there, under torch's names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from compare.judge.static import Setting, equal

NAMES = {
    "b1": "beta1", "b2": "beta2", "eps": "eps", "eps_root": "eps_root", "decay": "alpha",
    "weight_decay": "weight_decay", "momentum": "momentum", "nesterov": "nesterov",
    "learning_rate": "lr", "step_size": "lr", "max_norm": "max_norm", "amsgrad": "amsgrad",
}  # fmt: skip
"""torch's word for a variable of optax's closures."""

EPS = (1e-8, 1e-7, 1e-6, 1e-5, 1e-10, 1e-3)
DECAYS = (0.0, 1e-4, 1e-2, 5e-4, 1e-3, 0.1)


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


Make = Callable[[Any], torch.optim.Optimizer]


def mistakes(
    make: Make, sample: torch.optim.Optimizer, found: Sequence[Setting]
) -> Iterator[tuple[str, Make]]:
    """Known mistakes of optimizers, each as a torch optimizer that makes it."""
    for one in found:
        told = f"optimizer {one.name}: torch {one.torch!r}, JAX {one.jax!r}"
        yield told, _changed(make, **{one.name: one.jax})
    if len(found) > 1:
        names = " and ".join(one.name for one in found)
        yield f"optimizer {names}", _changed(make, **{one.name: one.jax for one in found})
    group = of_torch(sample)
    swapped = {torch.optim.Adam: torch.optim.AdamW, torch.optim.AdamW: torch.optim.Adam}
    other = swapped.get(type(sample))
    if other is not None:
        words = "decoupled" if other is torch.optim.AdamW else "an L2 penalty in the gradient"
        changes = {one.name: one.jax for one in found}
        yield (
            f"optimizer weight decay is {words} on the JAX side",
            _remade(make, other, changes),
        )
    for name, values in (("eps", EPS), ("weight_decay", DECAYS)):
        for value in values if name in group else ():
            if value != group[name]:
                told = f"optimizer {name}: torch {group[name]!r}, JAX {value!r}"
                yield told, _changed(make, **{name: value})
    for factor in (2.0, 0.5, 10.0, 0.1):
        yield (
            f"learning rate: the JAX side's is {factor:g} times torch's",
            _changed(make, lr=group["lr"] * factor),
        )


def _changed(make: Make, **settings: Any) -> Make:
    def made(parameters: Any) -> torch.optim.Optimizer:
        optimizer = make(parameters)
        for group in optimizer.param_groups:
            for name, value in settings.items():
                if name in ("beta1", "beta2"):
                    first, second = group["betas"]
                    group["betas"] = (value, second) if name == "beta1" else (first, value)
                else:
                    group[name] = value
        return optimizer

    return made


def _remade(make: Make, cls: Any, settings: dict[str, Any]) -> Make:
    changed = _changed(make, **settings)

    def made(parameters: Any) -> torch.optim.Optimizer:
        before = changed(parameters)
        group = {k: v for k, v in before.param_groups[0].items() if k != "params"}
        names = ("lr", "betas", "eps", "weight_decay", "amsgrad")
        return cls(before.param_groups[0]["params"], **{k: group[k] for k in names})

    return made
