"""The atlas: batch normalisation."""

from __future__ import annotations

from compare.cases.atlas import AGREES, Row, about, apart, equal, rounding

_DEFAULTS = ["eps=1e-05", "momentum=0.1", "affine=True", "track_running_stats=True"]

ROWS = [
    Row(
        "N3.1",
        "BatchNorm2d has eps=1e-5, momentum=0.1, affine=True, track_running_stats=True; "
        "N x C x H x W in, the same shape out.",
        "norm.shape_and_defaults",
        (
            equal("torch defaults", _DEFAULTS),
            equal("JAX defaults", _DEFAULTS),
            equal("shape", [4, 3, 5, 6]),
            AGREES,
        ),
    ),
    Row(
        "N3.2",
        "There is one mean and one variance per channel.",
        "norm.per_channel",
        (
            equal("means", 3),
            rounding("gap to the mean by hand"),
            rounding("gap to the variance by hand"),
            AGREES,
        ),
    ),
    Row(
        "N3.3",
        "gamma and beta have shape (C,) whatever the batch; they start at 1 and 0.",
        "norm.first_leaves",
        (
            equal("shapes", [[3]]),
            equal("weight", [1.0] * 3),
            equal("bias", [0.0] * 3),
            AGREES,
        ),
    ),
    Row(
        "N3.4a",
        "(?) momentum updates gamma and beta.",
        "norm.momentum",
        (apart("gamma moved by"), apart("beta moved by")),
        expect="does not hold",
        quick=True,
    ),
    Row(
        "N3.4b",
        "momentum is the share of the new statistics in the running ones: (1 - m) old + m new.",
        "norm.momentum",
        (
            about("running mean over mean at 01", 0.1),
            about("running mean over mean at 09", 0.9),
            equal("gamma moved by", 0.0),
            AGREES,
        ),
        quick=True,
    ),
    Row(
        "N3.5",
        "With affine=False gamma and beta are not learned: there are none.",
        "norm.not_affine",
        (
            equal("learned in torch", 0),
            equal("learned in JAX", 0),
            equal("gap to gamma 1 and beta 0", 0.0),
            AGREES,
        ),
    ),
    Row(
        "N3.6a",
        "track_running_stats=True: training calls move the running statistics, evaluation "
        "uses them and moves nothing.",
        "norm.running_statistics",
        (
            rounding("gap to the formula"),
            equal("moved by evaluation in JAX", 0.0),
            AGREES,
        ),
    ),
    Row(
        "N3.6b",
        "track_running_stats=False: no buffers; evaluation, too, normalises by the batch at "
        "hand.",
        "norm.untracked",
        (
            equal("untracked evaluation minus training", 0.0),
            equal("buffers untracked", 0),
            equal("buffers tracked", 3),
            apart("tracked evaluation minus training"),
            AGREES,
        ),
        quick=True,
    ),
    Row(
        "N3.6c",
        "momentum=None: the running statistics are the plain mean over all batches so far.",
        "norm.no_momentum",
        (
            rounding("gap to the mean of means"),
            rounding("gap to the mean of variances"),
            equal("batches counted", 3),
            AGREES,
        ),
        quick=True,
    ),
]
