"""The atlas: activations, gradients at kinks and at ties."""

from __future__ import annotations

from compare.cases.atlas import (
    AGREES,
    DIFFERS,
    NAIVE_SERVES,
    Row,
    about,
    apart,
    equal,
    rounding,
)

ROWS = [
    Row(
        "G21",
        "jax.nn.gelu is the tanh form by default, torch's the exact one: 4.7e-4 apart.",
        "autodiff.gelu",
        (
            DIFFERS,
            about("largest difference", 4.7e-4),
            equal("nnx gelu minus jax nn gelu", 0.0),
            rounding("with approximate False"),
        ),
        "jax#4428, #4438, #1556",
        quick=True,
    ),
    Row(
        "G43a",
        "At 0 jnp.maximum(x, 0) has slope 1/2; torch's relu has 0, and so has jax.nn.relu.",
        "autodiff.relu_at_0",
        (DIFFERS, equal("torch", 0.0), equal("JAX", 0.5), equal("jax nn relu", 0.0)),
        "measured",
        quick=True,
    ),
    Row(
        "G43b",
        "At 0 jnp.abs has slope 1, torch's 0.",
        "autodiff.abs_at_0",
        (DIFFERS, equal("torch", 0.0), equal("JAX", 1.0)),
        "measured",
    ),
    Row(
        "G43c",
        "At 0 jax.nn.leaky_relu has slope 1, torch's the slope of the negative side.",
        "autodiff.leaky_relu_at_0",
        (DIFFERS, equal("torch", 0.01), equal("JAX", 1.0)),
        "measured",
    ),
    Row(
        "G43d",
        "At its bound jnp.clip has slope 1/2, torch's clamp 1.",
        "autodiff.clip_at_bound",
        (DIFFERS, equal("torch", 1.0), equal("JAX", 0.5)),
        "measured",
    ),
    Row(
        "G43e",
        "The norm of zeros has gradient NaN in jnp, 0 in torch.",
        "autodiff.norm_at_0",
        (DIFFERS, equal("torch", 0.0), equal("JAX is NaN", True)),
        "jax#3058, #21723, #26248, #39792",
    ),
    Row(
        "G44a",
        "Where a window's maximum is tied max-pooling's gradient goes to the first, on both "
        "sides.",
        "autodiff.pool_ties",
        (NAIVE_SERVES, equal("torch", [1.0, 0, 0, 0]), AGREES),
        "measured",
    ),
    Row(
        "G44b",
        "A tied max() of all elements shares its gradient evenly, on both sides.",
        "autodiff.max_ties",
        (NAIVE_SERVES, equal("torch", [0.5, 0, 0.5, 0])),
        "measured",
    ),
    Row(
        "G53",
        "Gradients can differ though the loss is equal: a check of the forward pass alone "
        "does not see it.",
        "autodiff.loss_equal_gradients_not",
        (DIFFERS, rounding("loss gap"), apart("gradient gap")),
        "jax#22101, #23646; Paddle#48596; eqxvision#73",
    ),
]
