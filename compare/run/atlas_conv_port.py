"""The atlas: where ports of convolutions and of flattened features go wrong."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from flax import linen, nnx
from jax import lax
from torch import nn

from compare.cases.case import draw
from compare.run import naive as ports
from compare.run.atlas import Bench, Facts, gap
from jax_impl import conv, linear

IMAGE, KERNEL, BIAS = "n=2 c=3 h=8 w=8", "o=4 i=3 h=3 w=3", "o=4"
UP_KERNEL = "i=3 o=4 h=3 w=3"


def default_padding(bench: Bench) -> Facts:
    def in_torch(x, weight, bias):
        layer = nn.Conv2d(3, 4, 3).to(x.dtype)
        layer.load_state_dict({"weight": weight, "bias": bias})
        return layer(x)

    def naive(x, weight, bias):
        layer = nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0))
        layer.kernel.set_value(weight)
        layer.bias.set_value(bias)
        return layer(x)

    def right(x, weight, bias):
        layer = conv.Conv2d(3, 4, 3, rngs=nnx.Rngs(0))
        layer.weight.set_value(weight)
        layer.bias.set_value(bias)
        return layer(x)

    facts = bench.sides(in_torch, naive, right, x=IMAGE, weight=KERNEL, bias=BIAS)
    return facts.note(
        torch_size=facts.value("torch").shape[-1], Flax_size=facts.value("naive").shape[-1]
    )


def default_padding_linen(bench: Bench) -> Facts:
    def in_torch(x, weight):
        return F.conv2d(x, weight)

    def naive(x, weight):
        layer = linen.Conv(4, (3, 3), use_bias=False)
        return layer.apply({"params": {"kernel": weight}}, x)

    def right(x, weight):
        return conv.conv2d(x, weight)

    facts = bench.sides(in_torch, naive, right, x=IMAGE, weight=KERNEL)
    return facts.note(
        torch_size=facts.value("torch").shape[-1], linen_size=facts.value("naive").shape[-1]
    )


def same_at_stride_2(bench: Bench) -> Facts:
    def in_torch(x, weight, bias):
        return F.conv2d(x, weight, bias, stride=2, padding=1)

    def naive(x, weight, bias):
        return ports.conv2d_same(x, weight, bias, stride=2)

    def right(x, weight, bias):
        return conv.conv2d(x, weight, bias, stride=2, padding=1)

    facts = bench.sides(in_torch, naive, right, x=IMAGE, weight=KERNEL, bias=BIAS)
    x, weight = (torch.tensor(bench.array(k, v)) for k, v in (("x", IMAGE), ("weight", KERNEL)))
    try:
        F.conv2d(x, weight, stride=2, padding="same")
        refused = False
    except RuntimeError:
        refused = True
    shapes = facts.value("torch").shape == facts.value("naive").shape
    apart = np.abs(facts.value("torch") - facts.value("naive")).max()
    return facts.note(equal_shapes=shapes, torch_refuses_same=refused, largest_difference=apart)


def residual_sizes(bench: Bench) -> Facts:
    """A residual block's first convolution on 7 and on 6 pixels."""

    def in_torch(odd, even, weight):
        return [F.conv2d(x, weight, stride=2, padding=1) for x in (odd, even)]

    def naive(odd, even, weight):
        layer = linen.Conv(4, (3, 3), strides=(2, 2), padding="same", use_bias=False)
        return [layer.apply({"params": {"kernel": weight}}, x) for x in (odd, even)]

    def right(odd, even, weight):
        return [conv.conv2d(x, weight, stride=2, padding=1) for x in (odd, even)]

    facts = bench.sides(
        in_torch, naive, right, odd="n=2 c=3 h=7 w=7", even="n=2 c=3 h=6 w=6", weight=KERNEL
    )
    at = [gap(facts.value("naive", i), facts.value("torch", i)) for i in (0, 1)]
    return facts.note(gap_at_7_pixels=at[0], gap_at_6_pixels=at[1])


def transposed(bench: Bench) -> Facts:
    """Stride 2, padding 1, output_padding 1: padding k - 1 - p, and the kernel turned."""

    def in_torch(x, weight):
        return F.conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1)

    def naive(x, weight):
        layer = nnx.ConvTranspose(3, 4, (3, 3), strides=(2, 2), padding="SAME",
                                  use_bias=False, rngs=nnx.Rngs(0))  # fmt: skip
        layer.kernel.set_value(weight)
        return layer(x)

    def right(x, weight):
        return conv.conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1)

    def by_flax(x, weight):
        layer = nnx.ConvTranspose(3, 4, (3, 3), strides=(2, 2), padding=[(1, 2), (1, 2)],
                                  use_bias=False, transpose_kernel=True,
                                  rngs=nnx.Rngs(0))  # fmt: skip
        layer.kernel.set_value(weight.swapaxes(2, 3))
        return layer(x)

    facts = bench.sides(in_torch, naive, right, x=IMAGE, weight=UP_KERNEL)
    other = bench.value(by_flax, x=IMAGE, weight=UP_KERNEL)
    return facts.note(
        Flax_with_transpose_kernel_and_padding_k_1_p=gap(other, facts.value("torch")),
        gap_of_the_guide_at_kernel_2=guide_gap(bench, 2),
        gap_of_the_guide_at_kernel_3=guide_gap(bench, 3),
    )


