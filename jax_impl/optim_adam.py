"""Adam and its kin of torch.optim: optimizers with bias-corrected moments of the gradient.

Each name returns an `optax.GradientTransformation`; what `optim.py` says of arguments, state
and updates holds here. `lr` may be a schedule, and so may betas[0], which OneCycleLR cycles.
m and v below are the moments, m <- beta1 m + (1 - beta1) g and v <- beta2 v + (1 - beta2) g^2,
starting at 0; g is the gradient (negated with `maximize`) plus weight_decay p; t counts from 1.
With decoupled_weight_decay p <- (1 - lr weight_decay) p comes first, and g is left alone.

All raise ValueError where lr, eps or weight_decay is negative or a beta lies outside [0, 1).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

from jax_impl._optim import (
    Scheduled,
    add,
    addcdiv,
    addcmul,
    at,
    buffers,
    check,
    check_betas,
    complement_of_power,
    counter,
    difference,
    directed,
    div,
    given,
    leafwise,
    lerp,
    mul,
    one_more,
    power,
    real,
    reciprocal,
    scaled,
    scaled_ratio,
    sqrt,
)

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


class AdamState(NamedTuple):
    step: Array
    exp_avg: Any
    exp_avg_sq: Any
    max_exp_avg_sq: Any  # None without amsgrad


def Adam(
    lr: Scheduled = 1e-3,
    betas: tuple[Scheduled, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0,
    amsgrad: bool = False,
    *,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> optax.GradientTransformation:
    """p <- p - lr / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps).

    With `amsgrad` the greatest v so far takes v's place, before its correction.
    Source: Kingma and Ba, arXiv:1412.6980; Reddi et al., arXiv:1904.09237.
    """
    check(lr=lr, eps=eps, weight_decay=weight_decay)
    check_betas(betas)
    beta2 = betas[1]
    coupled, decoupled = _decays(weight_decay, decoupled_weight_decay)

    def init(params: Any) -> AdamState:
        moments = buffers(params), buffers(params), buffers(params, wanted=amsgrad)
        return AdamState(counter(), *moments)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, AdamState]:
        step = one_more(state.step)
        rate, beta1 = at(lr, state.step), at(betas[0], state.step)
        step_size = rate / complement_of_power(beta1, step)
        correction = jnp.sqrt(complement_of_power(beta2, step))

        def rule(grad, param, exp_avg, exp_avg_sq, max_exp_avg_sq) -> tuple:
            grad = directed(grad, param, coupled, maximize)
            exp_avg, exp_avg_sq = _moments(exp_avg, exp_avg_sq, grad, beta1, beta2)
            if amsgrad:
                max_exp_avg_sq = jnp.maximum(max_exp_avg_sq, exp_avg_sq)
            greatest = max_exp_avg_sq if amsgrad else exp_avg_sq
            denom = add(div(sqrt(greatest), correction), eps)
            move = scaled_ratio(exp_avg, denom, -step_size)
            move = _from_decayed(param, move, rate, decoupled)
            return move, exp_avg, exp_avg_sq, max_exp_avg_sq

        updates, *moments = leafwise(rule, updates, params, *state[1:])
        return updates, AdamState(step, *moments)

    return optax.GradientTransformation(init, update)


def AdamW(
    lr: Scheduled = 1e-3,
    betas: tuple[Scheduled, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    amsgrad: bool = False,
    *,
    maximize: bool = False,
) -> optax.GradientTransformation:
    """Adam with decoupled weight decay. Source: Loshchilov and Hutter, arXiv:1711.05101."""
    return Adam(
        lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True
    )


class AdamaxState(NamedTuple):
    step: Array
    exp_avg: Any
    exp_inf: Any


def Adamax(
    lr: Scheduled = 2e-3,
    betas: tuple[Scheduled, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0,
    *,
    maximize: bool = False,
) -> optax.GradientTransformation:
    """u <- max(beta2 u, |g| + eps), p <- p - lr / (1 - beta1^t) m / u, u starting at 0.

    Source: Kingma and Ba, arXiv:1412.6980, section 7.1.
    """
    check(lr=lr, eps=eps, weight_decay=weight_decay)
    check_betas(betas)
    beta2 = betas[1]

    def init(params: Any) -> AdamaxState:
        return AdamaxState(counter(), buffers(params), buffers(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, AdamaxState]:
        step = one_more(state.step)
        beta1 = at(betas[0], state.step)
        step_size = at(lr, state.step) / complement_of_power(beta1, step)

        def rule(grad: Array, param: Array | None, exp_avg: Array, exp_inf: Array) -> tuple:
            grad = directed(grad, param, weight_decay, maximize)
            exp_avg = lerp(exp_avg, grad, 1 - beta1)
            exp_inf = jnp.maximum(mul(exp_inf, beta2), add(jnp.abs(grad), eps))
            return scaled_ratio(exp_avg, exp_inf, -step_size), exp_avg, exp_inf

        updates, *moments = leafwise(rule, updates, params, *state[1:])
        return updates, AdamaxState(step, *moments)

    return optax.GradientTransformation(init, update)


class NAdamState(NamedTuple):
    step: Array
    mu_product: Array
    exp_avg: Any
    exp_avg_sq: Any


def NAdam(
    lr: Scheduled = 2e-3,
    betas: tuple[Scheduled, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
    *,
    maximize: bool = False,
) -> optax.GradientTransformation:
    """p <- p - lr ((1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m) / (sqrt(v^) + eps).

    v^ = v / (1 - beta2^t), mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2), and M_t, the state's
    `mu_product`, is the product of mu_1 to mu_t: one scalar for all parameters, float64 with
    jax_enable_x64 (torch's is float64 only where that is the default dtype). Raises ValueError
    where momentum_decay is negative. Source: Dozat, Incorporating Nesterov momentum into Adam.
    """
    check(lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
    check_betas(betas)
    beta2 = betas[1]
    coupled, decoupled = _decays(weight_decay, decoupled_weight_decay)

    def init(params: Any) -> NAdamState:
        return NAdamState(counter(), real(1), buffers(params), buffers(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, NAdamState]:
        step = one_more(state.step)
        rate, beta1 = at(lr, state.step), at(betas[0], state.step)
        correction = complement_of_power(beta2, step)
        mu = beta1 * (1 - 0.5 * power(0.96, step * momentum_decay))
        mu_next = beta1 * (1 - 0.5 * power(0.96, (step + 1) * momentum_decay))
        mu_product = state.mu_product * mu
        grad_size = -rate * (1 - mu) / (1 - mu_product)
        moment_size = -rate * mu_next / (1 - mu_product * mu_next)

        def rule(grad: Array, param: Array | None, exp_avg: Array, exp_avg_sq: Array) -> tuple:
            grad = directed(grad, param, coupled, maximize)
            exp_avg, exp_avg_sq = _moments(exp_avg, exp_avg_sq, grad, beta1, beta2)
            denom = add(sqrt(div(exp_avg_sq, correction)), eps)
            move = scaled_ratio(exp_avg, denom, moment_size)
            start = scaled(grad, 0) if param is None else param
            moved = mul(given(param), 1 - rate * decoupled) if decoupled != 0 else start
            moved = addcdiv(moved, grad, denom, grad_size)
            return difference(moved, start) + move, exp_avg, exp_avg_sq

        updates, *moments = leafwise(rule, updates, params, state.exp_avg, state.exp_avg_sq)
        return updates, NAdamState(step, mu_product, *moments)

    return optax.GradientTransformation(init, update)


class RAdamState(NamedTuple):
    step: Array
    exp_avg: Any
    exp_avg_sq: Any


def RAdam(
    lr: Scheduled = 1e-3,
    betas: tuple[Scheduled, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0,
    decoupled_weight_decay: bool = False,
    *,
    maximize: bool = False,
) -> optax.GradientTransformation:
    """p <- p - lr m^ r_t sqrt(1 - beta2^t) / (sqrt(v) + eps) where rho_t > 5, else p - lr m^.

    m^ = m / (1 - beta1^t), rho = 2 / (1 - beta2) - 1, rho_t = rho - 2 t beta2^t / (1 - beta2^t)
    and r_t^2 = (rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t).
    Source: Liu et al., arXiv:1908.03265.
    """
    check(lr=lr, eps=eps, weight_decay=weight_decay)
    check_betas(betas)
    beta2 = betas[1]
    coupled, decoupled = _decays(weight_decay, decoupled_weight_decay)

    def init(params: Any) -> RAdamState:
        return RAdamState(counter(), buffers(params), buffers(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, RAdamState]:
        step = one_more(state.step)
        rate, beta1 = at(lr, state.step), at(betas[0], state.step)
        correction1 = complement_of_power(beta1, step)
        correction2 = jnp.sqrt(complement_of_power(beta2, step))
        tractable, rectifier = _rectification(beta2, step)

        def rule(grad: Array, param: Array | None, exp_avg: Array, exp_avg_sq: Array) -> tuple:
            grad = directed(grad, param, coupled, maximize)
            exp_avg, exp_avg_sq = _moments(exp_avg, exp_avg_sq, grad, beta1, beta2)
            plain = mul(div(exp_avg, correction1), rate)
            denom = add(sqrt(exp_avg_sq), eps)
            adaptive = mul(reciprocal(denom), correction2)
            rectified = mul(mul(plain, adaptive), rectifier)
            move = scaled(jnp.where(tractable, rectified, plain), -1)
            return _from_decayed(param, move, rate, decoupled), exp_avg, exp_avg_sq

        updates, *moments = leafwise(rule, updates, params, *state[1:])
        return updates, RAdamState(step, *moments)

    return optax.GradientTransformation(init, update)


def _rectification(beta2: float, step: Array) -> tuple[Array, Array]:
    """Whether rho_t > 5, and r_t where it is."""
    longest = 2 / (1 - beta2) - 1
    if longest <= 5:
        return jnp.asarray(False), real(1)
    length = _length(beta2, longest, step)
    tractable = length > 5
    length = jnp.where(tractable, length, 6)
    ratio = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return tractable, jnp.sqrt(ratio)


def _length(beta2: float, longest: float, step: Array) -> Array:
    """rho_t = rho - 2 t beta2^t / (1 - beta2^t).

    For beta2 = 0.999 that is 1999 less 1993 at t = 6, which leaves float32 four digits. There
    the subtrahend, 2 t / (exp(t x) - 1) with x = -log(beta2), is taken as 2 / x - 2 t g(t x),
    where g(y) = 1 / y - 1 / (exp(y) - 1) is tame, and rho - 2 / x is found in float64.
    """
    time = real(step)
    if time.dtype == jnp.float64:
        return longest - 2 * time * power(beta2, time) / complement_of_power(beta2, time)
    x = -math.log(beta2)
    y = time * x
    near = jnp.minimum(y, 1.0)
    series = 1 / 2 - near / 12 + near**3 / 720 - near**5 / 30240 + near**7 / 1209600
    far = 1 / jnp.maximum(y, 1.0) - 1 / jnp.expm1(jnp.maximum(y, 1.0))
    return (longest - 2 / x) + 2 * time * jnp.where(y < 1, series, far)


def _moments(
    exp_avg: Array, exp_avg_sq: Array, grad: Array, beta1: float | Array, beta2: float
) -> tuple[Array, Array]:
    square = addcmul(mul(exp_avg_sq, beta2), grad, grad, 1 - beta2)
    return lerp(exp_avg, grad, 1 - beta1), square


def _decays(weight_decay: float, decoupled: bool) -> tuple[float, float]:
    """The decay that joins the gradient and the one that shrinks the parameter."""
    return (0, weight_decay) if decoupled else (weight_decay, 0)


def _from_decayed(
    param: Array | None, move: Array, rate: float | Array, weight_decay: float
) -> Array:
    """`move` made from the shrunken parameter, which torch rounds before it moves on."""
    if weight_decay == 0:
        return move
    param = given(param)
    return difference(mul(param, 1 - rate * weight_decay), param) + move
