"""The atlas: attention and embeddings."""

from __future__ import annotations

from compare.cases.atlas import DIFFERS, Row, above, below, equal

ROWS = [
    Row(
        "G22",
        "Where a token sees nothing torch's attention gives 0, jax.nn's the mean of all "
        "values, one by hand with minus infinity NaN.",
        "attention.masked_rows",
        (
            DIFFERS,
            equal("torch largest of the row", 0.0),
            below("jax nn row against the mean of values", 1e-6),
            equal("by hand with minus infinity is NaN", True),
        ),
        "pytorch#103963, #103749, #110213; rten#1321",
        quick=True,
    ),
    Row(
        "G23",
        "Additive masks differ by their constant: -1e4 does not hide what has large scores, "
        "the lowest number does.",
        "attention.mask_constant",
        (DIFFERS, equal("minus 1e10 in float16 is infinite", True)),
        "transformers#17306, #34339, #13555",
    ),
    Row(
        "G24",
        "torch packs attention's projections as (3 E, E); Flax has three kernels (E, H, D) "
        "and one out (H, D, E).",
        "attention.packed_projection",
        (
            DIFFERS,
            equal("torch in proj", [18, 6]),
            equal("Flax query", [6, 2, 3]),
            equal("Flax out", [2, 3, 6]),
        ),
        "transformers#10809, flax#2011",
    ),
    Row(
        "G25",
        "padding_idx: torch's row starts at 0 and gets no gradient; Flax's Embed has neither.",
        "attention.padding_row",
        (
            DIFFERS,
            equal("torch row at first", 0.0),
            above("Flax row at first", 0.0),
            equal("torch gradient of the row", 0.0),
            above("Flax gradient of the row", 0.0),
        ),
        "measured",
        quick=True,
    ),
    Row(
        "G26",
        "An index out of range raises in torch; nnx.Embed and jnp.take give NaN, indexing "
        "clamps, and -1 is the last.",
        "attention.index_out_of_range",
        (
            DIFFERS,
            equal("torch raises", "IndexError"),
            equal("Flax gives NaN", True),
            equal("jnp take gives NaN", True),
            equal("indexing clamps to", 3.0),
            equal("minus 1 is", 3.0),
            equal("torch with minus 1", "IndexError"),
        ),
        "JAX, Common Gotchas",
    ),
    Row(
        "G27",
        "A mistake in rotary positions shows on long inputs only: here a wrong base.",
        "attention.rotary",
        (
            DIFFERS,
            below("apart within 2 tokens", 0.3),
            above("growth", 5.0),
        ),
        "MaxText, logit checker",
    ),
]
