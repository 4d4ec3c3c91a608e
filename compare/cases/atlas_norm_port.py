"""The atlas: where ports of normalisation layers go wrong."""

from __future__ import annotations

from compare.cases.atlas import DIFFERS, Row, about, above, below, equal

ROWS = [
    Row(
        "G1",
        "Momentum is the other way round: torch keeps 1 - m of the old, Flax m.",
        "norm_port.momentum_inverted",
        (
            DIFFERS,
            about("share of the batch in torch", 0.1),
            about("share of the batch in Flax", 0.9),
        ),
        "flax, docs: pytorch_to_jax_flax.rst; mlcommons/algorithmic-efficiency#798",
        quick=True,
    ),
    Row(
        "G2",
        "Flax's default momentum is 0.99, which torch would call 0.01; torch's is 0.1.",
        "norm_port.momentum_default",
        (
            DIFFERS,
            equal("torch momentum", 0.1),
            equal("nnx momentum", 0.99),
            equal("linen momentum", 0.99),
        ),
        "flax, nnx/nn/normalization.py and linen/normalization.py",
    ),
    Row(
        "G3",
        "torch's running variance is unbiased, n / (n - 1) times the batch's; Flax's is not.",
        "norm_port.running_variance",
        (DIFFERS, about("torch over Flax", 16 / 15)),
        "pytorch#19902, #60528, #77427, #106366; returnn#1539; ARENA_3.0#415",
        quick=True,
    ),
    Row(
        "G4",
        "On one value per channel in training torch raises; Flax gives zeros.",
        "norm_port.one_value_per_channel",
        (
            DIFFERS,
            equal("torch raises", "ValueError"),
            equal("largest in Flax", 0.0),
            equal("right raises", "ValueError"),
        ),
        "measured",
    ),
    Row(
        "G5",
        "LayerNorm's eps: 1e-5 in torch, 1e-6 in Flax, 1e-12 in BERT.",
        "norm_port.layer_norm_eps",
        (
            DIFFERS,
            equal("torch eps", 1e-5),
            equal("Flax eps", 1e-6),
            equal("BERT eps", 1e-12),
            below("naive gap", 1e-4),
        ),
        "candle#271, transformers#1089",
        quick=True,
    ),
    Row(
        "G6a",
        "GroupNorm's and RMSNorm's eps are 1e-5 and the dtype's in torch, 1e-6 in Flax, whose "
        "GroupNorm has 32 groups by default.",
        "norm_port.group_norm_eps",
        (
            DIFFERS,
            equal("torch eps", 1e-5),
            equal("Flax eps", 1e-6),
            equal("Flax groups", 32),
            equal("torch RMSNorm eps", None),
            equal("Flax RMSNorm eps", 1e-6),
        ),
        "measured",
    ),
    Row(
        "G6b",
        "InstanceNorm's eps is 1e-5 in torch, 1e-6 in Flax; it has no gamma and beta in "
        "torch, and has them in Flax.",
        "norm_port.instance_norm_affine",
        (
            DIFFERS,
            equal("torch eps", 1e-5),
            equal("Flax eps", 1e-6),
            equal("torch is affine", False),
            equal("Flax is affine", True),
        ),
        "measured",
    ),
    Row(
        "G7",
        "Flax's norms compute the variance as E[x^2] - E[x]^2: far from 0 float32 keeps "
        "nothing of it.",
        "norm_port.fast_variance",
        (
            above("Flax error in float32", 1.0),
            below("torch error in float32", 1e-2),
            below("jax impl error in float32", 1e-2),
            below("Flax error with two passes", 1e-2),
            above("naive bits", 10.0),
        ),
        "flax#1491, equinox#314, keras-core#866",
        quick=True,
    ),
    Row(
        "G8",
        "Flax's BatchNorm and Dropout train until told: model.eval() switches both.",
        "norm_port.modes",
        (
            DIFFERS,
            equal("Flax at first", [False, False]),
            equal("Flax after eval", [True, True]),
        ),
        "flax, docs: apply batch normalisation",
    ),
    Row(
        "G56",
        "d2l's batch_norm from scratch takes means over axes (0, 2, 3) of an NHWC array: H "
        "means where C are meant.",
        "norm_port.wrong_axes",
        (DIFFERS, equal("means in torch", 3), equal("means in the port", 5)),
        "d2l-en, batch normalisation",
    ),
    Row(
        "G57",
        "d2l's concise nn.BatchNorm takes linen's default momentum, 0.99; torch's 0.1 would "
        "be 0.9.",
        "norm_port.momentum_default",
        (DIFFERS, equal("linen momentum", 0.99), equal("torch momentum", 0.1)),
        "d2l-en, batch normalisation",
    ),
    Row(
        "G60",
        "Equinox's BatchNorm evaluates, after one training step, as if the variance were "
        "larger by far: its start at ones is de-biased as if it were zeros.",
        "norm_port.equinox_batch_norm",
        (DIFFERS, above("variance that it divides by", 5.0)),
        "Equinox 0.13.8, measured",
        needs="the package equinox",
    ),
]
