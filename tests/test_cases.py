"""Every case, by the path that `portbench run` takes: pairs are the same, faults are caught."""

from __future__ import annotations

import pytest

from compare.cases.case import Case, Study
from compare.cases.select import STEMS, load, select
from compare.cases.training import Training
from compare.check import check, check_study, check_training
from compare.suite import batches

BATCHES = [
    pytest.param(batch, id=f"{stem}-{index}")
    for stem in STEMS
    for index, batch in enumerate(batches([c for c in load(stem) if isinstance(c, Case)]))
]
STUDIES = [case for stem in STEMS for case in load(stem) if isinstance(case, Study)]
LONG = {"train.resnet18(digits)"}
"""Runs that `make test-slow` has: the others show the same of smaller models."""
RUNS = [
    pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.name in LONG else [])
    for stem in STEMS
    for case in load(stem)
    if isinstance(case, Training)
]


@pytest.mark.parametrize("batch", BATCHES)
def test_cases_come_out_as_expected(batch):
    odd = [v for v in check(batch) if not v.as_expected]
    assert not odd, "\n".join(f"{v.case}: {v.verdict} (not {v.expect}): {v.says}" for v in odd)


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_studies_come_out_as_expected(study):
    verdict = check_study(study)
    assert verdict.as_expected, f"{verdict.verdict}: {verdict.says}"


@pytest.mark.parametrize("training", RUNS)
def test_training_runs_come_out_as_expected(training):
    verdict = check_training(training)
    assert verdict.as_expected, f"{verdict.verdict}: {verdict.says}"
    if training.expect == "same":
        assert verdict.facts["steps"] == training.steps
        correct = verdict.facts.get("correct", {"torch float64": 0, "jax float64": 0})
        assert correct["torch float64"] == correct["jax float64"]


def test_there_are_cases_enough():
    assert len(select(["layers"])) >= 150
    assert len(select(["faults"])) >= 25
    assert all(case.expect != "same" for _, case in select(["faults"]))
    assert all(case.expect == "same" for _, case in select(["layers"]))


def test_verdicts_do_not_depend_on_the_batch():
    batch = [case for case in load("linear") if isinstance(case, Case)][:3]
    together, alone = check(batch), [check([case])[0] for case in batch]
    gaps = [[f.gap for f in verdict.findings] for verdict in together]
    assert gaps == [[f.gap for f in verdict.findings] for verdict in alone]


def test_norms_lose_no_bits_on_a_far_mean():
    """On data of mean 1e4 and deviation 1, where a one-pass variance keeps none."""
    cases = [case for _, case in select(["norm", "normalization"], "mean 1e4")]
    cases = [case for case in cases if isinstance(case, Case)]
    assert len(cases) >= 6
    for verdict in check(cases):
        assert verdict.verdict == "same", verdict.says
        assert max(finding.bits for finding in verdict.findings) <= 0, verdict.case
