"""The atlas: dropout, and other ways against overfitting."""

from __future__ import annotations

from compare.cases.atlas import (
    AGREES,
    DIFFERS,
    Row,
    above,
    apart,
    equal,
    plausible,
    rounding,
)

ROWS = [
    Row(
        "N4.1",
        "Dropout2d(p=0.5, inplace=False) zeroes a map as a whole with probability p; what "
        "survives is scaled by 1 / (1 - p).",
        "dropout.whole_maps",
        (
            equal("torch maps in part", 0),
            equal("JAX maps in part", 0),
            plausible("torch p of a share of 0.3"),
            plausible("JAX p of a share of 0.3"),
            rounding("torch survivors off 1 over 0.7"),
            rounding("JAX survivors off 1 over 0.7"),
            equal("defaults", [0.5, False]),
            AGREES,
        ),
    ),
    Row(
        "N4.2",
        "A 3-D input to Dropout2d is (batch, channel, length), not (C, H, W): one decision "
        "for each row of the last axis.",
        "dropout.three_axes",
        (
            equal("one decision along the last axis", True),
            equal("one decision along the first axis", False),
            equal("sums over the last axis", [0.0, 12.0]),
            AGREES,
        ),
        quick=True,
    ),
    Row(
        "N4.3",
        "(?) Dropout acts on other layers' parameters and not on the tensor that flows.",
        "dropout.what_it_acts_on",
        (
            above("parameters moved by", 0.0),
            equal("zeros in the tensor that flows", False),
        ),
        expect="does not hold",
    ),
    Row(
        "N4.3b",
        "Dropout acts on the tensor that flows, and has no parameters.",
        "dropout.what_it_acts_on",
        (
            equal("parameters moved by", 0.0),
            equal("zeros in the tensor that flows", True),
            equal("parameters of dropout", 0),
            AGREES,
        ),
    ),
    Row(
        "N4.4",
        "Dropout by single elements is the common one: all that a BERT has.",
        "dropout.per_element",
        (
            plausible("p of a share of a quarter"),
            above("Dropout layers in a BERT", 0),
            equal("Dropout2d layers in a BERT", 0),
            AGREES,
        ),
    ),
    Row(
        "N4.5",
        "Against overfitting there are also early stopping on a validation set, L1 and L2 "
        "penalties, ensembles and soft weight sharing: all are here, on both sides.",
        "dropout.other_ways",
        (
            AGREES,
            equal("same epochs", True),
            above("epochs after the best", 0),
            equal("L1 and L2 in torch impl", True),
            equal(
                "classes here",
                ["EarlyStopping", "DropoutMLP", "Ensemble", "SoftWeightSharing"],
            ),
        ),
    ),
    Row(
        "G8b",
        "Users of PyTorch expect a layer that trains until eval(): NNX's Dropout does so, "
        "linen's asks for the mode at each call.",
        "dropout.linen_and_nnx",
        (
            DIFFERS,
            equal("torch layer trains at first", True),
            equal("nnx layer trains at first", True),
            equal("linen asks for the mode", True),
        ),
        "flax, docs: apply batch normalisation",
    ),
    Row(
        "G49",
        "Random streams never match between the frameworks: dropout is compared by a mask "
        "that both are given.",
        "dropout.streams",
        (DIFFERS, apart("randn of one seed apart by"), AGREES),
        "torch2jax, README",
        quick=True,
    ),
    Row(
        "G59",
        "d2l's dropout_layer draws its key as a default argument, once: every call drops the "
        "same elements.",
        "dropout.default_key",
        (
            DIFFERS,
            equal("torch draws one mask twice", False),
            equal("port draws one mask twice", True),
        ),
        "d2l-en, dropout",
    ),
]
