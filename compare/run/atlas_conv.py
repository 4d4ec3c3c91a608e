"""The atlas: Conv2d, the class, and conv2d, the function."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
import torch
import torch.nn.functional as F
from flax import nnx
from torch import nn

from compare.cases.case import draw
from compare.run import state
from compare.run.atlas import Bench, Facts, error_of, gap, host
from jax_impl import conv

IMAGE, KERNEL, BIAS = "n=2 c=3 h=8 w=7", "o=4 i=3 h=3 w=3", "o=4"


def class_wraps_function(bench: Bench) -> Facts:
    def in_torch(x):
        layer = nn.Conv2d(3, 4, 3, padding=1).to(x.dtype)
        return layer(x) - F.conv2d(x, layer.weight, layer.bias, padding=1)

    def right(x):
        layer = conv.Conv2d(3, 4, 3, padding=1, dtype=x.dtype, rngs=nnx.Rngs(0))
        return layer(x) - conv.conv2d(x, layer.weight[...], layer.bias, padding=1)

    facts = bench.sides(in_torch, right, x=IMAGE)
    return facts.note(
        torch_class_minus_function=np.abs(facts.value("torch")).max(),
        JAX_class_minus_function=np.abs(facts.value("right")).max(),
    )


def weight_shape(bench: Bench) -> Facts:
    def in_torch():
        return nn.Conv2d(4, 6, (3, 2), groups=2).weight.shape

    def right():
        layer = conv.Conv2d(4, 6, (3, 2), groups=2, rngs=nnx.Rngs(0))
        return state.to_torch(layer.weight[...], "o i h w -> h w i o").shape

    facts = bench.sides(in_torch, right)
    shape = [int(facts.value("torch", i)) for i in range(4)]
    kept = conv.Conv2d(4, 6, (3, 2), groups=2, rngs=nnx.Rngs(0)).weight.shape
    return facts.note(shape=shape, shape_in_JAX=list(kept))


def channels_add_up(bench: Bench) -> Facts:
    def in_torch(x, weight):
        return F.conv2d(x, weight)

    def right(x, weight):
        return conv.conv2d(x, weight)

    facts = bench.sides(in_torch, right, x=IMAGE, weight=KERNEL)
    x, weight = bench.array("x", IMAGE), bench.array("weight", KERNEL)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    each = np.einsum("nchwyx,ocyx->nochw", windows, weight)
    return facts.note(
        gap_to_the_sum=gap(facts.value("torch"), each.sum(2)),
        gap_to_the_mean=gap(facts.value("torch"), each.mean(2)),
    )


def initial_weight(bench: Bench) -> Facts:
    """Kolmogorov and Smirnov's test of 25,600 weights, fan_in 16 * 25 = 400."""

    def in_torch():
        return nn.Conv2d(16, 64, 5).weight.abs().max() < 1 / math.sqrt(400)

    def right():
        weight = conv.Conv2d(16, 64, 5, rngs=nnx.Rngs(0)).weight[...]
        return jnp.abs(weight).max() < 1 / math.sqrt(400)

    facts = bench.sides(in_torch, right)
    for side, weight in drawn(bench).items():
        spread = weight.std()
        facts.note(
            **{
                f"{side}_p_of_normal": scipy.stats.kstest(weight / spread, "norm").pvalue,
                f"{side}_p_of_uniform": p_uniform(weight, 1 / 20),
                f"{side}_excess_kurtosis": scipy.stats.kurtosis(weight),
                f"{side}_standard_deviation": spread,
            }
        )
    return facts


def drawn(bench: Bench) -> dict[str, np.ndarray]:
    torch.manual_seed(bench.seed)
    return {
        "torch": host(nn.Conv2d(16, 64, 5).weight).ravel().astype(np.float64),
        "JAX": host(conv.Conv2d(16, 64, 5, rngs=nnx.Rngs(bench.seed)).weight)
        .ravel()
        .astype(np.float64),
    }


