"""The leak audit of torch's side: operations that narrow a float64 tensor, and where."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.module_tracker import ModuleTracker

from compare.run import target

# Frames of these files say how torch or the harness works, not where the cast was asked for.
PLUMBING = (
    "/torch/utils/",
    "/torch/autograd/",
    "/torch/_",
    "/torch/nn/modules/module.py",
    "/compare/run/torch_",
    "/compare/run/target.py",
)


class NarrowingCasts(TorchDispatchMode):
    """Notes every operation that takes a float64 tensor and gives a narrower floating one."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()
        self._modules = ModuleTracker()

    def __enter__(self) -> NarrowingCasts:
        self._modules.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._modules.__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = [x for x in target.flatten([args, kwargs]) if isinstance(x, torch.Tensor)]
        if any(x.dtype == torch.float64 for x in given):
            made = [x for x in target.flatten(result) if isinstance(x, torch.Tensor)]
            for one in made:
                if one.is_floating_point() and one.element_size() < 8:
                    narrow = str(one.dtype).removeprefix("torch.")
                    self._seen.add(f"float64 -> {narrow} {self._place(func)}")
        return result

    def _place(self, func: Any) -> str:
        """The module in which, or the line at which, `func` was called."""
        frame: FrameType | None = sys._getframe()
        while frame is not None and any(p in frame.f_code.co_filename for p in PLUMBING):
            frame = frame.f_back
        paths = [path for path in self._modules.parents if path != "Global"]
        module = max(paths, key=len, default="")
        within = f", in module {module}" if module else ""
        if self._modules.is_bw:
            return f"by {func} in the backward pass{within}"
        if frame is None:
            return f"by {func}{within}"
        file = "/".join(frame.f_code.co_filename.split("/")[-3:])
        return f"at {file}:{frame.f_lineno} ({frame.f_code.co_name}){within}"

    def seen(self) -> tuple[str, ...]:
        return tuple(sorted(self._seen))
