"""The atlas: losses, by torch's rules."""

from __future__ import annotations

from compare.cases.atlas import AGREES, Row, equal, rounding

_SHAPES = [[2, 3, 4, 5], [], []]

ROWS = [
    Row(
        "N5.1",
        "L1Loss and MSELoss take any two arrays of one shape; 'none' keeps the shape, 'mean' "
        "and 'sum' give a scalar. size_average and reduce are deprecated.",
        "loss.elementwise",
        (
            equal("shapes of L1", _SHAPES),
            equal("shapes of MSE", _SHAPES),
            equal("deprecation told", True),
            AGREES,
        ),
    ),
    Row(
        "N5.2a",
        "CrossEntropyLoss takes scores (N, C) or (C) with class indices (N) or (); 'none' "
        "gives the target's shape, else a scalar.",
        "loss.cross_entropy_shapes",
        (
            equal("shape with none", [6]),
            equal("shape with mean", []),
            equal("shape for one row", []),
            AGREES,
        ),
        quick=True,
    ),
    Row(
        "N5.2b",
        "A target shaped like the scores holds probabilities; one-hot, they say what labels "
        "say. 'none' then gives a number a row.",
        "loss.cross_entropy_probabilities",
        (rounding("one hot against labels"), equal("shape with none", [6]), AGREES),
    ),
    Row(
        "N5.2c",
        "(?) With probabilities, too, 'none' gives the target's shape.",
        "loss.cross_entropy_probabilities",
        (equal("shape with none", [6, 5]),),
        expect="does not hold",
        quick=True,
    ),
    Row(
        "N5.2d",
        "Targets of neither form are refused: another length, a class beyond the last.",
        "loss.wrong_targets",
        (equal("torch refuses", True), equal("JAX refuses", True), AGREES),
    ),
]
