"""MRPC, pairs of sentences and whether they say the same: from files, the Hub, or a sample.

Source: Dolan and Brockett, Automatically Constructing a Corpus of Sentential Paraphrases, 2005.
Rows are GLUE's: sentence1, sentence2, label (1: a paraphrase), idx, which is the row's place in
the file it came from. The files hold quotation marks that don't pair: none of them quotes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from compare.run.images import DataError, FolderError
from compare.run.text import SAMPLE, Table

SIZES = {"train": 3668, "validation": 408, "test": 1725}
LABELS = ("not_equivalent", "equivalent")
FIELDS = ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String")
FILES = {
    "GLUE's": {"train": "train.tsv", "validation": "dev.tsv", "test": "test.tsv"},
    "MSR's": {
        "train": "msr_paraphrase_train.txt",
        "validation": "msr_paraphrase_train.txt",
        "test": "msr_paraphrase_test.txt",
    },
}
DEV_IDS = "dev_ids.tsv"
"""Which pairs of MSR's training file GLUE validates on: two ids a line."""

Row = dict[str, Any]


def load_mrpc(source: str | Path = "sample") -> dict[str, Table]:
    """The splits of MRPC by name: of "sample", of "hub", or of a folder with its files.

    "sample" is our own: 72 pairs to train on, 36 to validate on, and no test part. "hub" needs
    the package datasets and a network. Raises DataError that says what is missing or wrong.
    """
    if source == "hub":
        return _hub()
    folder = SAMPLE if source == "sample" else Path(source)
    return {split: table(rows(folder, split)) for split in splits(folder)}


def table(found: Iterator[Row]) -> Table:
    columns: dict[str, list] = {"sentence1": [], "sentence2": [], "label": [], "idx": []}
    for row in found:
        for name, column in columns.items():
            column.append(row[name])
    return Table(columns)


def _hub() -> dict[str, Table]:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise DataError(
            f"MRPC from the Hub needs the package datasets ({error}): pip install "
            "'portbench[hub]', or name a folder with its files"
        ) from None
    try:
        found = load_dataset("glue", "mrpc")
    except Exception as error:  # its errors for a missing network share no class
        raise DataError(f"MRPC can't be loaded from the Hub: {error}") from error
    return {str(split): Table(rows[:]) for split, rows in found.items()}


def splits(folder: str | Path) -> list[str]:
    """The splits whose files `folder` has. FolderError where it has none, or lacks dev_ids."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FolderError(f"there is no folder {folder}")
    names = FILES[_layout(folder)]
    return [split for split, name in names.items() if (folder / name).is_file()]


def _layout(folder: Path) -> str:
    for layout, names in FILES.items():
        if (folder / names["train"]).is_file():
            if layout == "MSR's" and not (folder / DEV_IDS).is_file():
                raise FolderError(
                    f"{folder} has {names['train']} but no {DEV_IDS}, the list of the pairs "
                    "that GLUE takes out of it to validate on"
                )
            return layout
    glue, msr = FILES["GLUE's"], FILES["MSR's"]
    raise FolderError(
        f"{folder} holds no MRPC: expected {glue['train']}, {glue['validation']} and "
        f"{glue['test']}, or {msr['train']}, {msr['test']} and {DEV_IDS}"
    )


def rows(folder: str | Path, split: str) -> Iterator[Row]:
    """The rows of one split, read as they are asked for.

    Raises DataError that names file and line: a missing field, a label that is not 0 or 1.
    """
    folder = Path(folder)
    layout = _layout(folder)
    file = folder / FILES[layout][split]
    pairs = _records(file)
    if layout == "MSR's" and split != "test":
        chosen = _dev_ids(folder / DEV_IDS)
        missing = set(chosen)
        for row, ids in pairs:
            missing.discard(ids)
            if (ids in chosen) == (split == "validation"):
                yield row
        if missing:
            raise DataError(
                f"{folder / DEV_IDS} lists {len(missing)} pairs that {file.name} does not "
                f"hold, among them {' and '.join(sorted(missing)[0])}"
            )
    else:
        yield from (row for row, _ in pairs)


def _records(file: Path) -> Iterator[tuple[Row, tuple[str, str]]]:
    """Each row with the ids of its sentences; label -1 where the file keeps them back."""
    lines = _lines(file)
    _, header = next(lines, (1, [""]))
    names = FIELDS if FIELDS[0] in header else FIELDS[1:]
    if not set(names) <= set(header):
        raise DataError(
            f"{file}, line 1: the fields are {header}, expected {list(FIELDS)} (or index for "
            "Quality, where labels are kept back), with tabs between them"
        )
    place = {name: header.index(name) for name in names}
    for idx, (number, fields) in enumerate(lines):
        if len(fields) != len(header):
            raise DataError(
                f"{file}, line {number}: {len(fields)} fields, expected {len(header)}: "
                f"{', '.join(header)}, with tabs between them"
            )
        values = {name: fields[i] for name, i in place.items()}
        for name in names:
            if not values[name].strip():
                raise DataError(f"{file}, line {number}: {name} is empty")
        label = values.get("Quality", "-1")
        if label not in (("0", "1") if "Quality" in place else ("-1",)):
            raise DataError(f"{file}, line {number}: Quality must be 0 or 1, got {label!r}")
        row = {
            "sentence1": values["#1 String"],
            "sentence2": values["#2 String"],
            "label": int(label),
            "idx": idx,
        }
        yield row, (values["#1 ID"], values["#2 ID"])


def _dev_ids(file: Path) -> set[tuple[str, str]]:
    chosen = set()
    for number, fields in _lines(file):
        if len(fields) != 2:
            raise DataError(f"{file}, line {number}: {len(fields)} fields, expected two ids")
        chosen.add((fields[0], fields[1]))
    return chosen


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The number and the tab-separated fields of every line that is not empty."""
    try:
        with file.open(encoding="utf-8-sig", newline="\n") as text:
            for number, line in enumerate(text, 1):
                line = line.rstrip("\r\n")
                if line.strip():
                    yield number, line.split("\t")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8: {error}") from None
    except OSError as error:
        raise DataError(f"{file} can't be read: {error.strerror or error}") from None


def accuracy_and_f1(eval_prediction: Any) -> dict[str, float]:
    """MRPC's own metrics, for a Trainer's compute_metrics: (logits (n, 2), labels (n)).

    F1 is that of label 1; 0 where nothing is, or is said to be, a paraphrase.
    """
    from sklearn.metrics import accuracy_score, f1_score

    logits, labels = eval_prediction
    logits = logits[0] if isinstance(logits, tuple) else logits
    found = np.argmax(logits, axis=-1)
    nothing: Any = 0.0  # scikit-learn annotates it as a str
    return {
        "accuracy": float(accuracy_score(labels, found)),
        "f1": float(f1_score(labels, found, zero_division=nothing)),
    }
