"""Random correct cases: convolutions, their transposes, unfolding, folding, padding."""

from __future__ import annotations

from itertools import starmap
from math import prod

from compare.cases.case import Case
from compare.cases.case import draw as given
from compare.cases.chance import AXES, Draw

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
PADS = ("ConstantPad", "ReflectionPad", "ReplicationPad", "ZeroPad", "CircularPad")


def conv2d(draw: Draw) -> Case:
    """The function, with any stride, padding, dilation and number of groups."""
    groups = draw.integer(1, 3)
    i, o = draw.integer(1, 3), draw.integer(1, 3) * groups
    inputs = {
        "input": given(f"{draw.batch()}c={i * groups} {draw.spatial(2, 4, 9)}"),
        "weight": given(f"o={o} i={i} {draw.spatial(2, 1, 4)}"),
    }
    if draw.boolean():
        inputs["bias"] = given(f"o={o}")
    padding = draw.pair(0, 3) if draw.boolean() else draw.choice(("same", "valid", 0))
    options = {
        "stride": 1 if padding == "same" else draw.pair(1, 3),
        "padding": padding,
        "dilation": draw.pair(1, 3),
        "groups": groups,
    }
    return Case("conv.conv2d", inputs, options=options)


def padded_conv(draw: Draw) -> Case:
    """The class, with every mode of padding."""
    same = draw.integer(0, 4) == 0
    init = {
        "in_channels": 2,
        "out_channels": 4,
        "kernel_size": draw.pair(1, 3),
        "stride": 1 if same else draw.pair(1, 2),
        "padding": "same" if same else draw.pair(0, 4),
        "groups": draw.choice((1, 2)),
        "bias": draw.boolean(),
        "padding_mode": draw.choice(PADDING_MODES),
    }
    return Case("conv.Conv2d", {"input": given(f"n=2 c=2 {draw.spatial(2, 4, 7)}")}, init=init)


def convolution(draw: Draw) -> Case:
    """One axis or three, through the class."""
    rank, groups = draw.choice((1, 3)), draw.integer(1, 2)
    init = {
        "in_channels": groups * draw.integer(1, 2),
        "out_channels": groups * draw.integer(1, 2),
        "kernel_size": draw.per_axis(rank, 1, 3),
        "stride": draw.per_axis(rank, 1, 2),
        "padding": draw.per_axis(rank, 0, 2),
        "dilation": draw.per_axis(rank, 1, 2),
        "groups": groups,
        "bias": draw.boolean(),
        "padding_mode": draw.choice(PADDING_MODES),
    }
    axes = f"n=2 c={init['in_channels']} {draw.spatial(rank, 3, 6)}"
    return Case(f"conv.Conv{rank}d", {"input": given(axes)}, init=init)


def transposed_convolution(draw: Draw) -> Case:
    rank, groups = draw.integer(1, 3), draw.integer(1, 2)
    init = {
        "in_channels": groups * draw.integer(1, 2),
        "out_channels": groups * draw.integer(1, 2),
        "kernel_size": draw.per_axis(rank, 1, 3),
        "stride": draw.per_axis(rank, 1, 3),
        "padding": draw.per_axis(rank, 0, 1),
        "output_padding": draw.integer(0, 1),
        "groups": groups,
        "bias": draw.boolean(),
        "dilation": draw.per_axis(rank, 1, 2),
    }
    axes = f"n=2 c={init['in_channels']} {draw.spatial(rank, 2, 4)}"
    return Case(f"conv.ConvTranspose{rank}d", {"input": given(axes)}, init=init)


def _window(draw: Draw) -> dict:
    return {
        "kernel_size": draw.pair(1, 3),
        "dilation": draw.pair(1, 2),
        "padding": draw.pair(0, 2),
        "stride": draw.pair(1, 3),
    }


def unfold(draw: Draw) -> Case:
    axes = f"n=2 c=2 {draw.spatial(2, 3, 6)}"
    return Case("fold.unfold", {"input": given(axes)}, options=_window(draw), out=("n c l",))


def fold(draw: Draw) -> Case:
    """As many blocks as the windows of the output leave: fold is unfold's transpose."""
    window, size = _window(draw), tuple(draw.integers(2, 3, 6))
    kernel, dilation, padding, stride = (
        value if isinstance(value, tuple) else (value, value) for value in window.values()
    )

    def blocks(n: int, k: int, d: int, p: int, s: int) -> int:
        return max(1, (n + 2 * p - d * (k - 1) - 1) // s + 1)

    count = prod(starmap(blocks, zip(size, kernel, dilation, padding, stride, strict=True)))
    axes = f"n=2 c={2 * prod(kernel)} l={count}"
    options = {"output_size": size, **window}
    return Case("fold.fold", {"input": given(axes)}, options=options, out=("n c h w",))


def padding(draw: Draw) -> Case:
    rank, kind = draw.integer(1, 3), draw.choice(PADS)
    # Where a crop leaves less than a circular padding takes, torch reads what it never wrote.
    low = 0 if kind == "CircularPad" else -2
    every = draw.integer(low, 3) if draw.boolean() else tuple(draw.integers(2 * rank, low, 3))
    init: dict = {"padding": every}
    if kind == "ConstantPad":
        init["value"] = draw.choice((0.0, -1.5, 3.0))
    axes = f"{draw.batch()}c=2 {draw.spatial(rank, 3, 6)}"
    return Case(f"pad.{kind}{rank}d", {"input": given(axes)}, init=init)


def function_padding(draw: Draw) -> Case:
    """`pad`, which takes the number of axes from the length of its list.

    A constant pads the last axes whatever they mean, so that none may be named a channel.
    """
    mode = draw.choice(("constant", "reflect", "replicate", "circular"))
    rank = draw.integer(1, 3)
    sizes = " ".join(f"{name}={draw.integer(4, 6)}" for name in AXES[rank])
    if mode == "constant":
        options: dict = {"pad": tuple(draw.integers(2 * rank, -1, 2))}
        options["value"] = draw.choice((0.0, 2.5))
        return Case("pad.pad", {"input": given(f"a=2 b=2 {sizes}")}, options=options)
    low = 0 if mode == "circular" else -1
    options = {"pad": tuple(draw.integers(2 * rank, low, 2)), "mode": mode}
    return Case("pad.pad", {"input": given(f"n=2 c=2 {sizes}")}, options=options)


FAMILIES = (
    *(conv2d, padded_conv, convolution, transposed_convolution),
    *(unfold, fold, padding, function_padding),
)