def guide_gap(bench: Bench, kernel: int) -> float:
    """How far padding 1 - p, of the migration guide, is from torch; inf where shapes differ."""

    def in_torch(x, weight):
        return F.conv_transpose2d(x, weight, stride=1, padding=1)

    def right(x, weight):
        layer = linen.ConvTranspose(4, (kernel, kernel), padding=(1 - 1, 1 - 1),
                                    use_bias=False, transpose_kernel=True)  # fmt: skip
        return layer.apply({"params": {"kernel": weight.swapaxes(2, 3)}}, x)

    facts = bench.sides(in_torch, right, x=IMAGE, weight=f"i=3 o=4 h={kernel} w={kernel}")
    ours, theirs = facts.value("torch"), facts.value("right")
    return gap(theirs, ours) if ours.shape == theirs.shape else float("inf")


def transposed_same(bench: Bench) -> Facts:
    """TensorFlow's "same" at stride 2 crops the end; torch's padding crops both ends."""

    def in_torch(x, weight):
        return F.conv_transpose1d(x, weight, stride=2, padding=1, output_padding=1)

    def naive(x, weight):
        layout = ("NWC", "WIO", "NWC")
        turned = weight[::-1]
        return lax.conv_transpose(x, turned, (2,), "SAME", dimension_numbers=layout)

    def right(x, weight):
        return conv.conv_transpose1d(x, weight, stride=2, padding=1, output_padding=1)

    facts = bench.sides(in_torch, naive, right, x="n=2 c=3 w=8", weight="i=3 o=4 w=3")
    ours, theirs = facts.value("torch"), facts.value("naive")
    shifted = gap(theirs[..., 1:], ours[..., :-1])
    return facts.note(equal_shapes=ours.shape == theirs.shape, gap_after_a_shift_by_1=shifted)


def square_weight(bench: Bench) -> Facts:
    def in_torch(x, weight):
        return F.linear(x, weight)

    def naive(x, weight_as_torch_has_it):
        layer = nnx.Linear(4, 4, use_bias=False, rngs=nnx.Rngs(0))
        layer.kernel.set_value(weight_as_torch_has_it)
        return layer(x)

    def right(x, weight_as_torch_has_it):
        return linear.linear(x, weight_as_torch_has_it.T)

    weight = bench.array("weight", "o=4 i=4")
    facts = bench.sides(in_torch, naive, right, x="n=5 i=4", weight=weight)
    layer = nnx.Linear(4, 3, rngs=nnx.Rngs(0))
    return facts.note(
        torch_weight=list(nn.Linear(4, 3).weight.shape), Flax_kernel=list(layer.kernel.shape)
    )


def flatten_order(bench: Bench) -> Facts:
    def in_torch(x, weight):
        return F.linear(torch.flatten(x, 1), weight)

    def naive(x, weight):
        return linear.linear(x.reshape(x.shape[0], -1), weight)

    def right(x, weight):
        return linear.linear(jnp.moveaxis(x, -1, 1).reshape(x.shape[0], -1), weight)

    def permuted_rows(x, weight):
        rows = weight.reshape(3, 4, 5, -1).transpose(1, 2, 0, 3).reshape(60, -1)
        return linear.linear(x.reshape(x.shape[0], -1), rows)

    given = {"x": "n=2 c=3 h=4 w=5", "weight": "o=4 i=60"}
    facts = bench.sides(in_torch, naive, right, out="n k", **given)
    rows = bench.value(permuted_rows, out="n k", **given)
    return facts.note(gap_with_permuted_rows=gap(rows, facts.value("torch")))


def kernel_flip(bench: Bench) -> Facts:
    def in_torch(x, weight):
        return F.conv2d(x, weight)

    def naive(x, weight):
        return ports.conv2d_flipped(x, weight, None)

    def right(x, weight):
        return conv.conv2d(x, weight)

    facts = bench.sides(in_torch, naive, right, x=IMAGE, weight=KERNEL)
    line, taps = (jnp.asarray(bench.array(k, draw(f"n={n}")), "float32")
                  for k, n in (("line", 9), ("taps", 3)))  # fmt: skip
    flips = jnp.convolve(line, taps, "valid") - jnp.correlate(line, taps, "valid")
    return facts.note(jnp_convolve_minus_correlate=float(jnp.abs(flips).max()))
