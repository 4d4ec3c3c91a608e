"""Every sample input that PyTorch ships for the mirrored modules, train and eval. No skip list."""

from __future__ import annotations

import pytest
from samples import legacy, modern, modern_infos

from compare.cases.case import Case
from compare.check import check

BATCH = 16
ZEROS = "nothing was compared but zeros"
MODES = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])

# How many tests share the samples of one list: the longest would keep one worker too long.
PARTS = {name: 1 for name in modern_infos()} | {
    "CrossEntropyLoss": 2,
    "LinearCrossEntropyLoss": 8,
}
LEGACY_PARTS = 8


def judged(cases: list[Case]) -> None:
    assert cases
    problems = []
    for start in range(0, len(cases), BATCH):
        for verdict in check(cases[start : start + BATCH]):
            # A sample whose values are all zero (a clipped one, say) is equal, and says little.
            zeros = verdict.verdict == "error" and verdict.says.startswith(ZEROS)
            if verdict.verdict != "same" and not zeros:
                problems.append(f"{verdict.case}: {verdict.verdict}: {verdict.says}")
    assert not problems, "\n".join(problems)


@MODES
@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for name, parts in PARTS.items() for part in range(parts)]
)
def test_module_db(name, part, training):
    judged(list(modern(training, name))[part :: PARTS[name]])


@MODES
@pytest.mark.parametrize("part", range(LEGACY_PARTS))
def test_legacy_lists(part, training):
    judged(list(legacy(training))[part::LEGACY_PARTS])


def test_samples_are_many():
    """The lists are PyTorch's own: should they shrink, this test says so."""
    assert len(PARTS) >= 90
    assert sum(1 for name in PARTS for _ in modern(True, name)) >= 400
    assert sum(1 for _ in legacy(True)) >= 220
