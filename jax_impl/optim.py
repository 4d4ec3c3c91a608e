"""Gradient clipping and the optimizers of torch.optim that keep no bias-corrected moments.

Each name returns an `optax.GradientTransformation`, for `flax.nnx.Optimizer`, `optax.chain` or
plain pytrees. Arguments are torch's without `params` and without the switches between torch's
implementations (foreach, capturable, differentiable, fused). `lr`, and `momentum` too, may be a
schedule: a function of the number of updates done. The state's fields have torch's names; each
is shaped like the parameters but `step`, one count for all. Updates are to be added to the
parameters; those of bfloat16 and float16 parameters are float32, so that the sum is rounded
once, as in torch.

Source: https://docs.pytorch.org/docs/stable/optim.html
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from jax_impl._optim import (
    Scheduled,
    add,
    addcdiv,
    addcmul,
    at,
    buffers,
    check,
    counter,
    directed,
    div,
    leafwise,
    lerp,
    mul,
    one_more,
    reciprocal,
    round_to,
    scaled,
    scaled_ratio,
    sqrt,
)

__all__ = ["clip_grad_norm_", "clip_grad_value_", "SGD", "RMSprop", "Adagrad", "Adadelta"]


def clip_grad_norm_(
    parameters: Any,
    max_norm: ArrayLike,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> tuple[Array, Any]:
    """(total_norm, gradients): all of them times min(1, max_norm / (total_norm + 1e-6)).

    `parameters` is a pytree of gradients: JAX keeps none on the leaf itself. total_norm is the
    norm, of order `norm_type`, of the leaves' norms of that order, before clipping. With
    `error_if_nonfinite`, one that is NaN or infinite raises RuntimeError, as in torch; under
    jit the gradients become NaN instead. Raises ValueError for an infinite `norm_type` where a
    leaf is empty.
    """
    norm_type = float(norm_type)
    grads, structure = jax.tree.flatten(parameters)
    if not grads:
        return jnp.zeros(()), parameters
    norms = jnp.stack([_norm(grad, norm_type) for grad in map(jnp.asarray, grads)])
    total_norm = _norm(norms, norm_type)
    finite = jnp.isfinite(total_norm)
    if error_if_nonfinite and not isinstance(finite, Tracer) and not finite:
        raise RuntimeError(
            f"parameters must have a finite total norm, got {total_norm} (order {norm_type}); "
            "set error_if_nonfinite=False to scale them by it all the same"
        )
    coefficient = jnp.minimum(mul(reciprocal(add(total_norm, 1e-6)), max_norm), 1)
    if error_if_nonfinite:
        coefficient = jnp.where(finite, coefficient, jnp.nan)
    return total_norm, structure.unflatten([mul(grad, coefficient) for grad in grads])


def _norm(tensor: Array, order: Any) -> Array:
    wide = tensor.astype(jnp.promote_types(tensor.dtype, jnp.float32)).ravel()
    if math.isinf(order) and not wide.size:
        raise ValueError(f"parameters must have no empty leaf for norm_type {order}")
    return round_to(tensor.dtype, jnp.linalg.vector_norm(wide, ord=order))


def clip_grad_value_(parameters: Any, clip_value: float | Array) -> Any:
    """The gradients, a pytree, each element clamped to [-clip_value, clip_value]; NaN stays."""
    return jax.tree.map(lambda grad: jnp.clip(grad, -clip_value, clip_value), parameters)


class SGDState(NamedTuple):
    step: Array
    momentum_buffer: Any  # None without momentum


def SGD(
    lr: Scheduled = 1e-3,
    momentum: Scheduled = 0,
    dampening: float = 0,
    weight_decay: float = 0,
    nesterov: bool = False,
    *,
    maximize: bool = False,
) -> optax.GradientTransformation:
    """b <- momentum b + (1 - dampening) g, p <- p - lr b; the first b is g, undampened.

    g is the gradient plus weight_decay p (negated before that with `maximize`). With `nesterov`
    the step is along g + momentum b. The rate multiplies b when it is used, not when g enters.

    Raises ValueError where lr, momentum or weight_decay is negative, or nesterov comes without
    momentum or with dampening.
    """
    check(lr=lr, momentum=momentum, weight_decay=weight_decay)
    moving = callable(momentum) or bool(momentum > 0)
    if nesterov and (not moving or dampening != 0):
        raise ValueError(
            "nesterov needs momentum greater than 0 and dampening 0, "
            f"got momentum {momentum} and dampening {dampening}"
        )

    def init(params: Any) -> SGDState:
        return SGDState(counter(), buffers(params, wanted=moving))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, SGDState]:
        rate, inertia = at(lr, state.step), at(momentum, state.step)

        def rule(grad: Array, param: Array | None, buffer: Array | None) -> tuple:
            grad = directed(grad, param, weight_decay, maximize)
            if buffer is not None:
                later = add(mul(buffer, inertia), grad, 1 - dampening)
                first = grad.astype(later.dtype)
                buffer = later if dampening == 0 else jnp.where(state.step == 0, first, later)
                grad = add(grad, buffer, inertia) if nesterov else buffer
            return scaled(grad, -rate), buffer

        updates, buffer = leafwise(rule, updates, params, state.momentum_buffer)
        return updates, SGDState(one_more(state.step), buffer)

    return optax.GradientTransformation(init, update)


class RMSpropState(NamedTuple):
    step: Array
    square_avg: Any
    momentum_buffer: Any  # None without momentum
    grad_avg: Any  # None unless centered


def RMSprop(
    lr: Scheduled = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0,
    momentum: Scheduled = 0,
    centered: bool = False,
    *,
    maximize: bool = False,
) -> optax.GradientTransformation:
    """v <- alpha v + (1 - alpha) g^2, p <- p - lr g / (sqrt(v) + eps), v starting at 0.

    With `centered` the squared average of g (same alpha) is subtracted from v under the root;
    with `momentum`, b <- momentum b + g / (sqrt(v) + eps) and the step is -lr b. eps stands
    outside the root.

    Raises ValueError where lr, alpha, eps, weight_decay or momentum is negative.
    """
    check(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
    moving = callable(momentum) or bool(momentum > 0)

    def init(params: Any) -> RMSpropState:
        return RMSpropState(
            counter(),
            buffers(params),
            buffers(params, wanted=moving),
            buffers(params, wanted=centered),
        )

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, RMSpropState]:
        rate, inertia = at(lr, state.step), at(momentum, state.step)

        def rule(grad, param, square_avg, buffer, grad_avg) -> tuple:
            grad = directed(grad, param, weight_decay, maximize)
            square_avg = addcmul(mul(square_avg, alpha), grad, grad, 1 - alpha)
            variance = square_avg
            if centered:
                grad_avg = lerp(grad_avg, grad, 1 - alpha)
                variance = addcmul(square_avg, grad_avg, grad_avg, -1)
            denom = add(sqrt(variance), eps)
            if not moving:
                return scaled_ratio(grad, denom, -rate), square_avg, buffer, grad_avg
            buffer = addcdiv(mul(buffer, inertia), grad, denom)
            return scaled(buffer, -rate), square_avg, buffer, grad_avg

        updates, *averages = leafwise(rule, updates, params, *state[1:])
        return updates, RMSpropState(one_more(state.step), *averages)

    return optax.GradientTransformation(init, update)


class AdagradState(NamedTuple):
    step: Array
    sum: Any


def Adagrad(
    lr: Scheduled = 1e-2,
    lr_decay: float = 0,
    weight_decay: float = 0,
    initial_accumulator_value: float = 0,
    eps: float = 1e-10,
    *,
    maximize: bool = False,
) -> optax.GradientTransformation:
    """s <- s + g^2, p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps), t from 1.

    s starts at initial_accumulator_value. Raises ValueError where an argument is negative.
    """
    check(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
    check(initial_accumulator_value=initial_accumulator_value)

    def init(params: Any) -> AdagradState:
        return AdagradState(counter(), buffers(params, initial_accumulator_value))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, AdagradState]:
        rate = at(lr, state.step) / (1 + state.step * lr_decay)

        def rule(grad: Array, param: Array | None, total: Array) -> tuple:
            grad = directed(grad, param, weight_decay, maximize)
            total = addcmul(total, grad, grad)
            return scaled_ratio(grad, add(sqrt(total), eps), -rate), total

        updates, total = leafwise(rule, updates, params, state.sum)
        return updates, AdagradState(one_more(state.step), total)

    return optax.GradientTransformation(init, update)


class AdadeltaState(NamedTuple):
    step: Array
    square_avg: Any
    acc_delta: Any


def Adadelta(
    lr: Scheduled = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0,
    *,
    maximize: bool = False,
) -> optax.GradientTransformation:
    """d = g sqrt(u + eps) / sqrt(v + eps), p <- p - lr d.

    Before it v <- rho v + (1 - rho) g^2, after it u <- rho u + (1 - rho) d^2; both start at 0.

    Raises ValueError where lr, eps or weight_decay is negative or rho lies outside [0, 1].
    """
    check(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
    if rho > 1:
        raise ValueError(f"rho must be at least 0 and at most 1, got {rho}")

    def init(params: Any) -> AdadeltaState:
        return AdadeltaState(counter(), buffers(params), buffers(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, AdadeltaState]:
        rate = at(lr, state.step)

        def rule(
            grad: Array, param: Array | None, square_avg: Array, acc_delta: Array
        ) -> tuple:
            grad = directed(grad, param, weight_decay, maximize)
            square_avg = addcmul(mul(square_avg, rho), grad, grad, 1 - rho)
            size = div(sqrt(add(acc_delta, eps)), sqrt(add(square_avg, eps)))
            delta = mul(size, grad)
            acc_delta = addcmul(mul(acc_delta, rho), delta, delta, 1 - rho)
            return scaled(delta, -rate), square_avg, acc_delta

        updates, *averages = leafwise(rule, updates, params, *state[1:])
        return updates, AdadeltaState(one_more(state.step), *averages)

    return optax.GradientTransformation(init, update)
