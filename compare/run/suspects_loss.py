"""Known mistakes of losses: gotchas 28 to 33."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.run.calls import Seen
from compare.run.suspect import Suspect, after, changed
from compare.run.suspects_activation import absolute


def loss(seen: Seen) -> Iterator[Suspect]:
    """What a loss is known to be mistaken for, whichever it is, then what its kind is."""
    family: dict[str, Callable[[Seen], Iterator[Suspect]]] = {
        "cross_entropy": cross_entropy,
        "nll_loss": cross_entropy,
        "kl_div": kl_div,
        "smooth_l1_loss": huber,
        "huber_loss": huber,
        "binary_cross_entropy": binary,
        "l1_loss": l1,
    }
    if seen.name in family:
        yield from family[seen.name](seen)
    yield from normalised(seen)


def normalised(seen: Seen) -> Iterator[Suspect]:
    """The mean over other things, half or twice the loss."""
    x = next(iter(seen.arguments.values()))
    if not isinstance(x, Tensor) or seen.get("reduction") == "none":
        return
    rows, elements = max(1, x.shape[0] if x.dim() else 1), max(1, x.numel())
    mean = seen.get("reduction") == "mean"
    over = {
        "half the loss": (
            0.5,
            "kind",
            "half of torch's (optax.l2_loss is half the squared error)",
        ),
        "twice the loss": (2.0, "kind", "twice torch's"),
    }
    if mean and seen.name != "kl_div":
        over["mean over rows"] = (
            elements / rows,
            "gotcha 31",
            "the mean over rows, torch's over every element",
        )
    for name, (factor, source, words) in over.items():
        if factor == 1:
            continue
        yield Suspect(
            name,
            "gotcha 32" if name == "half the loss" else source,
            f"{{kind}}: the JAX side's loss is {words}",
            f"multiply by {1 / factor:.10g}",
            after(lambda out, _, __, factor=factor: out * factor),
        )


def cross_entropy(seen: Seen) -> Iterator[Suspect]:
    """What is averaged, how it is weighted, and along which axis."""
    x, target = seen.arguments["input"], seen.arguments["target"]
    if target.is_floating_point() or seen.get("reduction") != "mean":
        return
    if (target == seen.get("ignore_index", -100)).any():
        yield Suspect(
            "ignored labels",
            "gotcha 28",
            "{kind}: ignored labels give 0, but the JAX side's mean is over all rows",
            "divide by the number of labels that are kept",
            _over_all,
        )
    if isinstance(seen.get("weight"), Tensor):
        yield Suspect(
            "class weights",
            "gotcha 29",
            "{kind}: the JAX side divides by the number of rows; torch by the weights of the "
            "targets",
            "divide by weight[target].sum()",
            _over_count,
        )
        yield Suspect(
            "class weights ignored",
            "gotcha 29",
            "{kind}: the JAX side does not weight the classes",
            "pass weight",
            changed(weight=None),
        )
        if seen.get("label_smoothing"):
            yield Suspect(
                "label smoothing",
                "gotcha 29",
                "{kind}: the JAX side smooths, then weights a row by its target; torch weights "
                "each class of the soft label",
                "weight each class of the smoothed label",
                _smooth_first,
            )
    for axis in (axis for axis in range(x.dim()) if axis != (1 if x.dim() > 1 else 0)):
        yield Suspect(
            "softmax axis",
            "gotcha 29",
            f"{{kind}}: the JAX side's softmax runs over torch's axis {axis}",
            "softmax over the classes",
            _other_axis(axis),
        )


def _over_all(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    total = rest(**{**arguments, "reduction": "sum"})
    return total / max(1, arguments["target"].numel())


def _over_count(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    kept = (arguments["target"] != arguments["ignore_index"]).sum()
    return rest(**{**arguments, "reduction": "sum"}) / kept


def _smooth_first(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    weight, target = arguments["weight"], arguments["target"]
    plain = {**arguments, "weight": None, "reduction": "none"}
    each = rest(**plain) * weight[target]
    return each.sum() / weight[target].sum()


def _other_axis(axis: int) -> Callable[..., Any]:
    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        log = arguments["input"].log_softmax(axis)
        given = {
            k: v for k, v in arguments.items() if k in ("target", "weight", "ignore_index")
        }
        return F.nll_loss(log, **given)

    return rewrite


def kl_div(seen: Seen) -> Iterator[Suspect]:
    """Arguments in the other order, logarithms or not."""
    yield Suspect(
        "KL batchmean",
        "gotcha 31",
        "{kind}: the JAX side takes the mean over rows; torch's 'mean' divides by every "
        "element",
        "reduction='mean' divides by all elements: optax.kl_divergence(...).mean() / classes",
        changed(reduction="batchmean"),
    )
    yield Suspect(
        "arguments swapped",
        "order",
        "{kind}: input and target have changed places on the JAX side",
        "log-probabilities first",
        lambda rest, a, _: rest(
            **{**a, "input": a["target"].log(), "target": a["input"].exp()}
        ),
    )


def huber(seen: Seen) -> Iterator[Suspect]:
    """Huber is beta times smooth L1."""
    name = "beta" if seen.name == "smooth_l1_loss" else "delta"
    number = seen.get(name, 1.0)
    if number in (0, 1):
        return
    factor = number if name == "beta" else 1 / number
    yield Suspect(
        "Huber for smooth L1",
        "gotcha 32",
        f"{{kind}}: the JAX side's is {factor:.10g} times torch's, since Huber is beta times "
        "smooth L1",
        f"divide by {factor:.10g}",
        after(lambda out, _, __: out * factor),
    )


def binary(seen: Seen) -> Iterator[Suspect]:
    """The logarithm without torch's clamp at -100."""

    def unclamped(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        x, target = arguments["input"], arguments["target"]
        each = -(target * torch.log(x) + (1 - target) * torch.log1p(-x))
        weight = arguments.get("weight")
        each = each if weight is None else each * weight
        reduction = arguments.get("reduction", "mean")
        return {"mean": each.mean, "sum": each.sum}.get(reduction, lambda: each)()

    yield Suspect(
        "log unclamped",
        "gotcha 33",
        "{kind}: the JAX side does not clamp the logarithm at -100: inf where torch gives 100",
        "jnp.maximum(jnp.log(x), -100)",
        unclamped,
    )


def l1(seen: Seen) -> Iterator[Suspect]:
    """|x| whose gradient at 0 is 1."""
    for one in absolute(seen):

        def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
            x, target = arguments["input"], arguments["target"]
            each = torch.where(x >= target, x - target, target - x)
            reduction = arguments.get("reduction", "mean")
            return {"mean": each.mean, "sum": each.sum}.get(reduction, lambda: each)()

        yield Suspect(one.name, one.source, one.says, one.change, rewrite)
