"""A user's torch module made ready: copied, seen to be there and deterministic."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from compare.run import target, torch_side
from compare.run.draw import Leaf, generator, leaf_array
from compare.run.port.errors import PortError, advised, users_line
from compare.run.port.torch_uses import _NORMS


def taken(model: Any) -> nn.Module:
    """A copy on the CPU of the user's module, of what is compiled where it is. PortError."""
    model = getattr(model, "_orig_mod", model)
    if isinstance(model, type):
        raise PortError("torch", f"{model.__name__} is a class: pass {model.__name__}(...)")
    if not isinstance(model, nn.Module):
        raise PortError("torch", f"a {type(model).__name__} is no nn.Module")
    for path, leaf in [*model.named_parameters(), *model.named_buffers()]:
        if isinstance(
            leaf, nn.parameter.UninitializedParameter | nn.parameter.UninitializedBuffer
        ):
            raise PortError(
                "torch", f"{path} has no shape yet: call the lazy module once before"
            )
        if leaf.device.type == "meta":
            raise PortError("torch", f"{path} is on the meta device: load its weights before")
    try:
        made = copy.deepcopy(model)
    except Exception as error:
        raise PortError(
            "torch", f"the module can't be copied ({type(error).__name__}: {error}): a tensor "
            "with a graph is kept on it; detach() what you store"
        ) from None  # fmt: skip
    made = made.to("cpu")
    for leaf in made.parameters():
        leaf.requires_grad_(leaf.is_floating_point())
    return made


def dropping(module: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """The path of each layer that drops something in train mode, it, and its rate's name."""
    for path, part in module.named_modules():
        name = "p" if isinstance(part, nn.modules.dropout._DropoutNd) else "dropout"
        kinds = nn.modules.dropout._DropoutNd | nn.MultiheadAttention | nn.RNNBase
        if isinstance(part, kinds) and getattr(part, name):
            yield path, part, name


def without_dropout(module: nn.Module, keeps: bool = False) -> tuple[list[str], list[str]]:
    """Sets dropouts' rates to zero, in place: (paths of those that still stand, of those set).

    With `keeps` only those are set that can't keep everything: between recurrent layers.
    """
    standing, aside = [], []
    for path, part, name in dropping(module):
        if keeps and not isinstance(part, nn.RNNBase):
            standing.append(path)
        else:
            setattr(part, name, 0.0)
            aside.append(path)
    return standing, aside


def values(
    module: nn.Module, leaves: list[Leaf], drawn: bool, seed: int
) -> dict[str, np.ndarray]:
    """The leaves to compare with: the module's own, or parameters and statistics drawn anew.

    Drawn ones are never the 0 and 1 of an initialiser, which hide mistakes. Buffers that are no
    running statistics (tables, masks, positions) are part of the function: they stay.
    """
    state = module.state_dict()
    found = {}
    for leaf in leaves:
        owner = module.get_submodule(leaf.path.rpartition(".")[0])
        statistic = isinstance(owner, _NORMS) and not leaf.integer
        if drawn and not leaf.integer and (not leaf.buffer or statistic):
            found[leaf.path] = leaf_array(leaf, generator(seed, "leaf", leaf.path))
        else:
            held = state[leaf.path]
            held = held.double() if held.is_floating_point() else held
            found[leaf.path] = torch_side.numpy(held)
    return found


@contextmanager
def told(module: nn.Module) -> Iterator[None]:
    """Errors within come out as PortError, with the path of the module that raised."""
    stack: list[str] = []
    hooks = []

    def leave(*_: Any) -> None:
        stack.pop()

    for path, part in module.named_modules():
        hooks.append(part.register_forward_pre_hook(lambda *_, path=path: stack.append(path)))
        hooks.append(part.register_forward_hook(leave))
    try:
        yield
    except PortError:
        raise
    except Exception as error:
        says = f"{type(error).__name__}: {advised(str(error))}{users_line(error.__traceback__)}"
        raise PortError("torch", says, stack[-1] if stack else None) from error
    finally:
        for hook in hooks:
            hook.remove()


def deterministic(module: nn.Module, run: Callable[[nn.Module], Any]) -> None:
    """Raises PortError where two calls under different seeds part; names the module."""
    seen: list[list[tuple[str, list[torch.Tensor]]]] = []
    for seed in (1, 2):
        kept: list[tuple[str, list[torch.Tensor]]] = []

        def note(path: str, kept: list = kept) -> Callable:
            def hook(_: Any, __: Any, result: Any) -> None:
                tensors = [x for x in target.flatten(result) if isinstance(x, torch.Tensor)]
                kept.append((path, [x.detach().clone() for x in tensors]))

            return hook

        fresh = copy.deepcopy(module)
        for path, part in fresh.named_modules():
            part.register_forward_hook(note(path))
        torch.manual_seed(seed)
        with torch.no_grad():
            run(fresh)
        seen.append(kept)
    for (path, ours), (_, theirs) in zip(*seen, strict=True):
        if any(not torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))
               for a, b in zip(ours, theirs, strict=True)):  # fmt: skip
            mode = "train" if module.training else "evaluation"
            raise PortError(
                "torch", f"two calls in {mode} mode give different results: it draws random "
                "numbers. Set its rate to 0, or draw them outside and pass them in", path
            )  # fmt: skip
