"""The atlas: tokenising MRPC."""

from __future__ import annotations

from compare.cases.atlas import Row, above, below, equal

_REAL = "MRPC's files and bert-base-uncased's words"
_SHAPES = [[8, 67]] * 3

ROWS = [
    Row(
        "N9.1",
        "load_dataset loads all of a data set; for a look at a few rows one need not.",
        "text.loading",
        (
            equal("rows by split", ["train 72", "validation 36"]),
            equal("rows read for a look at 3", 3),
            equal("first row is the table s", True),
            equal("splits without reading", ["train", "validation"]),
        ),
    ),
    Row(
        "N9.1b",
        "The datasets library, too, reads only what is asked for where it streams.",
        "text.by_the_library",
        (equal("rows", 72), equal("streamed rows", 3), below("rows that streaming read", 10)),
        needs="the package datasets",
    ),
    Row(
        "N9.2",
        "The checkpoint fixes model and tokenizer; a model of sentence pairs takes "
        "token_type_ids.",
        "text.checkpoint",
        (
            equal("takes", ["input_ids", "token_type_ids", "attention_mask"]),
            equal("token types", [0, 1]),
            equal("types ascend", True),
            equal("largest id is a word", True),
            equal("base model s words", 30522),
        ),
    ),
    Row(
        "N9.3",
        "map with batched=True gives the rows that it gives without; truncation=True and no "
        "padding leave rows their own lengths.",
        "text.batched",
        (equal("columns alike", [True] * 3), above("lengths before padding", 1)),
        quick=True,
    ),
    Row(
        "N9.4a",
        "idx, sentence1 and sentence2 are dropped before training (the sample's rows).",
        "text.columns",
        (equal("columns", ["labels", "input_ids", "token_type_ids", "attention_mask"]),),
    ),
    Row(
        "N9.4b",
        "The first eight real training rows are 50, 59, 47, 67, 59, 50, 62 and 32 tokens long.",
        "text.real_lengths",
        (equal("lengths", [50, 59, 47, 67, 59, 50, 62, 32]), equal("rows", 3668)),
        needs=_REAL,
    ),
    Row(
        "N9.5a",
        "DataCollatorWithPadding pads each batch to its own longest row (the sample's rows).",
        "text.padded",
        (
            equal("widths are the longest rows", True),
            above("different widths", 1),
            equal("shape of its labels", [8]),
            equal("mask counts the tokens", True),
        ),
    ),
    Row(
        "N9.5b",
        "The first eight real rows make inputs of shape (8, 67) and labels of shape (8,).",
        "text.real_padded",
        (
            equal("shapes of the first inputs", _SHAPES),
            equal("shape of its labels", [8]),
            equal("widths are the longest rows", True),
        ),
        needs=_REAL,
    ),
]
