"""What a torch module uses each of its leaves for, seen in one call of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from compare.run import target
from compare.run.calls import named_arguments
from compare.run.draw import Leaf
from compare.run.port.use import Use

SHAPING = (
    "t", "transpose", "permute", "reshape", "view", "chunk", "split", "unbind", "getitem",
    "unsqueeze", "squeeze", "expand", "to", "contiguous", "T", "mT", "float", "double",
    "flatten", "movedim", "clone", "type_as", "repeat", "__get__", "__getitem__", "expand_as",
    "view_as", "reshape_as", "narrow", "select", "tensor_split", "transpose_", "detach"
)  # fmt: skip
"""Functions that only lay a leaf out anew."""

ALTERING = (
    "add", "__add__", "__radd__", "sub", "rsub", "__rsub__", "__sub__", "mul", "__mul__",
    "__rmul__", "div", "__truediv__", "neg", "__neg__", "exp", "log", "tanh", "sigmoid",
    "sqrt", "rsqrt", "abs", "square", "softplus", "clamp"
)  # fmt: skip
"""Functions of a parameter alone, or of it and a number: exp(log_scale), 1 + scale."""

# (class, leaf name) -> (role, ins, outs); of convolutions the rest of the axes slide.
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_VECTORS = {
    "weight": "scale",
    "bias": "bias",
    "running_mean": "mean",
    "running_var": "variance",
}


def torch_uses(
    module: nn.Module, leaves: Sequence[Leaf], run: Callable[[nn.Module], Any]
) -> dict[str, Use]:
    """The use of each of `leaves` in `run(module)`, in the order of the leaves."""
    watching = Watching(module, leaves)
    with watching:
        run(module)
    found = {}
    for leaf in leaves:
        use = watching.uses.get(leaf.path)
        absent = Use(leaf.path, leaf.shape, buffer=leaf.buffer)
        found[leaf.path] = by_class(module, leaf, use) if use else absent
    return found


def by_class(module: nn.Module, leaf: Leaf, use: Use) -> Use:
    """The role that a layer of torch.nn gives its leaf, whatever function it calls."""
    owner = module.get_submodule(leaf.path.rpartition(".")[0])
    rank = len(leaf.shape)
    if isinstance(owner, _NORMS):
        return use.with_role(_VECTORS.get(leaf.name, "other"))
    if isinstance(owner, nn.Embedding | nn.EmbeddingBag):
        return use.with_role("table", ins=(0,), outs=(1,))
    if isinstance(owner, nn.modules.conv._ConvNd):
        if leaf.name == "bias":
            return use.with_role("bias")
        ins, outs = ((0,), (1,)) if owner.transposed else ((1,), (0,))
        return use.with_role("conv", ins=ins, outs=outs, window=tuple(range(2, rank)))
    if isinstance(owner, nn.Linear):
        return (
            use.with_role("bias") if rank == 1 else use.with_role("dense", ins=(1,), outs=(0,))
        )
    if isinstance(owner, nn.MultiheadAttention | nn.RNNBase | nn.RNNCellBase):
        return (
            use.with_role("bias") if rank == 1 else use.with_role("dense", ins=(1,), outs=(0,))
        )
    return use


class Watching(TorchFunctionMode):
    """Notes the first function that each leaf meets, and what else that function is given."""

    def __init__(self, module: nn.Module, leaves: Sequence[Leaf]) -> None:
        super().__init__()
        named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        self.uses: dict[str, Use] = {}
        self._leaves = {leaf.path: leaf for leaf in leaves}
        self._own = {id(named[leaf.path]): leaf.path for leaf in leaves if leaf.path in named}
        self._from: dict[int, frozenset[str]] = {}
        self._held: list[Any] = list(
            named.values()
        )  # an id is only good while its tensor lives

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        given = [x for x in target.flatten([args, kwargs]) if isinstance(x, torch.Tensor)]
        made = [x for x in target.flatten(result) if isinstance(x, torch.Tensor)]
        met = [self._own[id(x)] for x in given if id(x) in self._own]
        alone = len(given) == 1 and len(met) == 1
        parameter = alone and not self._leaves[met[0]].buffer and given[0].dim() > 0
        if (alone and name in SHAPING) or (parameter and name in ALTERING):
            for one in made:
                self._own[id(one)] = met[0]
                self._held.append(one)
            return result
        above = frozenset().union(*(self._from.get(id(x), frozenset()) for x in given))
        paths = sorted(dict.fromkeys(met), key=within)
        for path in paths:
            first = {one for one in paths if precedes(one, path)}
            self._use(path, func, name, args, kwargs, given, above | first)
        for one in made:
            if id(one) not in self._own:
                self._from[id(one)] = above | frozenset(met)
                self._held.append(one)
        return result

    def _use(
        self, path: str, func: Any, name: str, args: Any, kwargs: Any,
        given: list, above: frozenset[str],
    ) -> None:  # fmt: skip
        known = self.uses.get(path)
        if known is not None:
            self.uses[path] = replace(known, times=known.times + 1)
            return
        leaf = self._leaves[path]
        use = Use(path, leaf.shape, order=len(self.uses), above=above - {path}, times=1,
                  buffer=leaf.buffer)  # fmt: skip
        arguments = named_arguments(func, name, args, kwargs)
        slot = next((k for k, x in arguments.items() if self._own.get(id(x)) == path), "")
        plain = any(id(x) in self._own and x.shape == leaf.shape for x in given)
        self.uses[path] = observed(use, name, slot, arguments) if plain else replace(
            use, role="other")  # fmt: skip


def within(path: str) -> tuple[int, bool, bool]:
    """Where a leaf stands among those that one function is given: (layer, last, a bias).

    A bias is added after its kernel; attention projects its output last; layers of a recurrent
    net follow one another, and its two kernels stand side by side.
    """
    name = path.rpartition(".")[2]
    layer = re.search(r"_l(\d+)", name)
    return int(layer[1]) if layer else 0, "out_proj." in path, "bias" in name


def precedes(one: str, other: str) -> bool:
    """Whether a function uses leaf `one` before `other`."""
    first, second = within(one), within(other)
    if first[:2] != second[:2]:
        return first[:2] < second[:2]
    # b_ih is added to what W_ih gives, not to what W_hh does.
    kind = [re.search(r"_(ih|hh)_?", path) for path in (one, other)]
    same = not (kind[0] and kind[1]) or kind[0][1] == kind[1][1]
    return same and first[2] < second[2]


def observed(use: Use, name: str, slot: str, arguments: dict[str, Any]) -> Use:
    """The role of a leaf that is argument `slot` of the function `name`."""
    rank = len(use.shape)
    if name == "linear" and slot == "weight":
        return use.with_role("dense", ins=(1,), outs=(0,))
    if name.startswith("conv_transpose") and slot == "weight":
        return use.with_role("conv", ins=(0,), outs=(1,), window=tuple(range(2, rank)))
    if name.startswith("conv") and slot == "weight":
        return use.with_role("conv", ins=(1,), outs=(0,), window=tuple(range(2, rank)))
    if name == "embedding" and slot == "weight":
        return use.with_role("table", ins=(0,), outs=(1,))
    if name in ("matmul", "__matmul__", "bmm", "mm") and rank == 2:
        second = slot in ("other", "mat2", "1")
        return use.with_role(
            "dense", ins=(0,) if second else (1,), outs=(1,) if second else (0,)
        )
    if name == "addmm" and rank == 2 and slot in ("mat2", "2"):
        return use.with_role("dense", ins=(0,), outs=(1,))
    if name == "einsum":
        return by_equation(use, arguments)
    if slot in ("bias", "running_mean", "running_var") and rank == 1:
        return use.with_role(_VECTORS[slot])
    if name.endswith("norm") and slot == "weight":
        return use.with_role("scale")
    words = {"add": "bias", "sub": "mean", "mul": "scale", "__add__": "bias", "addmm": "bias"}
    return use.with_role(words.get(name.strip("_").removeprefix("r"), "other"))


def by_equation(use: Use, arguments: dict[str, Any]) -> Use:
    """The axes of an einsum's operand: those that the result lacks are contracted."""
    values = list(arguments.values())
    if not values or not isinstance(values[0], str) or "." in values[0].split(",")[-1]:
        return use.with_role("other")
    left, _, right = values[0].replace(" ", "").partition("->")
    for letters, operand in zip(left.split(","), values[1:], strict=False):
        if tuple(getattr(operand, "shape", ())) == use.shape and len(letters) == len(use.shape):
            ins = tuple(i for i, one in enumerate(letters) if one not in right)
            outs = tuple(i for i, one in enumerate(letters) if one in right)
            return use.with_role("dense" if ins else "other", ins=ins, outs=outs)
    return use.with_role("other")
