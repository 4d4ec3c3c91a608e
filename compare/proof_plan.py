"""What the judge is tried on: every planted fault, trainings mended, the pairs of the trial."""

from __future__ import annotations

from collections.abc import Sequence

from compare.cases.faults import CASES as FAULTS
from compare.cases.planted import in_layers, in_models
from compare.cases.planted_elements import CASES as ELEMENTS
from compare.cases.train_faults import CASES as TRAININGS
from compare.cases.training import Training
from compare.cases.trial import PAIRS, SEEDS
from compare.proof import Item, Mended, Planted, Tried
from compare.proof_faults import without_fault
from compare.suite import BATCH

TIMES = 3
"""Places at which each fault of a model is planted."""


def planned(quick: bool) -> list[list[Item]]:
    """Faults, those that take longest first, and the pairs of the trial."""
    faults = planted(quick)
    alone: list[Item] = [one for one in faults if one.alone]
    alone += [Mended(without_fault(x.case)) for x in faults if isinstance(x.case, Training)]
    together: list[Item] = [one for one in faults if not one.alone]
    pairs: list[Item] = [Tried(pair, 1 if quick else SEEDS) for pair in PAIRS]
    return [*cut(alone, 1), *cut(together, BATCH), *cut(pairs, 5)]


def cut(items: Sequence[Item], size: int) -> list[list[Item]]:
    return [list(items[i : i + size]) for i in range(0, len(items), size)]


def planted(quick: bool) -> list[Planted]:
    """Every planted fault; of deep models those of the smallest alone, if `quick`."""
    single = [Planted("faults", case) for case in FAULTS]
    single += [Planted("layers", case) for case in in_layers()]
    single += [Planted("elements", case) for case in ELEMENTS]
    models = [
        Planted("models", case, True, True) for case in in_models(0, 1 if quick else TIMES)
    ]
    if quick:
        return single + [one for one in models if one.case.target.startswith("lenet.")]
    return [*(Planted("trainings", case, alone=True) for case in TRAININGS), *models, *single]
