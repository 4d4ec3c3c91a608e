"""The atlas: where ports of normalisation layers go wrong."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import importlib

import numpy as np
import torch
import torch.nn.functional as F
from flax import linen, nnx
from torch import nn

from compare.cases.case import draw
from compare.run import naive as ports
from compare.run.atlas import Bench, Facts, NotHere
from jax_impl import norm, normalization

ROWS = draw("n=16 c=3", mean=1.5)
IMAGE = draw("n=4 c=3 h=5 w=6", mean=1.5)
WORDS = draw("n=4 w=16", mean=0.5)


def momentum_inverted(bench: Bench) -> Facts:
    def in_torch(x):
        layer = nn.BatchNorm1d(3, momentum=0.1).to(x.dtype)
        layer(x)
        return layer.running_mean

    def naive(x):
        layer = nnx.BatchNorm(3, momentum=0.1, rngs=nnx.Rngs(0))
        layer(x)
        return layer.mean

    def right(x):
        layer = norm.BatchNorm1d(3, momentum=0.1, dtype=x.dtype)
        layer(x)
        return layer.running_mean

    facts = bench.sides(in_torch, naive, right, x=ROWS)
    mean = bench.array("x", ROWS).mean(0)
    return facts.note(
        share_of_the_batch_in_torch=(facts.value("torch") / mean)[0],
        share_of_the_batch_in_Flax=(facts.value("naive") / mean)[0],
    )


def momentum_default(bench: Bench) -> Facts:
    def in_torch(x):
        layer = nn.BatchNorm1d(3).to(x.dtype)
        layer(x)
        return layer.running_mean

    def naive(x):
        layer = nnx.BatchNorm(3, rngs=nnx.Rngs(0))
        layer(x)
        return layer.mean

    def right(x):
        layer = norm.BatchNorm1d(3, dtype=x.dtype)
        layer(x)
        return layer.running_mean

    facts = bench.sides(in_torch, naive, right, x=ROWS)
    return facts.note(
        torch_momentum=nn.BatchNorm1d(3).momentum,
        nnx_momentum=nnx.BatchNorm(3, rngs=nnx.Rngs(0)).momentum,
        linen_momentum=linen.BatchNorm().momentum,
    )


def running_variance(bench: Bench) -> Facts:
    def in_torch(x):
        layer = nn.BatchNorm1d(3, momentum=1.0).to(x.dtype)
        layer(x)
        return layer.running_var

    def naive(x):
        layer = nnx.BatchNorm(3, momentum=0.0, rngs=nnx.Rngs(0))
        layer(x)
        return layer.var

    def right(x):
        layer = norm.BatchNorm1d(3, momentum=1.0, dtype=x.dtype)
        layer(x)
        return layer.running_var

    facts = bench.sides(in_torch, naive, right, x=ROWS)
    ratio = facts.value("torch") / facts.value("naive")
    return facts.note(torch_over_Flax=ratio[0], n_over_n_less_1=16 / 15)


def one_value_per_channel(bench: Bench) -> Facts:
    def in_torch(x):
        return nn.BatchNorm1d(3).to(x.dtype)(x)

    def naive(x):
        return nnx.BatchNorm(3, rngs=nnx.Rngs(0))(x)

    def right(x):
        return norm.BatchNorm1d(3, dtype=x.dtype)(x)

    facts = bench.sides(in_torch, naive, right, x="n=1 c=3", raises=("torch", "right"))
    return facts.note(
        torch_raises=facts.records["torch", "float64"].error.partition(":")[0],
        largest_in_Flax=np.abs(facts.value("naive")).max(),
        right_raises=facts.records["right", "float64"].error.partition(":")[0],
    )


def layer_norm_eps(bench: Bench) -> Facts:
    def in_torch(x):
        return nn.LayerNorm(16).to(x.dtype)(x)

    def naive(x):
        return nnx.LayerNorm(16, rngs=nnx.Rngs(0))(x)

    def right(x):
        return normalization.LayerNorm(16, dtype=x.dtype)(x)

    facts = bench.sides(in_torch, naive, right, x=WORDS)
    from transformers import BertConfig

    return facts.note(
        torch_eps=nn.LayerNorm(16).eps,
        Flax_eps=nnx.LayerNorm(16, rngs=nnx.Rngs(0)).epsilon,
        BERT_eps=BertConfig().layer_norm_eps,
    )


def group_norm_eps(bench: Bench) -> Facts:
    def in_torch(x):
        return nn.GroupNorm(32, 64).to(x.dtype)(x)

    def naive(x):
        return nnx.GroupNorm(64, rngs=nnx.Rngs(0))(x)

    def right(x):
        return normalization.GroupNorm(32, 64, dtype=x.dtype)(x)

    facts = bench.sides(in_torch, naive, right, x="n=2 c=64 h=4 w=3")
    layer, rms = nnx.GroupNorm(64, rngs=nnx.Rngs(0)), nnx.RMSNorm(64, rngs=nnx.Rngs(0))
    return facts.note(
        torch_eps=nn.GroupNorm(32, 64).eps,
        Flax_eps=layer.epsilon,
        Flax_groups=layer.num_groups,
        torch_RMSNorm_eps=nn.RMSNorm(64).eps,
        Flax_RMSNorm_eps=rms.epsilon,
    )


def instance_norm_affine(bench: Bench) -> Facts:
    def in_torch(x):
        return nn.InstanceNorm2d(3)(x)

    def naive(x):
        return nnx.InstanceNorm(3, rngs=nnx.Rngs(0))(x)

    def right(x):
        return norm.InstanceNorm2d(3)(x)

    facts = bench.sides(in_torch, naive, right, x=IMAGE)
    layer = nnx.InstanceNorm(3, rngs=nnx.Rngs(0))
    return facts.note(
        torch_eps=nn.InstanceNorm2d(3).eps,
        Flax_eps=layer.epsilon,
        torch_is_affine=nn.InstanceNorm2d(3).affine,
        Flax_is_affine=layer.scale is not None and layer.bias is not None,
    )


def fast_variance(bench: Bench) -> Facts:
    """On N(1e4, 1), in float32: largest errors against float64."""

    def in_torch(x):
        return F.layer_norm(x, (256,))

    def naive(x):
        return nnx.LayerNorm(256, epsilon=1e-5, rngs=nnx.Rngs(0))(x)

    def right(x):
        return normalization.layer_norm(x, (256,))

    far = draw("n=8 w=256", mean=1e4)
    facts = bench.sides(in_torch, naive, right, care=True, x=far)
    for name, side in (("torch", "torch"), ("Flax", "naive"), ("jax_impl", "right")):
        error = np.abs(facts.value(side, 0, "float32") - facts.value("torch")).max()
        facts.note(**{f"{name}_error_in_float32": error})
    exact = torch.tensor(bench.array("x", far))
    slow = bench.sides(two_pass, care=True, x=far)
    two = np.abs(slow.value("right", 0, "float32") - F.layer_norm(exact, (256,)).numpy())
    return facts.note(Flax_error_with_two_passes=two.max())


def two_pass(x):
    return nnx.LayerNorm(256, epsilon=1e-5, use_fast_variance=False, rngs=nnx.Rngs(0))(x)


two_pass.__name__ = "right"


def modes(bench: Bench) -> Facts:
    def in_torch(x):
        layer = nn.BatchNorm2d(3).to(x.dtype)
        layer.eval()
        return layer(x)

    def naive(x):
        return nnx.BatchNorm(3, momentum=0.9, rngs=nnx.Rngs(0))(x)

    def right(x):
        layer = norm.BatchNorm2d(3, dtype=x.dtype)
        layer.eval()
        return layer(x)

    facts = bench.sides(in_torch, naive, right, x=IMAGE)
    whole = nnx.Sequential(
        nnx.BatchNorm(3, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(0))
    )
    first = [whole.layers[0].use_running_average, whole.layers[1].deterministic]
    whole.eval()
    then = [whole.layers[0].use_running_average, whole.layers[1].deterministic]
    return facts.note(Flax_at_first=first, Flax_after_eval=then)


def wrong_axes(bench: Bench) -> Facts:
    """d2l's batch_norm from scratch: means over axes (0, 2, 3), which are N, W, C here."""

    def in_torch(x):
        return nn.BatchNorm2d(3).to(x.dtype)(x), x.mean((0, 2, 3), keepdim=True).numel()

    def naive(x):
        layer = ports.NhwcReducedLikeNchw(3, dtype=x.dtype)
        return layer(x), x.mean((0, 2, 3), keepdims=True).size

    def right(x):
        return norm.BatchNorm2d(3, dtype=x.dtype)(x), x.mean((0, 1, 2), keepdims=True).size

    facts = bench.sides(in_torch, naive, right, x=IMAGE)
    return facts.note(
        means_in_torch=int(facts.value("torch", 1)),
        means_in_the_port=int(facts.value("naive", 1)),
    )


