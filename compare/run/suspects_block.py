"""Known mistakes that take several calls of a block: norms, sums, rotary pairs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from compare.run.calls import Seen, at_hand
from compare.run.suspect import Suspect

NEXT = 2
"""How many norms after a call are tried before it."""

ORDINALS = ("first", "second")

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


def spanning(calls: list[Seen]) -> Iterator[Suspect]:
    """Mistakes that take several of the calls of one module."""
    yield from rotary(calls)
    yield from activated_first(calls)
    yield from weighted(calls)


def activated_first(calls: list[Seen]) -> Iterator[Suspect]:
    """A residual sum whose activation comes before it, at one of its terms."""
    sums = {id(seen.result): seen for seen in calls if seen.name == "add"}
    for later in (seen for seen in calls if seen.name in ACTIVATIONS):
        before = sums.get(id(next(iter(later.arguments.values()))))
        if before is None:
            continue
        terms = [v for v in before.arguments.values() if isinstance(v, Tensor)]
        for place in range(2) if len(terms) == 2 else ():
            yield replace(
                Suspect(
                    "activation before the sum",
                    "layout",
                    f"{{kind}}: {later.name} is applied to the {ORDINALS[place]} "
                    "term of the sum on the JAX side, to the sum in torch",
                    f"{later.name}(a + b), not {later.name}(a) + b",
                    _at_term(getattr(torch, later.name), place),
                ).at(before),
                also=(later.index,),
            )


def _at_term(function: Callable[[Tensor], Tensor], place: int) -> Callable[..., Any]:
    """Of a sum, `function` at one of its terms; of the call that did so elsewhere, which has
    one tensor, what it was given."""

    def rewrite(rest: Any, arguments: dict[str, Any], _: float) -> Any:
        names = [k for k, v in arguments.items() if isinstance(v, Tensor)]
        if len(names) == 1:
            return arguments[names[0]]
        term = function(arguments[names[place]]).clone()  # the sum may be made in place
        return rest(**{**arguments, names[place]: term})

    return rewrite


def weighted(calls: list[Seen]) -> Iterator[Suspect]:
    """A sum of which one term has a weight: that is the other term's. It shows in the value or,
    where stopped gradients tell two equal terms apart, in the gradients alone."""
    products = {id(one.result): one for one in calls if one.name == "mul" and _number(one)}
    for total in (seen for seen in calls if seen.name == "add"):
        for place, term in enumerate(list(total.arguments.values())[:2]):
            product = products.get(id(term))
            if product is not None:
                number = _number(product)
                yield replace(
                    Suspect(
                        "weight of the other term",
                        "layout",
                        f"{{kind}}: {number:g} multiplies the {ORDINALS[place]} term of a sum "
                        "in torch, the other one on the JAX side",
                        "multiply the same term",
                        _at_term(partial(torch.mul, other=number), 1 - place),
                    ).at(total),
                    also=(product.index,),
                )


def _number(seen: Seen) -> float:
    """The number of a product of a tensor and a number; 0 of any other."""
    kinds = [v for v in seen.arguments.values() if isinstance(v, float)]
    return kinds[0] if len(kinds) == 1 else 0.0


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
