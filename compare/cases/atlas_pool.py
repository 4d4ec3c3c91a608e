"""The atlas: pooling, and resizing."""

from __future__ import annotations

from compare.cases.atlas import (
    AGREES,
    DIFFERS,
    Row,
    above,
    below,
    equal,
    rounding,
)

_DEFAULTS = ["kernel_size", "stride=None", "padding=0", "dilation=1"]
_DEFAULTS += ["return_indices=False", "ceil_mode=False"]

ROWS = [
    Row(
        "N2.1",
        "MaxPool2d takes kernel_size, stride=None, padding=0, dilation=1, "
        "return_indices=False, ceil_mode=False; batch and channels stay, nothing is learned.",
        "pool.signature",
        (
            equal("torch defaults", _DEFAULTS),
            equal("JAX defaults", _DEFAULTS),
            equal("batch and channels", [2, 3]),
            equal("learned in torch", 0),
            equal("learned in JAX", 0),
            AGREES,
        ),
    ),
    Row(
        "N2.2",
        "The stride is the kernel size by default: windows do not overlap.",
        "pool.stride_is_the_kernel",
        (equal("gap to blocks without overlap", 0.0), AGREES),
    ),
    Row(
        "N2.3a",
        "(?) The class MaxPool2d pads with 0.",
        "pool.what_pads",
        (equal("largest of the class", 0.0),),
        expect="does not hold",
        quick=True,
    ),
    Row(
        "N2.3b",
        "The function max_pool2d pads with minus infinity, and so does the class.",
        "pool.what_pads",
        (
            below("largest of the function", 0.0),
            below("largest of the class", 0.0),
            equal("class minus function", 0.0),
            AGREES,
        ),
        quick=True,
    ),
    Row(
        "N2.3c",
        "There is no padding_mode for pooling.",
        "pool.what_pads",
        (equal("padding mode", "TypeError"),),
    ),
    Row(
        "N2.4a",
        "(?) ceil_mode=True fills an incomplete window with 0.",
        "pool.ceil_mode",
        (equal("largest of the last window", 0.0),),
        expect="does not hold",
    ),
    Row(
        "N2.4b",
        "ceil_mode=True keeps the incomplete window, False drops it: ceil against floor in the "
        "output size.",
        "pool.ceil_mode",
        (
            equal("size with ceil mode", 3),
            equal("size without", 2),
            below("largest", 0.0),
            AGREES,
        ),
    ),
    Row(
        "N2.5",
        "return_indices gives the place of each maximum, flat in its map, for max_unpool2d.",
        "pool.indices",
        (
            equal("value at its index minus maximum", 0.0),
            equal("restored where not 0", 0.0),
            AGREES,
        ),
    ),
    Row(
        "N2.6",
        "Pooling makes maps smaller and hardly moves what is where: a peak stays within its "
        "window.",
        "pool.where_it_is",
        (below("peak moved by at most", 2), AGREES),
    ),
    Row(
        "G15",
        "Flax's pools have stride 1 by default, torch's the kernel size.",
        "pool.stride_is_the_kernel",
        (DIFFERS, equal("torch size", 2), equal("Flax size", 6)),
        "measured",
        quick=True,
    ),
    Row(
        "G16",
        "Both frameworks' max-pools pad with minus infinity; a port that pads with 0 is not "
        "seen after a ReLU, and wrong on signed values.",
        "pool.what_pads",
        (DIFFERS, equal("naive gap after ReLU", 0.0), equal("Flax gap", 0.0)),
        "measured",
    ),
    Row(
        "G17",
        "Flax has no ceil_mode, and SAME is no substitute: it divides the last window by its "
        "full size, torch by its real one.",
        "pool.average_at_the_edge",
        (
            DIFFERS,
            equal("torch corner", 1.0),
            equal("Flax SAME corner", 0.25),
            equal("ceil mode of nnx", False),
        ),
        "flax#2040, equinox#175",
    ),
    Row(
        "G18",
        "Flax's avg_pool has count_include_pad, True by default, though its guides say that "
        "it has not.",
        "pool.count_include_pad",
        (DIFFERS, equal("Flax default", True), rounding("Flax with False")),
        "flax, docs: pytorch_to_jax_flax.rst",
    ),
    Row(
        "G19",
        "Adaptive pooling maps to a mean for output size 1 only; Flax has no layer for the "
        "rest, and a fixed window differs.",
        "pool.adaptive",
        (
            DIFFERS,
            rounding("output size 1 against the mean"),
            equal("adaptive pools of nnx", []),
        ),
        "flax, docs: convert PyTorch models to Flax",
    ),
    Row(
        "G20",
        "Bilinear resizing agrees upwards; downwards JAX filters first unless antialias=False.",
        "pool.bilinear",
        (
            DIFFERS,
            above("largest difference downwards", 0.5),
            rounding("downwards without antialias"),
            rounding("upwards"),
        ),
        "measured",
    ),
]
