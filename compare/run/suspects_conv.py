"""Known mistakes of convolution and dense layers: gotchas 9 to 14, and 58."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.run.calls import Seen
from compare.run.suspect import Suspect, after, mapped


def convolution(seen: Seen) -> Iterator[Suspect]:
    """What a convolution, plain or transposed, is known to be mistaken for."""
    weight = seen.arguments["weight"]
    spatial = tuple(range(2, weight.dim()))
    transposed = "transpose" in seen.name
    if transposed:
        yield Suspect(
            "transposed kernel unflipped",
            "gotcha 11",
            "{kind}: the JAX side does not turn the kernel round",
            "transpose_kernel=True, or flip the kernel's spatial axes",
            mapped("weight", lambda w: w.flip(spatial)),
        )
        yield from _transposed_padding(seen)
    else:
        yield Suspect(
            "kernel flipped",
            "gotcha 13",
            "{kind}: the JAX side convolves with the kernel flipped; torch's is a "
            "cross-correlation",
            "leave the kernel as it is: no flip of its spatial axes",
            mapped("weight", lambda w: w.flip(spatial)),
        )
        yield from _padding(seen)
    if len(spatial) > 1:
        yield Suspect(
            "kernel axes swapped",
            "gotcha 13",
            "{kind}: the kernel's height and width are swapped on the JAX side",
            'carry the kernel by "o i h w -> h w i o"',
            mapped("weight", lambda w: w.transpose(-1, -2)),
        )
    if weight.shape[0] == weight.shape[1]:
        yield Suspect(
            "kernel channels swapped",
            "gotcha 13",
            "{kind}: the kernel's input and output channels are swapped on the JAX side",
            'carry the kernel by "o i h w -> h w i o"',
            mapped("weight", lambda w: w.transpose(0, 1)),
        )
    yield from bias(seen)


def bias(seen: Seen) -> Iterator[Suspect]:
    """A bias left out, added twice or subtracted."""
    if not isinstance(seen.get("bias"), Tensor):
        return
    yield Suspect(
        "bias missing",
        "leaf",
        "{kind}: the bias is not added on the JAX side",
        "add the bias (use_bias=True)",
        mapped("bias", torch.zeros_like),
    )
    yield Suspect(
        "bias doubled",
        "term",
        "{kind}: the bias is added {jax} times on the JAX side",
        "add the bias once",
        mapped_by_value("bias"),
        starts=(2.0,),
    )


def mapped_by_value(name: str) -> Callable[..., Any]:
    """An argument times the number."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        return rest(**{**arguments, name: arguments[name] * value})

    return rewrite


def _padding(seen: Seen) -> Iterator[Suspect]:
    for word in ("same", "valid"):
        yield Suspect(
            f"padding {word.upper()}",
            "gotcha 10"
            if seen.get("stride") not in (1, (1,), (1, 1), (1, 1, 1))
            else "gotcha 9",
            f"{{kind}}: torch pads {seen.get('padding')}, the JAX side pads {word.upper()!r}",
            f"padding={seen.get('padding')!r} on both sides of each axis, not {word.upper()!r}",
            padded(word),
        )


