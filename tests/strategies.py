"""Strategies: arguments and shapes of every family of layers, as cases."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np

from compare.cases.case import Case
from compare.cases.chance import Draw
from compare.cases.drawn import FAMILIES

__all__ = ["FAMILIES", "cases"]


def cases(family: Callable[[Draw], Case]) -> st.SearchStrategy[Case]:
    """The cases of `family`, each from a seed that is drawn."""
    seeds = st.integers(0, 2**32 - 1)
    return seeds.map(lambda seed: family(Draw(np.random.default_rng(seed))))
