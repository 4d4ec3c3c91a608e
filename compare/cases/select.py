"""Which cases a run takes: suites by name, then a filter over the cases' names."""

from __future__ import annotations

import difflib
import importlib

from compare.cases.case import Pair

LAYERS = (
    *("conv", "fold", "pad", "pool", "adaptive_pool", "norm", "normalization", "dropout"),
    *("loss", "loss_binary", "loss_ctc", "loss_embedding", "loss_likelihood", "loss_margin"),
    *("loss_robust", "activation", "linear", "embedding", "shape", "resize", "distance"),
    "tensor",
)
MODELS = ("bert",)
TRAINING = ("train", "finetune", "overfitting", "optim", "schedule")
FAULTS = ("faults", "train_faults")
STEMS = (*LAYERS, *MODELS, *TRAINING, *FAULTS)
_GROUPS = {"all": STEMS, "layers": LAYERS, "training": TRAINING, "faults": FAULTS}
SUITES: dict[str, tuple[str, ...]] = {
    **_GROUPS,
    **{stem: (stem,) for stem in (*STEMS, "long") if stem not in _GROUPS},
}
"""What `--suite` takes. `long`, whole trainings, is in no other: it takes an hour."""


class UnknownName(ValueError):
    """A suite or case that does not exist; the message offers those that do."""


def select(suites: list[str] | None = None, keyword: str = "") -> list[tuple[str, Pair]]:
    """(suite, case) for each case of `suites` (all by default) whose name has `keyword` in it.

    Case of letters does not matter. Raises UnknownName for a suite that does not exist and for
    a keyword that no case has.
    """
    stems = dict.fromkeys(stem for suite in suites or ["all"] for stem in _stems(suite))
    every = [(stem, case) for stem in stems for case in load(stem)]
    _refuse_twins([case.name for _, case in every])
    chosen = [(stem, case) for stem, case in every if keyword.lower() in case.name.lower()]
    if not chosen:
        names = [case.name for _, case in every]
        near = difflib.get_close_matches(keyword, names, n=3, cutoff=0.3)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise UnknownName(
            f"no case of {', '.join(suites or ['all'])} has {keyword!r} in its name{hint} "
            "(portbench list shows all)"
        )
    return chosen


def load(stem: str) -> list[Pair]:
    """The cases of compare/cases/<stem>.py."""
    return importlib.import_module(f"compare.cases.{stem}").CASES


def _stems(suite: str) -> tuple[str, ...]:
    if suite not in SUITES:
        raise UnknownName(f"unknown suite {suite!r}; there are: {', '.join(SUITES)}")
    return SUITES[suite]


def _refuse_twins(names: list[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise ValueError(f"two cases have one name: {', '.join(twins)}")
