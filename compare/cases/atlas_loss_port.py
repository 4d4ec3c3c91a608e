"""The atlas: where ports of losses go wrong."""

from __future__ import annotations

from compare.cases.atlas import DIFFERS, Row, about, below, equal, rounding

ROWS = [
    Row(
        "G28",
        "torch's cross entropy averages over the labels it keeps; optax's has no ignore_index "
        "and gives NaN for -100.",
        "loss_port.ignored",
        (
            DIFFERS,
            equal("optax gives NaN", True),
            equal("optax has ignore index", False),
            about("kept over all", 4 / 6),
        ),
        "measured",
        quick=True,
    ),
    Row(
        "G29a",
        "With class weights torch divides by the weights of the targets, not by N.",
        "loss_port.class_weights",
        (DIFFERS, rounding("gap to N over the weights")),
        "optax#1486",
        quick=True,
    ),
    Row(
        "G29b",
        "With class weights and label smoothing torch weights each class of the smoothed "
        "label, not the row by its target.",
        "loss_port.smoothed_weights",
        (DIFFERS, below("naive gap", 0.5)),
        "measured",
    ),
    Row(
        "G29c",
        "optax's cross entropy of labels has no smoothing: it goes by smooth_labels of one-hot "
        "ones.",
        "loss_port.smoothing_in_optax",
        (DIFFERS, rounding("by smooth labels"), equal("an argument", "TypeError")),
        "optax#1486",
    ),
    Row(
        "G30a",
        "With all labels ignored torch gives NaN; a port that guards the division gives 0.",
        "loss_port.all_ignored",
        (DIFFERS, equal("torch is NaN", True), equal("guarded port", 0.0)),
        "measured",
    ),
    Row(
        "G30b",
        "A label out of range raises IndexError in torch and gives NaN in optax.",
        "loss_port.out_of_range",
        (
            DIFFERS,
            equal("torch raises", "IndexError"),
            equal("optax gives NaN", True),
            equal("right raises", "IndexError"),
            equal("right under jit gives NaN", True),
        ),
        "measured",
    ),
    Row(
        "G31",
        "KLDivLoss's 'mean' divides by all elements; optax's is per row, as 'batchmean'.",
        "loss_port.kl_mean",
        (DIFFERS, about("optax over torch", 5.0), rounding("optax against batchmean")),
        "measured",
    ),
    Row(
        "G32a",
        "smooth_l1 is Huber over beta; optax's huber_loss is torch's huber_loss.",
        "loss_port.smooth_l1",
        (DIFFERS, about("torch over optax", 2.0), rounding("optax against torch Huber")),
        "measured",
    ),
    Row(
        "G32b",
        "optax.l2_loss is half of the squared error.",
        "loss_port.l2_loss",
        (DIFFERS, about("torch over optax", 2.0)),
        "measured",
        quick=True,
    ),
    Row(
        "G33a",
        "binary_cross_entropy stops the logarithm at -100; without that a port gives inf.",
        "loss_port.clamped_log",
        (
            DIFFERS,
            equal("torch at probability 0", 100.0),
            equal("naive is infinite", True),
        ),
        "measured",
    ),
    Row(
        "G33b",
        "The cosine similarity of a zero vector is 0 in torch; optax's, whose epsilon is 0, is "
        "NaN.",
        "loss_port.cosine_of_zero",
        (DIFFERS, equal("torch", 0.0), equal("optax is NaN", True)),
        "measured",
    ),
    Row(
        "G34",
        "std and var are unbiased in torch, biased in jnp (ddof=0).",
        "loss_port.deviation",
        (DIFFERS, about("torch variance over jnp", 16 / 15)),
        "measured",
    ),
]
