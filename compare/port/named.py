"""Models and inputs that the command line names: package.module:name, a file, or shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def given(text: str) -> Any:
    """Inputs: a text of shapes, a file, or a name."""
    from compare.run.port.given import from_file

    path = Path(text)
    if path.suffix in (".npz", ".safetensors"):
        return from_file(path)
    return made(text, "--inputs") if ":" in text and "[" not in text else text


def made(name: str, option: str) -> Any:
    """What `name` leads to; what a function without arguments makes, if it is one."""
    import inspect

    from compare.run.port.errors import PortError

    found = named(name, option)
    is_model = hasattr(found, "state_dict") or type(found).__module__.startswith(
        ("flax", "equinox")
    )
    if not callable(found) or (is_model and not inspect.isclass(found)):
        return found
    try:
        inspect.signature(found).bind()
    except TypeError:
        if inspect.isfunction(found) or inspect.isclass(found):
            raise PortError(
                "", f"{option} {name} needs arguments: give a function of none"
            ) from None
        return found
    return found()


def named(name: str, option: str) -> Any:
    """The object `package.module:name`; modules of the working directory are found."""
    import sys

    from compare.run import target
    from compare.run.port.errors import PortError

    if ":" not in name:
        raise PortError("", f"{option} {name}: write package.module:name")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return target.named(name, "torch")
    except target.TargetError as error:
        raise PortError("", f"{option}: {error}") from None
