"""Weights carried over for good: between two models, or from one checkpoint file to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from einops import EinopsError

from compare.port.models import models
from compare.port.pair import pair
from compare.run.port import table, torch_model
from compare.run.port.errors import PortError, Undecided
from compare.run.port.jax_model import JaxModel, taken_apart
from compare.run.port.table import Row, slices

Tensors = dict[str, Any]

FLAX = {"weight": "kernel", "running_mean": "mean", "running_var": "var"}
"""What Flax calls torch's leaves; a weight that is a vector is a scale."""

TABLES = ("embed", "wte", "wpe", "emb", "token", "position")
"""Words in the name of a layer that say that its matrix is looked up in."""

WINDOWS = {3: "o i w -> w i o", 4: "o i y x -> y x i o", 5: "o i z y x -> z y x i o"}


def carry_over(
    torch: Any, jax: Any, inputs: Any, *, to: str = "jax", mapping: Any = None, **options: Any
) -> Any:
    """The weights of one model in the other: `jax` with torch's, or `torch` with JAX's.

    torch, jax, inputs, options   as for check_port; the two are paired as there
    to       "jax": returns what `jax` was, with torch's leaves (a new module, or the
             variables); "torch": returns a copy of the torch module with JAX's leaves
    Raises Undecided where partners can't be told, PortError where a leaf has none.
    """
    if to not in ("jax", "torch"):
        raise PortError("", f"to must be 'jax' or 'torch', got {to!r}")
    rows, module, model = together(torch, jax, inputs, mapping, **options)
    if to == "jax":
        state = {k: v.detach().float().numpy() if v.is_floating_point() else v.numpy()
                 for k, v in module.state_dict().items()}  # fmt: skip
        own = {k: np.asarray(x) for k, x in model.leaves.items()}
        made = table.carried(rows, state, own)
        import jax.numpy as jnp

        return model.rebuild({k: jnp.asarray(x, own[k].dtype) for k, x in made.items()})
    import torch as framework

    shapes = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    found = table.returned(rows, {k: np.asarray(x) for k, x in model.leaves.items()}, shapes)
    state = {k: framework.tensor(np.ascontiguousarray(x)) for k, x in found.items()}
    module.load_state_dict(state, strict=False)
    return module


def together(
    torch: Any, jax: Any, inputs: Any, mapping: Any, *, train: bool = False, layout: Any = None,
    outputs: Sequence[Any] | None = None, jax_inputs: Any = None,
    jax_options: Mapping[str, Any] | None = None,
) -> tuple[list[Row], Any, JaxModel]:  # fmt: skip
    """The table of two models, a copy of torch's with its weights, and JAX's taken apart."""
    module = torch_model.taken(torch)
    model = taken_apart(jax, train, jax_options or {})
    made = models(module, model, inputs, train=train, layout=layout, outputs=outputs,
                  jax_inputs=jax_inputs)  # fmt: skip
    given = table.load(mapping) if isinstance(mapping, str | Path) else mapping
    rows = pair(made, given)
    return rows, torch_model.taken(torch), model


# Files


