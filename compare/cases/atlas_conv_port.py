"""The atlas: where ports of convolutions and of flattened features go wrong."""

from __future__ import annotations

from compare.cases.atlas import (
    AGREES,
    DIFFERS,
    Row,
    above,
    apart,
    equal,
    rounding,
)

ROWS = [
    Row(
        "G9",
        "Flax's Conv pads SAME by default; torch's pads nothing.",
        "conv_port.default_padding",
        (DIFFERS, equal("torch size", 6), equal("Flax size", 8)),
        "measured",
        quick=True,
    ),
    Row(
        "G10",
        "SAME at stride 2 pads one side only, torch's padding=k//2 both: equal shapes, other "
        "values. torch refuses padding='same' with a stride.",
        "conv_port.same_at_stride_2",
        (
            DIFFERS,
            equal("equal shapes", True),
            equal("torch refuses same", True),
            above("largest difference", 1.0),
        ),
        "flax#2993",
        quick=True,
    ),
    Row(
        "G11",
        "A transposed convolution needs transpose_kernel=True, a kernel (kH, kW, out, in) and "
        "padding k - 1 - p, with output_padding added on the high side.",
        "conv_port.transposed",
        (
            DIFFERS,
            rounding("Flax with transpose kernel and padding k 1 p"),
        ),
        "flax#1872, flax#3137, flax#2577, jax#11252",
    ),
    Row(
        "G11b",
        "The migration guide's padding 1 - p for transposed convolutions is right for kernel "
        "size 2 only.",
        "conv_port.transposed",
        (
            rounding("gap of the guide at kernel 2"),
            apart("gap of the guide at kernel 3"),
        ),
        "flax, docs: convert PyTorch models to Flax",
    ),
    Row(
        "G12",
        "A transposed convolution padded 'same' at stride 2 with an odd kernel is shifted by a "
        "pixel against torch's padding, which crops the output.",
        "conv_port.transposed_same",
        (DIFFERS, equal("equal shapes", True), rounding("gap after a shift by 1")),
        "keras#22876, TICO#420",
    ),
    Row(
        "G13",
        "torch's weights are (out, in, ...), Flax's (..., in, out); a square one loads "
        "untransposed without complaint.",
        "conv_port.square_weight",
        (DIFFERS, equal("torch weight", [3, 4]), equal("Flax kernel", [4, 3])),
        "flax, docs: convert PyTorch models to Flax",
    ),
    Row(
        "G14",
        "Features flattened channels last meet a dense layer's rows in another order: move "
        "channels first again, or permute the rows.",
        "conv_port.flatten_order",
        (DIFFERS, rounding("gap with permuted rows")),
        "flax, docs: convert PyTorch models to Flax",
        quick=True,
    ),
    Row(
        "G55",
        "d2l's residual block at stride 2 pads 'same' in the JAX tab and 1 in the PyTorch tab: "
        "equal at odd sizes, not at even ones.",
        "conv_port.residual_sizes",
        (DIFFERS, rounding("gap at 7 pixels"), apart("gap at 6 pixels")),
        "d2l-en, ResNet",
    ),
    Row(
        "G58",
        "linen.Conv pads SAME by default, where the PyTorch tab's convolution pads nothing.",
        "conv_port.default_padding_linen",
        (DIFFERS, equal("torch size", 6), equal("linen size", 8)),
        "d2l-en, LeNet with batch normalisation",
    ),
    Row(
        "X1",
        "Both frameworks' conv correlates; jnp.convolve, a true convolution, turns the kernel.",
        "conv_port.kernel_flip",
        (DIFFERS, AGREES, above("jnp convolve minus correlate", 0.1)),
        "measured",
    ),
]
