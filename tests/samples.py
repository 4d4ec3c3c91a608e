"""PyTorch's own sample inputs, as cases: from `common_modules.module_db` and `common_nn`.

A sample is a constructor call and a forward call with tensors. Here it becomes a `Case` whose
inputs are "given", so that it is judged as every other case is. Tensors have no axis names: the
rule below says which axis torch's documentation calls C.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.testing._internal import common_nn
from torch.testing._internal.common_modules import module_db

from compare.cases.case import Case, Given

# Families of torch.nn that Portbench does not mirror as layers.
OUTSIDE = re.compile(r"Lazy|Transformer|MultiheadAttention|RNN|GRU|LSTM")

SPATIAL = re.compile(r"(Conv|ConvTranspose|Pool|Unpool|InstanceNorm|Pad)([123])d$")
FUNCTION_SPATIAL = re.compile(r"(conv|conv_transpose|pool|unpool|instance_norm)([123])d$")
AXIS_1 = {
    *("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "LocalResponseNorm", "PReLU"),
    *("ChannelShuffle", "CrossMapLRN2d", "interpolate", "Upsample"),
}  # fmt: skip
LOSSES = {"CrossEntropyLoss", "NLLLoss", "cross_entropy", "nll_loss"}
FROM_END = {
    "Softmax2d": 3, "PixelShuffle": 3, "PixelUnshuffle": 3, "pixel_shuffle": 3, "Unfold": 3,
    "Fold": 2, "unfold": 3, "fold": 2,
}  # fmt: skip
OUT_FROM_END = {"Unfold": 2, "Fold": 3, "unfold": 2, "fold": 3}


@cache
def stem_of(name: str) -> str | None:
    """The mirrored file that holds `name`, or None."""
    root = Path(__file__).parent.parent / "torch_impl"
    for file in sorted(root.glob("[a-z]*.py")):
        if name in importlib.import_module(f"torch_impl.{file.stem}").__all__:
            return file.stem
    return None


def axes(
    name: str,
    shape: tuple[int, ...],
    floating: bool,
    argument: str = "",
    output: bool = False,
) -> str:
    """ "a0=2 c=3 a2=5": the axis that torch's documentation calls C is named c."""
    rank = len(shape)
    spatial = SPATIAL.search(name) or FUNCTION_SPATIAL.search(name)
    channel = None
    if spatial:
        channel = rank - int(spatial.group(2)) - 1
    elif output and name in OUT_FROM_END:
        channel = rank - OUT_FROM_END[name]
    elif name in FROM_END:
        channel = rank - FROM_END[name]
    elif rank >= 2 and second_is_channel(name, floating, argument, output):
        channel = 1
    names = ["c" if i == channel else f"a{i}" for i in range(rank)]
    return " ".join(f"{n}={size}" for n, size in zip(names, shape, strict=True))


def second_is_channel(name: str, floating: bool, argument: str, output: bool) -> bool:
    """Axis 1 of a layer's input, and of scores and probabilities (not labels) of a loss."""
    if name == "LinearCrossEntropyLoss":
        return argument == "target" and floating
    if name in LOSSES:
        return floating and not output
    return name in AXIS_1


def given(name: str, argument: str, value: torch.Tensor) -> Given:
    floating = value.is_floating_point()
    text = axes(name, tuple(value.shape), floating, argument)
    return Given(text, "given", floating and value.requires_grad, {"values": plain(value)})


def plain(value: Any) -> Any:
    """Tensors as NumPy; everything else as it is."""
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def bound(call: Any, args: tuple, kwargs: dict) -> dict[str, Any]:
    """Arguments by name."""
    found = inspect.signature(call).bind(*args, **kwargs)
    return dict(found.arguments)


def class_case(cls: type, init: dict, forward: dict, training: bool, label: str) -> Case:
    """The case of a module's constructor and forward call."""
    name = cls.__name__
    stem = stem_of(name)
    assert stem, f"{name} is mirrored nowhere"
    arrays = {k: given(name, k, v) for k, v in forward.items() if isinstance(v, torch.Tensor)}
    options = {k: v for k, v in forward.items() if not isinstance(v, torch.Tensor)}
    module = cls(**init).double().train(training)
    masks = {}
    if name == "RReLU":
        first = next(iter(arrays.values()))
        masks = {"noise": Given(first.axes, "uniform", False, {"low": 0.2, "high": 0.3})}
    out = outputs(name, module(*forward.values()))
    return Case(
        f"{stem}.{name}", arrays, init={k: plain(v) for k, v in init.items()}, options=options,
        train=training, masks=masks, out=out, name=label, jax_init=translated(init),
        flat=True,  # what torch draws may be
    )  # fmt: skip


