"""The atlas: what else study notes use of torch."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.stats
import torch
import torch.nn.functional as F
from flax import nnx
from torch import nn

from compare.cases.case import draw
from compare.run.atlas import Bench, Facts, host
from jax_impl import activation, init, tensor

TIES = {
    "a": draw("n=4", "given", values=[1.0, -2.0, 0.5, 3.0]),
    "b": draw("n=4", "given", values=[0.0, 2.0, 0.5, -1.0]),
}


def creation(bench: Bench) -> Facts:
    def in_torch(x):
        made = [torch.ones(2, 3), torch.zeros(2, 3), torch.ones_like(x), torch.zeros_like(x)]
        return [one.to(x.dtype) for one in made]

    def right(x):
        made = [
            tensor.ones(2, 3),
            tensor.zeros(2, 3),
            tensor.ones_like(x),
            tensor.zeros_like(x),
        ]
        return [one.astype(x.dtype) for one in made]

    facts = bench.sides(in_torch, right, x="a=2 b=3")
    torch.manual_seed(bench.seed)
    keys = jax.random.split(jax.random.key(bench.seed))
    drawn = {
        "torch_randn": host(torch.randn(20000)),
        "JAX_randn": host(tensor.randn(20000, key=keys[0])),
        "torch_normal": (host(torch.normal(2.0, 3.0, (20000,))) - 2) / 3,
        "JAX_normal": (host(tensor.normal(2.0, 3.0, (20000,), key=keys[1])) - 2) / 3,
    }
    for name, values in drawn.items():
        facts.note(**{f"{name}_p": scipy.stats.kstest(values.astype(float), "norm").pvalue})
    return facts.note(dtypes_of_ones=[str(torch.ones(1).dtype), str(tensor.ones(1).dtype)])


def parameter(bench: Bench) -> Facts:
    """nn.Parameter is what a layer counts among its parameters; nnx.Param is its twin."""

    def in_torch():
        layer = nn.Module()
        layer.weight, layer.other = nn.Parameter(torch.ones(3)), torch.ones(3)
        return len(list(layer.parameters())), layer.weight.requires_grad

    def right():
        layer = nnx.Module()
        layer.weight, layer.other = nnx.Param(jnp.ones(3)), nnx.Variable(jnp.ones(3))
        return len(jax.tree.leaves(nnx.state(layer, nnx.Param))), True

    return bench.sides(in_torch, right).note(
        an_optimizer_takes_them=type(torch.optim.SGD([nn.Parameter(torch.ones(1))])).__name__,
        optax_takes_them=type(optax.sgd(0.1).init(nnx.Param(jnp.ones(1)))).__name__,
    )


def init_functions(bench: Bench) -> Facts:
    def in_torch():
        torch.manual_seed(0)
        weight = nn.init.normal_(torch.empty(200, 100), std=0.01)
        return bool(abs(weight.std() - 0.01) < 2e-4)

    def right():
        weight = nnx.Param(jnp.zeros((200, 100), jnp.float32))
        init.normal_(weight, std=0.01, generator=nnx.Rngs(0))
        return bool(abs(weight[...].std() - 0.01) < 2e-4)

    facts = bench.sides(in_torch, right)
    return facts.note(
        normal_exists=hasattr(nn.init, "normal_"),
        randn_exists=hasattr(nn.init, "randn_"),
        normal_keeps_its_deviation=bool(facts.value("torch")),
    )


def elementwise(bench: Bench) -> Facts:
    def in_torch(a, b):
        return torch.max(a, b), torch.min(a, b), F.relu(a), torch.sigmoid(a)

    def right(a, b):
        return tensor.max(a, b), tensor.min(a, b), activation.relu(a), activation.sigmoid(a)

    facts = bench.sides(in_torch, right, **TIES)
    whole = torch.max(torch.tensor([1.0, 3.0, 2.0]), 0)
    return facts.note(
        larger_of_two=facts.value("torch"),
        smaller_of_two=facts.value("torch", 1),
        max_along_an_axis_has_indices_too=hasattr(whole, "indices"),
    )


def norms(bench: Bench) -> Facts:
    def in_torch(x):
        return [torch.norm(x, p) for p in (1, 2, 3, float("inf"))]

    def right(x):
        return [tensor.norm(x, p) for p in (1, 2, 3, float("inf"))]

    facts = bench.sides(in_torch, right, out="", x="a=3 b=4")
    x = np.abs(bench.array("x", "a=3 b=4")).ravel()
    by_hand = [x.sum(), np.sqrt((x**2).sum()), np.cbrt((x**3).sum()), x.max()]
    gaps = [abs(facts.value("torch", i) - one) / one for i, one in enumerate(by_hand)]
    return facts.note(largest_gap_to_the_formula=max(gaps))


def optimizers(bench: Bench) -> Facts:
    """torch.optim's step is in place; optax's gives updates, which are added."""

    def in_torch(x):
        weight = nn.Parameter(x.clone())
        weight.square().sum().backward()
        torch.optim.SGD([weight], lr=0.1).step()
        return weight

    def right(x):
        from jax_impl.optim import SGD

        gradient = jax.grad(lambda w: jnp.square(w).sum())(x)
        rule = SGD(lr=0.1)
        updates, _ = rule.update(gradient, rule.init(x), x)
        return optax.apply_updates(x, updates)

    facts = bench.sides(in_torch, right, x="a=3 b=4")
    return facts.note(
        left_of_the_weight=(facts.value("torch") / bench.array("x", "a=3 b=4")).mean(),
    )
