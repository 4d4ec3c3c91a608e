"""The atlas: where ports of losses go wrong."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
import torch.nn.functional as F

from compare.cases.case import draw, labels
from compare.run import naive as ports
from compare.run.atlas import Bench, Facts, error_of, gap
from jax_impl import distance, loss, loss_binary, loss_likelihood, loss_robust

SCORES, TARGET = "n=6 c=5", labels("n=6", 5)
SOME_IGNORED = draw("n=6", "given", grad=False, values=[0, 4, -100, 2, -100, 1])
WEIGHT = draw("c=5", "uniform", low=0.25, high=2.0, grad=False)
PAIR = {"input": "n=4 w=5", "target": "n=4 w=5"}


def ignored(bench: Bench) -> Facts:
    def in_torch(input, target):
        return F.cross_entropy(input, target)

    def naive(input, target):
        each = optax.softmax_cross_entropy_with_integer_labels(input, target)
        return each.mean()

    def right(input, target):
        return loss.cross_entropy(input, target)

    given = {"input": SCORES, "target": SOME_IGNORED}
    facts = bench.sides(in_torch, naive, right, out="", **given)
    over_all = bench.value(ports.cross_entropy_all_rows, out="", **given)
    call = optax.softmax_cross_entropy_with_integer_labels
    return facts.note(
        optax_gives_NaN=bool(np.isnan(facts.value("naive"))),
        optax_has_ignore_index="ignore_index" in inspect.signature(call).parameters,
        kept_over_all=float(over_all / facts.value("torch")),
    )


def class_weights(bench: Bench) -> Facts:
    def in_torch(input, target, weight):
        return F.cross_entropy(input, target, weight)

    def naive(input, target, weight):
        return ports.cross_entropy_weight_count(input, target, weight)

    def right(input, target, weight):
        return loss.cross_entropy(input, target, weight)

    facts = bench.sides(in_torch, naive, right, input=SCORES, target=TARGET, weight=WEIGHT)
    chosen = bench.array("weight", WEIGHT)[bench.array("target", TARGET)]
    ratio = float(facts.value("torch") / facts.value("naive"))
    return facts.note(
        torch_over_naive=ratio, gap_to_N_over_the_weights=gap(ratio, 6 / chosen.sum())
    )


def smoothed_weights(bench: Bench) -> Facts:
    def in_torch(input, target, weight):
        return F.cross_entropy(input, target, weight, label_smoothing=0.2)

    def naive(input, target, weight):
        return ports.cross_entropy_smooth_first(input, target, weight, 0.2)

    def right(input, target, weight):
        return loss.cross_entropy(input, target, weight, label_smoothing=0.2)

    facts = bench.sides(in_torch, naive, right, input=SCORES, target=TARGET, weight=WEIGHT)
    return facts.note(torch=facts.value("torch"), smoothed_first=facts.value("naive"))


def all_ignored(bench: Bench) -> Facts:
    def in_torch(input, target):
        return F.cross_entropy(input, target)

    def naive(input, target):
        kept = target != -100
        each = optax.softmax_cross_entropy_with_integer_labels(
            input, jnp.where(kept, target, 0)
        )
        return jnp.where(kept, each, 0).sum() / jnp.maximum(kept.sum(), 1)

    def right(input, target):
        return loss.cross_entropy(input, target)

    none = draw("n=6", "given", grad=False, values=[-100] * 6)
    facts = bench.sides(in_torch, naive, right, out="", input=SCORES, target=none)
    return facts.note(
        torch_is_NaN=bool(np.isnan(facts.value("torch"))), guarded_port=facts.value("naive")
    )


def out_of_range(bench: Bench) -> Facts:
    def in_torch(input, target):
        return F.cross_entropy(input, target)

    def naive(input, target):
        return optax.softmax_cross_entropy_with_integer_labels(input, target).mean()

    def right(input, target):
        return loss.cross_entropy(input, target)

    beyond = draw("n=6", "given", grad=False, values=[0, 1, 2, 3, 4, 5])
    given = {"input": SCORES, "target": beyond}
    facts = bench.sides(in_torch, naive, right, out="", raises=("torch", "right"), **given)
    scores = jnp.asarray(bench.array("input", SCORES), "float32")
    traced = jax.jit(loss.cross_entropy)(scores, np.arange(6))
    return facts.note(
        torch_raises=facts.records["torch", "float64"].error.partition(":")[0],
        optax_gives_NaN=bool(np.isnan(facts.value("naive"))),
        right_raises=facts.records["right", "float64"].error.partition(":")[0],
        right_under_jit_gives_NaN=bool(np.isnan(traced)),
    )


def kl_mean(bench: Bench) -> Facts:
    def in_torch(input, target):
        return F.kl_div(input, target, reduction="mean")

    def naive(input, target):
        return ports.kl_div_rows(input, target)

    def right(input, target):
        return loss_likelihood.kl_div(input, target, reduction="mean")

    given = {
        "input": draw("n=4 c=5", "log_simplex"),
        "target": draw("n=4 c=5", "simplex", grad=False),
    }
    facts = bench.sides(in_torch, naive, right, out="", **given)
    log, p = (torch.tensor(bench.array(name, one)) for name, one in given.items())
    batchmean = F.kl_div(log, p, reduction="batchmean")
    return facts.note(
        optax_over_torch=float(facts.value("naive") / facts.value("torch")),
        optax_against_batchmean=gap(facts.value("naive"), batchmean),
    )


def smooth_l1(bench: Bench) -> Facts:
    def in_torch(input, target):
        return F.smooth_l1_loss(input, target, beta=0.5)

    def naive(input, target):
        return ports.smooth_l1_huber(input, target, beta=0.5)

    def right(input, target):
        return loss_robust.smooth_l1_loss(input, target, beta=0.5)

    facts = bench.sides(in_torch, naive, right, out="", **PAIR)
    x, y = (torch.tensor(bench.array(name, one)) for name, one in PAIR.items())
    huber = F.huber_loss(x, y, delta=0.5)
    return facts.note(
        torch_over_optax=float(facts.value("torch") / facts.value("naive")),
        optax_against_torch_Huber=gap(facts.value("naive"), huber),
    )


def l2_loss(bench: Bench) -> Facts:
    def in_torch(input, target):
        return F.mse_loss(input, target)

    def naive(input, target):
        return ports.mse_half(input, target)

    def right(input, target):
        return loss.mse_loss(input, target)

    facts = bench.sides(in_torch, naive, right, out="", **PAIR)
    return facts.note(torch_over_optax=float(facts.value("torch") / facts.value("naive")))


def clamped_log(bench: Bench) -> Facts:
    def in_torch(input, target):
        return F.binary_cross_entropy(input, target, reduction="none")

    def naive(input, target):
        return -(target * jnp.log(input) + (1 - target) * jnp.log1p(-input))

    def right(input, target):
        return loss_binary.binary_cross_entropy(input, target, reduction="none")

    given = {
        "input": draw("n=3", "given", values=[0.0, 0.5, 0.75]),
        "target": draw("n=3", "given", grad=False, values=[1.0, 1.0, 0.0]),
    }
    facts = bench.sides(in_torch, naive, right, **given)
    return facts.note(
        torch_at_probability_0=facts.value("torch")[0],
        naive_is_infinite=bool(np.isinf(facts.value("naive")[0])),
    )


def cosine_of_zero(bench: Bench) -> Facts:
    def in_torch(x1, x2):
        return F.cosine_similarity(x1, x2)

    def naive(x1, x2):
        return ports.cosine_similarity_plain(x1, x2)

    def right(x1, x2):
        return distance.cosine_similarity(x1, x2)

    zero = draw("n=2 w=3", "given", values=[0.0, 0, 0, 1, 2, 3])
    facts = bench.sides(in_torch, naive, right, out="n", x1=zero, x2="n=2 w=3")
    return facts.note(
        torch=facts.value("torch")[0], optax_is_NaN=bool(np.isnan(facts.value("naive")[0]))
    )


def deviation(bench: Bench) -> Facts:
    def in_torch(x):
        return x.std(), x.var()

    def naive(x):
        return x.std(), x.var()

    def right(x):
        return x.std(ddof=1), x.var(ddof=1)

    facts = bench.sides(in_torch, naive, right, out="", x="n=16")
    ratio = float(facts.value("torch", 1) / facts.value("naive", 1))
    return facts.note(torch_variance_over_jnp=ratio)


def smoothing_in_optax(bench: Bench) -> Facts:
    """What optax offers for label smoothing: a function on one-hot labels, no argument."""

    def in_torch(input, target):
        return F.cross_entropy(input, target, label_smoothing=0.2)

    def naive(input, target):
        return optax.softmax_cross_entropy_with_integer_labels(input, target).mean()

    def right(input, target):
        return loss.cross_entropy(input, target, label_smoothing=0.2)

    given = {"input": SCORES, "target": TARGET}
    facts = bench.sides(in_torch, naive, right, out="", **given)
    soft = bench.value(by_smooth_labels, out="", **given)
    call = optax.softmax_cross_entropy_with_integer_labels
    return facts.note(
        by_smooth_labels=gap(soft, facts.value("torch")),
        an_argument=error_of(lambda: call(jnp.ones((1, 2)), jnp.ones(1, int), smoothing=0.2)),
    )


def by_smooth_labels(input, target):
    soft = optax.smooth_labels(jax.nn.one_hot(target, 5, dtype=input.dtype), 0.2)
    return optax.softmax_cross_entropy(input, soft).mean()
