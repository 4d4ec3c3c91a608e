"""Studies: experiments that compare by themselves, each a function of (name, seed)."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from compare.judge.agree import compare, vacuity
from compare.judge.thresholds import FLOAT64_MARGIN, UNIT
from compare.judge.verdict import Finding, Verdict, worst_of


def pairings(name: str, seed: int) -> Verdict:
    """Every pairing of d2l's, judged: the right one's path at `expected` times the rate."""
    from compare.run import pairings as run

    table = run.pairings(seed=seed)
    bound = FLOAT64_MARGIN * UNIT["float64"]
    found = []
    for one in table:
        gap = max(one.spread, one.gap)
        verdict = "same" if gap <= bound else "different"
        array = f"{one.loss}, {one.reduction}, {one.updater}"
        says = "" if gap <= bound else f"updates are not {one.expected:g} times the right ones"
        found.append(Finding(array, verdict, gap=gap, bound=bound, says=says))
    worst = max(found, key=lambda one: one.gap)
    rows = [{**asdict(one), "right": one.right} for one in table]
    says = f"{worst.array}: {worst.says}" if worst.says else ""
    return Verdict(name, worst.verdict, tuple(found), says, facts={"pairings": rows})


def early_stopping(name: str, seed: int) -> Verdict:
    """Validation losses of every epoch, the epoch that was best, the state that was kept."""
    from compare.run.early_stopping import early_stopping as run

    sides = {
        side: {
            "validation losses": np.array(one.losses),
            "best epoch": np.array(one.best_epoch),
            "classified rightly": np.array(one.right),
            **{f"kept/{path}": values for path, values in one.kept.items()},
        }
        for side, one in run(seed).items()
    }
    torch, jax = sides["torch"], sides["jax"]
    nothing = {"torch": (), "jax": ()}
    found = tuple(
        compare(array, torch[array], jax.get(array), None, None, nothing) for array in torch
    )
    vacuous = vacuity(found, torch, may_be_empty=False)
    if len(torch["validation losses"]) == int(torch["best epoch"]):
        vacuous = "nothing was stopped: the last epoch was the best"
    if vacuous:
        return Verdict(name, "error", found, says=vacuous)
    odd = [one for one in found if one.verdict != "same"]
    says = f"{odd[0].array}: {odd[0].says}" if odd else ""
    return Verdict(name, worst_of([one.verdict for one in found]), found, says)
