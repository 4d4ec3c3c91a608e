"""The atlas: schedules, and where training starts."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.stats
import torch
from flax import nnx
from torch import nn
from torch.optim import lr_scheduler

from compare.run.atlas import Bench, Facts, host
from jax_impl import embedding, linear, schedule, schedule_warmup


def torch_rates(make, count):
    """The rates of `count` steps of SGD at 0.1 under the schedule that `make` gives."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler, rates = make(optimizer), []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return torch.tensor(rates, dtype=torch.float64)


def jax_rates(rate, count):
    return jnp.stack([jnp.asarray(rate(step), jnp.result_type(float)) for step in range(count)])


def off_by_one(bench: Bench) -> Facts:
    def in_torch():
        return torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 20), 20)

    def naive():
        return jnp.array([0.05 * (1 + math.cos(math.pi * t / (20 - 1))) for t in range(20)])

    def right():
        return jax_rates(schedule.CosineAnnealingLR(0.1, 20), 20)

    facts = bench.sides(in_torch, naive, right)
    return facts.note(
        last_in_torch=facts.value("torch")[-1], last_by_hand=facts.value("naive")[-1]
    )


def alike(bench: Bench) -> Facts:
    def in_torch():
        return (
            torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 20), 20),
            torch_rates(lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, 10), 20),
        )

    def naive():
        rules = [optax.cosine_decay_schedule(0.1, 20), optax.linear_schedule(0.01, 0.1, 10)]
        return [jax_rates(rule, 20) for rule in rules]

    def right():
        rules = [schedule.CosineAnnealingLR(0.1, 20), schedule.LinearLR(0.1, 0.1, 1.0, 10)]
        return [jax_rates(rule, 20) for rule in rules]

    return bench.sides(in_torch, naive, right)


def warmup_cosine(bench: Bench) -> Facts:
    """10 steps of rise, 30 of fall: decay_steps is 40, not 30."""

    def in_torch():
        def factor(t):
            return t / 10 if t < 10 else (1 + math.cos(math.pi * (t - 10) / 30)) / 2

        return torch_rates(lambda o: lr_scheduler.LambdaLR(o, factor), 40)

    def naive():
        return jax_rates(optax.warmup_cosine_decay_schedule(0.0, 0.1, 10, decay_steps=30), 40)

    def right():
        return jax_rates(schedule_warmup.get_cosine_schedule_with_warmup(0.1, 10, 40), 40)

    facts = bench.sides(in_torch, naive, right)
    whole = optax.warmup_cosine_decay_schedule(0.0, 0.1, 10, decay_steps=40)
    found = bench.value(lambda: jax_rates(whole, 40))
    apart = np.abs(found - facts.value("torch")).max()
    return facts.note(with_the_rise_included=apart / 0.1)


def past_the_end(bench: Bench) -> Facts:
    def in_torch():
        return torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 10), 20)

    def naive():
        return jax_rates(optax.cosine_decay_schedule(0.1, 10), 20)

    def right():
        return jax_rates(schedule.CosineAnnealingLR(0.1, 10), 20)

    facts = bench.sides(in_torch, naive, right)
    return facts.note(
        torch_at_15=facts.value("torch")[15], optax_at_15=facts.value("naive")[15]
    )


def one_cycle(bench: Bench) -> Facts:
    def in_torch():
        return torch_rates(lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=20), 19)

    def naive():
        return jax_rates(optax.cosine_onecycle_schedule(20, 1.0, 0.3), 19)

    def right():
        return jax_rates(schedule_warmup.OneCycleLR(1.0, total_steps=20), 19)

    facts = bench.sides(in_torch, naive, right)
    return facts.note(
        torch_peaks_at=int(facts.value("torch").argmax()),
        optax_peaks_at=int(facts.value("naive").argmax()),
    )