def p_uniform(values: np.ndarray, bound: float) -> float:
    return float(scipy.stats.kstest(values, "uniform", args=(-bound, 2 * bound)).pvalue)


def output_size(bench: Bench) -> Facts:
    """81 combinations of kernel, stride, padding and dilation, on 11 x 10 pixels."""

    def in_torch(x, weight):
        return F.conv2d(x, weight, stride=2, padding=1, dilation=3).shape[2:]

    def right(x, weight):
        return conv.conv2d(x, weight, stride=2, padding=1, dilation=3).shape[1:3]

    facts = bench.sides(in_torch, right, x="n=1 c=3 h=11 w=10", weight="o=4 i=3 h=3 w=3")
    agree = dict.fromkeys(("torch", "JAX"), 0)
    for kernel, stride, padding, dilation in itertools.product((1, 2, 3), repeat=4):
        size = [(n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for n in (11, 10)]
        weight = np.ones((1, 1, kernel, kernel), np.float32)
        options = {"stride": stride, "padding": padding, "dilation": dilation}
        found = F.conv2d(torch.ones(1, 1, 11, 10), torch.tensor(weight), **options)
        agree["torch"] += list(found.shape[2:]) == size
        shape = jax_shape(weight.transpose(2, 3, 1, 0), stride, padding, dilation)
        agree["JAX"] += list(shape[1:3]) == size
    given = error_of(lambda: nn.Conv2d(3, 4, 3, output_size=5))  # pyright: ignore[reportCallIssue]
    return facts.note(
        torch_sizes_as_the_formula=agree["torch"],
        JAX_sizes_as_the_formula=agree["JAX"],
        output_size_as_an_argument=given,
    )


def jax_shape(weight: np.ndarray, stride: int, padding: int, dilation: int) -> tuple:
    """The shape of a convolution of 11 x 10 pixels, which nothing computes."""

    def call(x, weight):
        return conv.conv2d(x, weight, None, stride, padding, dilation)

    return jax.eval_shape(call, np.ones((1, 11, 10, 1), np.float32), weight).shape


def int_or_pair(bench: Bench) -> Facts:
    def in_torch(x, weight):
        ints = F.conv2d(x, weight, stride=2, padding=1, dilation=2)
        return ints, ints - F.conv2d(x, weight, stride=(2, 2), padding=(1, 1), dilation=(2, 2))

    def right(x, weight):
        ints = conv.conv2d(x, weight, stride=2, padding=1, dilation=2)
        pairs = conv.conv2d(x, weight, stride=(2, 2), padding=(1, 1), dilation=(2, 2))
        return ints, ints - pairs

    facts = bench.sides(in_torch, right, x="n=2 c=3 h=9 w=9", weight=KERNEL)
    largest = {side: np.abs(facts.value(side, 1)).max() for side in ("torch", "right")}
    uneven = nn.Conv2d(3, 4, kernel_size=(3, 5), stride=(1, 2)).weight.shape[2:]
    return facts.note(
        torch_int_minus_pair=largest["torch"],
        JAX_int_minus_pair=largest["right"],
        kernel_of_a_pair=list(uneven),
    )


def dilation_gaps(bench: Bench) -> Facts:
    def in_torch(x, weight):
        return F.conv2d(x, weight, dilation=2)

    def right(x, weight):
        return conv.conv2d(x, weight, dilation=2)

    facts = bench.sides(in_torch, right, x=IMAGE, weight=KERNEL)
    x, weight = torch.tensor(bench.array("x", IMAGE)), bench.array("weight", KERNEL)
    spread = np.zeros((4, 3, 5, 5))
    spread[:, :, ::2, ::2] = weight
    plain = F.conv2d(x, torch.tensor(weight), dilation=1)
    return facts.note(
        dilation_2_against_one_zero_between=gap(
            facts.value("torch"), host(F.conv2d(x, torch.tensor(spread)))
        ),
        dilation_1_against_none_between=gap(
            host(plain), host(F.conv2d(x, torch.tensor(weight)))
        ),
    )


def bias_shape(bench: Bench) -> Facts:
    def in_torch(x):
        layer = nn.Conv2d(3, 4, 3).to(x.dtype)
        layer(x).sum().backward()
        return [*layer.bias.shape, layer.bias.grad]

    def right(x):
        layer = conv.Conv2d(3, 4, 3, dtype=x.dtype, rngs=nnx.Rngs(0))
        slope = nnx.grad(lambda layer: layer(x).sum())(layer).bias[...]
        return [*slope.shape, slope]

    facts = bench.sides(in_torch, right, x=IMAGE)
    return facts.note(
        bias_length=int(facts.value("torch")),
        gradient_of_the_bias=float(np.abs(facts.value("torch", 1)).min()),
        torch_has_a_bias_by_default=nn.Conv2d(3, 4, 3).bias is not None,
        JAX_has_a_bias_by_default=conv.Conv2d(3, 4, 3, rngs=nnx.Rngs(0)).bias is not None,
    )


def padding_modes(bench: Bench) -> Facts:
    def in_torch(x, weight):
        found = []
        for mode in ("zeros", "reflect", "replicate", "circular"):
            layer = nn.Conv2d(3, 4, 3, padding=2, padding_mode=mode, bias=False).to(x.dtype)
            layer.load_state_dict({"weight": weight})
            found.append(layer(x))
        return found

    def right(x, weight):
        found = []
        for mode in ("zeros", "reflect", "replicate", "circular"):
            layer = conv.Conv2d(
                3, 4, 3, padding=2, padding_mode=mode, bias=False, rngs=nnx.Rngs(0)
            )
            layer.weight.set_value(weight)
            found.append(layer(x))
        return found

    facts = bench.sides(in_torch, right, x=IMAGE, weight=KERNEL)
    x, weight = bench.array("x", IMAGE), torch.tensor(bench.array("weight", KERNEL))
    pads = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    for index, (mode, name) in enumerate(pads.items()):
        wide = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode=name)  # pyright: ignore
        by_hand = host(F.conv2d(torch.tensor(wide), weight))
        facts.note(**{f"{mode}_by_hand": gap(facts.value("torch", index), by_hand)})
    return facts.note(default=nn.Conv2d(3, 4, 3).padding_mode)