def translated(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments that are torch's own objects, as JAX's: dtypes, and options of a loss."""
    found = {}
    for name, value in arguments.items():
        if name == "device":
            found[name] = None
        elif isinstance(value, torch.dtype):
            found[name] = np.dtype(str(value).removeprefix("torch."))
        elif type(value).__name__ == "LinearCrossEntropyOptions":
            twin = importlib.import_module("jax_impl.loss").LinearCrossEntropyOptions
            names = inspect.signature(twin).parameters
            found[name] = twin(**{k: getattr(value, k) for k in names})
    return found


def outputs(name: str, result: Any) -> tuple[str, ...]:
    """The axis names of what torch returns."""
    some = result if isinstance(result, tuple) else (result,)
    found = (axes(name, tuple(x.shape), x.is_floating_point(), output=True) for x in some)
    return tuple(re.sub(r"=\d+", "", text) for text in found)


def modern_infos() -> dict[str, Any]:
    """The entries of module_db that belong to a mirrored family, by class name."""
    return {
        info.module_cls.__name__: info
        for info in module_db
        if not OUTSIDE.search(info.module_cls.__name__)
    }


def modern(training: bool, name: str = "") -> Iterator[Case]:
    """A case for every sample of module_db of a mirrored family, or of class `name` alone."""
    infos = modern_infos()
    for info in [infos[name]] if name else infos.values():
        cls = info.module_cls
        torch.manual_seed(0)
        samples = info.module_inputs_func(
            info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
        )
        for number, sample in enumerate(samples):
            init = bound(cls, sample.constructor_input.args, sample.constructor_input.kwargs)
            call = sample.forward_input
            forward = bound(cls(**init).forward, call.args, call.kwargs)
            label = f"{cls.__name__} {number}"
            yield class_case(cls, init, forward, training, label)


class FirstCall(TorchFunctionMode):
    """Records the outermost call of a torch.nn.functional function."""

    def __init__(self) -> None:
        super().__init__()
        self.found: tuple[Any, tuple, dict] | None = None

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if self.found is None and stem_of(getattr(func, "__name__", "")):
            self.found = (func, args, kwargs or {})
        return func(*args, **(kwargs or {}))


def legacy(training: bool) -> Iterator[Case]:
    """A case for every entry of common_nn's older lists of a mirrored family."""
    lists = (
        common_nn.module_tests,
        common_nn.get_new_module_tests(),
        common_nn.criterion_tests,
    )
    for number, spec in enumerate(entry for some in lists for entry in some):
        label = "_".join(
            str(spec[key]) for key in ("module_name", "fullname", "desc") if spec.get(key)
        )
        if OUTSIDE.search(label):
            continue
        torch.manual_seed(0)
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            yield legacy_case(spec, training, f"{label} (legacy {number})")
        finally:
            torch.set_default_dtype(before)


def legacy_case(spec: dict, training: bool, label: str) -> Case:
    named = spec.get("module_name") or re.sub(r"_no_batch_dim.*", "", spec.get("fullname", ""))
    constructor = spec.get("constructor") or getattr(torch.nn, named)
    args = spec.get("constructor_args", ())
    args = spec["constructor_args_fn"]() if "constructor_args_fn" in spec else args
    module = constructor(*args)
    tensors = [*listed(made(spec, "input")), *listed(made(spec, "target"))]
    tensors += listed(made(spec, "extra_args"))
    for value in tensors[: len(listed(made(spec, "input")))]:
        if isinstance(value, torch.Tensor) and (
            value.is_floating_point() or value.is_complex()
        ):
            value.requires_grad_()
    cls = type(module)
    if cls.__module__.startswith("torch.nn."):
        init = bound(cls, args, {}) if constructor is cls else attributes(module)
        return class_case(cls, init, bound(module.forward, tuple(tensors), {}), training, label)
    with FirstCall() as first:
        result = module(*tensors)
    return function_case(first.found, result, label)


def made(spec: dict, what: str) -> Any:
    if f"{what}_fn" in spec:
        return spec[f"{what}_fn"]()
    if f"{what}_size" in spec:
        return torch.randn(spec[f"{what}_size"])
    return spec.get(what, ())


def listed(value: Any) -> list:
    return list(value) if isinstance(value, tuple | list) else [value]


def attributes(module: torch.nn.Module) -> dict[str, Any]:
    """Constructor arguments read back from a module that a lambda built."""
    names = inspect.signature(type(module)).parameters
    found = {name: getattr(module, name) for name in names if hasattr(module, name)}
    if "bias" in found:
        found["bias"] = found["bias"] is not None
    return found


def function_case(found: Any, result: Any, label: str) -> Case:
    """The case of one call of a torch.nn.functional function, as torch itself was asked."""
    assert found, f"{label}: no function of torch.nn.functional was called"
    func, args, kwargs = found
    name = func.__name__
    stem = stem_of(name)
    twin = getattr(importlib.import_module(f"jax_impl.{stem}"), name)
    call = bound(twin, args, kwargs)
    arrays = {k: given(name, k, v) for k, v in call.items() if isinstance(v, torch.Tensor)}
    options = {k: v for k, v in call.items() if not isinstance(v, torch.Tensor)}
    out, theirs = outputs(name, result), translated(options)
    return Case(
        f"{stem}.{name}", arrays, options=options, jax_options=theirs, out=out, name=label,
        flat=True,  # what torch draws may be
    )  # fmt: skip
