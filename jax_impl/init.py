"""Initialisers of torch.nn.init. Each sets the value of an nnx.Variable and returns it.

`generator`, where something is drawn, is what JAX draws from: an nnx.Rngs (its stream
`params`), one stream, or a jax.random key. Without one a ValueError is raised: there is no
global generator.

A leaf is read as (*kernel, in, out), as Linear and convolutions have it here, and fans are

    fan_in = in * prod(kernel), fan_out = out * prod(kernel).

Of a transposed convolution, (*kernel, in, out), torch reads the fans the other way round: to
draw as it does, give the kaiming initialisers the other `mode`.

Source: https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

import math
import warnings
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

__all__ = [
    "calculate_gain",
    "uniform_",
    "normal_",
    "trunc_normal_",
    "constant_",
    "ones_",
    "zeros_",
    "eye_",
    "dirac_",
    "xavier_uniform_",
    "xavier_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
    "orthogonal_",
    "sparse_",
]

_V = TypeVar("_V", bound=nnx.Variable[Any])
Generator = nnx.Rngs | nnx.RngStream | Array

_GAINS = {"sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
_LINEAR = ("linear", *(f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The gain recommended before a nonlinearity, named as torch.nn.functional names it.

    1 for linear maps and sigmoid, 5/3 for tanh, sqrt(2) for relu, 3/4 for selu, and
    sqrt(2 / (1 + param^2)) for leaky_relu, `param` being its slope (0.01). Raises ValueError
    at other names, and at a slope that is no number.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"param must be the slope, a number, got {param!r}")
        return math.sqrt(2.0 / (1 + slope**2))
    gain = 1.0 if nonlinearity in _LINEAR else _GAINS.get(nonlinearity)
    if gain is None:
        names = ", ".join((*_LINEAR, *_GAINS, "leaky_relu"))
        raise ValueError(f"nonlinearity must be one of {names}, got {nonlinearity!r}")
    return gain


def uniform_(
    tensor: _V, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> _V:
    """Draws from U(a, b). Raises ValueError where a > b."""
    if a > b:
        raise ValueError(f"a must be at most b, got a={a} and b={b}")
    return _set(tensor, jax.random.uniform(_key(generator), *_like(tensor), a, b))


def normal_(
    tensor: _V, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> _V:
    """Draws from N(mean, std^2). Raises ValueError where std is negative."""
    if std < 0:
        raise ValueError(f"std must be at least 0, got {std}")
    return _set(tensor, mean + std * jax.random.normal(_key(generator), *_like(tensor)))


def trunc_normal_(
    tensor: _V,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> _V:
    """Draws from N(mean, std^2) within [a, b], values and not multiples of std.

    Warns where the mean is more than 2 std outside. Raises ValueError where std is not
    positive.
    """
    if std <= 0:
        raise ValueError(f"std must be positive, got {std}")
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    shape, dtype = _like(tensor)
    bounds = (a - mean) / std, (b - mean) / std
    draw = jax.random.truncated_normal(_key(generator), *bounds, shape, dtype)
    return _set(tensor, jnp.clip(mean + std * draw, a, b))


def constant_(tensor: _V, val: float) -> _V:
    """`val` everywhere."""
    return _set(tensor, val)


def ones_(tensor: _V) -> _V:
    """1 everywhere."""
    return _set(tensor, 1)


def zeros_(tensor: _V) -> _V:
    """0 everywhere."""
    return _set(tensor, 0)


def eye_(tensor: _V) -> _V:
    """The identity, of two axes. Raises ValueError at other numbers of axes."""
    shape, dtype = _axes(tensor, 2)
    return _set(tensor, jnp.eye(*shape, dtype=dtype))


def dirac_(tensor: _V, groups: int = 1) -> _V:
    """Of a convolution, the identity on as many channels as there are, in each group.

    Raises ValueError where there are not 3 to 5 axes, or groups does not divide out.
    """
    shape, dtype = _axes(tensor, 3, 4, 5)
    *kernel, channels, out = shape
    if out % groups:
        raise ValueError(f"groups {groups} must divide the last axis of {shape}")
    block = jnp.eye(channels, out // groups, dtype=dtype)
    centre = tuple(size // 2 for size in kernel)
    return _set(tensor, jnp.zeros(shape, dtype).at[centre].set(jnp.tile(block, (1, groups))))


def xavier_uniform_(tensor: _V, gain: float = 1.0, generator: Generator | None = None) -> _V:
    """Draws from U(-b, b), b = gain sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010).

    Raises ValueError where there are fewer than two axes.
    """
    bound = gain * math.sqrt(6.0 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: _V, gain: float = 1.0, generator: Generator | None = None) -> _V:
    """Draws from N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out)) (Glorot & Bengio 2010).

    Raises ValueError where there are fewer than two axes.
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor))), generator)


