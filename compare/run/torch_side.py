"""torch's half of the harness: build, fill, call, pull back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from compare.cases.case import Case, Pair
from compare.run import target
from compare.run.draw import Givens, Leaf, cotangent, jittered
from compare.run.record import Record, failed
from compare.run.torch_audit import NarrowingCasts
from compare.run.torch_rounding import Moved

Compiler = Callable[[torch.nn.Module], Any]
"""What gives a module's compiled form, which shares its leaves."""

TWINS = 4
ULP = 2.0**-52
"""Of float64: the distance from 1 to the next number."""
OFF = 2.0**-40
"""By how much twins are off: many ulps, as of one ulp too little is left after rounding."""


def build(case: Pair) -> torch.nn.Module:
    """The module of `case`, as its constructor makes it."""
    init, _ = target.arguments(case, "torch")
    init = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in init.items()}
    return target.attach(target.resolve(case, "torch")(**init), case, "torch")


def made(case: Pair, given: Givens) -> torch.nn.Module:
    """A module to fill: a copy of the one that is at hand, or what the constructor makes."""
    return copy.deepcopy(given.built["torch"]) if "torch" in given.built else build(case)


def leaves(case: Pair) -> list[Leaf]:
    """The leaves of the module of `case` (none for a function): parameters, then buffers."""
    return module_leaves(build(case)) if case.is_class else []


def module_leaves(module: torch.nn.Module) -> list[Leaf]:
    """Every parameter and persistent buffer of `module`, with the class that owns it."""
    owners = {path: type(child).__name__ for path, child in module.named_modules()}
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    state = module.state_dict(keep_vars=True)
    return [
        Leaf(
            path=path,
            owner=owners[path.rpartition(".")[0]],
            shape=tuple(named[path].shape),
            buffer=not isinstance(named[path], torch.nn.Parameter),
            integer=not named[path].is_floating_point(),
        )
        for path in named
        if path in state
    ]


def run(
    case: Case,
    given: Givens,
    precision: str,
    seed: int,
    device: str = "cpu",
    compiler: Compiler | None = None,
) -> Record:
    """Calls `case` at `precision`; the first call fills `given.cotangents`, by the shapes.

    With a `compiler` it is the compiled module that runs, and casts are not looked for: no mode
    that watches torch's operations sees into compiled code.
    """
    try:
        return _run(case, given, precision, seed, device, compiler)
    except Exception as error:
        return failed("torch", precision, error)


def spread(
    case: Case, given: Givens, record: Record, seed: int, device: str = "cpu"
) -> dict[str, np.ndarray]:
    """How far an ulp moves each element of `record`, of float64: the farthest of TWINS runs.

    Each begins from inputs, leaves and cotangents that are off, and so is the result of each of
    its operations: by OFF, of which an ulp's share is taken. Arrays of integers, and those
    whose shape a twin changes, are left out; so is a twin that torch refuses.
    """
    found: dict[str, np.ndarray] = {}
    for twin in range(TWINS):
        # Attention is one operation to torch, too: it is run by its parts.
        with Moved(OFF, twin, device), sdpa_kernel(SDPBackend.MATH):
            moved = run(case, jittered(given, OFF, twin), "float64", seed, device).arrays
        for name, values in record.arrays.items():
            other = moved.get(name)
            if values.dtype.kind in "fc" and other is not None and other.shape == values.shape:
                far = np.abs(other - values) * (ULP / OFF)
                found[name] = np.maximum(found.get(name, 0.0), far)
    return found


def _run(
    case: Case,
    given: Givens,
    precision: str,
    seed: int,
    device: str,
    compiler: Compiler | None,
) -> Record:
    dtype = getattr(torch, precision)
    _, options = target.arguments(case, "torch")
    inputs = inputs_of(case, given, dtype, device)
    module = None
    if case.is_class:
        module = filled(made(case, given), given, dtype, device).train(case.train)
        parameters = dict(module.named_parameters())
        call = compiler(module) if compiler else module
    else:
        call, parameters = target.resolve(case, "torch"), {}
        options = {**options, **{k: tensor(v, dtype, device) for k, v in given.masks.items()}}
    casts = NarrowingCasts()
    with nullcontext() if compiler else casts:
        # Clones: the audit's tracker of modules cannot have a leaf for a module's input, nor
        # can a module that works in place.
        handed = {k: x.clone() if x.requires_grad else x for k, x in inputs.items()}
        outputs = target.outputs(case, apply(call, handed, options, case), "torch")
        if len(given.cotangents) < len(outputs):
            given.cotangents = [
                cotangent(case, i, tuple(out.shape), seed) for i, out in enumerate(outputs)
            ]
        wanted = {k: x for k, x in inputs.items() if x.requires_grad} | parameters
        gradients = pull_back(outputs, given.cotangents, wanted)
    arrays = {f"output/{i}": numpy(out) for i, out in enumerate(outputs)}
    arrays |= {f"grad/{name}": numpy(value) for name, value in gradients.items()}
    arrays |= {f"buffer/{name}": numpy(inputs[name]) for name in case.mutates}
    if module is not None:
        arrays |= kept_buffers(module, given)
    return Record("torch", precision, arrays, () if compiler else casts.seen())


