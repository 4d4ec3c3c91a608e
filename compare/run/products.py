"""The precision of float32 products on a device that has TF32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

import jax  # isort: skip - torch before jax: the other order can crash


@contextmanager
def products(precision: str) -> Iterator[None]:
    """Within it both sides multiply float32 by TF32 ("tf32"), else as IEEE has it.

    Matrix products and convolutions; a CPU has IEEE alone. Afterwards torch's switches are as
    they were.
    """
    backends: Any = torch.backends
    asked, name = ("tf32", "tensorfloat32") if precision == "tf32" else ("ieee", "highest")
    switches = (backends.cuda.matmul, backends.cudnn.conv) if torch.cuda.is_available() else ()
    before = [switch.fp32_precision for switch in switches]
    for switch in switches:
        switch.fp32_precision = asked
    try:
        with jax.default_matmul_precision(name):
            yield
    finally:
        for switch, word in zip(switches, before, strict=True):
            switch.fp32_precision = word
