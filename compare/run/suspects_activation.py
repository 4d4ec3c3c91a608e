"""Known mistakes of activations and their gradients: gotchas 21 and 43, softmax axes, logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from compare.run.calls import Seen
from compare.run.suspect import Suspect, after, changed, instead


def gelu(seen: Seen) -> Iterator[Suspect]:
    """The forms of GELU that go about."""
    (first, *_) = seen.arguments
    exact = seen.get("approximate", "none") == "none"
    words = {
        "tanh": lambda x: F.gelu(x, approximate="tanh"),
        "none": F.gelu,
        "quick": lambda x: x * torch.sigmoid(1.702 * x),
    }
    said = {
        "tanh": "the tanh approximation",
        "none": "the exact form",
        "quick": "x sigmoid(1.702 x)",
    }
    for form, function in words.items():
        if form == ("none" if exact else "tanh"):
            continue
        yield Suspect(
            "GELU form",
            "gotcha 21",
            f"{{kind}}: torch computes {said['none' if exact else 'tanh']}, the JAX side "
            f"{said[form]}",
            f"jax.nn.gelu(x, approximate={not exact})",
            instead(function, first),
        )


def relu(seen: Seen) -> Iterator[Suspect]:
    """Another function in its place, or another gradient at 0."""
    (first, *_) = seen.arguments
    yield Suspect(
        "gradient at a tie",
        "gotcha 43",
        "{kind}: at 0 the JAX side's gradient is 0.5 (jnp.maximum shares it); torch's is 0",
        "jax.nn.relu(x)",
        instead(lambda x: torch.maximum(x, torch.zeros_like(x)), first),
    )
    yield from others(seen)


def clip(seen: Seen) -> Iterator[Suspect]:
    """Clipping by minimum and maximum, which share the gradient at a bound."""
    (first, *_) = seen.arguments
    low = seen.get("min_val", 0.0 if seen.name == "relu6" else seen.get("min"))
    high = seen.get("max_val", 6.0 if seen.name == "relu6" else seen.get("max"))
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return

    def shared(x: Tensor) -> Tensor:
        floor = torch.maximum(x, x.new_tensor(low))
        return torch.minimum(floor, x.new_tensor(high))

    yield Suspect(
        "gradient at a tie",
        "gotcha 43",
        "{kind}: at its bounds the JAX side's gradient is 0.5 (jnp.clip shares it); torch's is "
        "not",
        "a select instead of jnp.clip",
        instead(shared, first),
    )


def absolute(seen: Seen) -> Iterator[Suspect]:
    """|x| whose gradient at 0 is 1."""
    (first, *_) = seen.arguments
    yield Suspect(
        "gradient at a tie",
        "gotcha 43",
        "{kind}: at 0 the JAX side's gradient is 1; torch's is 0",
        "x * sign(x)",
        instead(lambda x: torch.where(x >= 0, x, -x), first),
    )


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "softplus": F.softplus,
    "relu6": F.relu6,
    "hard sigmoid": F.hardsigmoid,
    "hard tanh": F.hardtanh,
}


def others(seen: Seen) -> Iterator[Suspect]:
    """Another activation in its place, or none."""
    (first, *_) = seen.arguments
    for name, function in ACTIVATIONS.items():
        if name != seen.name:
            yield Suspect(
                "another activation",
                "kind",
                f"torch computes {{kind}}, the JAX side {name}",
                f"{seen.name}",
                instead(function, first),
            )


def softmax(seen: Seen) -> Iterator[Suspect]:
    """Softmax over another axis, or through float32, or with or without its logarithm."""
    (first, *_) = seen.arguments
    x = seen.arguments[first]
    if not isinstance(x, Tensor):
        return
    dim = seen.get("dim", seen.get("1"))
    for axis in range(x.dim()):
        if isinstance(dim, int) and axis != dim % max(1, x.dim()):
            place = {"dim": axis} if "dim" in seen.arguments else {"1": axis}
            yield Suspect(
                "softmax axis",
                "gotcha 9 of axes",
                f"{{kind}}: torch's axis is {dim}, the JAX side's is torch's axis {axis}",
                f"axis={dim} (of torch's order of axes)",
                changed(**place),
            )
    yield Suspect(
        "log base",
        "kind",
        "{kind}: the JAX side takes the logarithm to base 2",
        "jnp.log",
        after(lambda out, _, __: out / torch.log(out.new_tensor(2.0))),
        general=True,
    )


def logarithm(seen: Seen) -> Iterator[Suspect]:
    """A logarithm to another base, or of something else."""
    (first, *_) = seen.arguments
    for base, function in (("2", torch.log2), ("10", torch.log10), ("e of 1 + x", torch.log1p)):
        yield Suspect(
            "log base",
            "kind",
            f"{{kind}}: the JAX side takes the logarithm to base {base}",
            "jnp.log",
            instead(function, first),
        )