def apply(call: Any, inputs: dict, options: dict, case: Case) -> Any:
    """Functions are called by torch's argument names; a module's forward as the case says."""
    if not case.is_class:
        return call(**inputs, **options)
    args, named = target.called(case, inputs)
    with case.during("torch"):
        return call(*args, **named, **options)


def inputs_of(
    case: Case, given: Givens, dtype: torch.dtype, device: str
) -> dict[str, torch.Tensor]:
    """Fresh inputs; those are asked for a gradient whose gradient the case compares."""
    return {
        name: tensor(values, dtype, device).requires_grad_(
            case.inputs[name].grad and values.dtype.kind in "fc" and name not in case.mutates
        )
        for name, values in given.inputs.items()
    }


def tensor(values: np.ndarray, dtype: torch.dtype, device: str) -> torch.Tensor:
    """`values` as a fresh tensor: floats at `dtype`, integers and booleans as they are."""
    fresh = torch.tensor(values, device=device)
    if fresh.is_complex():
        return fresh.to(dtype.to_complex())
    return fresh.to(dtype) if fresh.is_floating_point() else fresh


def numpy(value: torch.Tensor) -> np.ndarray:
    """`value` on the host; bfloat16, which NumPy lacks, as the float32 that holds it."""
    value = value.to_dense() if value.is_sparse else value
    value = value.float() if value.dtype == torch.bfloat16 else value
    return value.detach().resolve_conj().resolve_neg().cpu().numpy().copy()


def kept_buffers(module: torch.nn.Module, given: Givens) -> dict[str, np.ndarray]:
    """The buffers of `module` that belong to its state, as arrays of a Record."""
    buffers = dict(module.named_buffers())
    kept = [path for path, leaf in given.owners.items() if leaf.buffer]
    return {f"buffer/{path}": numpy(buffers[path]) for path in kept}


def filled(
    module: torch.nn.Module, given: Givens, dtype: torch.dtype, device: str
) -> torch.nn.Module:
    """`module` holding the given leaves at `dtype`, and the given masks in its slots."""
    module = module.to(device=device, dtype=dtype)
    state = {path: tensor(values, dtype, device) for path, values in given.leaves.items()}
    module.load_state_dict(state | tied(module, state), strict=True)
    fill_masks(module, given.masks, dtype, device)
    return module


def tied(module: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The values of leaves that go by several names, under those that `state` lacks."""
    held = module.state_dict(keep_vars=True)
    known = {id(held[path]): values for path, values in state.items() if path in held}
    return {
        path: known[id(leaf)]
        for path, leaf in held.items()
        if path not in state and id(leaf) in known
    }


def fill_masks(
    module: torch.nn.Module, masks: Mapping[str, np.ndarray], dtype: torch.dtype, device: str
) -> None:
    """Puts each mask in its slot, by the slot's path."""
    for path, mask in masks.items():
        owner, _, slot = path.rpartition(".")
        holder = module.get_submodule(owner)
        if not hasattr(holder, slot):
            raise AttributeError(f"{type(holder).__name__} at {owner!r} has no slot {slot!r}")
        setattr(holder, slot, tensor(mask, dtype, device))


def pull_back(
    outputs: list[torch.Tensor],
    cotangents: list[np.ndarray],
    wanted: dict[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """d<cotangent, output>/d wanted; zeros where an output does not depend on the leaf."""
    pairs = [
        (out, torch.tensor(ct, device=out.device).to(out.dtype))
        for out, ct in zip(outputs, cotangents, strict=True)
        if out.requires_grad
    ]
    if not pairs or not wanted:
        return {}
    outs, cts = zip(*pairs, strict=True)
    found = torch.autograd.grad(outs, list(wanted.values()), cts, allow_unused=True)
    return {
        name: torch.zeros_like(leaf) if grad is None else grad
        for (name, leaf), grad in zip(wanted.items(), found, strict=True)
    }
