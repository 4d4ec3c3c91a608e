"""What goes wrong in a JAX model, said by side, module and line; and its dropout set aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from compare.run.audit import _open
from compare.run.jax_leaves import dotted
from compare.run.port.errors import PLUMBING, PortError, users_line
from compare.run.port.jax_model import JaxModel


@contextmanager
def told(model: JaxModel) -> Iterator[None]:
    """Errors within come out as PortError, with the module and the line that raised."""
    try:
        yield
    except PortError:
        raise
    except Exception as error:
        line = (str(error).strip().splitlines() or ["no message"])[0]
        module, where = _raised(error, model)
        raise PortError("jax", f"{type(error).__name__}: {line}{where}", module) from error


def _raised(error: BaseException, model: JaxModel) -> tuple[str | None, str]:
    """The innermost module of the model in the traceback, and the user's own last line."""
    paths: dict[int, str] = {}
    module, trace = None, error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if not paths and owner is not None and type(owner) is type(model.modules.get("")):
            paths = _paths(owner, model.kind)
        path = _linen_path(owner) if model.kind == "linen" else paths.get(id(owner))
        module = path if path is not None else module
        trace = trace.tb_next
    return module, users_line(error.__traceback__)


def _paths(whole: Any, kind: str) -> dict[int, str]:
    """The modules within `whole`, which was put together for one call."""
    if kind == "nnx":
        from flax import nnx

        return {id(part): dotted(path) for path, part in nnx.iter_modules(whole)}
    from compare.run.port.equinox_model import modules_of

    return {id(part): path for path, part in modules_of(whole).items()}


def _linen_path(owner: Any) -> str | None:
    try:
        return ".".join(map(str, owner.path))
    except Exception:  # no module, or one that is not bound
        return None


def random_places(jaxpr: Any, outer: str = "an unknown place") -> Iterator[str]:
    """Where a program draws random numbers: file:line of each, or of the call around it."""
    for eqn in _open(jaxpr).eqns:
        place = _place(eqn.source_info.traceback) or outer
        if eqn.primitive.name in ("random_bits", "threefry2x32", "rng_bit_generator"):
            yield place
        for inner in eqn.params.values():
            for part in inner if isinstance(inner, tuple | list) else (inner,):
                if hasattr(_open(part), "eqns"):
                    yield from random_places(part, place)


def _place(traceback: Any) -> str:
    """file:line of the innermost frame that the user wrote; "" for none."""
    for frame in getattr(traceback, "frames", None) or []:
        if not any(part in frame.file_name for part in PLUMBING):
            return f"{'/'.join(frame.file_name.split('/')[-2:])}:{frame.line_num}"
    return ""


def deterministic(jaxpr: Any, train: bool) -> None:
    """Raises PortError where the program draws random numbers."""
    places = list(dict.fromkeys(random_places(jaxpr)))
    if places:
        mode = "train" if train else "evaluation"
        raise PortError(
            "jax", f"it draws random numbers in {mode} mode at {', '.join(places[:3])}: set "
            "the rate to 0, or pass the argument that makes it deterministic (jax_options)"
        )  # fmt: skip
