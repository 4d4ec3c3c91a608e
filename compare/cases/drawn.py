"""Random correct cases: any arguments, shapes, scales and means, of every family of layers.

A configuration is a case that a family draws; a comparison is a configuration on inputs of its
own, with a scale and a mean of their own. The comparisons of a configuration differ in numbers
alone, so that they share one compile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from compare.cases import drawn_layer, drawn_loss, drawn_norm, drawn_pool, drawn_window
from compare.cases.case import Case, Given
from compare.cases.chance import Draw

FAMILIES = (
    *(*drawn_window.FAMILIES, *drawn_pool.FAMILIES, *drawn_norm.FAMILIES),
    *(*drawn_loss.FAMILIES, *drawn_layer.FAMILIES),
)

DRAWS = 10
"""Comparisons of one configuration."""

SCALES = (-6, 6)
"""Exponents of 2 by which inputs are stretched."""

MEANS = (0, 30)
"""What is added to the mean of inputs."""

_WEIGHTS = ("weight", "bias", "linear_weight", "per_sample_weights")


def configuration(number: int, seed: int) -> Case:
    """Configuration `number`: the families take turns."""
    family = FAMILIES[number % len(FAMILIES)]
    case = family(Draw(np.random.default_rng((seed, number))))
    return replace(case, name=f"{family.__name__} {number}: {case.name}")


def moved(case: Case, turn: int, seed: int) -> Case:
    """`case` on the inputs of draw `turn`: the first has the case's own scale and mean."""
    draw = Draw(np.random.default_rng((seed, turn, *case.name.encode())))
    scale = 2.0 ** draw.integer(*SCALES) if turn else 1.0
    mean = float(draw.integer(*MEANS)) if turn else 0.0
    inputs = {
        name: given if name in _WEIGHTS else stretched(given, scale, mean)
        for name, given in case.inputs.items()
    }
    return replace(case, inputs=inputs, name=f"{case.name}, draw {turn}")


def stretched(given: Given, scale: float, mean: float) -> Given:
    """`given` with its spread times `scale` and its mean moved, where its kind has these."""
    own = given.options
    if given.kind == "normal":
        std, middle = own.get("std", 1.0) * scale, own.get("mean", 0.25) + mean
        return replace(given, options={**own, "std": std, "mean": middle})
    if given.kind == "distinct":
        return replace(given, options={**own, "step": own.get("step", 2.0**-5) * scale})
    return given


def comparisons(count: int, seed: int, first: int = 0) -> Iterator[Case]:
    """`count` comparisons, DRAWS of each configuration, from configuration `first` on."""
    for index in range(count):
        number, turn = divmod(index, DRAWS)
        yield moved(configuration(first + number, seed), turn, seed)