def padded(word: str) -> Callable[..., Any]:
    """XLA's SAME: ceil(size / stride) outputs, the odd pad on the high side; or no pad."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        x, weight = arguments["input"], arguments["weight"]
        rank = weight.dim() - 2
        stride, dilation = (many(arguments[name], rank) for name in ("stride", "dilation"))
        pads = same_pads(x.shape[-rank:], weight.shape[2:], stride, dilation)
        x = F.pad(x, pads) if word == "same" else x
        return rest(**{**arguments, "input": x, "padding": 0})

    return rewrite


def same_pads(sizes: Any, kernel: Any, stride: Any, dilation: Any) -> list[int]:
    """XLA's SAME as F.pad takes it: the last axis first, low and high."""
    pads: list[int] = []
    for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        total = max(0, (-(-size // s) - 1) * s + d * (k - 1) + 1 - size)
        pads = [total // 2, total - total // 2, *pads]
    return pads


def many(value: Any, rank: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * rank
    values = tuple(value)
    return values * rank if len(values) == 1 else values


def _transposed_padding(seen: Seen) -> Iterator[Suspect]:
    """Flax's SAME of a transposed convolution: stride * size outputs, cut on either side."""

    def same(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        x, weight = arguments["input"], arguments["weight"]
        rank = weight.dim() - 2
        stride = many(arguments["stride"], rank)
        full = rest(**{**arguments, "padding": 0, "output_padding": 0})
        for axis, (s, k) in enumerate(zip(stride, weight.shape[2:], strict=True), start=-rank):
            size, wanted = full.shape[axis], x.shape[axis] * s
            low = max(0, (k - s) // 2 if s <= k - 1 else 0)
            full = full.narrow(axis, low, min(wanted, size - low))
        return full

    yield Suspect(
        "padding SAME",
        "gotcha 12",
        f"{{kind}}: torch cuts {seen.get('padding')} off, the JAX side pads 'SAME'",
        "padding = k - 1 - p per side, and output_padding on the high side",
        same,
    )


def dense(seen: Seen) -> Iterator[Suspect]:
    """A dense layer whose square weight lies the other way, or whose rows are out of order."""
    weight = seen.arguments["weight"]
    if weight.shape[0] == weight.shape[1]:
        yield Suspect(
            "weight transposed",
            "gotcha 13",
            "{kind}: the square weight is not transposed on its way to the JAX side",
            "kernel = weight.T",
            mapped("weight", lambda w: w.T),
        )
    yield from bias(seen)


def flattening(seen: Seen) -> Iterator[Suspect]:
    """The order in which channels and space are read when an image becomes a row."""
    (x, *_), result = seen.arguments.values(), seen.result
    if not isinstance(x, Tensor) or not isinstance(result, Tensor) or x.dim() < 3:
        return
    if result.dim() >= x.dim() or result.numel() != x.numel() or x.shape[1] == 1:
        return
    if result.shape[0] != x.shape[0]:
        return
    first = next(iter(seen.arguments))

    def last(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        moved = arguments[first].movedim(1, -1).contiguous()
        return moved.reshape(result.shape)

    yield Suspect(
        "flatten order",
        "gotcha 14",
        "{kind}: the JAX side flattens channels last (h w c); the dense layer after it has its "
        "rows in torch's order (c h w)",
        "x.transpose(0, 3, 1, 2).reshape(n, -1) before the dense layer",
        last,
    )
    if x.dim() == 4 and result.dim() == 3:
        yield Suspect(
            "order of places",
            "layout",
            "{kind}: torch reads the places of a map row by row, the JAX side column by column",
            "the places in the order (h w)",
            lambda rest, a, _: a[first].transpose(2, 3).flatten(2).reshape(result.shape),
        )


def transposed_result(seen: Seen) -> Iterator[Suspect]:
    """An output with two axes swapped, in a layout that fits."""
    result = seen.result
    if not isinstance(result, Tensor):
        return
    shape = result.shape
    for i in range(len(shape)):
        for j in range(i + 1, len(shape)):
            if shape[i] == shape[j] > 1:
                yield Suspect(
                    "axes swapped",
                    "gotcha 13",
                    f"{{kind}}: axes {i} and {j} of the result are swapped on the JAX side",
                    f"swap axes {i} and {j}",
                    after(lambda out, _, __, i=i, j=j: out.transpose(i, j)),
                    general=True,
                )


def indexing(seen: Seen) -> Iterator[Suspect]:
    """The first place along an axis for the last, or the last for the first."""
    index = list(seen.arguments.values())[1:2]
    parts = index[0] if index and isinstance(index[0], tuple) else tuple(index)
    for place, one in enumerate(parts):
        if isinstance(one, int) and not isinstance(one, bool) and one in (0, -1):
            other = -1 - one
            moved = (*parts[:place], other, *parts[place + 1 :])
            words = {0: "first", -1: "last"}
            yield Suspect(
                "step taken",
                "layout",
                f"torch takes the {words[one]} step or place, the JAX side the {words[other]}",
                f"[{one}] along that axis",
                lambda rest, a, _, moved=moved: next(iter(a.values()))[moved],
            )


def shuffled(seen: Seen) -> Iterator[Suspect]:
    """Pixels out of channels: (c, y, x) in torch, (y, x, c) in TensorFlow's depth_to_space."""
    factor = seen.get("upscale_factor", seen.get("1"))

    def depth_to_space(rest: Callable[..., Any], a: dict[str, Any], _: float) -> Tensor:
        x = next(iter(a.values()))
        apart = x.unflatten(1, (factor, factor, -1))  # n y x c h w
        return apart.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)

    if isinstance(factor, int):
        yield Suspect(
            "channel order",
            "layout",
            "{kind}: torch's channels are in the order (c, y, x), the JAX side reads (y, x, c)",
            "channels as (c, y, x): rearrange('n h w (c y x) -> n (h y) (w x) c')",
            depth_to_space,
        )
