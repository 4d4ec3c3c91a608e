"""Gradient clipping and the optimizers that keep no bias-corrected moments, torch's own."""

from __future__ import annotations

from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD, Adadelta, Adagrad, RMSprop

__all__ = ["clip_grad_norm_", "clip_grad_value_", "SGD", "RMSprop", "Adagrad", "Adadelta"]
