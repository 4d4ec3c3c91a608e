"""The PyTorch side of the mirror.

Every public name stands in `torch_impl/X.py` and in `jax_impl/X.py`, in the same order, with
the same arguments, defaults and attribute names. Where torch already is the thing it is
re-exported; code stands here only for what torch lacks (a slot for a given dropout mask, d2l's
training loop).

`torch_impl.Conv2d` is found without naming its file, which is imported at the first use.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


def __getattr__(name: str) -> Any:
    """A public class or function of one of this package's files, by its name alone."""
    if not name.startswith("_"):
        for file in sorted(Path(__file__).parent.glob("[a-z]*.py")):
            module = importlib.import_module(f"{__name__}.{file.stem}")
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"{__name__} has no {name!r}")
