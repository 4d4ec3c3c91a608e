"""Known mistakes of normalisation: gotchas 1 to 8, and 34."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from compare.run.calls import Seen
from compare.run.suspect import Suspect, mapped

BATCHED = ("batch_norm", "instance_norm")


def suspects(seen: Seen) -> Iterator[Suspect]:
    """What a norm is known to be mistaken for."""
    if seen.name in BATCHED:
        yield from _running(seen)
    if seen.name == "batch_norm" and seen.get("training"):
        yield Suspect(
            "reduced axes",
            "gotcha 56",
            "{kind} takes its statistics over axes (0, 2, 3) of a channels-last array: those "
            "of a spatial axis, not of the channel",
            "mean and variance over axes (0, 1, 2) of an NHWC array",
            _over_wrong_axes,
        )
    for root, ddof in ((False, 0), (True, 1), (False, 1)):
        words = [] if root else ["eps outside the root"]
        words += ["unbiased variance"] if ddof else []
        yield Suspect(
            " and ".join(reversed(words)),
            "gotcha 34" if ddof else "gotcha 37",
            f"{{kind}}: {' and '.join(words)} on the JAX side",
            "(x - mean) / sqrt(var + eps) with the biased variance (ddof=0)",
            _by_hand(root, ddof),
        )
    yield Suspect(
        "fast variance",
        "gotcha 7",
        "{kind} takes the variance as E[x^2] - E[x]^2: the same function, but cancellation "
        "eats the bits of a far mean",
        "use_fast_variance=False",
        _by_hand(True, 0, fast=True),
        careless=True,
    )
    for leaf, plain in (("weight", torch.ones_like), ("bias", torch.zeros_like)):
        if isinstance(seen.get(leaf), Tensor):
            yield Suspect(
                f"{leaf} left out",
                "gotcha 6",
                f"{{kind}}: the {leaf} is not applied on the JAX side",
                f"apply the {leaf} (use_{'scale' if leaf == 'weight' else leaf}=True)",
                mapped(leaf, plain),
            )
    if isinstance(seen.get("weight"), Tensor):
        yield Suspect(
            "scale plus one",
            "Gemma's RMSNorm",
            "{kind}: the JAX side multiplies by 1 + weight",
            "multiply by weight",
            mapped("weight", lambda weight: 1 + weight),
        )
    if seen.name == "layer_norm":
        last = seen.arguments["input"].dim() - 1
        yield from _other_norms(seen, last)


def _running(seen: Seen) -> Iterator[Suspect]:
    if isinstance(seen.get("running_var"), Tensor):
        yield Suspect(
            "running variance biased",
            "gotcha 3",
            "{kind}: the JAX side keeps the biased variance in running_var; torch stores "
            "n / (n - 1) times it",
            "multiply the batch variance by n / (n - 1) before the running update",
            _biased,
        )


def _other_norms(seen: Seen, last: int) -> Iterator[Suspect]:
    if len(seen.arguments["normalized_shape"]) == 1 and last > 1:
        yield Suspect(
            "normalised axes",
            "gotcha 6",
            "{kind}: the JAX side normalises over all axes but the first",
            "reduction_axes=-1",
            _over_all,
        )
    yield Suspect(
        "mean not subtracted",
        "RMSNorm",
        "{kind}: the JAX side divides by the root of the mean square (RMSNorm)",
        "subtract the mean: nnx.LayerNorm",
        _rms,
    )


def statistics_axes(name: str, arguments: dict[str, Any]) -> tuple[int, ...]:
    """The axes that a norm of torch reduces."""
    rank = arguments["input"].dim()
    if name == "batch_norm":
        return (0, *range(2, rank))
    if name == "instance_norm":
        return tuple(range(2, rank))
    return tuple(range(-len(arguments["normalized_shape"]), 0))


def affine(x: Tensor, arguments: dict[str, Any], channel: bool) -> Tensor:
    """x weight + bias, along axis 1 or the last axes."""
    for leaf in ("weight", "bias"):
        values = arguments.get(leaf)
        if values is None:
            continue
        values = values.reshape(-1, *(1,) * (x.dim() - 2)) if channel else values
        x = x * values if leaf == "weight" else x + values
    return x


def _by_hand(root: bool, ddof: int, fast: bool = False) -> Callable[..., Any]:
    """The norm written out; the running statistics are torch's."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Tensor:
        rest(**arguments)  # for its running statistics
        x, eps = arguments["input"], arguments["eps"]
        whole = x
        grouped = "num_groups" in arguments
        if grouped:
            x = x.reshape(x.shape[0], arguments["num_groups"], -1)
        channel = "normalized_shape" not in arguments
        axes = (2,) if grouped else statistics_axes(
            "batch_norm" if "training" in arguments else
            "instance_norm" if channel else "layer_norm", arguments)  # fmt: skip
        mean = x.mean(axes, keepdim=True)
        if fast:
            variance = (x * x).mean(axes, keepdim=True) - mean * mean
        else:
            count = math.prod(x.shape[axis] for axis in axes)
            variance = (x - mean).square().sum(axes, keepdim=True) / (count - ddof)
        below = (variance + eps).sqrt() if root else variance.sqrt() + eps
        return affine(((x - mean) / below).reshape(whole.shape), arguments, channel)

    return rewrite


def _biased(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    """The running variance moves towards the biased one of the batch."""
    var, m = arguments["running_var"], arguments["momentum"]
    old = var.clone()
    result = rest(**arguments)
    x = arguments["input"]
    count = x.numel() // x.shape[1] // (1 if "training" in arguments else x.shape[0])
    moved = (var.data - (1 - m) * old) * ((count - 1) / count)
    var.data.copy_((1 - m) * old + moved)  # unseen by autograd, whose check would refuse it
    return result


def _over_wrong_axes(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    """Axes (0, 2, 3) of the array with its channels last, whose result is laid back."""
    x = arguments["input"].movedim(1, -1)
    axes = (0, *range(2, x.dim()))
    mean = x.mean(axes, keepdim=True)
    variance = (x - mean).square().mean(axes, keepdim=True)
    whitened = ((x - mean) * (variance + arguments["eps"]).rsqrt()).movedim(-1, 1)
    return affine(whitened, arguments, True)


def _over_all(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    x = arguments["input"]
    axes = tuple(range(1, x.dim()))
    mean = x.mean(axes, keepdim=True)
    variance = (x - mean).square().mean(axes, keepdim=True)
    return affine((x - mean) * (variance + arguments["eps"]).rsqrt(), arguments, False)


def _rms(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    x, axes = arguments["input"], statistics_axes("layer_norm", arguments)
    below = (x.square().mean(axes, keepdim=True) + arguments["eps"]).rsqrt()
    return affine(x * below, arguments, False)


def spread(seen: Seen) -> Iterator[Suspect]:
    """torch.std and torch.var divide by n - 1, jnp's by n."""
    function = {"std": Tensor.std, "var": Tensor.var}[seen.name]
    names = [name for name in seen.arguments if name not in ("unbiased", "correction")]

    def biased(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        x, *dims = (arguments[name] for name in names)
        dims = [d for d in dims if d is not None and not isinstance(d, bool)]
        keep = bool(arguments.get("keepdim"))
        other = 0 if arguments.get("unbiased", True) and arguments.get("correction", 1) else 1
        dim = dims[0] if dims else tuple(range(x.dim()))
        return function(x, dim=dim, correction=other, keepdim=keep)

    yield Suspect(
        "unbiased variance",
        "gotcha 34",
        "{kind}: torch divides by n - 1 unless told otherwise, jnp by n",
        "ddof=1",
        biased,
    )
