"""The atlas: batch normalisation."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from flax import nnx
from torch import nn

from compare.cases.case import draw
from compare.run.atlas import Bench, Facts, gap, host, x64
from jax_impl import norm

IMAGE = draw("n=4 c=3 h=5 w=6", mean=1.5)


def shape_and_defaults(bench: Bench) -> Facts:
    def in_torch(x):
        return nn.BatchNorm2d(3).to(x.dtype)(x)

    def right(x):
        return norm.BatchNorm2d(3, dtype=x.dtype)(x)

    facts = bench.sides(in_torch, right, x=IMAGE)
    return facts.note(
        torch_defaults=defaults(nn.BatchNorm2d),
        JAX_defaults=defaults(norm.BatchNorm2d),
        shape=facts.value("torch").shape,
    )


def defaults(layer: type) -> list[str]:
    wanted = ("eps", "momentum", "affine", "track_running_stats")
    given = inspect.signature(layer.__init__).parameters
    return [f"{name}={given[name].default}" for name in wanted]


def per_channel(bench: Bench) -> Facts:
    def in_torch(x):
        layer = nn.BatchNorm2d(3, momentum=1.0).to(x.dtype)
        layer(x)
        return layer.running_mean, layer.running_var

    def right(x):
        layer = norm.BatchNorm2d(3, momentum=1.0, dtype=x.dtype)
        layer(x)
        return layer.running_mean, layer.running_var

    facts = bench.sides(in_torch, right, x=IMAGE)
    x = bench.array("x", IMAGE)
    return facts.note(
        means=len(facts.value("torch")),
        gap_to_the_mean_by_hand=gap(facts.value("torch"), x.mean((0, 2, 3))),
        gap_to_the_variance_by_hand=gap(facts.value("torch", 1), x.var((0, 2, 3), ddof=1)),
    )


def first_leaves(bench: Bench) -> Facts:
    """Whatever the batch: of 1, 4 and 9 images."""

    def in_torch(x):
        layer = nn.BatchNorm2d(3).to(x.dtype)
        layer(x)
        return layer.weight, layer.bias

    def right(x):
        layer = norm.BatchNorm2d(3, dtype=x.dtype)
        layer(x)
        return layer.weight, layer.bias

    shapes = set()
    for batch in (1, 4, 9):
        facts = bench.sides(in_torch, right, x=f"n={batch} c=3 h=5 w=6")
        shapes |= {facts.value("torch", i).shape for i in (0, 1)}
    weight, bias = facts.value("torch"), facts.value("torch", 1)
    return facts.note(
        shapes=sorted(map(list, shapes)), weight=weight.tolist(), bias=bias.tolist()
    )


def momentum(bench: Bench) -> Facts:
    """One training call, with momentum 0.1 and 0.9: what it changed."""

    def in_torch(x):
        kept = []
        for momentum in (0.1, 0.9):
            layer = nn.BatchNorm2d(3, momentum=momentum).to(x.dtype)
            layer(x)
            kept += [layer.weight, layer.bias, layer.running_mean]
        return kept

    def right(x):
        kept = []
        for momentum in (0.1, 0.9):
            layer = norm.BatchNorm2d(3, momentum=momentum, dtype=x.dtype)
            layer(x)
            kept += [layer.weight, layer.bias, layer.running_mean]
        return kept

    facts = bench.sides(in_torch, right, x=IMAGE)
    mean = bench.array("x", IMAGE).mean((0, 2, 3))
    return facts.note(
        gamma_moved_by=np.abs(facts.value("torch", 3) - 1).max(),
        beta_moved_by=np.abs(facts.value("torch", 4)).max(),
        running_mean_over_mean_at_01=(facts.value("torch", 2) / mean)[0],
        running_mean_over_mean_at_09=(facts.value("torch", 5) / mean)[0],
    )


def not_affine(bench: Bench) -> Facts:
    def in_torch(x):
        return nn.BatchNorm2d(3, affine=False).to(x.dtype)(x)

    def right(x):
        return norm.BatchNorm2d(3, affine=False, dtype=x.dtype)(x)

    facts = bench.sides(in_torch, right, x=IMAGE)
    layer = norm.BatchNorm2d(3, affine=False)
    by_hand = F.batch_norm(torch.tensor(bench.array("x", IMAGE)), None, None, training=True)
    return facts.note(
        learned_in_torch=len(list(nn.BatchNorm2d(3, affine=False).parameters())),
        learned_in_JAX=len(jax.tree.leaves(nnx.state(layer, nnx.Param))),
        gap_to_gamma_1_and_beta_0=gap(facts.value("torch"), host(by_hand)),
    )


def untracked(bench: Bench) -> Facts:
    """Without running statistics evaluation, too, takes those of the batch at hand."""

    def in_torch(x):
        layer = nn.BatchNorm2d(3, track_running_stats=False).to(x.dtype)
        training = layer(x)
        return training, layer.eval()(x), len(dict(layer.named_buffers()))

    def right(x):
        layer = norm.BatchNorm2d(3, track_running_stats=False, dtype=x.dtype)
        training = layer(x)
        layer.eval()
        return training, layer(x), len(jax.tree.leaves(nnx.state(layer, nnx.BatchStat)))

    facts = bench.sides(in_torch, right, x=IMAGE)
    tracked = nn.BatchNorm2d(3).double()
    x = torch.tensor(bench.array("x", IMAGE))
    training, evaluation = tracked(x), tracked.eval()(x)
    return facts.note(
        untracked_evaluation_minus_training=np.abs(
            facts.value("torch", 1) - facts.value("torch")
        ).max(),
        buffers_untracked=int(facts.value("torch", 2)),
        buffers_tracked=len(dict(tracked.named_buffers())),
        tracked_evaluation_minus_training=host((evaluation - training).abs().max()),
    )


def no_momentum(bench: Bench) -> Facts:
    """momentum=None over three batches: the plain mean of their statistics."""

    def in_torch(x):
        layer = nn.BatchNorm2d(3, momentum=None).to(x.dtype)
        for batch in (x, 2 * x, x - 1):
            layer(batch)
        return layer.running_mean, layer.running_var, layer.num_batches_tracked

    def right(x):
        layer = norm.BatchNorm2d(3, momentum=None, dtype=x.dtype)
        for batch in (x, 2 * x, x - 1):
            layer(batch)
        return layer.running_mean, layer.running_var, layer.num_batches_tracked

    facts = bench.sides(in_torch, right, x=IMAGE)
    x = bench.array("x", IMAGE)
    batches = (x, 2 * x, x - 1)
    means = np.mean([one.mean((0, 2, 3)) for one in batches], 0)
    variances = np.mean([one.var((0, 2, 3), ddof=1) for one in batches], 0)
    return facts.note(
        gap_to_the_mean_of_means=gap(facts.value("torch"), means),
        gap_to_the_mean_of_variances=gap(facts.value("torch", 1), variances),
        batches_counted=int(facts.value("torch", 2)),
    )


def running_statistics(bench: Bench) -> Facts:
    """What track_running_stats=True does: 50 training calls, then evaluation."""

    def in_torch(x):
        layer = nn.BatchNorm2d(3).to(x.dtype)
        for _ in range(50):
            layer(x)
        return layer.running_mean, layer.eval()(x)

    def right(x):
        layer = norm.BatchNorm2d(3, dtype=x.dtype)
        for _ in range(50):
            layer(x)
        layer.eval()
        return layer.running_mean, layer(x)

    facts = bench.sides(in_torch, right, out=("c", "n c h w"), x=IMAGE)
    mean = bench.array("x", IMAGE).mean((0, 2, 3))
    left = 1 - facts.value("torch") / mean
    with x64():
        still = norm.BatchNorm2d(3, dtype=jnp.float64)
        still.eval()
        still(jnp.ones((4, 5, 6, 3)))
    return facts.note(
        distance_left_after_50_calls=left[0],
        as_the_formula_says=0.9**50,
        gap_to_the_formula=gap(facts.value("torch"), (1 - 0.9**50) * mean),
        moved_by_evaluation_in_JAX=float(jnp.abs(still.running_mean[...]).max()),
    )
