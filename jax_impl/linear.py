"""Linear and bilinear maps of torch.nn. Weights are stored inputs first: (in, out).

Source: https://docs.pytorch.org/docs/stable/nn.html#linear-layers
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from jax_impl._arguments import fan_in_bound, uniform_param

__all__ = ["linear", "bilinear", "Identity", "Linear", "Bilinear"]


def linear(input: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None) -> Array:
    """y = x W + b.

    Shapes: input (*, in), weight (in, out) or (in), bias (out) or (); output (*, out) or (*).
    Raises ValueError where they do not fit.
    """
    input, weight = jnp.asarray(input), jnp.asarray(weight)
    if weight.ndim not in (1, 2) or input.ndim == 0 or input.shape[-1] != weight.shape[0]:
        raise ValueError(
            "input must be (*, in) and weight (in, out) or (in), "
            f"got input {input.shape} and weight {weight.shape}"
        )
    # Of rows alone: XLA's CPU backend then needs no transposes for the gradients.
    rows = input.reshape(math.prod(input.shape[:-1]), input.shape[-1])
    output = jnp.dot(rows, weight).reshape(*input.shape[:-1], *weight.shape[1:])
    return output if bias is None else output + _fitting(bias, weight.shape[1:])


def bilinear(
    input1: ArrayLike, input2: ArrayLike, weight: ArrayLike, bias: ArrayLike | None = None
) -> Array:
    """y_o = sum_ij x1_i W_ijo x2_j + b_o.

    Shapes: input1 (*, in1), input2 (*, in2), weight (in1, in2, out), bias (out); output
    (*, out). Raises ValueError where they do not fit, or the leading axes differ.
    """
    input1, input2, weight = jnp.asarray(input1), jnp.asarray(input2), jnp.asarray(weight)
    ranks_fit = weight.ndim == 3 and input1.ndim > 0 and input2.ndim > 0
    if not ranks_fit or (input1.shape[-1], input2.shape[-1]) != weight.shape[:2]:
        raise ValueError(
            "input1 must be (*, in1), input2 (*, in2) and weight (in1, in2, out), "
            f"got {input1.shape}, {input2.shape} and {weight.shape}"
        )
    if input1.shape[:-1] != input2.shape[:-1]:
        raise ValueError(
            f"input1 {input1.shape} and input2 {input2.shape} must agree but for the last axis"
        )
    output = jnp.einsum("...i,ijo,...j->...o", input1, weight, input2)
    return output if bias is None else output + _fitting(bias, weight.shape[2:])


def _fitting(bias: ArrayLike, out: tuple[int, ...]) -> Array:
    bias = jnp.asarray(bias)
    if bias.shape not in ((), (1,), out):
        raise ValueError(f"bias must have shape {out}, got {bias.shape}")
    return bias if out else bias.reshape(())


def _uniform(
    rngs: nnx.Rngs,
    shape: Sequence[int],
    bound: float,
    device: jax.Device | None,
    dtype: DTypeLike | None,
) -> nnx.Param[Array]:
    if min(shape) < 0:
        raise ValueError(f"features must not be negative, got a leaf of shape {tuple(shape)}")
    draw = uniform_param(rngs, shape, bound, None if dtype is None else jnp.dtype(dtype))
    return nnx.Param(jax.device_put(draw[...], device))


class Identity(nnx.Module):
    """Its input, whatever the constructor's arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, input: ArrayLike) -> Array:
        return jnp.asarray(input)


class Linear(nnx.Module):
    """`linear` as a layer: `weight` (in_features, out_features), `bias` (out_features) or None.

    Both are drawn from U(-b, b), b = 1 / sqrt(in_features).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.in_features = in_features
        self.out_features = out_features
        if in_features == 0 or out_features == 0:
            warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        bound = fan_in_bound(in_features)
        self.weight = _uniform(rngs, (in_features, out_features), bound, device, dtype)
        self.bias = _uniform(rngs, (out_features,), bound, device, dtype) if bias else None

    def __call__(self, input: ArrayLike) -> Array:
        bias = None if self.bias is None else self.bias[...]
        return linear(input, self.weight[...], bias)


class Bilinear(nnx.Module):
    """`bilinear` as a layer.

    `weight` is (in1_features, in2_features, out_features), `bias` (out_features) or None. Both
    are drawn from U(-b, b), b = 1 / sqrt(in1_features). Raises ValueError where in1_features
    is not positive.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        if in1_features <= 0:
            raise ValueError(f"in1_features must be positive, got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        bound = fan_in_bound(in1_features)
        shape = (in1_features, in2_features, out_features)
        self.weight = _uniform(rngs, shape, bound, device, dtype)
        self.bias = _uniform(rngs, (out_features,), bound, device, dtype) if bias else None

    def __call__(self, input1: ArrayLike, input2: ArrayLike) -> Array:
        bias = None if self.bias is None else self.bias[...]
        return bilinear(input1, input2, self.weight[...], bias)
