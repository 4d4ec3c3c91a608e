"""The atlas: where ports of optimizers go wrong. Given are a start (k) and gradients (t, k)."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch

from compare.cases.case import draw
from compare.run import naive as ports
from compare.run.atlas import Bench, Facts, error_of, gap, host
from jax_impl import optim, optim_adam

STEPS = {"x": "k=5", "gradients": "t=20 k=5"}


def in_torch_steps(make, x, gradients):
    """The parameter after each step of the optimizer that `make` gives."""
    weight = torch.nn.Parameter(x.clone())
    optimizer, path = make([weight]), []
    for gradient in gradients:
        weight.grad = gradient
        optimizer.step()
        path.append(weight.detach().clone())
    return torch.stack(path)


def in_jax_steps(rule, x, gradients):
    """The same of an optax rule."""

    def step(carry, gradient):
        x, state = carry
        updates, state = rule.update(gradient, state, x)
        x = optax.apply_updates(x, updates)
        return (x, state), x

    return jax.lax.scan(step, (x, rule.init(x)), gradients)[1]


def adamw_decay(bench: Bench) -> Facts:
    def in_torch(x, gradients):
        return in_torch_steps(lambda p: torch.optim.AdamW(p, lr=0.01), x, gradients)

    def naive(x, gradients):
        return in_jax_steps(optax.adamw(0.01), x, gradients)

    def right(x, gradients):
        return in_jax_steps(optim_adam.AdamW(lr=0.01), x, gradients)

    long = {"x": "k=5", "gradients": "t=200 k=5"}
    facts = bench.sides(in_torch, naive, right, **long)
    matched = bench.value(
        lambda *a: in_jax_steps(optax.adamw(0.01, weight_decay=1e-2), *a), **long
    )
    return facts.note(
        torch_default=torch.optim.AdamW([torch.zeros(1)]).defaults["weight_decay"],
        optax_default=inspect.signature(optax.adamw).parameters["weight_decay"].default,
        optax_with_matched_arguments_after_200_steps=gap(matched, facts.value("torch")),
    )


def adam_l2(bench: Bench) -> Facts:
    def in_torch(x, gradients):
        make = torch.optim.Adam
        return in_torch_steps(lambda p: make(p, lr=0.01, weight_decay=0.1), x, gradients)

    def naive(x, gradients):
        return in_jax_steps(optax.adamw(0.01, weight_decay=0.1), x, gradients)

    def right(x, gradients):
        return in_jax_steps(optim_adam.Adam(lr=0.01, weight_decay=0.1), x, gradients)

    facts = bench.sides(in_torch, naive, right, **STEPS)
    chained = optax.chain(optax.add_decayed_weights(0.1), optax.adam(0.01))
    found = bench.value(lambda *a: in_jax_steps(chained, *a), **STEPS)
    return facts.note(decay_added_before_adam=gap(found, facts.value("torch")))


def rmsprop(bench: Bench) -> Facts:
    def in_torch(x, gradients):
        make = torch.optim.RMSprop
        return in_torch_steps(lambda p: make(p, lr=0.01, alpha=0.9, eps=1e-2), x, gradients)

    def naive(x, gradients):
        return in_jax_steps(optax.rmsprop(0.01, decay=0.9, eps=1e-2), x, gradients)

    def right(x, gradients):
        return in_jax_steps(optim.RMSprop(lr=0.01, alpha=0.9, eps=1e-2), x, gradients)

    facts = bench.sides(in_torch, naive, right, **STEPS)
    outside = optax.rmsprop(0.01, decay=0.9, eps=1e-2, eps_in_sqrt=False)
    found = bench.value(lambda *a: in_jax_steps(outside, *a), **STEPS)
    return facts.note(
        with_eps_in_sqrt_False=gap(found, facts.value("torch")),
        torch_alpha=torch.optim.RMSprop([torch.zeros(1)]).defaults["alpha"],
        optax_decay=inspect.signature(optax.rmsprop).parameters["decay"].default,
    )


def adagrad(bench: Bench) -> Facts:
    def in_torch(x, gradients):
        return in_torch_steps(lambda p: torch.optim.Adagrad(p, lr=0.1), x, gradients)

    def naive(x, gradients):
        return in_jax_steps(optax.adagrad(0.1), x, gradients)

    def right(x, gradients):
        return in_jax_steps(optim.Adagrad(lr=0.1), x, gradients)

    facts = bench.sides(in_torch, naive, right, **STEPS)
    same = optax.adagrad(0.1, initial_accumulator_value=0.0, eps=1e-10)
    found = bench.value(lambda *a: in_jax_steps(same, *a), **STEPS)
    names = ("initial_accumulator_value", "eps")
    theirs = inspect.signature(optax.adagrad).parameters
    ours = torch.optim.Adagrad([torch.zeros(1)]).defaults
    first = np.abs(facts.value("naive")[0] - facts.value("torch")[0]).max()
    return facts.note(
        torch_start_and_eps=[ours[name] for name in names],
        optax_start_and_eps=[
            theirs["initial_accumulator_value"].default,
            theirs["eps"].default,
        ],
        apart_after_one_step=first,
        with_torchs_arguments=gap(found, facts.value("torch")),
    )


def dampening(bench: Bench) -> Facts:
    def in_torch(x, gradients):
        def make(p):
            return torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5)

        return in_torch_steps(make, x, gradients)

    def naive(x, gradients):
        return in_jax_steps(optax.sgd(0.1, momentum=0.9), x, gradients)

    def right(x, gradients):
        return in_jax_steps(optim.SGD(lr=0.1, momentum=0.9, dampening=0.5), x, gradients)

    facts = bench.sides(in_torch, naive, right, **STEPS)
    return facts.note(
        optax_has_dampening="dampening" in inspect.signature(optax.sgd).parameters
    )


def clipping(bench: Bench) -> Facts:
    def in_torch(gradient):
        weight = torch.nn.Parameter(torch.zeros_like(gradient))
        weight.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_([weight], 0.01)
        return weight.grad

    def naive(gradient):
        return ports.clip_by_global_norm(gradient, 0.01)[1]

    def right(gradient):
        return optim.clip_grad_norm_(gradient, 0.01)[1]

    small = draw("k=5", std=0.01, mean=0.0)
    facts = bench.sides(in_torch, naive, right, gradient=small)
    length = float(np.linalg.norm(bench.array("gradient", small)))
    return facts.note(
        norm=length,
        relative_difference=gap(facts.value("naive"), facts.value("torch")),
        of_1e6_over_the_norm=gap(facts.value("naive"), facts.value("torch")) * length / 1e-6,
    )


def amsgrad(bench: Bench) -> Facts:
    def in_torch(x, gradients):
        make = torch.optim.Adam
        return in_torch_steps(lambda p: make(p, lr=0.01, amsgrad=True), x, gradients)

    def naive(x, gradients):
        return in_jax_steps(optax.amsgrad(0.01), x, gradients)

    def right(x, gradients):
        return in_jax_steps(optim_adam.Adam(lr=0.01, amsgrad=True), x, gradients)

    return bench.sides(in_torch, naive, right, **STEPS)


def matched(bench: Bench) -> Facts:
    """SGD, momentum, Nesterov, Adam: what agrees as it is."""

    def in_torch(x, gradients):
        sgd, adam = torch.optim.SGD, torch.optim.Adam
        makes = [
            lambda p: sgd(p, lr=0.1),
            lambda p: sgd(p, lr=0.1, momentum=0.9),
            lambda p: sgd(p, lr=0.1, momentum=0.9, nesterov=True),
            lambda p: adam(p, lr=0.1),
        ]
        return [in_torch_steps(make, x, gradients) for make in makes]

    def naive(x, gradients):
        sgd, adam = optax.sgd, optax.adam
        nesterov = sgd(0.1, momentum=0.9, nesterov=True)
        rules = [sgd(0.1), sgd(0.1, momentum=0.9), nesterov, adam(0.1)]
        return [in_jax_steps(rule, x, gradients) for rule in rules]

    return bench.sides(in_torch, naive, **STEPS)


def in_place(bench: Bench) -> Facts:
    """An optax update that is not written back trains nothing, and nothing says so."""

    def in_torch(x, gradients):
        return in_torch_steps(lambda p: torch.optim.SGD(p, lr=0.1), x, gradients)

    def naive(x, gradients):
        rule, path = optax.sgd(0.1), []
        for gradient in gradients:
            rule.update(gradient, rule.init(x), x)
            path.append(x)
        return jnp.stack(path)

    def right(x, gradients):
        return in_jax_steps(optim.SGD(lr=0.1), x, gradients)

    facts = bench.sides(in_torch, naive, right, x="k=5", gradients="t=3 k=5")
    frozen = jnp.zeros(3)
    return facts.note(
        moved=np.abs(facts.value("naive") - host(bench.array("x", "k=5"))).max(),
        item_assignment=error_of(lambda: frozen.__setitem__(0, 1.0)),
    )
