"""Dropout, channels last: by a given keep-mask, or by one drawn from a key.

Shapes: N batch, C channels, * any number of axes: torch's (N, C, *) is (N, *, C) here. A mask
is boolean or of 0 and 1, where 1 keeps, and broadcasts to the shape that its function names.
p = 0 and evaluation return the input, p = 1 the input times 0, whatever the mask. Every
function raises ValueError for a p outside [0, 1], for a mask that does not fit, and in
training where neither `mask` nor a jax.random `key` is given; TypeError for integers.
`inplace` is accepted and has no effect: the caller's array stays as it is. A key draws the bits
of jax.random.bernoulli(key, 1 - p, shape).

Source: https://docs.pytorch.org/docs/stable/nn.html#dropout-layers
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

from jax_impl._bernoulli import bernoulli

__all__ = [
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
    "FeatureAlphaDropout",
]

_ALPHA = 1.7580993408473766  # minus the value that SELU tends to at -inf


def dropout(
    input: ArrayLike,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    mask: ArrayLike | None = None,
    key: Array | None = None,
) -> Array:
    """y = x mask / (1 - p). Shapes: x, y and the mask (*)."""
    array = jnp.asarray(input)
    return _dropped(array, p, training, mask, key, array.shape)


def dropout1d(
    input: ArrayLike,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    mask: ArrayLike | None = None,
    key: Array | None = None,
) -> Array:
    """`dropout` of whole channels. Shapes: x (N, L, C) or (L, C), mask (N, 1, C) or (1, C).

    Raises ValueError for another number of axes, in evaluation too.
    """
    array = jnp.asarray(input)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"dropout1d: Expected 2D or 3D input, but received shape {array.shape}"
        )
    shape = _by_channel(array, batched=array.ndim == 3)
    return _dropped(array, p, training, mask, key, shape)


def dropout2d(
    input: ArrayLike,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    mask: ArrayLike | None = None,
    key: Array | None = None,
) -> Array:
    """`dropout` of whole channels. Shapes: x (N, H, W, C), mask (N, 1, 1, C).

    A 3D input is taken for (N, L, C), as torch does, not for (H, W, C): a warning says so.
    Another number of axes from 2 on is (N, *, C), with a warning that it is deprecated.
    """
    array = jnp.asarray(input)
    if array.ndim == 3:
        warnings.warn(
            "dropout2d takes a 3D input for (N, L, C), not for (H, W, C); dropout1d says so "
            "without this warning",
            stacklevel=2,
        )
    elif array.ndim != 4:
        _warn_rank("dropout2d", array.ndim, "3D or 4D")
    return _dropped(array, p, training, mask, key, _by_channel(array))


def dropout3d(
    input: ArrayLike,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    *,
    mask: ArrayLike | None = None,
    key: Array | None = None,
) -> Array:
    """`dropout` of whole channels. Shapes: x (N, D, H, W, C), mask (N, 1, 1, 1, C).

    x (D, H, W, C) has a mask (1, 1, 1, C). Another number of axes is (*, C) without a batch,
    with a warning that it is deprecated.
    """
    array = jnp.asarray(input)
    if array.ndim not in (4, 5):
        _warn_rank("dropout3d", array.ndim, "4D or 5D")
    shape = _by_channel(array, batched=array.ndim == 5)
    return _dropped(array, p, training, mask, key, shape)


def alpha_dropout(
    input: ArrayLike,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    mask: ArrayLike | None = None,
    key: Array | None = None,
) -> Array:
    """y = a (x mask - alpha (1 - mask) + alpha p): keeps mean 0 and variance 1 (SELU's).

    alpha = 1.758... is minus SELU's value at -inf, a = 1 / sqrt((alpha^2 p + 1) (1 - p)).
    Shapes: x, y and the mask (*). https://arxiv.org/abs/1706.02515
    """
    array = jnp.asarray(input)
    return _dropped(array, p, training, mask, key, array.shape, alpha=True)


def feature_alpha_dropout(
    input: ArrayLike,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,
    *,
    mask: ArrayLike | None = None,
    key: Array | None = None,
) -> Array:
    """`alpha_dropout` of whole channels. Shapes: x (N, *, C), mask (N, 1..., C)."""
    array = jnp.asarray(input)
    return _dropped(array, p, training, mask, key, _by_channel(array), alpha=True)


def _warn_rank(name: str, rank: int, wanted: str) -> None:
    warnings.warn(
        f"{name}: Received a {rank}D input, which is deprecated in torch; it is meant for "
        f"{wanted} inputs. Use dropout instead.",
        stacklevel=3,
    )


def _by_channel(array: Array, batched: bool = True) -> tuple[int, ...] | None:
    """The shape of one bit for every channel of every instance; None where axes are lacking."""
    batch = array.shape[:1] if batched else (1,) * min(array.ndim - 1, 1)
    if array.ndim < 1 + batched:
        return None
    return (*batch, *(1,) * (array.ndim - 2), array.shape[-1])


def _dropped(
    array: Array,
    p: float,
    training: bool,
    mask: ArrayLike | None,
    key: Array | None,
    shape: tuple[int, ...] | None,
    alpha: bool = False,
) -> Array:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p == 0 or not training or array.size == 0:
        return array
    if p == 1:
        return array * 0
    if shape is None:
        raise ValueError(f"input must have an axis of channels, got shape {array.shape}")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"input must be a real floating-point array, got dtype {array.dtype}")
    kept = _keep_mask(p, shape, mask, key).astype(array.dtype)
    if not alpha:
        return array * (kept / (1 - p))
    scale = 1 / math.sqrt((_ALPHA**2 * p + 1) * (1 - p))
    shift = (kept - 1) * (_ALPHA * scale) + _ALPHA * scale * p
    return array * (kept * scale) + shift


def _keep_mask(
    p: float, shape: tuple[int, ...], mask: ArrayLike | None, key: Array | None
) -> Array:
    """The given mask, or else one that is drawn."""
    if mask is None:
        if key is None:
            raise ValueError(
                "dropout in training needs one of: mask= (a given keep-mask), key= (a "
                "jax.random key to draw one from), or training=False"
            )
        return bernoulli(key, 1 - p, shape)
    given = jnp.asarray(mask)
    try:
        fits = jnp.broadcast_shapes(given.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"mask must broadcast to {shape}, got {given.shape}")
    return given


class _Dropout(nnx.Module):
    """What the layers share: the slot `mask`, and the stream it does without when filled.

    `mask` is a variable, None until filled (`layer.mask.set_value(keep)`): then it is the
    keep-mask of training. Empty, each call draws one from a stream forked off
    `rngs.dropout`, or from the `rngs` of the call. `deterministic` is False in training.
    Raises ValueError for a p outside [0, 1], and in training with nothing to draw from.
    """

    function: ClassVar[Callable[..., Array]]

    def __init__(
        self, p: float = 0.5, inplace: bool = False, *, rngs: nnx.Rngs | None = None
    ) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace
        self.deterministic = False
        self.mask: nnx.Variable[Any] = nnx.Variable(None)
        self.rngs = nnx.data(None) if rngs is None else rngs.dropout.fork()

    def __call__(
        self, input: ArrayLike, *, rngs: nnx.Rngs | nnx.RngStream | Array | None = None
    ) -> Array:
        if self.deterministic or not 0 < self.p < 1:
            return self.function(input, self.p, not self.deterministic)
        mask = self.mask.get_value()
        key = self._key(rngs) if mask is None else None
        return self.function(input, self.p, training=True, mask=mask, key=key)

    def _key(self, rngs: nnx.Rngs | nnx.RngStream | Array | None) -> Array:
        source = self.rngs if rngs is None else rngs
        if source is None:
            name = type(self).__name__
            raise ValueError(
                f"{name} in training has neither a mask nor a stream to draw one from. "
                "Consider one of the following:\n"
                f"  1. give the layer a stream: {name}(p, rngs=nnx.Rngs(dropout=0))\n"
                "  2. give the call one: layer(input, rngs=nnx.Rngs(dropout=0))\n"
                "  3. fill the slot: layer.mask.set_value(keep_mask)\n"
                "or call model.eval() to drop nothing."
            )
        if isinstance(source, nnx.Rngs):
            return source.dropout()
        return source() if isinstance(source, nnx.RngStream) else source

    def set_view(self, deterministic: bool | None = None) -> None:
        """What `nnx.view` calls."""
        if deterministic is not None:
            self.deterministic = deterministic


class Dropout(_Dropout):
    """`dropout` as a layer, with a slot for the mask (*)."""

    function = staticmethod(dropout)


class Dropout1d(_Dropout):
    """`dropout1d` as a layer, with a slot for the mask (N, 1, C) or (1, C)."""

    function = staticmethod(dropout1d)


class Dropout2d(_Dropout):
    """`dropout2d` as a layer, with a slot for the mask (N, 1, 1, C)."""

    function = staticmethod(dropout2d)


class Dropout3d(_Dropout):
    """`dropout3d` as a layer, with a slot for the mask (N, 1, 1, 1, C) or (1, 1, 1, C)."""

    function = staticmethod(dropout3d)


class AlphaDropout(_Dropout):
    """`alpha_dropout` as a layer, with a slot for the mask (*)."""

    function = staticmethod(alpha_dropout)


class FeatureAlphaDropout(_Dropout):
    """`feature_alpha_dropout` as a layer, with a slot for the mask (N, 1..., C)."""

    function = staticmethod(feature_alpha_dropout)
