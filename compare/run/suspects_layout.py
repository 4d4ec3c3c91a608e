"""Known mistakes of how parts are put together in a block: norms, sums, heads, rotary pairs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from compare.run.calls import Seen, at_hand
from compare.run.suspect import Suspect

NEXT = 2
"""How many norms after a call are tried before it."""

ACTIVATIONS = ("relu", "sigmoid", "tanh")

NORMS = ("layer_norm", "rms_norm", "group_norm", "batch_norm")


def shared(one: str, other: str) -> str:
    """The path of the innermost module that has both; "" where that is the model."""
    pairs = zip(one.split("."), other.split("."), strict=False)
    return ".".join(a for a, b in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def norm_first(end: Seen, calls: list[Seen]) -> Iterator[Suspect]:
    """The norm that torch applies after a sublayer, put before it (pre-norm for post-norm)."""
    given = [x for x in end.arguments.values() if isinstance(x, Tensor) and not x.is_leaf]
    later = [one for one in calls if one.name in NORMS and one.index > end.index]
    for norm in later[:NEXT] if given else ():
        if shared(norm.path, end.path) and norm.path != end.path:
            yield replace(
                Suspect(
                    "norm first",
                    "layout",
                    f"{{kind}}: {norm.path} is applied before it on the JAX side, "
                    "after it in torch",
                    f"apply {norm.path} after the sublayer and the sum (norm_first=False)",
                    _normed_first(norm),
                ).at(end),
                also=(norm.index,),
            )


def _normed_first(norm: Seen) -> Callable[..., Any]:
    """Of what begins the sublayer, its input normed; of the norm, what it was given."""
    function = getattr(torch.nn.functional, norm.name)
    settings = {k: v for k, v in norm.arguments.items() if k != "input"}

    def rewrite(rest: Any, arguments: dict[str, Any], _: float) -> Any:
        if settings.keys() < arguments.keys():
            return arguments["input"]
        x = next(v for v in arguments.values() if isinstance(v, Tensor) and not v.is_leaf)
        own = {k: at_hand(v).to(x) if isinstance(v, Tensor) else v for k, v in settings.items()}
        normed = function(x, **own)
        return rest(**{k: normed if v is x else v for k, v in arguments.items()})

    return rewrite


def added(seen: Seen) -> Iterator[Suspect]:
    """Positions that miss the first token."""
    operands = [(k, v) for k, v in seen.arguments.items() if isinstance(v, Tensor)][:2]
    for name, x in operands:
        if x.is_leaf and x.dim() == 3 and x.shape[0] == 1 and x.shape[1] > 1:
            yield Suspect(
                "class token without its position",
                "layout",
                "{kind}: the first token is given no position on the JAX side",
                "add the positions after the class token is put in front",
                lambda rest, a, _, name=name: rest(
                    **{**a, name: torch.cat([0 * a[name][:, :1], a[name][:, 1:]], 1)}
                ),
            )


def spanning(calls: list[Seen]) -> Iterator[Suspect]:
    """Mistakes that take several of the calls of one module."""
    yield from rotary(calls)
    yield from activated_first(calls)


def activated_first(calls: list[Seen]) -> Iterator[Suspect]:
    """A residual sum whose activation comes before it, at one of its terms."""
    sums = {id(seen.result): seen for seen in calls if seen.name == "add"}
    for later in (seen for seen in calls if seen.name in ACTIVATIONS):
        before = sums.get(id(next(iter(later.arguments.values()))))
        terms = (
            [v for v in before.arguments.values() if isinstance(v, Tensor)] if before else []
        )
        for place in range(2) if before and len(terms) == 2 else ():
            yield replace(
                Suspect(
                    "activation before the sum",
                    "layout",
                    f"{{kind}}: {later.name} is applied to the {('first', 'second')[place]} "
                    "term of the sum on the JAX side, to the sum in torch",
                    f"{later.name}(a + b), not {later.name}(a) + b",
                    _activated(getattr(torch, later.name), place),
                ).at(before),
                also=(later.index,),
            )


def _activated(function: Callable[[Tensor], Tensor], place: int) -> Callable[..., Any]:
    """Of the sum, its term activated; of the activation that follows, what it was given."""

    def rewrite(rest: Any, arguments: dict[str, Any], _: float) -> Any:
        names = [k for k, v in arguments.items() if isinstance(v, Tensor)]
        if len(names) == 1:
            return arguments[names[0]]
        term = function(arguments[names[place]]).clone()  # the sum may be made in place
        return rest(**{**arguments, names[place]: term})

    return rewrite


def tiled(seen: Seen) -> Iterator[Suspect]:
    """Key heads of grouped queries, each repeated or all of them again and again."""
    x, repeats, dim = seen.arguments.get("input"), seen.get("repeats"), seen.get("dim")
    if isinstance(x, Tensor) and isinstance(repeats, int) and isinstance(dim, int):
        yield Suspect(
            "heads tiled",
            "layout",
            "{kind}: torch repeats each head (k0 k0 k1 k1), the JAX side tiles them "
            "(k0 k1 k0 k1)",
            f"jnp.repeat(x, {repeats}, axis), not jnp.tile",
            lambda rest, a, _: torch.cat([a["input"]] * repeats, dim),
        )


def heads_first(seen: Seen) -> Iterator[Suspect]:
    """Parts of equal width, as of a fused projection, read with the heads before the parts."""
    x, parts = next(iter(seen.arguments.values())), seen.result
    width = parts[0].shape[-1]
    if not isinstance(x, Tensor) or x.shape[-1] != width * len(parts):
        return
    for heads in (n for n in range(2, width) if width % n == 0):

        def read(rest: Any, a: dict[str, Any], _: float, heads: int = heads) -> tuple:
            whole = next(iter(a.values()))
            apart = whole.unflatten(-1, (heads, len(parts), width // heads))
            return tuple(apart[..., i, :].flatten(-2) for i in range(len(parts)))

        yield Suspect(
            "heads before parts",
            "layout",
            f"{{kind}}: torch has the {len(parts)} parts first, the JAX side its {heads} heads "
            f"(heads, {len(parts)}, head size)",
            f"reshape to ({len(parts)}, {heads}, {width // heads}), "
            f"not ({heads}, {len(parts)}, {width // heads})",
            read,
        )


def rotary(calls: list[Seen]) -> Iterator[Suspect]:
    """Rotary embeddings that turn adjacent pairs in torch, the two halves on the JAX side."""
    pairs = [seen for seen in calls if seen.name == "__getitem__" and _stepped(seen)]
    joins = [seen for seen in calls if seen.name == "flatten" and _last_two(seen)]
    if pairs and joins:
        first, *others = [*pairs, *joins]
        yield replace(
            Suspect(
                "rotary pairs",
                "gotcha 27",
                "torch turns adjacent pairs (x0 x1), the JAX side the halves (x0 xd/2)",
                "x[..., 0::2] and x[..., 1::2], stacked on a last axis",
                _halves,
            ).at(first),
            also=tuple(seen.index for seen in others),
        )


def _stepped(seen: Seen) -> bool:
    index = list(seen.arguments.values())[1:2]
    last = index[0][-1] if index and isinstance(index[0], tuple) else None
    return isinstance(last, slice) and last.step == 2


def _last_two(seen: Seen) -> bool:
    x = next(iter(seen.arguments.values()))
    start = seen.get("start_dim", seen.get("1"))
    return isinstance(x, Tensor) and x.shape[-1] == 2 and start in (-2, x.dim() - 2)


def _halves(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    x, *others = arguments.values()
    index = others[0] if others else None
    if isinstance(index, tuple) and isinstance(index[-1], slice):
        first, second = x.chunk(2, -1)
        return first if not index[-1].start else second
    return x.transpose(-1, -2).flatten(-2)
