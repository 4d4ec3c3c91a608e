"""Each module of a model by itself, on what torch handed it: a fault is told from its echo.

torch's float64 run is watched once: what every module is called with, and what is pulled back
through its outputs. Then each module is a comparison of its own, with those inputs and
cotangents. Where a fault has happened upstream, both sides still get the right inputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from compare.cases.case import Case, Given
from compare.run import target, torch_side
from compare.run.draw import Givens

# By rank, how torch names the axes of an array with channels; other arrays have no channel.
CHANNELS = {3: "n c l", 4: "n c h w", 5: "n c d h w"}


@dataclass
class Watched:
    """One call of the module at `path`: its arrays in, and the cotangents of its arrays out."""

    path: str
    inputs: list[np.ndarray]
    options: dict[str, Any]
    outputs: list[torch.Tensor]
    cotangents: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Isolated:
    """A module as a comparison of its own; a case for each layout that its inputs may have."""

    path: str
    given: Givens
    cases: tuple[Case, ...]


def isolated(case: Case, given: Givens, device: str = "cpu") -> list[Isolated]:
    """Every module within `case` that is called with arrays, in the order of being done.

    A module is done before the one that it stands in; one that is called twice is taken at its
    first call.
    """
    return [
        Isolated(one.path, givens_of(one, given), tuple(cases_of(one, case)))
        for one in watch(case, given, device)
        if one.path
    ]


def watch(case: Case, given: Givens, device: str) -> list[Watched]:
    """Runs torch's side in float64 and notes the first call of every module."""
    model = torch_side.filled(torch_side.build(case), given, torch.float64, device)
    model.train(case.train)
    seen: dict[str, Watched] = {}

    def hook(path: str):
        def note(module: Any, args: tuple, options: dict, result: Any) -> None:
            arrays = target.flatten(result)
            plain = all(isinstance(one, torch.Tensor) for one in (*args, *arrays))
            if path in seen or not plain or not args:
                return
            for one in arrays:
                if one.requires_grad:
                    one.retain_grad()
            inputs = [torch_side.numpy(one) for one in args]
            seen[path] = Watched(path, inputs, dict(options), arrays)

        return note

    for path, module in model.named_modules():
        module.register_forward_hook(hook(path), with_kwargs=True)
    _, options = target.arguments(case, "torch")
    inputs = [
        torch_side.tensor(values, torch.float64, device).requires_grad_(
            case.inputs[name].grad and values.dtype.kind == "f"
        )
        for name, values in given.inputs.items()
    ]
    outputs = target.flatten(model(*inputs, **options))
    pairs = [
        (out, torch.as_tensor(cotangent).to(out))
        for out, cotangent in zip(outputs, given.cotangents, strict=True)
        if out.requires_grad
    ]
    torch.autograd.backward([out for out, _ in pairs], [cotangent for _, cotangent in pairs])
    for one in seen.values():
        one.cotangents = [
            np.zeros(out.shape) if out.grad is None else torch_side.numpy(out.grad)
            for out in one.outputs
        ]
    return list(seen.values())


def givens_of(one: Watched, given: Givens) -> Givens:
    """What the module alone is handed: its inputs, leaves, masks and cotangents."""

    def within(named: dict[str, Any]) -> dict[str, Any]:
        start = f"{one.path}."
        return {k.removeprefix(start): v for k, v in named.items() if k.startswith(start)}

    return Givens(
        inputs={f"input{i}": values for i, values in enumerate(one.inputs)},
        leaves=within(given.leaves),
        masks=within(given.masks),
        owners={path: replace(leaf, path=path) for path, leaf in within(given.owners).items()},
        cotangents=one.cotangents,
    )


def cases_of(one: Watched, case: Case) -> Iterator[Case]:
    """The module's case with its inputs' channels last on the JAX side, and as they are."""
    masks = {
        path.removeprefix(f"{one.path}."): mask
        for path, mask in case.masks.items()
        if path.startswith(f"{one.path}.")
    }
    for names in (CHANNELS, {}):
        axes = [names.get(values.ndim) or _plain(values.ndim) for values in one.inputs]
        if names and not any("c" in axis.split() for axis in axes):
            continue
        outs = tuple(names.get(out.ndim) or _plain(out.ndim) for out in one.outputs)
        yield replace(
            case,
            name=f"{case.name} at {one.path}",
            within=one.path,
            inputs={
                f"input{i}": Given(sized(axis, values), grad=values.dtype.kind == "f")
                for i, (axis, values) in enumerate(zip(axes, one.inputs, strict=True))
            },
            options=one.options,
            masks=masks,
            out=outs,
        )


def _plain(rank: int) -> str:
    return " ".join(f"a{axis}" for axis in range(rank))


def sized(names: str, values: np.ndarray) -> str:
    """ "n c" of an array (2, 3) as "n=2 c=3"."""
    pairs = zip(names.split(), values.shape, strict=True)
    return " ".join(f"{name}={size}" for name, size in pairs)
