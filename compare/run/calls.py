"""torch's side seen and rewritten one function call at a time.

Every call of a torch function that a module or function makes passes a TorchFunctionMode: it is
noted with its arguments by name, and a rewrite may stand in its place. So a known mistake can
be emulated in a model that was written without a thought of it; gradients follow by autograd.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from compare.run import target

WHOLE = -1
"""The index of the call of the whole module or function itself."""

Rewrite = Callable[[Callable[..., Any], dict[str, Any], float], Any]
"""rewrite(rest, arguments, value): `rest(**arguments)` is the call as it was."""

MISSING = object()
"""In place of a default: the argument has none."""

_CONV = "input weight bias=None stride=1 padding=0 dilation=1 groups=1"
_TRANSPOSED = "input weight bias=None stride=1 padding=0 output_padding=0 groups=1 dilation=1"
_AVERAGE = "input kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True"

# Arguments of functions that Python cannot ask for their signature, with defaults.
SIGNATURES = {
    **{f"conv{n}d": _CONV for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _TRANSPOSED for n in (1, 2, 3)},
    "avg_pool1d": _AVERAGE,
    **{f"avg_pool{n}d": f"{_AVERAGE} divisor_override=None" for n in (2, 3)},
    **{
        f"max_pool{n}d": "input kernel_size stride=None padding=0 dilation=1 ceil_mode=False "
        "return_indices=False"
        for n in (1, 2, 3)
    },
    "linear": "input weight bias=None",
    "bilinear": "input1 input2 weight bias=None",
    "gelu": "input approximate='none'",
    "softplus": "input beta=1.0 threshold=20.0",
    "softshrink": "input lambd=0.5",
    "hardshrink": "input lambd=0.5",
    "celu": "input alpha=1.0",
    "logsigmoid": "input",
    "softmax": "input dim dtype=None",
    "log_softmax": "input dim dtype=None",
    "flatten": "input start_dim=0 end_dim=-1",
    "scaled_dot_product_attention": "query key value attn_mask=None dropout_p=0.0 "
    "is_causal=False scale=None enable_gqa=False",
    "cosine_similarity": "x1 x2 dim=1 eps=1e-08",
    "pairwise_distance": "x1 x2 p=2.0 eps=1e-06 keepdim=False",
    "pixel_shuffle": "input upscale_factor",
    "lstm": "input hx weights has_biases num_layers dropout train bidirectional batch_first",
    "gru": "input hx weights has_biases num_layers dropout train bidirectional batch_first",
    "lstm_cell": "input hx w_ih w_hh b_ih=None b_hh=None",
    "gru_cell": "input hx w_ih w_hh b_ih=None b_hh=None",
    "matmul": "input other",
    "bmm": "input mat2",
    "masked_fill": "input mask value",
    "where": "condition input other",
    "mul": "input other",
    "div": "input other",
    "add": "input other",
    "sub": "input other",
    "chunk": "input chunks dim=0",
    "cat": "tensors dim=0",
    "repeat_interleave": "input repeats dim=None",
    "rsub": "input other",
    "rdiv": "input other",
    "mean": "input dim=None keepdim=False",
    "sum": "input dim=None keepdim=False",
    "log": "input",
    "sigmoid": "input",
    "tanh": "input",
    "relu": "input",
    "abs": "input",
    "permute": "input dims",
    "transpose": "input dim0 dim1",
    "norm": "input p=2 dim=None keepdim=False",
}
_SAME_NAME = {
    "__rdiv__": "rdiv",
    "__iadd__": "add",
    "__isub__": "sub",
    "__imul__": "mul",
    "__itruediv__": "div",
    "__rsub__": "rsub",
    "__matmul__": "matmul",
    "true_divide": "div",
    "truediv": "div",
    "multiply": "mul",
    "divide": "div",
    "max_pool1d_with_indices": "max_pool1d",
    "max_pool2d_with_indices": "max_pool2d",
    "max_pool3d_with_indices": "max_pool3d",
}


LEAVES: ContextVar[Mapping[str, torch.Tensor]] = ContextVar(
    "leaves", default=MappingProxyType({})
)
"""The parameters, by path, of the run that is at work."""


def leaf_path(tensor: torch.Tensor) -> str:
    """The path of a parameter that a call was given; "" of any other tensor."""
    return getattr(tensor, "leaf_path", "")


def at_hand(tensor: torch.Tensor) -> torch.Tensor:
    """A parameter that was noted in another run, as the run at work has it."""
    return LEAVES.get().get(leaf_path(tensor), tensor)


@dataclass(frozen=True)
class Seen:
    """One call of a torch function: where it stood, its name, and its arguments by name.

    path      the module that made it, "" for the subject itself
    arguments defaults among them; an argument that has no name goes by its place
    result    what it returned; a later call may work in place on it
    held      copies of the floating tensors that it returned
    module    of the call of a whole module, the module
    """

    index: int
    path: str
    name: str
    arguments: dict[str, Any] = field(repr=False)
    result: Any = field(default=None, repr=False)
    module: Any = field(default=None, repr=False)
    held: tuple[torch.Tensor, ...] = field(default=(), repr=False)

    def get(self, name: str, default: Any = None) -> Any:
        return self.arguments.get(name, default)


class Calls(TorchFunctionMode):
    """Notes every call in `seen`, and puts `rewrites` (index -> (rewrite, value)s) in place.

    The first rewrite of an index is the outermost: it is handed the others as its `rest`.
    """

    def __init__(
        self,
        rewrites: Mapping[int, Sequence[tuple[Rewrite, float]]] | None = None,
        note: bool = False,
    ) -> None:
        super().__init__()
        self.seen: list[Seen] = []
        self.paths: list[str] = [""]
        self._rewrites = rewrites or {}
        self._note = note
        self._count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
        name = getattr(func, "__name__", "")
        if not name or name in ("__get__", "__set__", "dim", "size", "numel", "type"):
            return func(*args, **(kwargs or {}))
        index, self._count = self._count, self._count + 1
        if not self._note and index not in self._rewrites:
            return func(*args, **(kwargs or {}))
        name = plain_name(name)
        arguments = named_arguments(func, name, args, kwargs or {})
        placed = len(args)

        def plain(**given: Any) -> Any:
            return invoked(func, placed, arguments, given)

        result = rewritten(plain, self._rewrites.get(index, ()))(**arguments)
        if self._note:
            made = [x for x in target.flatten(result) if isinstance(x, torch.Tensor)]
            held = tuple(x.detach().clone() for x in made if x.is_floating_point())
            self.seen.append(Seen(index, self.paths[-1], name, arguments, result, held=held))
        return result

    def follow(self, module: torch.nn.Module) -> list[Any]:
        """Hooks that keep the path of the module at work; the caller removes them."""
        hooks = []
        for path, child in module.named_modules():
            if not path:
                continue

            def enter(_: Any, __: Any, path: str = path) -> None:
                self.paths.append(path)

            def leave(_: Any, __: Any, ___: Any) -> None:
                self.paths.pop()

            hooks.append(child.register_forward_pre_hook(enter))
            hooks.append(child.register_forward_hook(leave, always_call=True))
        return hooks


def plain_name(name: str) -> str:
    """A function's name without the sign of working in place: add for add_ and __iadd__."""
    if name.endswith("_") and not name.endswith("__"):
        name = name.removesuffix("_")
    return _SAME_NAME.get(name, name)


