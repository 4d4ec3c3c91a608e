"""Known mistakes of attention: gotchas 22 to 24."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from compare.run.calls import Seen
from compare.run.suspect import Suspect, changed, fitted

MASKS = (-1e4, -1e9, -1e10, torch.finfo(torch.float32).min, -torch.inf, -100.0)


def attention(seen: Seen) -> Iterator[Suspect]:
    """torch's scaled_dot_product_attention with another scale, mask or order."""
    size = seen.arguments["query"].shape[-1]
    scale = seen.get("scale") or size**-0.5
    yield scale_suspect(fitted("scale"), scale, size)
    yield Suspect(
        "q and k swapped",
        "gotcha 24",
        "{kind}: query and key have changed places on the JAX side",
        "q from the query's weights, k from the key's",
        _swapped,
    )
    yield Suspect(
        "causal mask",
        "setting",
        f"{{kind}}: torch {'masks' if seen.get('is_causal') else 'does not mask'} the future, "
        "the JAX side does the opposite",
        f"is_causal={seen.get('is_causal', False)}",
        changed(is_causal=not seen.get("is_causal", False)),
    )
    for diagonal in (-1, 1) if seen.get("is_causal") else ():
        yield Suspect(
            "causal mask off by one",
            "setting",
            "{kind}: torch's token sees itself and what is before it, the JAX side's "
            f"{'not itself' if diagonal < 0 else 'one token ahead'}: the mask is off by one",
            "jnp.tril(ones), with the diagonal",
            _causal(diagonal),
        )
    mask = seen.get("attn_mask")
    if isinstance(mask, Tensor):
        for number in MASKS:
            yield Suspect(
                "mask constant",
                "gotcha 23",
                f"{{kind}}: hidden scores are {number:.3g} on the JAX side",
                "jnp.finfo(dtype).min, or -inf, as torch's side has",
                _masked_by(number),
            )
        yield Suspect(
            "mask ignored",
            "gotcha 23",
            "{kind}: the mask is not applied on the JAX side",
            "pass the mask",
            changed(attn_mask=None),
        )
        if mask.dtype == torch.bool:
            yield Suspect(
                "mask inverted",
                "gotcha 23",
                "{kind}: True hides on the JAX side, and keeps in torch",
                "mask=keep",
                lambda rest, a, _: rest(**{**a, "attn_mask": ~a["attn_mask"]}),
            )
    yield Suspect(
        "fully masked rows",
        "gotcha 22",
        "{kind}: a row that sees nothing gives the mean of the values on the JAX side, 0 in "
        "torch",
        "zero the rows whose mask hides everything",
        _masked_by(torch.finfo(torch.float64).min),
    )


def scale_suspect(rewrite: Callable[..., Any], scale: float, size: int) -> Suspect:
    """The scale of attention scores; without it they are not divided at all."""
    return Suspect(
        "attention scale",
        "gotcha 24",
        f"{{kind}}: torch multiplies scores by {{torch}} = d ** -0.5 (d = {size}), the JAX "
        "side by {jax} (1: the scale is missing)",
        f"scale={scale:.10g}",
        rewrite,
        starts=(1.0, 1 / size, math.sqrt(size)),
        torch=scale,
    )


