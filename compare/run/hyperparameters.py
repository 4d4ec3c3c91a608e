"""Effective settings of both sides, after defaults, as plain data under torch's names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from compare.cases.case import Call, Pair
from compare.cases.training import Training
from compare.run import target

Settings = dict[str, dict[str, Any]]

# torch's word for a setting that Flax or optax calls otherwise.
TORCH_NAMES = {
    "epsilon": "eps",
    "strides": "stride",
    "kernel_dilation": "dilation",
    "feature_group_count": "groups",
    "rate": "p",
    "features": "num_features",
    "num_embeddings": "num_embeddings",
    "use_bias": "bias",
    "use_scale": "weight",
    "in_features": "in_features",
    "learning_rate": "lr",
    "eps_root": "eps_root",
    "decay": "alpha",
    "initial_accumulator_value": "initial_accumulator_value",
}
KINDS = ("Conv", "Linear", "BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm",
         "Dropout", "Embed", "MaxPool", "AvgPool", "Attention", "LSTM", "GRU", "ReLU",
         "GELU")  # fmt: skip
BOOKKEEPING = (
    *(
        "training",
        "deterministic",
        "inplace",
        "rngs",
        "device",
        "dtype",
        "mask",
        "return_indices",
    ),
    *(
        "in_channels",
        "out_channels",
        "in_features",
        "out_features",
        "num_features",
        "transposed",
    ),
    *("axis_name", "axis_index_groups", "promote_dtype", "precision", "backend", "sparse"),
)


def both(case: Pair) -> tuple[Settings, Settings]:
    """The settings of both sides of `case`: of its modules, or of its function's arguments.

    Of a training the optimizer's and the schedule's, under "update" and "schedule".
    """
    found: list[Settings] = []
    for side in target.SIDES:
        pair = case.on(side) if isinstance(case, Training) else case
        settings = of_modules(pair, side) if pair.is_class else of_function(pair, side)
        if isinstance(pair, Training):
            settings |= of_training(pair, side)
        found.append(settings)
    return found[0], found[1]


def of_modules(case: Pair, side: str) -> Settings:
    """The settings of every module of `case`, by path."""
    if side == "torch":
        from compare.run import torch_side

        return {
            path: settings(module) for path, module in torch_side.build(case).named_modules()
        }
    from flax import nnx

    from compare.run import jax_leaves

    model = jax_leaves.build(case)
    return {
        ".".join(map(str, path)): settings(module)
        for path, module in nnx.iter_modules(model)
        if isinstance(module, nnx.Module)
    }


def settings(module: Any) -> dict[str, Any]:
    """The plain attributes of a module by torch's names, and its kind."""
    name = type(module).__name__
    found: dict[str, Any] = {"kind": next((kind for kind in KINDS if kind in name), name)}
    for attribute, value in vars(module).items():
        if attribute.startswith("_") or attribute in BOOKKEEPING or not plain(value):
            continue
        found[str(TORCH_NAMES.get(attribute, attribute))] = value
    # Flax's own BatchNorm, and what derives from it, keeps what torch replaces.
    flax = any(b.__module__.startswith("flax") and "BatchNorm" in b.__name__
               for b in type(module).__mro__)  # fmt: skip
    if flax and "momentum" in found:
        found["momentum"] = round(1 - found["momentum"], 12)
    if "padding" in found:
        found["padding"] = padded(found)
    if any("Norm" in base.__name__ for base in type(module).__mro__):
        found.setdefault("use_fast_variance", False)
    for leaf in ("bias", "weight"):  # there or not
        found.pop(leaf, None)
    if hasattr(module, "bias"):
        found["bias"] = module.bias is not None and module.bias is not False
    return found


def padded(found: Mapping[str, Any]) -> Any:
    """Flax's words for a padding as numbers, where both sides of an axis have the same."""
    padding, kernel = found["padding"], found.get("kernel_size")
    if padding == "VALID":
        return 0
    if padding != "SAME" or kernel is None:
        return padding
    kernel = (kernel,) if isinstance(kernel, int) else tuple(kernel)
    stride, dilation = (_flat(found.get(name, 1)) for name in ("stride", "dilation"))
    spread = [d * (k - 1) for k, d in zip(kernel, dilation * len(kernel), strict=False)]
    even = all(one == 1 for one in stride) and all(s % 2 == 0 for s in spread)
    return tuple(s // 2 for s in spread) if even else padding


def _flat(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value or (1,))


def plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def of_function(case: Pair, side: str) -> Settings:
    """The plain arguments that a function is called with, its defaults among them."""
    _, options = target.arguments(case, side)
    function = target.resolve(case, side)
    known = defaults(function) | options
    return {"": {"kind": "function"} | {k: v for k, v in known.items() if plain(v)}}


def defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """The defaults of a function or class; none where Python cannot tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def of_training(training: Training, side: str) -> Settings:
    """The arguments of optimizer, schedule and clipping, after defaults."""
    found: Settings = {}
    parts: Mapping[str, Call | None] = {
        "update": training.update,
        "schedule": training.schedule,
        "clip": training.clip,
        "loss": training.loss,
        "penalty": training.penalty,
    }
    for name, part in parts.items():
        if part is None:
            continue
        known = defaults(target.named(part.target, side)) | dict(part.arguments)
        told = {TORCH_NAMES.get(k, k): v for k, v in known.items() if plain(v)}
        found[name] = {"kind": name, **told}
    found["training"] = {
        "kind": "training",
        "undecayed": tuple(training.undecayed),
        "clipped": training.clip is not None,
    }
    return found