def rewritten(plain: Callable[..., Any], rewrites: Sequence[tuple[Rewrite, float]]) -> Any:
    """`plain` with `rewrites` around it, the first outermost."""
    call = plain
    for rewrite, value in reversed(rewrites):
        call = around(call, rewrite, value)
    return call


def around(rest: Callable[..., Any], rewrite: Rewrite, value: float) -> Callable[..., Any]:
    """One rewrite around a call, whose arguments may have any name: attention's has a value."""

    def call(**given: Any) -> Any:
        return rewrite(rest, given, value)

    return call


def named_arguments(func: Any, name: str, args: Sequence[Any], kwargs: Mapping) -> dict:
    """The arguments of a call by name, those given by place first, with defaults."""
    known = signature(func, name)
    if known is None:
        return {**{str(i): x for i, x in enumerate(args)}, **kwargs}
    names = list(known)
    placed = {names[i] if i < len(names) else str(i): x for i, x in enumerate(args)}
    rest = {n: known[n] for n in names if n not in placed and known[n] is not MISSING}
    return {**placed, **rest, **kwargs}


def signature(func: Any, name: str) -> dict[str, Any] | None:
    """Names of the arguments with their defaults (MISSING where there is none), if known."""
    try:
        parameters = inspect.signature(func).parameters
    except (ValueError, TypeError):
        parameters = {}
    plain = all(
        p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in parameters.values()
    )
    if parameters and plain:
        return {
            n: MISSING if p.default is p.empty else p.default for n, p in parameters.items()
        }
    if name not in SIGNATURES:
        return None
    parts = [part.partition("=") for part in SIGNATURES[name].split()]
    return {n: ast.literal_eval(value) if eq else MISSING for n, eq, value in parts}


def invoked(func: Any, placed: int, before: Mapping[str, Any], given: Mapping) -> Any:
    """`func` called with `given`: by place what came by place before, the others by name.

    Defaults are left out: a builtin does not take every one by its name.
    """
    names = list(before)
    args = [given[name] for name in names[:placed]]
    name = str(func.__name__)
    known = signature(func, plain_name(name)) or {}
    rest = {
        key: value
        for key, value in given.items()
        if key not in names[:placed] and not same_default(value, known.get(key, MISSING))
    }
    return func(*args, **rest)


def same_default(value: Any, default: Any) -> bool:
    return value is default or (
        isinstance(value, int | float | str | bool)
        and isinstance(default, int | float | str | bool)
        and value == default
    )
