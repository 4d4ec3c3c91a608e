"""The atlas: tokenising MRPC, on the sample here and on the real files where they are."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from compare.run import mrpc, start, text
from compare.run.atlas import Bench, Facts, NotHere, plain


def loading(bench: Bench) -> Facts:
    """The sample loaded whole, and its first rows with a count of the rows that were read."""
    read = 0

    def counted(rows: Iterator[dict]) -> Iterator[dict]:
        nonlocal read
        for row in rows:
            read += 1
            yield row

    first = list(islice(counted(mrpc.rows(text.SAMPLE, "train")), 3))
    whole = mrpc.load_mrpc()
    hub = importlib.util.find_spec("datasets")
    return Facts().note(
        rows_by_split=[f"{split} {len(table)}" for split, table in whole.items()],
        rows_read_for_a_look_at_3=read,
        first_row_is_the_table_s=first[0] == whole["train"][0],
        splits_without_reading=mrpc.splits(text.SAMPLE),
        datasets_is_installed=hub is not None,
    )


def by_the_library(bench: Bench) -> Facts:
    """The same by datasets' own loader, from the sample's files: whole, and streamed."""
    if importlib.util.find_spec("datasets") is None:
        raise NotHere("needs the package datasets (pip install 'portbench[hub]')")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from datasets import Dataset, IterableDataset

    table = mrpc.load_mrpc()["train"]
    whole = Dataset.from_dict(table.columns)
    asked: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        for index, row in enumerate(table):
            asked.append(index)
            yield row

    streamed = list(IterableDataset.from_generator(rows).take(3))
    return Facts().note(
        rows=len(whole), streamed_rows=len(streamed), rows_that_streaming_read=len(asked)
    )


def checkpoint(bench: Bench) -> Facts:
    """The tokenizer's words are the model's; a pair's sentences are of types 0 and 1."""
    from transformers import BertConfig

    tokenizer, table = text.load_tokenizer(), mrpc.load_mrpc()["train"]
    one = tokenizer(table["sentence1"][0], table["sentence2"][0])
    kinds = one["token_type_ids"]
    return Facts().note(
        words=len(tokenizer),
        base_model_s_words=BertConfig().vocab_size,
        takes=list(one),
        token_types=sorted(set(kinds)),
        types_ascend=kinds == sorted(kinds),
        largest_id_is_a_word=max(one["input_ids"]) < len(tokenizer),
    )


def batched(bench: Bench) -> Facts:
    """map(batched=True) with truncation and no padding, against row by row."""
    tokenizer, table = text.load_tokenizer(), mrpc.load_mrpc()["train"]

    def tokenize(rows: dict) -> Any:
        return tokenizer(rows["sentence1"], rows["sentence2"], truncation=True)

    together, each = table.map(tokenize, batched=True), table.map(tokenize)
    names = ("input_ids", "token_type_ids", "attention_mask")
    return Facts().note(
        columns_alike=[together[name] == each[name] for name in names],
        lengths_before_padding=len({len(ids) for ids in together["input_ids"]}),
    )


def columns(bench: Bench) -> Facts:
    """What is left for training of the sample, and of its first eight rows the lengths."""
    tokens = text.tokenize_pairs(mrpc.load_mrpc()["train"], text.load_tokenizer())
    return Facts().note(
        columns=tokens.column_names, lengths=[len(ids) for ids in tokens["input_ids"][:8]]
    )


def real_tokens() -> tuple[Any, Any]:
    """The real training rows, tokenised, and the tokenizer; NotHere without their files."""
    folder = os.environ.get("PORTBENCH_MRPC", "")
    if not folder or not Path(folder).is_dir():
        raise NotHere("needs MRPC's files: PORTBENCH_MRPC names their folder")
    try:
        tokenizer = text.load_tokenizer(start.located("minilm"))
    except Exception as error:
        raise NotHere(f"needs bert-base-uncased's words: {error}") from None
    return text.tokenize_pairs(mrpc.load_mrpc(folder)["train"], tokenizer), tokenizer


def real_lengths(bench: Bench) -> Facts:
    tokens, _ = real_tokens()
    return Facts().note(rows=len(tokens), lengths=[len(i) for i in tokens["input_ids"][:8]])


def padded(bench: Bench) -> Facts:
    """Batches of eight of the sample, each as long as its own longest row."""
    tokenizer = text.load_tokenizer()
    tokens = text.tokenize_pairs(mrpc.load_mrpc()["train"], tokenizer)
    return padding_facts(tokens, tokenizer)


def real_padded(bench: Bench) -> Facts:
    return padding_facts(*real_tokens())


def padding_facts(tokens: Any, tokenizer: Any) -> Facts:
    collate, widths, longest = text.padding_collator(tokenizer), [], []
    for first in range(0, 72, 8):
        rows = [tokens[i] for i in range(first, first + 8)]
        batch = collate(rows)
        widths.append(batch["input_ids"].shape[1])
        longest.append(max(len(row["input_ids"]) for row in rows))
        if first == 0:
            shapes = {name: list(np.shape(values)) for name, values in batch.items()}
            real = np.asarray(batch["attention_mask"]).sum(1)
            kept = plain(real) == [len(row["input_ids"]) for row in rows]
    inputs = [shapes[name] for name in ("attention_mask", "input_ids", "token_type_ids")]
    return Facts().note(
        widths=widths,
        widths_are_the_longest_rows=widths == longest,
        different_widths=len(set(widths)),
        shapes_of_the_first_inputs=inputs,
        shape_of_its_labels=shapes["labels"],
        mask_counts_the_tokens=kept,
    )
