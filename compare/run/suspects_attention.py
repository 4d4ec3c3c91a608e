"""Known mistakes of attention and of recurrent layers: gotchas 22 to 24, and gate orders."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
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


def _causal(diagonal: int) -> Callable[..., Any]:
    """Attention to the tokens up to `diagonal` places after one's own."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        query, key = arguments["query"], arguments["key"]
        scale = arguments.get("scale") or query.shape[-1] ** -0.5
        scores = query @ key.transpose(-2, -1) * scale
        keep = torch.ones_like(scores, dtype=torch.bool).tril(diagonal)
        return scores.masked_fill(~keep, -1e30).softmax(-1) @ arguments["value"]

    return rewrite


def _masked_by(number: float) -> Callable[..., Any]:
    """A boolean mask as a number that is added to the scores."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        mask = arguments.get("attn_mask")
        query, key = arguments["query"], arguments["key"]
        if mask is None:
            return rest(**arguments)
        keep = mask if mask.dtype == torch.bool else mask > -1e3
        least = max(number, torch.finfo(query.dtype).min) if number > -torch.inf else number
        scale = arguments.get("scale") or query.shape[-1] ** -0.5
        scores = query @ key.transpose(-2, -1) * scale
        shift = torch.where(keep, query.new_zeros(()), query.new_tensor(least))
        return (scores + shift).softmax(-1) @ arguments["value"]

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


def recurrent(seen: Seen) -> Iterator[Suspect]:
    """The gates of an LSTM or GRU in another order; torch's are i f g o, and r z n."""
    gates = "ifgo" if seen.name.startswith("lstm") else "rzn"
    for order in list(itertools.permutations(gates))[1:]:
        places = tuple(gates.index(gate) for gate in order)
        yield Suspect(
            "gate order",
            "layout",
            f"{{kind}}: torch's gates are {' '.join(gates)}, the JAX side reads "
            f"{' '.join(order)}",
            f"rows of the weights in the order {' '.join(gates)}",
            _gates(places),
        )
    if isinstance(seen.get("batch_first"), bool):
        time = 1 if seen.get("batch_first") else 0
        yield Suspect(
            "direction",
            "setting",
            "{kind}: the JAX side reads the sequence from its end (reverse)",
            "reverse=False",
            lambda rest, a, _: _backwards(rest, a, time),
        )


def _backwards(rest: Callable[..., Any], arguments: dict[str, Any], time: int) -> Any:
    """The sequence read from its end; results in the order of the sequence."""
    outputs, *states = rest(**{**arguments, "input": arguments["input"].flip(time)})
    return outputs.flip(time), *states


def _gates(places: tuple[int, ...]) -> Callable[..., Any]:
    def moved(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or leaf.shape[0] % len(places):
            return leaf
        parts = leaf.chunk(len(places))
        return torch.cat([parts[place] for place in places])

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        given = {k: moved(v) if k[:2] in ("w_", "b_") else v for k, v in arguments.items()}
        if "weights" in given:
            given["weights"] = [moved(one) for one in given["weights"]]
        return rest(**given)

    return rewrite


NEXT = 2
"""How many norms after a call are tried before it."""

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
            settings = {k: v for k, v in norm.arguments.items() if k != "input"}

            def first(
                rest: Any, a: dict[str, Any], _: float, norm: Seen = norm, own: Any = settings
            ) -> Any:
                x = next(v for v in a.values() if isinstance(v, Tensor) and not v.is_leaf)
                mine = {
                    k: v.to(x.dtype) if isinstance(v, Tensor) else v for k, v in own.items()
                }
                normed = getattr(torch.nn.functional, norm.name)(x, **mine)
                return rest(**{k: normed if v is x else v for k, v in a.items()})

            yield Suspect(
                "norm first",
                "layout",
                f"{{kind}}: {norm.path} is applied before it on the JAX side, "
                "after it in torch",
                f"apply {norm.path} after the sublayer and the sum (norm_first=False)",
                first,
            ).at(end)


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


def gates(seen: Seen) -> Iterator[Suspect]:
    """A chunk of gates, as a cell of one's own cuts it, handed on in another order."""
    parts = seen.result
    if not isinstance(parts, tuple | list) or len(parts) not in (2, 3, 4):
        return
    yield from heads_first(seen)
    if len(parts) == 2:
        return
    names = "ifgo" if len(parts) == 4 else "rzn"
    for order in list(itertools.permutations(range(len(parts))))[1:]:
        yield Suspect(
            "gate order",
            "layout",
            f"{{kind}}: torch's parts are {' '.join(names)}, the JAX side reads "
            f"{' '.join(names[i] for i in order)}",
            f"parts in the order {' '.join(names)}",
            lambda rest, a, _, order=order: tuple(rest(**a)[i] for i in order),
        )
