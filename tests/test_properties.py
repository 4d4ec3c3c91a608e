"""Arguments and shapes that nobody wrote down: drawn, then judged as every case is.

Some dozen drawn cases share one compile. Where torch refuses the arguments, the JAX side must
refuse them too, with an error of Python's and words in it.
"""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from strategies import FAMILIES, cases

from compare.cases.case import Case
from compare.check import check
from compare.run import jax_side, torch_side
from compare.run.draw import givens

EXAMPLES = settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # a dozen cases at once: what failed is named, not shrunk
)
BATCH = 12


def judged(cases: list[Case]) -> None:
    """Every case that torch accepts is the same; every other one is refused by JAX as well."""
    named = [replace(case, name=f"{i}: {case.name}") for i, case in enumerate(cases)]
    problems = []
    accepted = []
    for case, verdict in zip(named, check(named, quick=True), strict=True):
        if verdict.says.startswith("torch side"):
            problems += refused(case, verdict.says)
        else:
            accepted.append(verdict)
    # Arguments may crop or clip everything away: equal, and little said.
    accepted = [v for v in accepted if not v.says.startswith("nothing was compared but zeros")]
    problems += [f"{v.case}: {v.verdict}: {v.says}" for v in accepted if v.verdict != "same"]
    assert not problems, "\n".join(problems)


def refused(case: Case, torch_says: str) -> list[str]:
    try:
        given = givens(case, torch_side.leaves(case), 0)
    except Exception:  # torch refuses the constructor: there are no leaves to draw
        given = givens(case, [], 0)
    (record,) = jax_side.run([case], [given], "float32")
    kinds = ("ValueError", "TypeError", "IndexError", "NotImplementedError")
    if record.error.startswith(kinds):
        return []
    return [f"{case.name}: {torch_says}, but jax side: {record.error or 'accepted'}"]


def lists_of(strategy):
    return st.lists(strategy, min_size=BATCH, max_size=BATCH)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_drawn_cases_are_the_same(family):
    @EXAMPLES
    @given(lists_of(cases(family)))
    def run(drawn):
        judged(drawn)

    run()
