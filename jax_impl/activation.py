"""Activations of torch.nn: values, and gradients at every kink, are torch's.

Elementwise functions take an input of any shape and return that shape. bfloat16 and float16
inputs are computed in float32 and rounded once, as torch does. `inplace` is accepted to mirror
torch and has no effect: no caller's array is ever written to. Source of every formula:
https://docs.pytorch.org/docs/stable/nn.functional.html#non-linear-activation-functions
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

__all__ = [
    "threshold",
    "relu",
    "rrelu",
    "hardtanh",
    "relu6",
    "sigmoid",
    "hardsigmoid",
    "tanh",
    "silu",
    "mish",
    "hardswish",
    "elu",
    "celu",
    "selu",
    "glu",
    "gelu",
    "hardshrink",
    "leaky_relu",
    "logsigmoid",
    "softplus",
    "softshrink",
    "prelu",
    "softsign",
    "tanhshrink",
    "softmin",
    "softmax",
    "log_softmax",
    "Threshold",
    "ReLU",
    "RReLU",
    "Hardtanh",
    "ReLU6",
    "Sigmoid",
    "Hardsigmoid",
    "Tanh",
    "SiLU",
    "Mish",
    "Hardswish",
    "ELU",
    "CELU",
    "SELU",
    "GLU",
    "GELU",
    "Hardshrink",
    "LeakyReLU",
    "LogSigmoid",
    "Softplus",
    "Softshrink",
    "PReLU",
    "Softsign",
    "Tanhshrink",
    "Softmin",
    "Softmax",
    "Softmax2d",
    "LogSoftmax",
]

_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946
_SIXTH = float(np.float32(1) / np.float32(6))

_P = ParamSpec("_P")


def _in_float32(
    function: Callable[Concatenate[Array, _P], Array],
) -> Callable[Concatenate[ArrayLike, _P], Array]:
    """`function` computed in float32 and rounded once, where its input is a half type."""

    @functools.wraps(function)
    def widened(input: ArrayLike, *args: _P.args, **kwargs: _P.kwargs) -> Array:
        array = jnp.asarray(input)
        if array.dtype in (jnp.bfloat16, jnp.float16):
            return function(array.astype(jnp.float32), *args, **kwargs).astype(array.dtype)
        return function(array, *args, **kwargs)

    return widened


def threshold(input: ArrayLike, threshold: float, value: float, inplace: bool = False) -> Array:
    """x where x > threshold, else `value`; gradient 0 at x = threshold."""
    array = jnp.asarray(input)
    return jnp.where(array <= threshold, jnp.asarray(value, array.dtype), array)


def relu(input: ArrayLike, inplace: bool = False) -> Array:
    """max(x, 0); gradient 0 at x = 0, and NaN stays NaN with gradient 1."""
    return jnp.where(jnp.asarray(input) <= 0, 0, input)


def rrelu(
    input: ArrayLike,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
    *,
    noise: ArrayLike | None = None,
    key: Array | None = None,
) -> Array:
    """x where x > 0, else slope * x (arXiv:1505.00853).

    The slope is (lower + upper) / 2, or where `training` one number per element: `noise` (of
    input's shape) where it is given, else drawn from U(lower, upper) with the jax.random `key`.
    Raises ValueError where lower > upper, and training with neither `noise` nor `key`.
    """
    if lower > upper:
        raise ValueError(f"lower must be at most upper, got lower={lower} and upper={upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    array = jnp.asarray(input)
    if noise is None:
        if key is None:
            raise ValueError("rrelu in training needs key= to draw its slopes, or noise=")
        noise = jax.random.uniform(key, array.shape, array.dtype, minval=lower, maxval=upper)
    return array * jnp.where(array <= 0, jnp.asarray(noise, array.dtype), 1)


def hardtanh(
    input: ArrayLike, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Array:
    """x clamped to [min_val, max_val]; gradient 0 at both bounds.

    Raises ValueError where min_val > max_val.
    """
    if min_val > max_val:
        raise ValueError(f"min_val must be at most max_val, got {min_val} and {max_val}")
    array = jnp.asarray(input)
    low, high = jnp.asarray(min_val, array.dtype), jnp.asarray(max_val, array.dtype)
    return jnp.where(array <= low, low, jnp.where(array >= high, high, array))


def relu6(input: ArrayLike, inplace: bool = False) -> Array:
    """min(max(x, 0), 6); gradient 0 at 0 and at 6."""
    return hardtanh(input, 0.0, 6.0)


@_in_float32
def sigmoid(input: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return jax.nn.sigmoid(input)


@jax.custom_jvp
def _hardsigmoid(x: Array) -> Array:
    return jnp.clip(x + 3, 0, 6) / 6


@_hardsigmoid.defjvp
def _hardsigmoid_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    return _hardsigmoid(x), jnp.where((x > -3) & (x < 3), tangent * _SIXTH, 0)


@_in_float32
def hardsigmoid(input: Array, inplace: bool = False) -> Array:
    """min(max(x + 3, 0), 6) / 6; gradient 0 at -3, at 3 and at NaN, else torch's 1 / 6.

    That one is the float32 nearest to 1 / 6 at every precision, float64 too, as in torch.
    """
    return _hardsigmoid(input)


@_in_float32
def tanh(input: Array) -> Array:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    return jnp.tanh(input)


@_in_float32
def silu(input: Array, inplace: bool = False) -> Array:
    """x * sigmoid(x), also known as swish (arXiv:1606.08415)."""
    return input * jax.nn.sigmoid(input)


@jax.custom_jvp
def _tanh_softplus(x: Array) -> Array:
    """tanh(log(1 + e)) = n / (n + 2), e = exp(x), n = e (e + 2): one exp, no cancellation."""
    e = jnp.exp(jnp.minimum(x, 20))
    n = e * (e + 2)
    return n / (n + 2)


@_tanh_softplus.defjvp
def _tanh_softplus_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    e = jnp.exp(jnp.minimum(x, 20))
    slope = 4 * e * (e + 1) / jnp.square(e * (e + 2) + 2)
    return _tanh_softplus(x), tangent * jnp.where(x > 20, 0, slope)


@_in_float32
def mish(input: Array, inplace: bool = False) -> Array:
    """x * tanh(softplus(x)) (arXiv:1908.08681)."""
    return input * _tanh_softplus(input)


@jax.custom_jvp
def _hardswish(x: Array) -> Array:
    return x * jnp.clip(x + 3, 0, 6) / 6


@_hardswish.defjvp
def _hardswish_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    slope = jnp.where(x <= -3, 0, jnp.where(x >= 3, 1, x / 3 + 0.5))
    return _hardswish(x), tangent * slope


@_in_float32
def hardswish(input: Array, inplace: bool = False) -> Array:
    """x * min(max(x + 3, 0), 6) / 6; gradient 0 at -3 and 1 at 3 (arXiv:1905.02244)."""
    return _hardswish(input)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3, 4))
def _elu(x: Array, negative: float, positive: float, rate: float, slope_rate: float) -> Array:
    """positive * x where x > 0, else negative * (exp(rate * x) - 1)."""
    return jnp.where(x > 0, positive * x, negative * jnp.expm1(rate * jnp.minimum(x, 0)))


@_elu.defjvp
def _elu_jvp(
    negative: float,
    positive: float,
    rate: float,
    slope_rate: float,
    primals: tuple[Array],
    tangents: tuple[Array],
) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    below = negative * slope_rate * jnp.exp(slope_rate * jnp.minimum(x, 0))
    output = _elu(x, negative, positive, rate, slope_rate)
    return output, tangent * jnp.where(x > 0, positive, below)


@_in_float32
def elu(input: Array, alpha: float = 1.0, inplace: bool = False) -> Array:
    """x where x > 0, else alpha * (exp(x) - 1); gradient alpha at 0 (arXiv:1511.07289)."""
    return _elu(input, alpha, 1.0, 1.0, 1.0)


@_in_float32
def celu(input: Array, alpha: float = 1.0, inplace: bool = False) -> Array:
    """x where x > 0, else alpha * (exp(x / alpha) - 1); gradient 1 at 0 (arXiv:1704.07483).

    Raises ValueError where alpha is 0.
    """
    if alpha == 0:
        raise ValueError("alpha must not be 0 for celu, got 0")
    # torch's gradient rounds alpha to float32 at every precision, float64 too.
    return _elu(input, alpha, 1.0, 1.0 / alpha, 1.0 / float(np.float32(alpha)))


@_in_float32
def selu(input: Array, inplace: bool = False) -> Array:
    """scale * elu(x, alpha), scale 1.0507..., alpha 1.6732... (arXiv:1706.02515).

    The gradient at 0 is scale * alpha.
    """
    return _elu(input, _SELU_SCALE * _SELU_ALPHA, _SELU_SCALE, 1.0, 1.0)


@_in_float32
def glu(input: Array, dim: int = -1) -> Array:
    """a * sigmoid(b), a and b the first and second half of axis `dim` (arXiv:1612.08083).

    Shape: (*, 2 n, *) to (*, n, *). Raises ValueError where the input is a scalar or that axis
    is odd, IndexError where there is no axis `dim`.
    """
    if input.ndim == 0:
        raise ValueError("input must have an axis to halve, got a scalar")
    axis = _axis(dim, input.ndim)
    if input.shape[axis] % 2:
        raise ValueError(f"axis {dim} must be even to halve, got input of shape {input.shape}")
    first, second = jnp.split(input, 2, axis)
    return first * jax.nn.sigmoid(second)


@_in_float32
def gelu(input: Array, approximate: str = "none") -> Array:
    """x * Phi(x), Phi the normal distribution's CDF (arXiv:1606.08415).

    approximate 'none': x (1 + erf(x / sqrt(2))) / 2; 'tanh': x (1 + tanh(sqrt(2 / pi)
    (x + 0.044715 x^3))) / 2. Raises ValueError at any other.
    """
    # erf, not jax.nn.gelu's erfc: as exact here as torch is, at half the work.
    if approximate == "none":
        return input * (0.5 * (1 + lax.erf(input * math.sqrt(0.5))))
    if approximate == "tanh":
        return jax.nn.gelu(input, approximate=True)
    raise ValueError(f"approximate must be 'none' or 'tanh', got {approximate!r}")


def hardshrink(input: ArrayLike, lambd: float = 0.5) -> Array:
    """x where |x| > lambd, else 0; gradient 0 at x = lambd and x = -lambd."""
    array = jnp.asarray(input)
    return jnp.where((array >= -lambd) & (array <= lambd), 0, array)


@_in_float32
def leaky_relu(input: Array, negative_slope: float = 0.01, inplace: bool = False) -> Array:
    """x where x > 0, else negative_slope * x; gradient negative_slope at 0."""
    return input * jnp.where(input > 0, 1.0, negative_slope)


@_in_float32
def logsigmoid(input: Array) -> Array:
    """log(1 / (1 + exp(-x))), as min(x, 0) - log(1 + exp(-|x|))."""
    return jnp.where(input < 0, input, 0) - jnp.log1p(jnp.exp(-jnp.abs(input)))


@_in_float32
def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold."""
    scaled = beta * input
    linear = scaled > threshold
    return jnp.where(linear, input, jnp.log1p(jnp.exp(jnp.where(linear, 0, scaled))) / beta)


@_in_float32
def softshrink(input: Array, lambd: float = 0.5) -> Array:
    """x - lambd above lambd, x + lambd below -lambd, else 0 with gradient 0.

    Raises ValueError where lambd is negative.
    """
    if lambd < 0:
        raise ValueError(f"lambd must be at least 0, got {lambd}")
    shrunk = input - jnp.where(input > 0, lambd, -lambd)
    return jnp.where((input >= -lambd) & (input <= lambd), 0, shrunk)


@_in_float32
def prelu(input: Array, weight: ArrayLike) -> Array:
    """x where x > 0, else weight * x; gradient weight at 0 (arXiv:1502.01852).

    Shapes: input (N, *, C) or any; weight (C), or one number for all: () or (1). An input of
    one axis or none has one channel, as in torch. Raises ValueError at any other weight.
    """
    weight = jnp.asarray(weight)
    channels = input.shape[-1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise ValueError(
            f"weight must be one number or {channels}, the channels of the input's last axis, "
            f"got weight {weight.shape} and input {input.shape}"
        )
    slope = weight.reshape(()) if weight.size == 1 else weight
    above = input > 0
    return jnp.where(above, input, slope * jnp.where(above, 0, input))


@_in_float32
def softsign(input: Array) -> Array:
    """x / (1 + |x|)."""
    return input / (jnp.abs(input) + 1)


@_in_float32
def tanhshrink(input: Array) -> Array:
    """x - tanh(x)."""
    return input - jnp.tanh(input)


def _axis(dim: int, ndim: int) -> int:
    """`dim` counted from the front; a scalar counts as one axis, as in torch."""
    axes = max(ndim, 1)
    if not -axes <= dim < axes:
        raise IndexError(f"dim must be in [{-axes}, {axes - 1}], got {dim}")
    return dim % axes


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def _normalise(
    function: Callable[..., Array], input: ArrayLike, dim: int, dtype: DTypeLike | None
) -> Array:
    array = jnp.asarray(input, dtype)
    axis = _axis(dim, array.ndim)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(f"input must be floating, got {array.dtype}; or give dtype")
    if array.size == 0:
        return array
    if array.ndim == 0:
        return function(array[None], axis=0)[0]
    return _in_float32(function)(array, axis=axis)


def softmin(
    input: ArrayLike,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: DTypeLike | None = None,
) -> Array:
    """softmax(-x) along axis `dim`; arguments and errors are those of `softmax`."""
    if dim is None:
        dim = _implicit_dim("softmin", jnp.ndim(input), _stacklevel)
    return _normalise(jax.nn.softmax, -jnp.asarray(input), dim, dtype)


def softmax(
    input: ArrayLike,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: DTypeLike | None = None,
) -> Array:
    """exp(x) / sum(exp(x)) along axis `dim`; an axis of nothing but -inf gives NaN.

    dim None warns and takes axis 0 of an input of 0, 1 or 3 axes, else axis 1. `dtype` is what
    the input is cast to first. Raises IndexError where there is no axis `dim`, TypeError at
    integers without `dtype`.
    """
    if dim is None:
        dim = _implicit_dim("softmax", jnp.ndim(input), _stacklevel)
    return _normalise(jax.nn.softmax, input, dim, dtype)


def log_softmax(
    input: ArrayLike,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: DTypeLike | None = None,
) -> Array:
    """log(softmax(x)), as x - log(sum(exp(x))); arguments and errors are those of `softmax`."""
    if dim is None:
        dim = _implicit_dim("log_softmax", jnp.ndim(input), _stacklevel)
    return _normalise(jax.nn.log_softmax, input, dim, dtype)


class _Plain(nnx.Module):
    """A layer without arguments; `_function` is what it computes."""

    _function: Callable[..., Array]

    def __call__(self, input: ArrayLike) -> Array:
        return type(self)._function(input)


class _Inplace(nnx.Module):
    """A layer whose one argument, torch's `inplace`, has no effect here."""

    _function: Callable[..., Array]

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def __call__(self, input: ArrayLike) -> Array:
        return type(self)._function(input)


class _AlongDim(nnx.Module):
    """A layer normalising axis `dim`; None is `softmax`'s implicit choice, with its warning."""

    _function: Callable[..., Array]

    def __init__(self, dim: int | None = None) -> None:
        self.dim = dim

    def __call__(self, input: ArrayLike) -> Array:
        return type(self)._function(input, self.dim, _stacklevel=4)


class Threshold(nnx.Module):
    """`threshold` as a layer."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def __call__(self, input: ArrayLike) -> Array:
        return threshold(input, self.threshold, self.value)


class ReLU(_Inplace):
    """`relu` as a layer."""

    _function = staticmethod(relu)


class RReLU(nnx.Module):
    """`rrelu` as a layer.

    Training (`deterministic` False), its slopes are those in the variable `noise` (of the
    input's shape) where it is filled, `layer.noise.set_value(slopes)`, else drawn from a stream
    forked off `rngs.dropout`, or from the `rngs` of the call. Raises ValueError where there is
    neither.
    """

    def __init__(
        self,
        lower: float = 1.0 / 8,
        upper: float = 1.0 / 3,
        inplace: bool = False,
        *,
        rngs: nnx.Rngs | None = None,
    ) -> None:
        self.lower = lower
        self.upper = upper
        self.inplace = inplace
        self.deterministic = False
        self.noise: nnx.Variable[Any] = nnx.Variable(None)
        self.rngs = nnx.data(None) if rngs is None else rngs.dropout.fork()

    def __call__(self, input: ArrayLike, *, rngs: nnx.Rngs | None = None) -> Array:
        training, noise, key = not self.deterministic, self.noise.get_value(), None
        if training and noise is None:
            stream = self.rngs if rngs is None else rngs.dropout
            key = None if stream is None else stream()
        return rrelu(input, self.lower, self.upper, training, noise=noise, key=key)


class Hardtanh(nnx.Module):
    """`hardtanh` as a layer; min_value and max_value are old names, which warn.

    Raises ValueError where max_val is not above min_val.
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        if min_value is not None:
            _warn_renamed("min_value", "min_val")
            min_val = min_value
        if max_value is not None:
            _warn_renamed("max_value", "max_val")
            max_val = max_value
        if max_val <= min_val:
            raise ValueError(f"max_val must be above min_val, got {max_val} and {min_val}")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def __call__(self, input: ArrayLike) -> Array:
        return hardtanh(input, self.min_val, self.max_val)


def _warn_renamed(old: str, new: str) -> None:
    warnings.warn(
        f"keyword argument `{old}` is deprecated and renamed to `{new}`",
        FutureWarning,
        stacklevel=3,
    )


class ReLU6(Hardtanh):
    """`relu6` as a layer."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class Sigmoid(_Plain):
    """`sigmoid` as a layer."""

    _function = staticmethod(sigmoid)


class Hardsigmoid(_Inplace):
    """`hardsigmoid` as a layer."""

    _function = staticmethod(hardsigmoid)


class Tanh(_Plain):
    """`tanh` as a layer."""

    _function = staticmethod(tanh)


class SiLU(_Inplace):
    """`silu` as a layer."""

    _function = staticmethod(silu)


class Mish(_Inplace):
    """`mish` as a layer."""

    _function = staticmethod(mish)


class Hardswish(_Inplace):
    """`hardswish` as a layer."""

    _function = staticmethod(hardswish)


class ELU(nnx.Module):
    """`elu` as a layer."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha
        self.inplace = inplace

    def __call__(self, input: ArrayLike) -> Array:
        return elu(input, self.alpha)


class CELU(nnx.Module):
    """`celu` as a layer."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha
        self.inplace = inplace

    def __call__(self, input: ArrayLike) -> Array:
        return celu(input, self.alpha)


class SELU(_Inplace):
    """`selu` as a layer."""

    _function = staticmethod(selu)


class GLU(nnx.Module):
    """`glu` as a layer."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def __call__(self, input: ArrayLike) -> Array:
        return glu(input, self.dim)


class GELU(nnx.Module):
    """`gelu` as a layer."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def __call__(self, input: ArrayLike) -> Array:
        return gelu(input, self.approximate)


class Hardshrink(nnx.Module):
    """`hardshrink` as a layer."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def __call__(self, input: ArrayLike) -> Array:
        return hardshrink(input, self.lambd)


class LeakyReLU(nnx.Module):
    """`leaky_relu` as a layer."""

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        self.negative_slope = negative_slope
        self.inplace = inplace

    def __call__(self, input: ArrayLike) -> Array:
        return leaky_relu(input, self.negative_slope)


class LogSigmoid(_Plain):
    """`logsigmoid` as a layer."""

    _function = staticmethod(logsigmoid)


class Softplus(nnx.Module):
    """`softplus` as a layer."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = beta
        self.threshold = threshold

    def __call__(self, input: ArrayLike) -> Array:
        return softplus(input, self.beta, self.threshold)


class Softshrink(nnx.Module):
    """`softshrink` as a layer."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def __call__(self, input: ArrayLike) -> Array:
        return softshrink(input, self.lambd)


class PReLU(nnx.Module):
    """`prelu` as a layer; `weight` (num_parameters) starts at `init`."""

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        if num_parameters < 0:
            raise ValueError(f"num_parameters must not be negative, got {num_parameters}")
        self.num_parameters = num_parameters
        self.init = init
        weight = jnp.full(num_parameters, init, dtype or jnp.float32, device=device)
        self.weight = nnx.Param(weight)

    def __call__(self, input: ArrayLike) -> Array:
        return prelu(input, self.weight[...])


class Softsign(_Plain):
    """`softsign` as a layer."""

    _function = staticmethod(softsign)


class Tanhshrink(_Plain):
    """`tanhshrink` as a layer."""

    _function = staticmethod(tanhshrink)


class Softmin(_AlongDim):
    """`softmin` as a layer."""

    _function = staticmethod(softmin)


class Softmax(_AlongDim):
    """`softmax` as a layer."""

    _function = staticmethod(softmax)


class Softmax2d(nnx.Module):
    """`softmax` over the channels of (N, H, W, C) or (H, W, C); ValueError at other ranks."""

    def __call__(self, input: ArrayLike) -> Array:
        if jnp.ndim(input) not in (3, 4):
            raise ValueError(f"input must have 3 or 4 axes, got shape {jnp.shape(input)}")
        return softmax(input, -1)


class LogSoftmax(_AlongDim):
    """`log_softmax` as a layer."""

    _function = staticmethod(log_softmax)
