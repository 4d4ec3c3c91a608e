"""Mistakes of any operation: a factor, a term left out, an order, a stopped gradient."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from compare.run.calls import Seen
from compare.run.suspect import Suspect, after, changed
from compare.run.suspects_attention import MASKS, scale_suspect
from compare.run.suspects_conv import transposed_result
from compare.run.suspects_settings import EPS


def arithmetic(seen: Seen) -> Iterator[Suspect]:
    """A factor that is another number, a term that is left out, operands in the other order."""
    if seen.name == "cat":
        yield Suspect(
            "order of concatenation",
            "order",
            "{kind}: the JAX side joins the parts in the reverse order",
            "the same order of parts",
            lambda rest, a, _: rest(**{**a, "tensors": list(reversed(a["tensors"]))}),
        )
        return
    one, other = (list(seen.arguments.items()) + [("", None)] * 2)[:2]
    for name, value in (one, other):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield from _known_number(seen, name, float(value))
            yield Suspect(
                "constant",
                "constant",
                "{kind}: torch's number is {torch}, the JAX side's {jax}",
                "{torch}",
                by_name(name),
                starts=(2.0 * value, value / 2, float(value) ** 2, 1.0),
                torch=float(value),
            )
    if not isinstance(one[1], Tensor) or not isinstance(other[1], Tensor):
        return
    if seen.name in ("add", "sub"):
        for name, (kept, left) in {"first": (one, other), "second": (other, one)}.items():
            if kept[1].shape == seen.result.shape:
                yield Suspect(
                    "term left out",
                    "term",
                    f"{{kind}}: only the {name} of the two terms is there on the JAX side",
                    "add both terms",
                    lambda rest, a, _, kept=kept, left=left: rest(
                        **{**a, left[0]: torch.zeros_like(a[left[0]])}
                    ),
                )
    if seen.name in ("sub", "div") and one[1].shape == other[1].shape:
        yield Suspect(
            "operands swapped",
            "order",
            "{kind}: the operands have changed places on the JAX side",
            "the same order of operands",
            lambda rest, a, _: rest(**{**a, one[0]: a[other[0]], other[0]: a[one[0]]}),
        )
    if seen.name == "mul":
        for name, value in (one, other):
            if value.dim() == 1 and value.is_leaf:
                yield Suspect(
                    "scale plus one",
                    "Gemma's RMSNorm",
                    "{kind}: the JAX side multiplies by 1 + weight",
                    "multiply by weight",
                    lambda rest, a, _, name=name: rest(**{**a, name: 1 + a[name]}),
                )
            yield Suspect(
                "factor left out",
                "term",
                "{kind}: one of the two factors is missing on the JAX side",
                "multiply by both",
                lambda rest, a, _, name=name: rest(**{**a, name: torch.ones_like(a[name])}),
            )


def _known_number(seen: Seen, name: str, value: float) -> Iterator[Suspect]:
    """What a small number added, or a share that multiplies, is for in a norm by hand."""
    if seen.name in ("add", "radd") and 0 < value < 0.05:
        yield Suspect(
            "eps",
            "gotcha 5",
            "{kind}: torch adds {torch}, the JAX side {jax}",
            "{torch}",
            by_name(name),
            starts=tuple(one for one in EPS if one != value),
            positive=True,
            torch=value,
        )
    if seen.name in ("mul", "rmul") and 0 < value < 1 and value != 0.5:
        turned = round(1 - value, 12)
        yield Suspect(
            "momentum",
            "gotcha 1",
            f"{{kind}}: torch's share is {value:g}, the JAX side's {turned:g}: the momentum is "
            "the other way round",
            f"{value:g}",
            lambda rest, a, _: rest(**{**a, name: turned}),
            torch=value,
        )


def by_name(name: str) -> Callable[..., Any]:
    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        return rest(**{**arguments, name: value})

    return rewrite


def scores(seen: Seen) -> Iterator[Suspect]:
    """A factor near a softmax that is d ** -0.5 or divides by d ** 0.5."""
    for name, value in seen.arguments.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            continue
        factor = value if seen.name == "mul" else 1 / value
        size = round(factor**-2)
        if size > 1 and abs(size**-0.5 - factor) < 1e-9:
            rewrite = by_name(name) if seen.name == "mul" else _divided(name)
            yield scale_suspect(rewrite, factor, size)


def _divided(name: str) -> Callable[..., Any]:
    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        return rest(**{**arguments, name: 1 / value})

    return rewrite


def masking(seen: Seen) -> Iterator[Suspect]:
    """A mask's constant, as a number to fill with or a tensor of zeros and one low number."""
    for name, value in seen.arguments.items():
        low = _low(value)
        if low is None:
            continue
        for number in (one for one in MASKS if one != low):
            yield Suspect(
                "mask constant",
                "gotcha 23",
                f"{{kind}}: torch hides scores by {low:.3g}, the JAX side by {number:.3g}",
                f"{low!r}",
                _filled(name, number),
            )
        yield Suspect(
            "mask ignored",
            "gotcha 23",
            "{kind}: the mask is not applied on the JAX side",
            "apply the mask",
            _filled(name, 0.0) if seen.name == "add" else _unmasked(seen),
        )


def _low(value: Any) -> float | None:
    """The low number of a mask, if `value` is one."""
    if isinstance(value, float) and value < -99:
        return value
    if isinstance(value, Tensor) and value.is_floating_point() and value.numel():
        least = float(value.detach().min())
        two = ((value == 0) | (value == least)).all()
        return least if least < -99 and bool(two) else None
    return None


