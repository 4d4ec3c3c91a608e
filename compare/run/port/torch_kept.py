"""torch's dropout that keeps everything: what it is given over 1 - p.

Two models that nobody prepared for it can't be given the same mask. What no mask changes can be
compared: where dropout stands, its rate, the factor of what is kept. So while a model is called
in train mode, what draws a mask draws one that keeps all; jax_kept.py is the other side. The
functions are those that models call anyhow: nothing of a model is rewritten.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from torch import Tensor
from torch.nn import functional
from torch.overrides import handle_torch_function, has_torch_function_unary

_ALPHA = 1.7580993408473766  # of SELU: scale times alpha


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """torch.nn.functional.dropout, and dropout1d to 3d, where nothing is dropped."""
    if has_torch_function_unary(input):
        return handle_torch_function(dropout, (input,), input, p, training, inplace)
    if not training or p == 0.0:
        return input
    factor = 1.0 / (1.0 - p) if p < 1.0 else 0.0
    return input.mul_(factor) if inplace else input * factor


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Any:
    """torch.nn.functional.alpha_dropout where nothing is dropped: a x + b."""
    if has_torch_function_unary(input):
        return handle_torch_function(alpha_dropout, (input,), input, p, training, inplace)
    if not training or p == 0.0:
        return input
    a = ((_ALPHA**2 * p + 1) * (1 - p)) ** -0.5 if p < 1.0 else 0.0
    return input.mul_(a).add_(_ALPHA * a * p) if inplace else input * a + _ALPHA * a * p


def attention(real: Callable[..., Any]) -> Callable[..., Any]:
    """scaled_dot_product_attention: dropout of its weights is a factor of the result."""

    def scaled_dot_product_attention(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **options: Any,
    ) -> Any:
        return dropout(real(query, key, value, attn_mask, 0.0, is_causal, **options), dropout_p)

    return scaled_dot_product_attention


def packed_attention(real: Callable[..., Any]) -> Callable[..., Any]:
    """multi_head_attention_forward: the factor is its output projection's."""
    signature = inspect.signature(real)

    def multi_head_attention_forward(*args: Any, **named: Any) -> Any:
        bound = signature.bind(*args, **named)
        bound.apply_defaults()
        given = bound.arguments
        given["out_proj_weight"] = dropout(
            given["out_proj_weight"], given["dropout_p"], given["training"]
        )
        given["dropout_p"] = 0.0
        return real(*bound.args, **bound.kwargs)

    return multi_head_attention_forward


@contextmanager
def keeping() -> Iterator[None]:
    """Within, torch.nn.functional's dropout keeps everything."""
    names = ("dropout", "dropout1d", "dropout2d", "dropout3d")
    changes: dict[str, Any] = dict.fromkeys(names, dropout)
    changes |= dict.fromkeys(("alpha_dropout", "feature_alpha_dropout"), alpha_dropout)
    for name, made in (
        ("scaled_dot_product_attention", attention),
        ("multi_head_attention_forward", packed_attention),
    ):
        changes[name] = made(getattr(functional, name))
    with mock.patch.multiple(functional, **changes):
        yield
