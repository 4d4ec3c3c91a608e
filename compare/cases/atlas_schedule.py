"""The atlas: schedules, and where training starts."""

from __future__ import annotations

from compare.cases.atlas import (
    AGREES,
    DIFFERS,
    NAIVE_SERVES,
    Row,
    about,
    above,
    equal,
    implausible,
    plausible,
    rounding,
)

ROWS = [
    Row(
        "G40a",
        "A cosine by hand over steps - 1 is not CosineAnnealingLR over steps.",
        "schedule.off_by_one",
        (DIFFERS, AGREES),
        "goodfire-ai/spd#642",
    ),
    Row(
        "G40b",
        "CosineAnnealingLR(T) and a linear rise are optax's cosine_decay and linear_schedule.",
        "schedule.alike",
        (NAIVE_SERVES, AGREES),
        "measured",
    ),
    Row(
        "G40c",
        "decay_steps of optax's warmup_cosine_decay_schedule counts the rise as well.",
        "schedule.warmup_cosine",
        (DIFFERS, rounding("with the rise included")),
        "measured",
        quick=True,
    ),
    Row(
        "X5",
        "Past T torch's cosine goes up again, optax's stays at its end.",
        "schedule.past_the_end",
        (DIFFERS, above("torch at 15", 0.01), equal("optax at 15", 0.0)),
        "measured",
    ),
    Row(
        "X6",
        "optax's one-cycle schedule peaks a step later than OneCycleLR.",
        "schedule.one_cycle",
        (DIFFERS, equal("torch peaks at", 5), equal("optax peaks at", 6)),
        "measured",
    ),
    Row(
        "G41",
        "First weights: torch's Linear is uniform of deviation 1 / sqrt(3 fan_in), its bias "
        "too; Flax's lecun_normal, 1 / sqrt(fan_in), bias 0. Embedding: 1 against "
        "1 / sqrt(features).",
        "schedule.first_weights",
        (
            DIFFERS,
            about("torch deviation", 1 / 768**0.5),
            about("Flax deviation", 1 / 16),
            plausible("torch p of uniform"),
            plausible("JAX p of uniform"),
            implausible("Flax p of uniform"),
            about("torch Embedding deviation", 1.0),
            about("Flax Embedding deviation", 1 / 16),
            equal("Flax largest bias", 0.0),
            AGREES,
        ),
        "jax#4862, flax#3125",
    ),
    Row(
        "G42",
        "Seeds move an end metric more than a mistake does: it can't certify a port.",
        "schedule.seeds",
        (DIFFERS, above("spread beyond the mistake", 0)),
        "transformers#346",
    ),
]
