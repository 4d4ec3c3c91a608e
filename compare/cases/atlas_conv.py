"""The atlas: Conv2d, the class, and conv2d, the function."""

from __future__ import annotations

from compare.cases.atlas import AGREES, Row, above, equal, implausible, plausible, rounding

ROWS = [
    Row(
        "N1.1",
        "Conv2d is constructed and then called; conv2d is given its weight. The class wraps "
        "the function.",
        "conv.class_wraps_function",
        (
            equal("torch class minus function", 0.0),
            equal("JAX class minus function", 0.0),
        ),
        quick=True,
    ),
    Row(
        "N1.2",
        "A convolution's weight is (out_channels, in_channels / groups, kH, kW).",
        "conv.weight_shape",
        (equal("shape", [6, 2, 3, 2]), equal("shape in JAX", [3, 2, 2, 6])),
    ),
    Row(
        "N1.3a",
        "An output channel is the sum of the 2-D correlations of the input channels.",
        "conv.channels_add_up",
        (rounding("gap to the sum"), AGREES),
        quick=True,
    ),
    Row(
        "N1.3b",
        "(?) An output channel is the average of the 2-D correlations of the input channels.",
        "conv.channels_add_up",
        (rounding("gap to the mean"),),
        expect="does not hold",
    ),
    Row(
        "N1.4",
        "(?) The class draws its first weight from a normal distribution.",
        "conv.initial_weight",
        (plausible("torch p of normal"),),
        expect="does not hold",
        quick=True,
    ),
    Row(
        "N1.4b",
        "The first weight is uniform in +-1 / sqrt(fan_in), on both sides.",
        "conv.initial_weight",
        (
            plausible("torch p of uniform"),
            plausible("JAX p of uniform"),
            implausible("torch p of normal"),
            implausible("JAX p of normal"),
        ),
    ),
    Row(
        "N1.5",
        "The output size is no argument: it follows from kernel, stride, padding and dilation.",
        "conv.output_size",
        (
            equal("torch sizes as the formula", 81),
            equal("JAX sizes as the formula", 81),
            equal("output size as an argument", "TypeError"),
        ),
    ),
    Row(
        "N1.6",
        "kernel_size, stride, padding and dilation are an int for both axes, or a pair.",
        "conv.int_or_pair",
        (
            equal("torch int minus pair", 0.0),
            equal("JAX int minus pair", 0.0),
            equal("kernel of a pair", [3, 5]),
            AGREES,
        ),
    ),
    Row(
        "N1.7",
        "dilation=1 leaves no gap between kernel elements, 2 leaves a gap of one.",
        "conv.dilation_gaps",
        (
            rounding("dilation 2 against one zero between"),
            rounding("dilation 1 against none between"),
            AGREES,
        ),
    ),
    Row(
        "N1.8a",
        "The bias is learned and has shape (out_channels,).",
        "conv.bias_shape",
        (equal("bias length", 4), above("gradient of the bias", 0.0), AGREES),
    ),
    Row(
        "N1.8b",
        "(?) The bias is off by default.",
        "conv.bias_shape",
        (equal("torch has a bias by default", False),),
        expect="does not hold",
    ),
    Row(
        "N1.9",
        "padding_mode is zeros, the default, or reflect (about the edge element), replicate, "
        "circular.",
        "conv.padding_modes",
        (
            equal("default", "zeros"),
            rounding("zeros by hand"),
            rounding("reflect by hand"),
            rounding("replicate by hand"),
            rounding("circular by hand"),
            AGREES,
        ),
    ),
    Row(
        "N1.10",
        "device says where a layer lives; .weight and .bias are read back.",
        "conv.device_and_leaves",
        (equal("device", "cpu"), equal("of a shape without numbers", "meta"), AGREES),
    ),
    Row(
        "N1.11",
        "With hand-made kernels, as in a physics-informed network, one uses the function.",
        "conv.hand_made_kernel",
        (equal("torch Laplacian", [4.0]), equal("JAX Laplacian", [4.0]), AGREES),
    ),
]
