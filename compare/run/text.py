"""Rows of text and their tokens, as NumPy batches that both sides share.

Tokenizers and collators are transformers' own. `Table` is the little of `datasets.Dataset` that
they need, under its names, so that nothing has to be installed or downloaded for it; wherever a
Table serves, a `datasets.Dataset` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parent / "data" / "mrpc"
"""Sentence pairs of our own with a WordPiece vocabulary of 1,024 tokens made from them."""


class Table:
    """Rows of the same columns: table[3] is a row, a dict; table["label"] a column, a list.

    table[3:5] is a dict of columns, as in datasets. Raises ValueError for unequal columns.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns must have one length, got {lengths}")
        self.columns = {name: list(column) for name, column in columns.items()}

    @property
    def column_names(self) -> list[str]:
        return list(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            if index not in self.columns:
                raise KeyError(f"no column {index!r}; the columns are {self.column_names}")
            return self.columns[index]
        return {name: column[index] for name, column in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(len(self)))

    def map(self, function: Callable[[Any], Mapping[str, Any]], batched: bool = False) -> Table:
        """The table with the columns that `function` gives added, or put for those it had.

        `function` is given a row; if batched, a thousand rows at a time as a dict of columns,
        which is only faster as long as it treats each row by itself.
        """
        if batched:
            starts = range(0, len(self), 1000)
            found = [dict(function(self[i : i + 1000])) for i in starts]
            names = found[0] if found else {}
            new = {name: [v for part in found for v in part[name]] for name in names}
        else:
            rows = [dict(function(row)) for row in self]
            new = {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}
        return Table({**self.columns, **new})

    def remove_columns(self, names: Sequence[str]) -> Table:
        """Raises KeyError for a column that is not there."""
        for name in names:
            self[name]
        return Table({k: v for k, v in self.columns.items() if k not in names})

    def rename_column(self, old: str, new: str) -> Table:
        """Raises KeyError for a column that is not there."""
        self[old]
        return Table({new if k == old else k: v for k, v in self.columns.items()})

    def select(self, rows: Sequence[int]) -> Table:
        """These rows, in this order."""
        return Table({k: [v[i] for i in rows] for k, v in self.columns.items()})


def load_tokenizer(checkpoint: str | Path | None = None) -> Any:
    """The tokenizer of a checkpoint, a folder or a name on the Hub; the sample's for None.

    Raises OSError, as transformers does, where there is none.
    """
    from transformers import AutoTokenizer, BertTokenizer

    if checkpoint is None:
        return BertTokenizer(vocab=str(SAMPLE / "vocab.txt"), model_max_length=512)
    return AutoTokenizer.from_pretrained(str(checkpoint))


def tokenize_pairs(
    table: Any, tokenizer: Any, first: str = "sentence1", second: str = "sentence2"
) -> Any:
    """Token ids, token types and attention masks of the pairs, and their labels: nothing else.

    Works on a Table and on a `datasets.Dataset`. Rows keep their own lengths: batches are
    padded by the collator. Pairs beyond the tokenizer's model_max_length (512 tokens for BERT)
    lose tokens from the end of the longer sentence, one at a time, until they fit.
    """

    def tokenize(rows: Mapping[str, Any]) -> Any:
        return tokenizer(rows[first], rows[second], truncation=True)

    kept = {"input_ids", "token_type_ids", "attention_mask", "label", "labels"}
    table = table.map(tokenize, batched=True)
    table = table.remove_columns([name for name in table.column_names if name not in kept])
    return table.rename_column("label", "labels") if "label" in table.column_names else table


def padding_collator(tokenizer: Any, pad_to_multiple_of: int | None = None) -> Any:
    """transformers' DataCollatorWithPadding giving NumPy, a batch as long as its longest row.

    With `pad_to_multiple_of` lengths are rounded up to its multiples, so that JAX compiles a
    step for a few lengths instead of for every one.
    """
    from transformers import DataCollatorWithPadding

    return DataCollatorWithPadding(
        tokenizer, pad_to_multiple_of=pad_to_multiple_of, return_tensors="np"
    )
