"""The atlas: d2l's loop, residual networks, and how ports are checked."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax import nnx
from torch import nn

from compare.cases import parity
from compare.cases.select import LAYERS, select
from compare.run import pairings as d2l
from compare.run import target
from compare.run.atlas import Bench, Facts, NotHere, error_of, gap, host
from jax_impl import linear, resnet, sgd

PAIR = {"y_hat": "n=6 k=1", "y": "n=6 k=1"}


def squared_loss(bench: Bench) -> Facts:
    def in_torch(y_hat, y):
        by_hand = (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
        return by_hand, nn.functional.mse_loss(y_hat, y, reduction="none")

    def right(y_hat, y):
        by_hand = sgd.squared_loss(y_hat, y)
        return by_hand, jnp.square(y_hat - y)

    facts = bench.sides(in_torch, right, **PAIR)
    ratio = facts.value("torch", 1) / facts.value("torch")
    here = target.named("sgd.squared_loss", "torch")
    y_hat, y = (torch.tensor(bench.array(name, one)) for name, one in PAIR.items())
    return facts.note(
        shape=facts.value("torch").shape,
        built_in_over_by_hand=ratio.mean(),
        torch_impl_against_by_hand=gap(host(here(y_hat, y)), facts.value("torch")),
    )


def hand_written(bench: Bench) -> Facts:
    """A vector's backward; then sgd by hand on w, from the gradient of a sum over 6 rows."""

    def in_torch(x, y, w):
        w = w.clone().requires_grad_()
        (((x @ w - y) ** 2) / 2).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad / 6
            w.grad.zero_()
        return w, w.grad

    def right(x, y, w):
        param = nnx.Param(w)
        slope = jax.grad(lambda w: sgd.squared_loss(x @ w, y).sum())(w)
        sgd.sgd([param], 0.1, 6, grads=[slope])
        return param, jnp.zeros_like(w)

    facts = bench.sides(in_torch, right, x="n=6 k=3", y="n=6 j=1", w="k=3 j=1")
    ones = torch.ones(3, requires_grad=True)
    vector = jax.grad(lambda w: w * 2)
    return facts.note(
        torch_backward_of_a_vector=error_of(lambda: (ones * 2).backward()),
        jax_grad_of_a_vector=error_of(lambda: vector(jnp.ones(3))),
        moved_in_place=np.abs(facts.value("torch") - bench.array("w", "k=3 j=1")).max(),
        gradient_after=np.abs(facts.value("torch", 1)).max(),
    )


def built_in(bench: Bench) -> Facts:
    def in_torch(x, y, w):
        w = nn.Parameter(w.clone())
        nn.MSELoss()(x @ w, y).backward()
        torch.optim.SGD([w], lr=0.1).step()
        return w

    def right(x, y, w):
        slope = jax.grad(lambda w: jnp.square(x @ w - y).mean())(w)
        rule = optax.sgd(0.1)
        return optax.apply_updates(w, rule.update(slope, rule.init(w))[0])

    given = {"x": "n=6 k=3", "y": "n=6 j=1", "w": "k=3 j=1"}
    facts = bench.sides(in_torch, right, **given)
    x, y, w = (bench.array(name, axes) for name, axes in given.items())
    by_hand = w - 0.1 * 2 * x.T @ (x @ w - y) / 6
    return facts.note(
        reduction_of_MSELoss=nn.MSELoss().reduction,
        gap_to_the_mean_gradient_undivided=gap(facts.value("torch"), by_hand),
    )


def pairings(bench: Bench) -> Facts:
    """All 18 pairings of loss, reduction and updater, in float64, on both sides."""
    found = d2l.pairings(seed=bench.seed)
    right = [one for one in found if one.right and one.loss == "squared_loss"]
    wrong = {one.expected for one in found if one.loss == "squared_loss" and not one.right}
    return Facts().note(
        right_pairings_of_squared_loss=len(right),
        right_ones=[f"{one.reduction} with {one.updater}" for one in right],
        largest_gap_of_right_ones=max(one.gap for one in found if one.right),
        wrong_ones_off_by=sorted(wrong),
        largest_gap_to_the_factor=max(max(one.spread, one.gap) for one in found),
    )


