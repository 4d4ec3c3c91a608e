"""The BERT benchmark on a tiny model: what it refuses, what it writes, how it divides."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from compare.measure import bert, bert_arms
from compare.measure.paired import against

COMMITTED = Path(__file__).parent.parent / "results" / "bert-cpu.json"
TINY = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
}
FACTS = {
    "versions": dict.fromkeys(("torch", "transformers", "jax", "flax", "optax"), "1"),
    "machine": {"processor": "a processor"},
    "cores": 2,
    "load": [0.5, 1.5],
    "weights": "weights drawn anew",
    "batch": "3 sequences of 12 tokens",
}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    assert bert_arms.checkpoint(folder, TINY) == "weights drawn anew"
    return folder, bert_arms.batch(TINY["vocab_size"], sequences=3, tokens=12)


def test_all_arms_agree_and_are_reported(start):
    makers = bert_arms.arms(compiled=False)
    found = bert.measure(makers, *start, seconds=0, say=lambda line: None)
    for mode in bert.MODES:
        assert list(found.first[mode]) == list(makers)
        assert list(found.ratios[mode]) == list(makers)[1:]
    table = [line for line in bert.markdown(found, FACTS).splitlines() if line[0:1] == "|"]
    assert [line.split("|")[1].strip() for line in table[2:]] == list(makers)
    assert len({line.count("|") for line in table}) == 1


def test_an_arm_with_other_logits_is_not_timed(start):
    def off(folder, given):
        arm = bert_arms.plain_flax(folder, given)
        return dataclasses.replace(arm, logits=lambda: arm.logits() * (1 + 1e-4))

    makers = {bert_arms.BASELINE: bert_arms.hugging_face, "off": off}
    with pytest.raises(ArithmeticError, match="off: logits differ by 1"):
        bert.measure(makers, *start, seconds=0, say=lambda line: None)


def test_plain_flax_trains_with_fresh_dropout(start):
    arm = bert_arms.plain_flax(*start)
    before = arm.logits()
    assert len({arm.step() for _ in range(3)}) == 3
    assert not np.array_equal(before, arm.logits())


def test_batches_are_padded_behind():
    given = bert_arms.batch(1000, sequences=6, tokens=40)
    lengths = given["attention_mask"].sum(1)
    assert lengths[0] == 40
    assert lengths.min() >= 10
    assert len(set(lengths)) > 1
    for name in ("input_ids", "token_type_ids"):
        assert not (given[name] * (1 - given["attention_mask"])).any()


def test_ratios_are_to_the_first(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("time.process_time", lambda: clock[0])

    def taking(seconds):
        def call():
            clock[0] += seconds

        return call

    found = against(taking(2), {"slow": taking(3), "fast": taking(1)}, seconds=32)
    assert {name: one.ratio for name, one in found.items()} == {"slow": 1.5, "fast": 0.5}
    assert {one.rounds for one in found.values()} == {4}
    assert (found["slow"].ours, found["slow"].theirs) == (3, 2)


def test_committed_figures_are_of_these_arms():
    figures = json.loads(COMMITTED.read_text())
    for mode in bert.MODES:
        measured = list(figures["first"][mode])
        assert measured in (list(bert_arms.arms()), list(bert_arms.arms(compiled=False)))
        assert list(figures["ratios"][mode]) == measured[1:]
