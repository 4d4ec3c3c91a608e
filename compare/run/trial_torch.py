"""torch's side of what the trial compares besides layers: optimizers as plain functions."""

from __future__ import annotations

import torch
from torch import Tensor


def adamw(
    weight: Tensor, gradients: Tensor, lr: float, eps: float = 1e-8, weight_decay: float = 1e-2
) -> Tensor:
    """`weight` after a step of AdamW for each row of `gradients`."""
    leaf = weight.detach().clone().requires_grad_()
    optimizer = torch.optim.AdamW([leaf], lr=lr, eps=eps, weight_decay=weight_decay)
    for gradient in gradients:
        leaf.grad = gradient.detach().clone()
        optimizer.step()
    return leaf.detach()


def clipped(gradient: Tensor, max_norm: float) -> Tensor:
    """`gradient`, clipped to a norm of `max_norm`."""
    leaf = torch.zeros_like(gradient).requires_grad_()
    leaf.grad = gradient.detach().clone()
    torch.nn.utils.clip_grad_norm_([leaf], max_norm)
    return leaf.grad