def device_and_leaves(bench: Bench) -> Facts:
    def in_torch():
        layer = nn.Conv2d(3, 4, 3, device="cpu")
        return layer.weight.device.type, layer.weight.shape[0], layer.bias.shape[0]

    def right():
        layer = conv.Conv2d(3, 4, 3, device=jax.devices("cpu")[0], rngs=nnx.Rngs(0))
        [device] = layer.weight[...].devices()
        return device.platform, layer.weight.shape[-1], layer.bias[...].shape[0]

    facts = bench.sides(in_torch, right)
    nowhere = nn.Conv2d(3, 4, 3, device="meta").weight
    return facts.note(
        device=str(facts.value("torch")), of_a_shape_without_numbers=nowhere.device.type
    )


def hand_made_kernel(bench: Bench) -> Facts:
    """The Laplacian of x^2 + y^2, which is 4, by a kernel that nothing trains."""

    def in_torch(field, kernel):
        return F.conv2d(field, kernel)

    def right(field, kernel):
        return conv.conv2d(field, kernel)

    y, x = np.mgrid[0:6, 0:7]
    field = draw("n=1 c=1 h=6 w=7", "given", values=(x**2.0 + y**2.0).tolist())
    kernel = draw("o=1 i=1 h=3 w=3", "given", values=[0.0, 1, 0, 1, -4, 1, 0, 1, 0])
    facts = bench.sides(in_torch, right, field=field, kernel=kernel)
    return facts.note(
        torch_Laplacian=np.unique(facts.value("torch")),
        JAX_Laplacian=np.unique(facts.value("right")),
    )