def equinox_batch_norm(bench: Bench) -> Facts:
    """One training step on data of variance 0.69, momentum 0.9, then evaluation of Equinox."""
    try:
        equinox = importlib.import_module("equinox")
    except ImportError:
        raise NotHere("needs the package equinox (pip install equinox)") from None
    import jax

    def in_torch(x):
        layer = nn.BatchNorm1d(3, affine=False, momentum=0.1).to(x.dtype)
        layer(x)
        return layer.eval()(x)

    def naive(x):
        make = equinox.nn.make_with_state(equinox.nn.BatchNorm)
        layer, state = make(
            3, "batch", channelwise_affine=False, momentum=0.9, mode="batch", dtype=x.dtype
        )
        for one in (layer, equinox.nn.inference_mode(layer)):
            call = jax.vmap(one, axis_name="batch", in_axes=(0, None), out_axes=(0, None))
            found, state = call(x, state)
        return found

    def right(x):
        layer = norm.BatchNorm1d(3, affine=False, momentum=0.1, dtype=x.dtype)
        layer(x)
        layer.eval()
        return layer(x)

    x = draw("n=64 c=3", mean=0.0, std=0.69**0.5)
    facts = bench.sides(in_torch, naive, right, x=x)
    slope = facts.value("naive")[1, 0] - facts.value("naive")[0, 0]
    given = bench.array("x", x)
    return facts.note(
        variance_of_the_batch=given.var(0)[0],
        variance_that_it_divides_by=((given[1, 0] - given[0, 0]) / slope) ** 2,
    )