def kaiming_uniform_(
    tensor: _V,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> _V:
    """Draws from U(-b, b), b = gain sqrt(3 / fan), fan that of `mode` (arXiv:1502.01852).

    `a` is the slope of a leaky_relu that follows. An empty tensor is left as it is, with a
    warning. Raises ValueError at other modes, and where there are fewer than two axes.
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: _V,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> _V:
    """Draws from N(0, s^2), s = gain / sqrt(fan); the rest is as in `kaiming_uniform_`."""
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: _V, gain: float = 1, generator: Generator | None = None) -> _V:
    """gain times a random (in prod(kernel), out) matrix of orthonormal rows or columns.

    Raises ValueError where there are fewer than two axes (arXiv:1312.6120).
    """
    shape, dtype = _like(tensor)
    if len(shape) < 2:
        raise ValueError(f"tensor must have two axes or more, got shape {shape}")
    if math.prod(shape) == 0:
        return tensor
    wide = jnp.promote_types(dtype, jnp.float32)
    return _set(tensor, jax.nn.initializers.orthogonal(gain)(_key(generator), shape, wide))


def sparse_(
    tensor: _V, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> _V:
    """Draws from N(0, std^2), a fraction `sparsity` of each input's weights (in, out) being 0.

    Raises ValueError where there are not two axes (Martens 2010).
    """
    (inputs, out), _ = _axes(tensor, 2)
    normal_key, order_key = jax.random.split(_key(generator))
    normal_(tensor, 0.0, std, normal_key)
    order = jnp.tile(jnp.arange(out), (inputs, 1))
    order = jax.random.permutation(order_key, order, axis=1, independent=True)
    return _set(tensor, jnp.where(order < math.ceil(sparsity * out), 0, tensor[...]))


def _set(tensor: _V, value: ArrayLike) -> _V:
    tensor[...] = jnp.broadcast_to(jnp.asarray(value, tensor[...].dtype), tensor[...].shape)
    return tensor


def _key(generator: Generator | None) -> Array:
    if generator is None:
        raise ValueError("generator must be an nnx.Rngs or a jax.random key, got None")
    if isinstance(generator, nnx.Rngs):
        return generator.params()
    return generator() if isinstance(generator, nnx.RngStream) else generator


def _like(tensor: nnx.Variable[Any]) -> tuple[tuple[int, ...], jnp.dtype]:
    return tensor[...].shape, tensor[...].dtype


def _axes(tensor: nnx.Variable[Any], *allowed: int) -> tuple[tuple[int, ...], jnp.dtype]:
    shape, dtype = _like(tensor)
    if len(shape) not in allowed:
        counts = " or ".join(map(str, allowed))
        raise ValueError(f"tensor must have {counts} axes, got shape {shape}")
    return shape, dtype


def _fans(tensor: nnx.Variable[Any]) -> tuple[int, int]:
    shape, _ = _like(tensor)
    if len(shape) < 2:
        raise ValueError(f"fans need two axes or more, got shape {shape}")
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _kaiming_std(tensor: nnx.Variable[Any], a: float, mode: str, nonlinearity: str) -> float:
    modes = ("fan_in", "fan_out")
    if mode.lower() not in modes:
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(tensor)[modes.index(mode.lower())]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _is_empty(tensor: nnx.Variable[Any]) -> bool:
    empty = 0 in tensor[...].shape
    if empty:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return empty