def residual(bench: Bench) -> Facts:
    """ResNet-18's parameters, and that a block adds its input: with a last gamma of 0 it is
    the ReLU of what came in."""

    def in_torch(x):
        resnet18 = target.named("resnet.resnet18", "torch")
        with torch.device("meta"):
            count = sum(leaf.numel() for leaf in resnet18(1000).parameters())
        block = resnet18(10).layer1[0].to(x.dtype)
        nn.init.zeros_(block.bn2.weight)
        return count, block(x)

    def right(x):
        whole = nnx.eval_shape(lambda: resnet.resnet18(1000, rngs=nnx.Rngs(0)))
        leaves = jax.tree.leaves(nnx.state(whole, nnx.Param))
        block = resnet.BasicBlock(64, 64, rngs=nnx.Rngs(0))
        block.bn2.weight.set_value(jnp.zeros(64))
        floating = nnx.state(block, lambda path, leaf: "num_batches_tracked" not in path)
        nnx.update(block, jax.tree.map(lambda leaf: leaf.astype(x.dtype), floating))
        return sum(leaf.size for leaf in leaves), block(x)

    facts = bench.sides(in_torch, right, out=("", "n c h w"), x="n=2 c=64 h=4 w=3")
    x = bench.array("x", "n=2 c=64 h=4 w=3")
    return facts.note(
        parameters_of_ResNet_18=int(facts.value("torch")),
        block_without_its_branch_against_relu=gap(facts.value("torch", 1), np.maximum(x, 0)),
    )


def shape_check(bench: Bench) -> Facts:
    """Two square weights swapped on loading: names, shapes and count are all as they should."""

    def in_torch(x, first, second):
        return torch.relu(x @ first.T) @ second.T

    def naive(x, first, second):
        first, second = second, first
        return linear.linear(jax.nn.relu(linear.linear(x, first)), second)

    def right(x, first, second):
        return linear.linear(jax.nn.relu(linear.linear(x, first)), second)

    facts = bench.sides(in_torch, naive, right, x="n=5 i=6", first="o=6 i=6", second="o=6 i=6")
    apart = np.linalg.norm(facts.value("naive") - facts.value("torch"))
    shapes = [np.shape(bench.array(name, "o=6 i=6")) for name in ("first", "second")]
    return facts.note(
        check_of_keys_and_shapes_passes=shapes[0] == shapes[1],
        error_of_the_outputs=apart / np.linalg.norm(facts.value("torch")),
    )


def every_layer(bench: Bench) -> Facts:
    """The outputs of all layers: by hooks in torch, by nnx.capture in Flax."""

    def in_torch(x, weight):
        first, second = nn.Linear(4, 4, bias=False), nn.ReLU()
        first.load_state_dict({"weight": weight})
        net, seen = nn.Sequential(first.to(x.dtype), second), []
        for layer in net:
            layer.register_forward_hook(lambda layer, given, out: seen.append(out))
        net(x)
        return seen

    def right(x, weight):
        net = Two(nnx.Linear(4, 4, use_bias=False, rngs=nnx.Rngs(0)))
        net.first.kernel.set_value(weight)
        _, seen = nnx.capture(net, nnx.Intermediate, method_outputs=nnx.Intermediate)(x)
        return seen["first"]["__call__"][0], seen["__call__"][0]

    if not hasattr(nnx, "capture"):
        raise NotHere("needs a Flax with nnx.capture (0.12)")
    facts = bench.sides(in_torch, right, x="n=3 i=4", weight="o=4 i=4")
    seen = {side: len(facts.records[side, "float64"].arrays) for side in ("torch", "right")}
    return facts.note(layers_seen_in_torch=seen["torch"], layers_seen_in_Flax=seen["right"])


class Two(nnx.Module):
    def __init__(self, first: nnx.Linear) -> None:
        self.first = first

    def __call__(self, x):
        return jax.nn.relu(self.first(x))


def kept_lists(bench: Bench) -> Facts:
    """Two entries of such a list, each step of 400,000, and the table that a run keeps here."""

    def in_torch(step):
        progress = step / (400_000 - 1)
        return 0.1 + 0.9 * (1 + torch.cos(torch.pi * progress)) / 2

    def naive(step):
        return optax.cosine_decay_schedule(1.0, 400_000, alpha=0.1)(step)

    def right(step):
        return 0.1 + 0.9 * (1 + jnp.cos(jnp.pi * (step / (400_000 - 1)))) / 2

    steps = np.arange(0.0, 400_000.0, 1000.0)
    facts = bench.sides(in_torch, naive, right, step=steps)
    names = {case.name for _, case in select(list(LAYERS))}
    rows = [row for rows in parity.PARITY.values() for row in rows]
    return facts.note(
        rate_apart_by=np.abs(facts.value("naive") - facts.value("torch")).max(),
        layers_in_the_table=len(rows),
        of_them_without_a_case=sum(row.case not in names for row in rows),
    )
