"""The atlas: activations, gradients at kinks and at ties."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from flax import nnx

from compare.cases.case import draw
from compare.run.atlas import Bench, Facts, gap
from jax_impl import activation, loss, pool, tensor
from jax_impl.normalization import layer_norm

ZERO = draw("n=3", "given", values=[-1.0, 0.0, 2.0])


def gelu(bench: Bench) -> Facts:
    def in_torch(x):
        return F.gelu(x)

    def naive(x):
        return jax.nn.gelu(x)

    def right(x):
        return activation.gelu(x)

    wide = draw("n=4001", "uniform", low=-6.0, high=6.0)
    facts = bench.sides(in_torch, naive, right, x=wide)
    exact = bench.value(lambda x: jax.nn.gelu(x, approximate=False), x=wide)
    tanh = bench.value(nnx.gelu, x=wide)
    return facts.note(
        largest_difference=np.abs(facts.value("naive") - facts.value("torch")).max(),
        nnx_gelu_minus_jax_nn_gelu=np.abs(tanh - facts.value("naive")).max(),
        with_approximate_False=gap(exact, facts.value("torch")),
    )


def relu_at_0(bench: Bench) -> Facts:
    def in_torch(x):
        return torch.func.grad(lambda x: F.relu(x).sum())(x)

    def naive(x):
        return jax.grad(lambda x: jnp.maximum(x, 0).sum())(x)

    def right(x):
        return jax.grad(lambda x: activation.relu(x).sum())(x)

    facts = bench.sides(in_torch, naive, right, x=ZERO)
    builtin = jax.grad(jax.nn.relu)(0.0)
    return at_kink(facts, 1).note(jax_nn_relu=builtin)


def abs_at_0(bench: Bench) -> Facts:
    def in_torch(x):
        return torch.func.grad(lambda x: x.abs().sum())(x)

    def naive(x):
        return jax.grad(lambda x: jnp.abs(x).sum())(x)

    def right(x):
        return jax.grad(lambda x: loss.l1_loss(x, jnp.zeros_like(x), reduction="sum"))(x)

    return at_kink(bench.sides(in_torch, naive, right, x=ZERO), 1)


def leaky_relu_at_0(bench: Bench) -> Facts:
    def in_torch(x):
        return torch.func.grad(lambda x: F.leaky_relu(x).sum())(x)

    def naive(x):
        return jax.grad(lambda x: jax.nn.leaky_relu(x).sum())(x)

    def right(x):
        return jax.grad(lambda x: activation.leaky_relu(x).sum())(x)

    return at_kink(bench.sides(in_torch, naive, right, x=ZERO), 1)


def clip_at_bound(bench: Bench) -> Facts:
    def in_torch(x):
        return torch.func.grad(lambda x: x.clamp(-1, 1).sum())(x)

    def naive(x):
        return jax.grad(lambda x: jnp.clip(x, -1, 1).sum())(x)

    def right(x):
        def clamp(x):
            return jnp.where((x >= -1) & (x <= 1), x, jax.lax.stop_gradient(jnp.clip(x, -1, 1)))

        return jax.grad(lambda x: clamp(x).sum())(x)

    bounds = draw("n=4", "given", values=[-2.0, 0.5, 1.0, 3.0])
    return at_kink(bench.sides(in_torch, naive, right, x=bounds), 2)


def norm_at_0(bench: Bench) -> Facts:
    def in_torch(x):
        return torch.func.grad(lambda x: torch.linalg.vector_norm(x))(x)

    def naive(x):
        return jax.grad(lambda x: jnp.linalg.norm(x))(x)

    def right(x):
        return jax.grad(lambda x: tensor.norm(x))(x)

    zeros = draw("n=3", "given", values=[0.0, 0.0, 0.0])
    facts = bench.sides(in_torch, naive, right, x=zeros)
    return facts.note(
        torch=facts.value("torch")[0], JAX_is_NaN=bool(np.isnan(facts.value("naive")[0]))
    )


def at_kink(facts: Facts, index: int) -> Facts:
    return facts.note(
        torch=facts.value("torch")[index],
        JAX=facts.value("naive")[index],
        jax_impl=facts.value("right")[index],
    )


def pool_ties(bench: Bench) -> Facts:
    def in_torch(x):
        return torch.func.grad(lambda x: F.max_pool2d(x, 2).sum())(x)

    def naive(x):
        return jax.grad(lambda x: nnx.max_pool(x, (2, 2), (2, 2)).sum())(x)

    def right(x):
        return jax.grad(lambda x: pool.max_pool2d(x, 2).sum())(x)

    ties = draw("n=1 c=1 h=2 w=2", "given", values=[1.0, 1.0, 1.0, 1.0])
    facts = bench.sides(in_torch, naive, right, x=ties)
    return facts.note(torch=facts.value("torch").ravel(), JAX=facts.value("naive").ravel())


def max_ties(bench: Bench) -> Facts:
    def in_torch(x):
        return torch.func.grad(lambda x: x.max())(x)

    def naive(x):
        return jax.grad(lambda x: x.max())(x)

    ties = draw("n=4", "given", values=[3.0, 1.0, 3.0, 0.0])
    facts = bench.sides(in_torch, naive, x=ties)
    return facts.note(torch=facts.value("torch"), JAX=facts.value("naive"))


def loss_equal_gradients_not(bench: Bench) -> Facts:
    """Two ports with one loss and other gradients: a stop_gradient where none belongs."""

    def in_torch(x, weight):
        def call(x):
            return F.layer_norm(x @ weight, (5,)).pow(3).sum()

        return call(x), torch.func.grad(call)(x)

    def naive(x, weight):
        def call(x):
            y = x @ weight
            mean = jax.lax.stop_gradient(y.mean(-1, keepdims=True))
            variance = jax.lax.stop_gradient(y.var(-1, keepdims=True))
            return (((y - mean) / jnp.sqrt(variance + 1e-5)) ** 3).sum()

        return call(x), jax.grad(call)(x)

    def right(x, weight):
        def call(x):
            return (layer_norm(x @ weight, (5,)) ** 3).sum()

        return call(x), jax.grad(call)(x)

    facts = bench.sides(in_torch, naive, right, out=("", "n k"), x="n=6 k=4", weight="k=4 j=5")
    return facts.note(
        loss_gap=gap(facts.value("naive"), facts.value("torch")),
        gradient_gap=gap(facts.value("naive", 1), facts.value("torch", 1)),
    )
