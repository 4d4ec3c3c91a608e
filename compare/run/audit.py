"""The leak audit: narrowing casts inside a float64 program, found in its jaxpr and named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

# Frames of these files say how JAX works, not where the cast was asked for.
PLUMBING = (
    "/jax/_src/lax/",
    "/jax/_src/core.py",
    "/jax/_src/api.py",
    "/jax/_src/pjit.py",
    "/jax/_src/numpy/",
    "/jax/_src/interpreters/",
    "/jax/_src/traceback_util.py",
    "/jax/_src/linear_util.py",
    "/jax/_src/dtypes.py",
    "/jax/_src/source_info_util.py",
)


def narrowing_casts(jaxpr: Any, programs: int) -> list[tuple[str, ...]]:
    """For each of the `programs` calls at the top of `jaxpr`, its casts from float64."""
    calls = [eqn for eqn in _open(jaxpr).eqns if "jaxpr" in eqn.params]
    if len(calls) != programs:  # an inlined or merged call: what is found belongs to all
        return [tuple(sorted(set(_casts(jaxpr))))] * programs
    return [tuple(sorted(set(_casts(eqn.params["jaxpr"])))) for eqn in calls]


def _open(jaxpr: Any) -> Any:
    return getattr(jaxpr, "jaxpr", jaxpr)


def _casts(jaxpr: Any) -> Iterator[str]:
    for eqn in _open(jaxpr).eqns:
        if eqn.primitive.name == "convert_element_type":
            before, after = eqn.invars[0].aval.dtype, np.dtype(eqn.params["new_dtype"])
            floating = jnp.issubdtype(after, jnp.floating)
            if before == np.float64 and floating and after.itemsize < before.itemsize:
                yield f"float64 -> {after.name} at {_place(eqn.source_info.traceback)}"
        for inner in eqn.params.values():
            for part in inner if isinstance(inner, tuple | list) else (inner,):
                if hasattr(_open(part), "eqns"):
                    yield from _casts(part)


def _place(traceback: Any) -> str:
    """file:line (function) of the innermost frame that is not JAX's own plumbing."""
    frames = getattr(traceback, "frames", None) or []
    for frame in frames:
        if not any(part in frame.file_name for part in PLUMBING):
            file = "/".join(frame.file_name.split("/")[-3:])
            return f"{file}:{frame.line_num} ({frame.function_name})"
    return "an unknown place"