def _filled(name: str, number: float) -> Callable[..., Any]:
    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        mask = arguments[name]
        if not isinstance(mask, Tensor):
            return rest(**{**arguments, name: number})
        filled = torch.where(mask == 0, 0.0, number).to(mask.dtype)
        return rest(**{**arguments, name: filled})

    return rewrite


def _unmasked(seen: Seen) -> Callable[..., Any]:
    tensors = [k for k, v in seen.arguments.items() if isinstance(v, Tensor)]
    real = [k for k in tensors if seen.arguments[k].is_floating_point()]

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        return arguments[real[0]] if real else rest(**arguments)

    return rewrite


def reduction(seen: Seen) -> Iterator[Suspect]:
    """The sum for the mean, or over another axis."""
    x = next(iter(seen.arguments.values()))
    if not isinstance(x, Tensor) or not x.is_floating_point():
        return
    count = x.numel() / max(1, seen.result.numel())
    other, factor = ("sum", count) if seen.name == "mean" else ("mean", 1 / count)
    yield Suspect(
        "reduction",
        "kind",
        f"torch takes the {{kind}}, the JAX side the {other}",
        f"the {seen.name}",
        after(lambda out, _, __: out * factor),
    )
    dim = seen.get("dim")
    if isinstance(dim, tuple | list) and 0 < len(dim) < x.dim():
        own = tuple(sorted(one % x.dim() for one in dim))
        for axes in itertools.combinations(range(x.dim()), len(own)):
            if axes != own:
                yield Suspect(
                    "reduced axes",
                    "gotcha 56",
                    f"{{kind}}: torch's axes are {own}, the JAX side's are torch's axes {axes}",
                    f"torch's axes {own}: (0, 1, 2) of a channels-last array for (0, 2, 3)",
                    changed(dim=axes),
                )
    for axis in range(x.dim()):
        if isinstance(dim, int) and axis != dim % x.dim():
            yield Suspect(
                "reduced axes",
                "axis",
                f"{{kind}}: torch's axis is {dim}, the JAX side's is torch's axis {axis}",
                f"torch's axis {dim}",
                changed(dim=axis),
            )


def any_call(seen: Seen) -> Iterator[Suspect]:
    """A call whose gradient is stopped, or that is left out."""
    result, first = seen.result, next(iter(seen.arguments.values()), None)
    if seen.name == "detach":
        yield Suspect(
            "gradient not stopped",
            "stop_gradient",
            "torch stops the gradient here (detach), the JAX side lets it pass",
            "jax.lax.stop_gradient(x)",
            lambda rest, a, _: next(iter(a.values())),
        )
    if not isinstance(result, Tensor) or not result.requires_grad:
        return
    yield Suspect(
        "gradient stopped",
        "stop_gradient",
        "{kind}: no gradient passes on the JAX side",
        "no jax.lax.stop_gradient here",
        after(lambda out, _, __: out.detach() + 0 * torch.where(torch.isfinite(out), out, 0)),
    )
    same = isinstance(first, Tensor) and first.shape == result.shape
    if same and isinstance(first, Tensor) and first.is_floating_point():
        name = next(iter(seen.arguments))
        yield Suspect(
            "left out",
            "missing call",
            "{kind} is left out on the JAX side",
            f"{seen.name}(...)",
            lambda rest, a, _: a[name] * 1.0,
        )


def whole(seen: Seen) -> Iterator[Suspect]:
    """What can be said of a module or function as a whole: its mode, or a relation."""
    yield Suspect(
        "constant factor",
        "relation",
        "the JAX side's result is {jax} times torch's",
        "divide by {jax}",
        after(scaled),
        starts=(0.5, 2.0, -1.0),
        general=True,
    )
    yield from transposed_result(seen)
    if seen.module is None:
        return
    training = seen.module.training
    yield Suspect(
        "mode",
        "gotcha 8",
        f"torch is in {'training' if training else 'evaluation'} mode, the JAX side in "
        f"{'evaluation' if training else 'training'} mode",
        f"model.{'train' if training else 'eval'}()",
        _switched(not training),
    )
    if next(seen.module.buffers(), None) is not None:
        yield Suspect(
            "buffers not updated",
            "gotcha 8",
            "the buffers stay as they were on the JAX side",
            "write the updated state back (nnx.update, or use_running_average=False)",
            _still,
        )
    if hasattr(seen.module, "batch_first"):
        yield Suspect(
            "batch first",
            "setting",
            f"torch's batch_first is {seen.module.batch_first}, the JAX side's axes are the "
            "other way round",
            "time_major as batch_first says",
            _turned,
        )


def scaled(out: Any, arguments: dict[str, Any], value: float) -> Any:
    """A result times a number, be it a tuple of arrays or one."""
    if isinstance(out, Tensor):
        return out * value if out.is_floating_point() else out
    if isinstance(out, dict):
        return {key: scaled(one, arguments, value) for key, one in out.items()}
    if isinstance(out, list | tuple):
        return [scaled(one, arguments, value) for one in out]
    return out


def _switched(training: bool) -> Callable[..., Any]:
    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        arguments["module"].train(training)
        return rest(**arguments)

    return rewrite


def _still(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    buffers = list(arguments["module"].buffers())
    before = [buffer.clone() for buffer in buffers]
    result = rest(**arguments)
    for buffer, values in zip(buffers, before, strict=True):
        buffer.data = values  # not in place: the gradient still needs what was there
    return result


def _turned(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
    name = next(k for k in arguments if k != "module")
    out, *others = rest(**{**arguments, name: arguments[name].transpose(0, 1)})
    return out.transpose(0, 1), *others