def _swapped(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    return rest(**{**arguments, "query": arguments["key"], "key": arguments["query"]})


def _scores(arguments: dict[str, Any]) -> Tensor:
    """What attention's softmax is of, before any mask."""
    query, key = arguments["query"], arguments["key"]
    scale = arguments.get("scale") or query.shape[-1] ** -0.5
    return query @ key.transpose(-2, -1) * scale


def _causal(diagonal: int) -> Callable[..., Any]:
    """Attention to the tokens up to `diagonal` places after one's own."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        scores = _scores(arguments)
        keep = torch.ones_like(scores, dtype=torch.bool).tril(diagonal)
        return scores.masked_fill(~keep, -1e30).softmax(-1) @ arguments["value"]

    return rewrite


def _masked_by(number: float) -> Callable[..., Any]:
    """A boolean mask as a number that is added to the scores."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        mask = arguments.get("attn_mask")
        query = arguments["query"]
        if mask is None:
            return rest(**arguments)
        keep = mask if mask.dtype == torch.bool else mask > -1e3
        least = max(number, torch.finfo(query.dtype).min) if number > -torch.inf else number
        shift = torch.where(keep, query.new_zeros(()), query.new_tensor(least))
        return (_scores(arguments) + shift).softmax(-1) @ arguments["value"]

    return rewrite


def multi_head(seen: Seen) -> Iterator[Suspect]:
    """torch's packed attention: its in-projection in another order, the scale, the heads."""
    size = seen.arguments["query"].shape[-1]
    heads = seen.arguments["num_heads"]
    for order in list(itertools.permutations("qkv"))[1:]:
        yield Suspect(
            "q, k, v order",
            "gotcha 24",
            f"{{kind}}: the packed in-projection is read as {', '.join(order)} on the JAX side",
            "rows of in_proj_weight: query, key, value",
            _packed_in(tuple("qkv".index(one) for one in order)),
        )
    yield scale_suspect(_scaled_query(size // heads), (size // heads) ** -0.5, size // heads)
    for other in (n for n in range(1, size + 1) if size % n == 0 and n != heads):
        yield Suspect(
            "number of heads",
            "setting",
            f"{{kind}}: torch has {heads} heads, the JAX side {other}",
            f"num_heads={heads}",
            changed(num_heads=other),
        )
    for name in ("in_proj_bias", "out_proj_bias"):
        if isinstance(seen.get(name), Tensor):
            yield Suspect(
                "bias missing",
                "leaf",
                f"{{kind}}: {name} is not added on the JAX side",
                "use_bias=True",
                lambda rest, a, _, name=name: rest(**{**a, name: torch.zeros_like(a[name])}),
            )


def _packed_in(order: tuple[int, ...]) -> Callable[..., Any]:
    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        moved = {}
        for name in ("in_proj_weight", "in_proj_bias"):
            if arguments.get(name) is not None:
                parts = arguments[name].chunk(3)
                moved[name] = torch.cat([parts[i] for i in order])
        return rest(**{**arguments, **moved})

    return rewrite


def _scaled_query(size: int) -> Callable[..., Any]:
    """Another scale of the scores is another scale of the query's projection."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        factor, moved = value * math.sqrt(size), {}
        for name in ("in_proj_weight", "in_proj_bias"):
            if arguments.get(name) is not None:
                query, *others = arguments[name].chunk(3)
                moved[name] = torch.cat([query * factor, *others])
        return rest(**{**arguments, **moved})

    return rewrite


def product(seen: Seen) -> Iterator[Suspect]:
    """A matrix product of heads with its second factor lying the other way, or swapped."""
    one, other = list(seen.arguments.values())[:2]
    if (
        not isinstance(one, Tensor)
        or not isinstance(other, Tensor)
        or min(one.dim(), other.dim()) < 2
    ):
        return
    names = list(seen.arguments)[:2]
    if other.shape[-1] == other.shape[-2]:
        yield Suspect(
            "weight transposed",
            "gotcha 13",
            "{kind}: the second factor is transposed on the JAX side",
            "swap its last two axes",
            lambda rest, a, _: rest(**{**a, names[1]: a[names[1]].transpose(-1, -2)}),
        )
    if one.dim() > 2 and one.shape == other.transpose(-1, -2).shape:
        yield Suspect(
            "q and k swapped",
            "gotcha 24",
            "{kind}: query and key have changed places on the JAX side",
            "q from the query's weights, k from the key's",
            lambda rest, a, _: rest(
                **{
                    names[0]: a[names[1]].transpose(-1, -2),
                    names[1]: a[names[0]].transpose(-1, -2),
                }
            ),
        )