def first_weights(bench: Bench) -> Facts:
    """Linear(256, 256) and Embedding(256, 256) as constructors draw them."""

    def in_torch():
        layer, table = nn.Linear(256, 256), nn.Embedding(256, 256)
        return (
            near(layer.weight, 1 / math.sqrt(768)),
            (layer.bias != 0).any(),
            near(table.weight, 1),
        )

    def naive():
        layer = nnx.Linear(256, 256, rngs=nnx.Rngs(0))
        table = nnx.Embed(256, 256, rngs=nnx.Rngs(0)).embedding[...]
        drawn = (layer.bias[...] != 0).any()
        return near(layer.kernel[...], 1 / math.sqrt(768)), drawn, near(table, 1)

    def right():
        layer = linear.Linear(256, 256, rngs=nnx.Rngs(0))
        table = embedding.Embedding(256, 256, rngs=nnx.Rngs(0)).weight[...]
        drawn = (layer.bias[...] != 0).any()
        return near(layer.weight[...], 1 / math.sqrt(768)), drawn, near(table, 1)

    facts = bench.sides(in_torch, naive, right)
    torch.manual_seed(bench.seed)
    rngs = nnx.Rngs(bench.seed)
    weights = {
        "torch": nn.Linear(256, 256).weight,
        "Flax": nnx.Linear(256, 256, rngs=rngs).kernel,
        "JAX": linear.Linear(256, 256, rngs=rngs).weight,
    }
    for side, weight in weights.items():
        values, bound = host(weight).ravel().astype(np.float64), 1 / 16
        uniform = scipy.stats.kstest(values, "uniform", args=(-bound, 2 * bound)).pvalue
        facts.note(**{f"{side}_deviation": values.std(), f"{side}_p_of_uniform": uniform})
    tables = [nn.Embedding(256, 256).weight, nnx.Embed(256, 256, rngs=rngs).embedding]
    return facts.note(
        torch_Embedding_deviation=host(tables[0]).std(),
        Flax_Embedding_deviation=host(tables[1]).std(),
        Flax_largest_bias=float(jnp.abs(nnx.Linear(4, 4, rngs=rngs).bias[...]).max()),
    )


def near(values, deviation):
    """Whether the deviation of 65,536 draws is `deviation`, within 2 %."""
    return bool(abs(values.std() / deviation - 1) < 0.02)


def seeds(bench: Bench) -> Facts:
    """Five seeds of a small classifier of digits; the naive port has the tanh GELU."""
    from compare.run.batches import digits

    (images, labels), (test, wanted) = digits(bench.seed).train, digits(bench.seed).test
    images, test = (x.reshape(len(x), -1)[:, ::4] for x in (images[:600], test))
    starts = bench.rng("starts").normal(0, 0.1, (5, images.shape[1] + 10, 24))
    label = labels[:600]

    def in_torch(x, starts, target, test):
        return [trained_by_torch(nn.functional.gelu, w, x, target, test) for w in starts]

    def naive(x, starts, target, test):
        return [trained_by_jax(jax.nn.gelu, w, x, target, test) for w in starts]

    def right(x, starts, target, test):
        def gelu(x):
            return jax.nn.gelu(x, approximate=False)

        return [trained_by_jax(gelu, w, x, target, test) for w in starts]

    given = {"x": images.astype(float), "starts": starts, "target": label, "test": test}
    facts = bench.sides(in_torch, naive, right, **given)
    right_of = {
        side: [int((facts.value(side, i).argmax(1) == wanted).sum()) for i in range(5)]
        for side in ("torch", "naive")
    }
    spread = max(right_of["torch"]) - min(right_of["torch"])
    moved = max(abs(a - b) for a, b in zip(*right_of.values(), strict=True))
    return facts.note(
        torch_right=right_of["torch"],
        port_right=right_of["naive"],
        of=len(wanted),
        spread_over_seeds=spread,
        moved_by_the_mistake=moved,
        spread_beyond_the_mistake=spread - moved,
    )


def trained_by_torch(activation, start, x, target, test):
    """Scores of `test` after 40 steps of gradient descent; start holds both layers."""
    weights = [w.clone().requires_grad_() for w in (start[:-10], start[-10:].T)]
    for _ in range(40):
        scores = activation(x @ weights[0]) @ weights[1]
        loss = nn.functional.cross_entropy(scores, target)
        slopes = torch.autograd.grad(loss, weights)
        weights = [
            (w - 0.5 * g).detach().requires_grad_()
            for w, g in zip(weights, slopes, strict=True)
        ]
    return activation(test.to(x.dtype) @ weights[0]) @ weights[1]


def trained_by_jax(activation, start, x, target, test):
    def loss(weights):
        scores = activation(x @ weights[0]) @ weights[1]
        return optax.softmax_cross_entropy_with_integer_labels(scores, target).mean()

    def step(weights, _):
        slopes = jax.grad(loss)(weights)
        return [w - 0.5 * g for w, g in zip(weights, slopes, strict=True)], None

    weights, _ = jax.lax.scan(step, [start[:-10], start[-10:].T], length=40)
    return activation(test.astype(x.dtype) @ weights[0]) @ weights[1]
