"""Rounding made visible: torch operations whose results are each moved a little.

Inputs that are off show how a function amplifies errors of its inputs. What it loses on
the way shows only where the operations between are off as well: the gradient of a saturated
softmax, p (g - sum(p g)), has few digits left where it cancels, yet moves with its inputs
smoothly. Monte Carlo arithmetic, by the operation: Parker 1997; CADNA, Vignes 2004.

A norm is one operation to torch, and rounds within: of two numbers near each other its result
hardly moves with them, yet it does with their mean. It is run by its parts. So is a softmax:
the gradient of its logarithm, g - exp(log p) sum(g), takes exp(log p) near 1 from 1 within.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._decomp import get_decompositions
from torch.utils._python_dispatch import TorchDispatchMode

_NAMES = """
    abs amax amin as_strided bernoulli cat clamp clamp_max clamp_min clone copy copy_ cummax
    cummin detach embedding empty empty_like expand fill fill_ flip full full_like gather
    hardtanh hardtanh_backward index index_add index_put index_select kthvalue leaky_relu
    lift_fresh masked_fill max maximum median min minimum neg new_empty new_full new_zeros
    ones ones_like pad randn relu repeat roll scalar_tensor scatter select_backward sgn sign
    slice_backward slice_scatter sort stack threshold threshold_backward topk uniform where
    zero_ zeros zeros_like _to_copy
"""
EXACT = frozenset(_NAMES.split())
"""Operations that choose, copy or make numbers, and round none."""

PARTS = get_decompositions(
    [
        getattr(torch.ops.aten, name)
        for name in (
            *("native_layer_norm", "native_group_norm", "native_batch_norm"),
            *(
                "_softmax",
                "_log_softmax",
                "_softmax_backward_data",
                "_log_softmax_backward_data",
            ),
        )
    ]
)
"""Operations that round within, as torch itself takes them apart."""


class Moved(TorchDispatchMode):
    """Moves the floating results of operations at random, by up to `off` times themselves."""

    def __init__(self, off: float, seed: int, device: str) -> None:
        super().__init__()
        self._off = off
        self._generator = torch.Generator(device).manual_seed(seed)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in PARTS:
            with self:
                return PARTS[func](*args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        if func.__name__.partition(".")[0] in EXACT:
            return result
        made = result if isinstance(result, tuple | list) else [result]
        for value, told in zip(made, func._schema.returns, strict=False):
            # A view holds numbers that were moved when they were made.
            if told.alias_info is None or told.alias_info.is_write:
                self._move(value)
        return result

    def _move(self, value: Any) -> None:
        if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            return
        if value.is_floating_point() or value.is_complex():
            drawn = torch.rand(value.shape, generator=self._generator, device=value.device)
            value.mul_(1 + (2 * drawn.to(torch.float64) - 1) * self._off)
