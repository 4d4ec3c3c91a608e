"""What a user hands over, as NumPy: arrays, or shapes as text; how the model is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from compare.cases.case import Slot
from compare.run.draw import generator, representable
from compare.run.port.errors import PortError

Called = tuple[tuple[Any, ...], dict[str, Any]]

_SPEC = re.compile(r"(?:(\w+)\s*[=:]\s*)?(float|int|bool)\d*\s*\[([\d,\s]*)\](?:\s*<\s*(\d+))?")


def slotted(inputs: Any, seed: int = 0, step: int = 0) -> tuple[dict[str, np.ndarray], Called]:
    """The arrays of `inputs` by name, and the call with a Slot where each stood.

    inputs   a tuple or list of positional arguments, a dict of named ones, an array, or a text
             (see `drawn`); what is no array (a flag, None) stays as it is
    """
    inputs = drawn(inputs, seed, step) if isinstance(inputs, str) else inputs
    arrays: dict[str, np.ndarray] = {}
    if isinstance(inputs, Mapping):
        return arrays, ((), {str(k): _slots(v, str(k), arrays) for k, v in inputs.items()})
    if not isinstance(inputs, tuple | list):
        inputs = (inputs,)
    return arrays, (tuple(_slots(v, f"input{i}", arrays) for i, v in enumerate(inputs)), {})


def _slots(part: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(part, Mapping):
        return {k: _slots(v, f"{name}.{k}", arrays) for k, v in part.items()}
    if isinstance(part, list | tuple):
        return type(part)([_slots(v, f"{name}.{i}", arrays) for i, v in enumerate(part)])
    if hasattr(part, "shape") and hasattr(part, "dtype"):
        arrays[name] = as_numpy(part, name)
        return Slot(name)
    return part


def as_numpy(value: Any, name: str) -> np.ndarray:
    """Floats as float64 that hold float32 numbers, integers as int64, booleans."""
    if hasattr(value, "detach"):
        if value.device.type == "meta":
            raise PortError("torch", f"input {name} is on the meta device: it holds no numbers")
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        value = value.numpy()
    value = np.asarray(value)
    if value.dtype.kind in "iu":
        return value.astype(np.int64)
    if value.dtype.kind == "b":
        return value
    if value.dtype.kind == "c":
        raise PortError("", f"input {name} is complex: only real inputs are compared")
    return representable(value)


def drawn(
    text: str, seed: int = 0, step: int = 0
) -> dict[str, np.ndarray] | tuple[np.ndarray, ...]:
    """Arrays for "float32[2,3,32,32], int64[2,16]<100": N(0.25, 1), integers below a bound.

    Names make them named arguments: "ids=int64[2,16]<100, mask=bool[2,16]". Each step of a
    training has its own.
    """
    found: dict[str, np.ndarray] = {}
    named, rest = 0, text
    for place, match in enumerate(_SPEC.finditer(text)):
        name, kind, sizes, bound = match.groups()
        named += name is not None
        shape = tuple(int(n) for n in sizes.replace(" ", "").split(",") if n)
        words = [name or str(place), *([f"step {step}"] if step else [])]
        rng = generator(seed, "input", *words)
        if kind == "float":
            values = representable(rng.normal(0.25, 1.0, shape))
        elif kind == "int":
            values = rng.integers(0, int(bound or 2), shape)
        else:
            values = rng.random(shape) < 0.75
        found[name or f"input{place}"] = values
        rest = rest.replace(match.group(0), "", 1)
    if not found or rest.strip(" ,;") or named not in (0, len(found)):
        raise PortError(
            "", f"can't read the inputs {text!r}: write float32[2,3,32,32], int64[2,16]<100, "
            "bool[2,16]; with a name each (x=float32[2,3]) or none"
        )  # fmt: skip
    return found if named else tuple(found.values())


def from_file(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz or .safetensors file, by name."""
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        if path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            return load_file(path)
    except (OSError, ValueError) as error:
        raise PortError("", f"can't read the inputs of {path}: {error}") from None
    raise PortError("", f"{path}: inputs come from .npz or .safetensors")
