"""What goes wrong in a JAX model, said by side, module and line; and its dropout set aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from compare.run.audit import _open, _place
from compare.run.port.errors import PortError
from compare.run.port.jax_model import JaxModel

PLUMBING = ("/jax/_src/", "/flax/", "/equinox/", "/jax/", "/compare/run/", "/optax/")


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
    paths = {id(part): path for path, part in model.modules.items()}
    module, where, trace = None, "", error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        owner = frame.f_locals.get("self")
        path = paths.get(id(owner))
        if path is None and model.kind == "linen":
            path = _linen_path(owner)
        module = path if path is not None else module
        file = frame.f_code.co_filename
        if not any(part in file for part in PLUMBING):
            short = "/".join(file.split("/")[-2:])
            where = f" (at {short}:{trace.tb_lineno}, {frame.f_code.co_name})"
        trace = trace.tb_next
    return module, where


def _linen_path(owner: Any) -> str | None:
    try:
        return ".".join(map(str, owner.path))
    except Exception:  # no module, or one that is not bound
        return None


def random_places(jaxpr: Any) -> Iterator[str]:
    """Where a program draws random numbers: file:line of each."""
    for eqn in _open(jaxpr).eqns:
        if eqn.primitive.name in ("random_bits", "threefry2x32", "rng_bit_generator"):
            yield _place(eqn.source_info.traceback)
        for inner in eqn.params.values():
            for part in inner if isinstance(inner, tuple | list) else (inner,):
                if hasattr(_open(part), "eqns"):
                    yield from random_places(part)


def deterministic(jaxpr: Any, train: bool) -> None:
    """Raises PortError where the program draws random numbers."""
    places = list(dict.fromkeys(random_places(jaxpr)))
    if places:
        mode = "train" if train else "evaluation"
        raise PortError(
            "jax", f"it draws random numbers in {mode} mode at {', '.join(places[:3])}: set "
            "the rate to 0, or pass the argument that makes it deterministic (jax_options)"
        )  # fmt: skip
