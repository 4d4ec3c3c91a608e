"""Known mistakes of pooling, resizing, dropout and embedding: gotchas 15 to 20, 25, 49."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.run.calls import Seen
from compare.run.suspect import Suspect, after, changed
from compare.run.suspects_conv import many, same_pads


def pooling(seen: Seen) -> Iterator[Suspect]:
    """What a pool over fixed windows is known to be mistaken for."""
    rank = int(seen.name[-2])
    kernel = many(seen.arguments["kernel_size"], rank)
    yield Suspect(
        "stride",
        "gotcha 15",
        "{kind}: torch's stride is the kernel's size unless given, the JAX side's is 1",
        f"strides={kernel}",
        changed(stride=1),
    )
    largest = seen.name.startswith("max")
    if largest and any(many(seen.get("padding", 0), rank)):
        yield Suspect(
            "zero padding",
            "gotcha 16",
            "{kind}: the JAX side pads with 0, which wins over negative values",
            "pad with -inf",
            _padded(rank, 0.0),
        )
    for include in (True, False):
        yield Suspect(
            "SAME for ceil_mode" if seen.get("ceil_mode") else "padding SAME",
            "gotcha 17" if seen.get("ceil_mode") else "gotcha 10",
            "{kind}: the JAX side pads 'SAME'"
            + (
                ""
                if largest
                else f" and {'counts' if include else 'does not count'} the padding"
            ),
            f"padding={seen.get('padding')!r}, ceil_mode={seen.get('ceil_mode')!r}",
            _same(rank, largest, include),
        )
    other = "avg" if largest else "max"
    function = getattr(F, f"{other}_pool{rank}d")

    def otherwise(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        named = {k: arguments[k] for k in ("input", "kernel_size", "stride", "padding")}
        return function(**named, ceil_mode=arguments.get("ceil_mode", False))

    yield Suspect(
        "kind of pool",
        "kind",
        f"{{kind}}: the JAX side takes the {'mean' if largest else 'maximum'} of each window",
        seen.name,
        otherwise,
    )


def _padded(rank: int, by: float) -> Callable[..., Any]:
    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        pads = [n for n in reversed(many(arguments["padding"], rank)) for _ in range(2)]
        x = F.pad(arguments["input"], pads, value=by)
        return rest(**{**arguments, "input": x, "padding": 0})

    return rewrite


def _same(rank: int, largest: bool, include: bool) -> Callable[..., Any]:
    """A pool with XLA's SAME, the padding -inf or counted or not."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        x = arguments["input"]
        kernel = many(arguments["kernel_size"], rank)
        stride = many(arguments["stride"] or kernel, rank)
        pads = same_pads(x.shape[-rank:], kernel, stride, (1,) * rank)
        plain = {**arguments, "padding": 0, "ceil_mode": False, "stride": stride}
        if largest:
            return rest(**{**plain, "input": F.pad(x, pads, value=-torch.inf)})
        plain.pop("divisor_override", None)
        mean = rest(**{**plain, "input": F.pad(x, pads)})
        if include:
            return mean
        return mean / rest(**{**plain, "input": F.pad(torch.ones_like(x), pads)})

    return rewrite


def resizing(seen: Seen) -> Iterator[Suspect]:
    """jax.image.resize: half-pixel centres, and antialiased where it shrinks."""
    if seen.arguments.get("mode") in ("bilinear", "bicubic"):
        for aligned in (False, True):
            yield Suspect(
                "antialias",
                "gotcha 20",
                "{kind}: jax.image.resize widens the kernel where it shrinks",
                "antialias=False",
                changed(antialias=True, align_corners=aligned),
            )


DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d")


def dropout(seen: Seen) -> Iterator[Suspect]:
    """Dropout by a given mask: scaled by the wrong number, the mask taken the other way."""
    mask = "module" if seen.module is not None else "mask"
    if seen.module is not None and not isinstance(getattr(seen.module, "mask", None), Tensor):
        return
    if seen.module is None and not isinstance(seen.get("mask"), Tensor):
        return
    first = next(iter(seen.arguments))

    def by(function: Callable[..., Tensor]) -> Callable[..., Any]:
        def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
            x, holder = arguments[first], arguments[mask]
            keep = (holder.mask if mask == "module" else holder).to(x.dtype)
            p = holder.p if mask == "module" else arguments.get("p", 0.5)
            return function(x, keep, p, value)

        return rewrite

    yield Suspect(
        "dropout not scaled",
        "gotcha 49",
        "{kind}: survivors are not divided by 1 - p on the JAX side",
        "x * mask / (1 - p)",
        by(lambda x, keep, p, _: x * keep),
    )
    yield Suspect(
        "p and keep swapped",
        "gotcha 49",
        "{kind}: survivors are divided by p, the rate, and not by 1 - p",
        "x * mask / (1 - p)",
        by(lambda x, keep, p, _: x * keep / p),
    )
    yield Suspect(
        "mask inverted",
        "gotcha 49",
        "{kind}: the mask is taken for what is dropped",
        "keep where the mask is 1",
        by(lambda x, keep, p, _: x * (1 - keep) / (1 - p)),
    )
    yield Suspect(
        "dropout rate",
        "setting",
        "{kind}: the JAX side's rate is {jax}",
        "the same rate on both sides",
        by(lambda x, keep, p, value: x * keep / (1 - value)),
        starts=(0.1, 0.5),
        general=True,
    )
    yield Suspect(
        "mode",
        "gotcha 8",
        "{kind}: nothing is dropped on the JAX side: it is in evaluation mode",
        "model.train() (deterministic=False)",
        by(lambda x, keep, p, _: x * 1.0),
    )


def embedding(seen: Seen) -> Iterator[Suspect]:
    """A table read with another padding row, or scaled."""
    if seen.get("padding_idx") is not None:
        yield Suspect(
            "padding row",
            "gotcha 25",
            f"{{kind}}: row {seen.get('padding_idx')} takes part in the gradient on the JAX "
            "side",
            "stop the padding row's gradient, and start it at 0",
            changed(padding_idx=None),
        )
        yield Suspect(
            "padding row zeroed",
            "gotcha 25",
            f"{{kind}}: row {seen.get('padding_idx')} reads as 0 on the JAX side",
            "padding_idx stops the gradient; the row is read as it stands",
            _zeroed,
        )
    rows, size = seen.arguments["weight"].shape
    ids = seen.arguments["input"]
    for offset in (1, 2, -1):
        if int(ids.min()) + offset >= 0 and int(ids.max()) + offset < rows:
            yield Suspect(
                "ids offset",
                "kind",
                f"{{kind}}: the JAX side looks up position or id i {offset:+d} for i",
                "the ids as they are",
                lambda rest, a, _, offset=offset: rest(**{**a, "input": a["input"] + offset}),
            )
    yield Suspect(
        "embedding scale",
        "kind",
        "{kind}: the JAX side multiplies by sqrt(features)",
        "no factor",
        after(lambda out, _, __: out * size**0.5),
    )


def _zeroed(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    kept = arguments["input"] != arguments["padding_idx"]
    return rest(**arguments) * kept[..., None]