def read(path: Path) -> Tensors:
    """The tensors of a checkpoint: safetensors, or what torch.save wrote, weights only."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        import torch

        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        line = (str(error).strip().splitlines() or [""])[0]
        raise PortError("", f"can't read {path}: {type(error).__name__}: {line}") from None
    found = found.get("state_dict", found) if isinstance(found, Mapping) else found
    if not isinstance(found, Mapping) or not all(hasattr(x, "shape") for x in found.values()):
        raise PortError("", f"{path} holds no plain dictionary of tensors by name")
    return dict(found)


def write(path: Path, tensors: Tensors) -> None:
    """The tensors as safetensors."""
    from safetensors.torch import save_file

    if path.suffix != ".safetensors":
        raise PortError("", f"{path}: checkpoints are written as .safetensors")
    save_file({name: x.contiguous().clone() for name, x in tensors.items()}, path)


def converted(rows: Sequence[Row], tensors: Tensors, to: str) -> Tensors:
    """The checkpoint `tensors` laid out for the other side, bit for bit.

    Where several of torch's add up to one of JAX's, the first has all of it on the way back.
    Raises PortError that lists tensors that no row names, rows whose tensor is not there, and
    rows that do not fit its shape.
    """
    source = "torch" if to == "jax" else "jax"
    names = {getattr(row, source) for row in rows}
    problems = [f"no row names {name} {tuple(x.shape)}" for name, x in tensors.items()
                if name not in names]  # fmt: skip
    pieces: dict[str, list[tuple[str, Any]]] = {}
    taken: set[tuple[str, str]] = set()
    for row in (row for row in rows if row.paired):
        name = getattr(row, source)
        if name not in tensors:
            problems.append(f"the file has no {name}")
            continue
        try:
            moved = (row.forward if to == "jax" else row.backward)(tensors[name])
        except (EinopsError, IndexError, RuntimeError) as error:
            words = str(error).strip().splitlines()[-1].strip()
            problems.append(f"{name} {tuple(tensors[name].shape)} as {row.layout!r}: {words}")
            continue
        if to == "torch" and (row.jax, row.jax_part) in taken:
            moved = moved * 0
        taken.add((row.jax, row.jax_part))
        home, part = (row.jax, row.jax_part) if to == "jax" else (row.torch, row.torch_part)
        pieces.setdefault(home, []).append((part, moved))
    if problems:
        problems = list(dict.fromkeys(problems))
        raise PortError("", "the table does not fit the file:\n  " + "\n  ".join(problems))
    return {name: assembled(parts) for name, parts in pieces.items()}


def assembled(parts: Sequence[tuple[str, Any]]) -> Any:
    """A tensor of its parts: the only one, or slices along axes; parts of one place add up."""
    import torch

    if len(parts) == 1 and not parts[0][0]:
        return parts[0][1]
    shape: list[int] = []
    for part, value in parts:
        for axis, (at, size) in enumerate(_extents(part, tuple(value.shape))):
            end = at if at is not None else size
            shape += [0] * (axis + 1 - len(shape))
            shape[axis] = max(shape[axis], end)
    whole = torch.zeros(shape, dtype=parts[0][1].dtype)
    filled = torch.zeros(shape, dtype=torch.bool)
    for part, value in parts:
        place = slices(part)
        whole[place] = whole[place] + value if filled[place].any() else value
        filled[place] = True
    return whole


def _extents(part: str, shape: tuple[int, ...]) -> list[tuple[int | None, int]]:
    """For each axis of the whole where the part ends, or its own size."""
    index, found, axis = list(slices(part)), [], 0
    for one in index:
        if isinstance(one, int):
            found.append((one + 1, 1))
            continue
        found.append((one.stop, shape[axis]))
        axis += 1
    return found + [(None, n) for n in shape[axis:]]


def drafted(tensors: Tensors, to: str) -> list[Row]:
    """A table for a file alone, by Flax's conventions; what they can't tell is unsure.

    A matrix may be a Linear's (transposed), a table's or a Conv1D's of GPT-2 (as they are): its
    name decides where it speaks of an embedding, else it is taken for a Linear's and marked.
    """
    rows = []
    for name, value in tensors.items():
        owner, _, leaf = name.rpartition(".")
        rank = len(value.shape)
        if to == "torch":
            raise Undecided("a table for a JAX checkpoint alone can't be drafted: pass --map, "
                            "or both models", "")  # fmt: skip
        flax, pattern, sure, how = FLAX.get(leaf, leaf), "", True, "by convention"
        if leaf == "num_batches_tracked":
            rows.append(Row(name, "", how="no partner: a counter"))
            continue
        if leaf == "weight" and rank == 1:
            flax = "scale"
        elif leaf == "weight" and rank == 2:
            looked = any(word in owner.lower() for word in TABLES)
            flax, pattern = ("embedding", "") if looked else ("kernel", "o i -> i o")
            how, sure = (
                ("a table, by its name", False) if looked else ("taken for a Linear's", False)
            )
        elif leaf == "weight" and rank in WINDOWS:
            pattern, how, sure = (
                WINDOWS[rank],
                "taken for a convolution's, not transposed",
                False,
            )
        path = f"{owner}.{flax}" if owner else flax
        rows.append(Row(name, path, pattern, how=how, sure=sure))
    return rows
