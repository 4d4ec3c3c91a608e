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

from compare.cases.case import Case, Given, Slot
from compare.run import target, torch_side
from compare.run.draw import Givens

# By rank, how torch names the axes of an array with channels; other arrays have no channel.
CHANNELS = {3: "n c l", 4: "n c h w", 5: "n c d h w"}

CALLS = 3
"""How many calls of one module are compared, each with arrays of other shapes."""


@dataclass
class Watched:
    """One call of the module at `path`.

    inputs      its arrays in, by the name of their slot in `called`
    called      its positional and named arguments, a Slot where an array stands
    cotangents  what is pulled back through its arrays out
    leaf        whether it has no module within
    """

    path: str
    inputs: dict[str, np.ndarray]
    called: tuple[tuple, dict]
    leaf: bool
    outputs: list[torch.Tensor] = field(default_factory=list)
    cotangents: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Isolated:
    """A module as a comparison of its own; a case for each layout that its inputs may have."""

    path: str
    given: Givens
    cases: tuple[Case, ...]
    leaf: bool


def isolated(case: Case, given: Givens, device: str = "cpu") -> list[Isolated]:
    """Every module within `case` that is called with arrays, in the order of being done.

    A module is done before the one that it stands in; one that is called several times is
    taken at its first call, and at the first with arrays of other shapes.
    """
    return [
        Isolated(one.path, givens_of(one, given), tuple(cases_of(one, case)), one.leaf)
        for one in watch(case, given, device)
        if one.path
    ]


class Watch:
    """Notes the calls of every module of a model, by hooks."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.calls: list[Watched] = []
        self._open: list[Watched | None] = []
        self._seen: set[tuple] = set()
        for path, module in model.named_modules():
            leaf = next(module.children(), None) is None
            module.register_forward_pre_hook(self._enter(path, leaf), with_kwargs=True)
            module.register_forward_hook(self._leave, with_kwargs=True)

    def _enter(self, path: str, leaf: bool):
        def enter(module: Any, args: tuple, options: dict) -> None:
            # Before the call: a module that works in place changes its inputs.
            inputs: dict[str, np.ndarray] = {}
            try:
                called = slotted(args, inputs), slotted(options, inputs)
            except TypeError:
                self._open.append(None)
                return
            shapes = (path, *((name, array.shape) for name, array in inputs.items()))
            fresh = bool(inputs) and shapes not in self._seen
            fresh = fresh and sum(one[0] == path for one in self._seen) < CALLS
            if fresh:
                self._seen.add(shapes)
            self._open.append(Watched(path, inputs, called, leaf) if fresh else None)

        return enter

    def _leave(self, module: Any, args: tuple, options: dict, result: Any) -> None:
        one = self._open.pop()
        arrays = target.flatten(result)
        if one is None or not arrays or not all(isinstance(x, torch.Tensor) for x in arrays):
            return
        for array in arrays:
            if array.requires_grad:
                array.retain_grad()
        one.outputs = arrays
        self.calls.append(one)


def slotted(part: Any, inputs: dict[str, np.ndarray]) -> Any:
    """`part` with a Slot for each array, which goes to `inputs`; TypeError for an object."""
    if isinstance(part, torch.Tensor):
        name = f"input{len(inputs)}"
        inputs[name] = torch_side.numpy(part)
        return Slot(name)
    if isinstance(part, dict):
        return {key: slotted(one, inputs) for key, one in part.items()}
    if isinstance(part, list | tuple):
        return type(part)([slotted(one, inputs) for one in part])
    if part is None or isinstance(part, bool | int | float | str):
        return part
    raise TypeError(f"a {type(part).__name__} is no array and no plain value")


def watch(case: Case, given: Givens, device: str) -> list[Watched]:
    """Runs torch's side in float64 and notes the calls of every module."""
    model = torch_side.filled(torch_side.made(case, given), given, torch.float64, device)
    model.train(case.train)
    watching = Watch(model)
    _, options = target.arguments(case, "torch")
    inputs = torch_side.inputs_of(case, given, torch.float64, device)
    outputs = target.flatten(torch_side.apply(model, inputs, options, case))
    pairs = [
        (out, torch.as_tensor(cotangent).to(out))
        for out, cotangent in zip(outputs, given.cotangents, strict=True)
        if out.requires_grad
    ]
    torch.autograd.backward([out for out, _ in pairs], [cotangent for _, cotangent in pairs])
    for one in watching.calls:
        one.cotangents = [
            np.zeros(out.shape) if out.grad is None else torch_side.numpy(out.grad)
            for out in one.outputs
        ]
    return watching.calls


def givens_of(one: Watched, given: Givens) -> Givens:
    """What the module alone is handed: its inputs, leaves, masks and cotangents."""

    def within(named: dict[str, Any]) -> dict[str, Any]:
        start = f"{one.path}."
        return {k.removeprefix(start): v for k, v in named.items() if k.startswith(start)}

    return Givens(
        inputs=one.inputs,
        leaves=within(given.leaves),
        masks=within(given.masks),
        owners={path: replace(leaf, path=path) for path, leaf in within(given.owners).items()},
        cotangents=one.cotangents,
        built={side: target.descend(whole, one.path) for side, whole in given.built.items()},
    )


def cases_of(one: Watched, case: Case) -> Iterator[Case]:
    """The module's case with its inputs' channels last on the JAX side, and as they are."""
    start = f"{one.path}."
    masks = {k.removeprefix(start): v for k, v in case.masks.items() if k.startswith(start)}
    for names in (CHANNELS, {}):
        axes = {k: names.get(x.ndim) or _plain(x.ndim) for k, x in one.inputs.items()}
        if names and not any("c" in axis.split() for axis in axes.values()):
            continue
        outs = tuple(names.get(out.ndim) or _plain(out.ndim) for out in one.outputs)
        yield replace(
            case,
            name=f"{case.name} at {one.path}",
            within=one.path,
            inputs={
                name: Given(sized(axes[name], values), grad=values.dtype.kind == "f")
                for name, values in one.inputs.items()
            },
            options={},
            jax_options={},
            called=one.called,
            masks=masks,
            out=outs,
        )


def _plain(rank: int) -> str:
    return " ".join(f"a{axis}" for axis in range(rank))


def sized(names: str, values: np.ndarray) -> str:
    """ "n c" of an array (2, 3) as "n=2 c=3"."""
    pairs = zip(names.split(), values.shape, strict=True)
    return " ".join(f"{name}={size}" for name, size in pairs)
