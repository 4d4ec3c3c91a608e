"""JAX's side of the trial: the right optimizers as functions, and the mutants it adds.

Never import the mutants to compute: each is wrong in one known way, or in none that shows.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jax import lax

from jax_impl import activation, bert_attention, linear, optim, optim_adam


def adamw(
    weight: jax.Array,
    gradients: jax.Array,
    lr: float,
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> jax.Array:
    """`weight` after a step of AdamW for each row of `gradients`."""
    optimizer = optim_adam.AdamW(lr, eps=eps, weight_decay=weight_decay)

    def step(carried: tuple, gradient: jax.Array) -> tuple:
        weight, state = carried
        updates, state = optimizer.update(gradient, state, weight)
        return (optax.apply_updates(weight, updates), state), None

    (weight, _), _ = lax.scan(step, (weight, optimizer.init(weight)), gradients)
    return weight


def clipped(gradient: jax.Array, max_norm: float) -> jax.Array:
    """`gradient`, clipped to a norm of `max_norm`."""
    return optim.clip_grad_norm_(gradient, max_norm)[1]


def clipped_by_optax(gradient: jax.Array, max_norm: float) -> jax.Array:
    """max_norm / norm, without the 1e-6 that torch adds to the norm."""
    clipped, _ = optax.clip_by_global_norm(max_norm).update(gradient, optax.EmptyState())
    return jnp.asarray(clipped)


def linear_bfloat16(input: jax.Array, weight: jax.Array) -> jax.Array:
    """The product of operands rounded to bfloat16: a TPU's default precision."""
    narrow = (x.astype(jnp.bfloat16).astype(x.dtype) for x in (input, weight))
    return linear.linear(*narrow)


def gelu_one_wrong(input: jax.Array) -> jax.Array:
    """One element is off by a hundredth."""
    return activation.gelu(input).at[-1, -1].add(0.01)


def gelu_noisy(input: jax.Array) -> jax.Array:
    """Errors of mean 0 and standard deviation 0.1."""
    noise = jax.random.normal(jax.random.key(0), input.shape, input.dtype)
    return activation.gelu(input) + 0.1 * (noise - noise.mean())


def attention_unseen(query, key, value, attention_mask, dropout):
    """A row that sees no token gets the mean of all values; torch's attention gives 0."""
    bias = jnp.where(attention_mask, 0, jnp.finfo(query.dtype).min).astype(query.dtype)
    return bert_attention.eager_attention(query, key, value, bias, dropout)
