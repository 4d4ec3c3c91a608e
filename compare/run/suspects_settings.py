"""Every setting of a call as a suspect: a number to be fitted, a choice to be tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from compare.run.calls import Seen
from compare.run.suspect import Suspect, changed, fitted

EPS = (1e-5, 1e-6, 1e-12, 1e-3, 1e-7, 1e-8, 1e-10, 0.0, 1e-2, 0.1, 1.0)

# Gotchas by the setting's name, for functions that start so; "" for all.
GOTCHAS = {
    ("eps", "cosine_similarity"): 33,
    ("eps", "layer_norm"): 5,
    ("eps", ""): 6,
    ("momentum", ""): 2,
    ("num_groups", ""): 6,
    ("ceil_mode", ""): 17,
    ("count_include_pad", ""): 18,
    ("align_corners", ""): 20,
    ("antialias", ""): 20,
    ("mode", "interpolate"): 20,
    ("approximate", "gelu"): 21,
    ("padding_idx", ""): 25,
    ("ignore_index", ""): 28,
    ("label_smoothing", ""): 29,
    ("reduction", "kl_div"): 31,
    ("stride", "max_pool"): 15,
    ("stride", "avg_pool"): 15,
    ("output_padding", ""): 11,
    ("training", ""): 8,
    ("negative_slope", ""): 43,
}

CHOICES: dict[str, tuple[Any, ...]] = {
    "reduction": ("mean", "sum"),
    "approximate": ("none", "tanh"),
    "mode": ("bilinear", "bicubic", "nearest", "nearest-exact", "area", "trilinear", "linear"),
    "padding_mode": ("zeros", "border", "reflection"),
    "ignore_index": (-100, -1, 0),
}
PAD_MODES = ("constant", "reflect", "replicate", "circular")
NAMES = {"approximate": "GELU form", "training": "mode", "num_groups": "groups"}
PLACES = ("dim", "axis", "start_dim", "end_dim", "_stacklevel", "dtype", "dim0", "dim1")
SIZES = ("stride", "padding", "dilation", "output_padding", "kernel_size")
ELSEWHERE = (("padding_idx", "embedding"), ("approximate", "gelu"))
"""Settings that a family of suspects speaks of."""
SHAPING = ("view", "reshape", "permute", "transpose", "expand", "unflatten", "t", "contiguous")
"""Functions whose arguments are sizes and places: no settings that a port gets wrong."""
ARITHMETIC = ("mul", "div", "rdiv", "add", "sub", "rsub", "pow")
NOT_SETTINGS = (*PLACES, "inplace", "return_indices", "keepdim", "size_average", "reduce", "p")


def suspects(seen: Seen) -> Iterator[Suspect]:
    """A suspect for each setting of the call that could be another."""
    if seen.name in ARITHMETIC or seen.name in SHAPING:
        return
    for name, value in seen.arguments.items():
        if name in NOT_SETTINGS and (name, seen.name) != ("p", "lp_pool2d"):
            continue
        if isinstance(value, torch.Tensor) or (name, seen.name) in ELSEWHERE:
            continue
        common = {
            "name": called(name, seen.name),
            "source": source(name, seen.name),
            "torch": value,
        }
        label = "{kind} " + name
        if isinstance(value, float) or (name in ("eps", "momentum") and value is not None):
            yield Suspect(
                **common,
                says=label + ": torch {torch}, the JAX side computes with {jax}",
                change=f"{name}={{torch}}",
                rewrite=fitted(name),
                starts=starts(name, value),
                positive=name == "eps",
            )
            continue
        for other in others(seen, name, value):
            yield Suspect(
                **common,
                says=f"{label}: torch {{torch}}, the JAX side computes with {other!r}",
                change=f"{name}={value!r}",
                rewrite=changed(**{name: other}, **together(seen, name, other)),
            )


def together(seen: Seen, name: str, other: Any) -> dict[str, Any]:
    """What else must change with a setting: torch takes align_corners with some modes alone."""
    if name != "mode" or "align_corners" not in seen.arguments:
        return {}
    smooth = other in ("linear", "bilinear", "bicubic", "trilinear")
    return {"align_corners": bool(seen.arguments["align_corners"]) if smooth else None}


def called(name: str, kind: str) -> str:
    """The name of a mistake in the setting `name`."""
    if name == "mode":
        return "padding mode" if kind == "pad" else "resize mode"
    return NAMES.get(name, name.replace("_", " "))


def source(name: str, kind: str) -> str:
    """The gotcha that speaks of the setting, if one does."""
    for (setting, start), number in GOTCHAS.items():
        if setting == name and kind.startswith(start):
            return f"gotcha {number}"
    return "setting"


def starts(name: str, value: float) -> tuple[float, ...]:
    """Where a number of that name is found most often."""
    if name == "eps":
        return EPS
    if name == "momentum":
        return tuple(dict.fromkeys((1 - value, 0.01, 0.99, 0.9, 0.1, 0.0, 1.0)))
    return tuple(dict.fromkeys((2 * value, value / 2, 1 - value, 0.0, 1.0, 0.01, 0.1)))


def others(seen: Seen, name: str, value: Any) -> Iterator[Any]:
    """What else a choice could be: all that torch might take."""
    if isinstance(value, bool):
        yield not value
    elif name == "mode" and seen.name == "pad":
        yield from (mode for mode in PAD_MODES if mode != value)
    elif name in CHOICES:
        yield from (one for one in CHOICES[name] if one != value)
    elif name in ("groups", "num_groups"):
        channels = seen.arguments["input"].shape[1]
        divisors = [n for n in range(1, channels + 1) if channels % n == 0]
        yield from (n for n in (1, channels, *divisors) if n != value)
    elif name in SIZES or (isinstance(value, int) and value < 64):
        yield from sizes(seen, name, value)


def sizes(seen: Seen, name: str, value: Any) -> Iterator[Any]:
    """Other strides, paddings, dilations and the like, of all axes or in another order."""
    found: list[Any] = []
    flat = tuple(value) if isinstance(value, list | tuple) else (value,)
    if any(isinstance(one, str) for one in flat):
        return
    least = 0 if name in ("padding", "output_padding") else 1
    numbers = [one for one in flat if one is not None] or [1]
    near = {least, least + 1, numbers[0] - 1, numbers[0] + 1, numbers[0] + 2, 2 * numbers[0]}
    if name == "padding" and "kernel_size" in seen.arguments:
        kernel = seen.arguments["kernel_size"]
        near.add((kernel if isinstance(kernel, int) else kernel[0]) // 2)
    if name == "padding" and isinstance(seen.get("weight"), torch.Tensor):
        near |= {n // 2 for n in seen.arguments["weight"].shape[2:]}
        near |= {n - 1 for n in seen.arguments["weight"].shape[2:]}
    for number in sorted(n for n in near if n >= least):
        found.append(number if len(flat) == 1 else (number,) * len(flat))
    if len(flat) > 1:
        found.append(tuple(reversed(flat)))
    yield from (one for one in dict.fromkeys(found) if one != value and one != flat)
