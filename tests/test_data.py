"""MRPC from real files, from GLUE's and the sample; its tokens, its batches, a look at it."""

import numpy as np
import pytest
import typer
from real_data import minilm_folder, mrpc_folder
from typer.testing import CliRunner

from compare import data
from compare.run import mrpc, text
from compare.run.images import DataError, FolderError


def real_tokenizer():
    return text.load_tokenizer(minilm_folder())


def test_the_notes_own_output():
    table = mrpc.load_mrpc(mrpc_folder())["train"]
    tokens = text.tokenize_pairs(table, real_tokenizer())
    assert tokens.column_names == ["labels", "input_ids", "token_type_ids", "attention_mask"]
    assert [len(ids) for ids in tokens["input_ids"][:8]] == [50, 59, 47, 67, 59, 50, 62, 32]
    batch = text.padding_collator(real_tokenizer())([tokens[i] for i in range(8)])
    shapes = {name: array.shape for name, array in batch.items()}
    expected = dict.fromkeys(("attention_mask", "input_ids", "token_type_ids"), (8, 67))
    assert shapes == {**expected, "labels": (8,)}
    assert all(type(array) is np.ndarray for array in batch.values())


def test_real_splits_are_glues():
    splits = mrpc.load_mrpc(mrpc_folder())
    assert {name: len(table) for name, table in splits.items()} == mrpc.SIZES
    assert {k: sum(t["label"]) for k, t in splits.items()} == {
        "train": 2474,
        "validation": 279,
        "test": 1147,
    }
    assert splits["train"]["idx"][:3] == [0, 1, 2]
    assert splits["validation"]["idx"][0] == 9  # as on the Hub


def test_the_sample():
    splits = mrpc.load_mrpc()
    assert {name: len(table) for name, table in splits.items()} == {
        "train": 72,
        "validation": 36,
    }
    tokenizer = text.load_tokenizer()
    for table in splits.values():
        assert set(table["label"]) == {0, 1}
        assert len(set(table["sentence1"] + table["sentence2"])) == 2 * len(table)
        ids = text.tokenize_pairs(table, tokenizer)["input_ids"]
        assert not any(tokenizer.unk_token_id in row for row in ids)
    assert not set(splits["train"]["sentence1"]) & set(splits["validation"]["sentence1"])


def test_batched_is_row_by_row():
    table, tokenizer = mrpc.load_mrpc()["train"], text.load_tokenizer()

    def tokenize(rows):
        return tokenizer(rows["sentence1"], rows["sentence2"], truncation=True)

    batched, single = table.map(tokenize, batched=True), table.map(tokenize)
    assert batched.columns == single.columns
    kept = text.tokenize_pairs(table, tokenizer).columns
    assert kept.pop("labels") == table["label"]
    assert kept == {name: single[name] for name in kept}


def test_a_dataset_serves_as_a_table_does():
    datasets = pytest.importorskip("datasets")
    table, tokenizer = mrpc.load_mrpc()["train"], text.load_tokenizer()
    ours = text.tokenize_pairs(table, tokenizer)
    theirs = text.tokenize_pairs(datasets.Dataset.from_dict(table.columns), tokenizer)
    assert theirs.to_dict() == ours.columns


@pytest.mark.parametrize(("multiple", "length"), [(None, 61), (8, 64), (64, 64)])
def test_batches_are_as_long_as_their_longest_row(multiple, length):
    tokenizer = text.load_tokenizer()
    collator = text.padding_collator(tokenizer, pad_to_multiple_of=multiple)
    rows = [
        {"input_ids": [7] * n, "attention_mask": [1] * n, "token_type_ids": [1] * n, "label": 1}
        for n in (3, 61, 20)
    ]
    batch = collator(rows)
    assert batch["input_ids"].shape == (3, length)
    assert batch["attention_mask"].sum(1).tolist() == [3, 61, 20]
    assert batch["labels"].tolist() == [1, 1, 1]


def test_long_pairs_are_cut_from_the_longer_sentence():
    tokenizer = text.load_tokenizer()
    table = text.Table({"sentence1": ["the " * 900], "sentence2": ["of " * 200], "label": [0]})
    (row,) = text.tokenize_pairs(table, tokenizer)
    assert len(row["input_ids"]) == 512
    assert sum(row["token_type_ids"]) == 201  # the shorter sentence and its [SEP]: kept whole
    last = tokenizer.sep_token_id
    assert [i for i, token in enumerate(row["input_ids"]) if token == last] == [310, 511]


HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
PAIR = '1\t11\t12\tHe said "no .\tShe said , " no " "\n'


def test_quotation_marks_quote_nothing(tmp_path):
    (tmp_path / "train.tsv").write_text(HEADER + PAIR + PAIR.replace("11", '"13'))
    rows = list(mrpc.rows(tmp_path, "train"))
    assert [row["sentence1"] for row in rows] == ['He said "no .'] * 2
    assert rows[1]["sentence2"] == 'She said , " no " "'


def test_glues_test_part_keeps_its_labels_back(tmp_path):
    (tmp_path / "train.tsv").write_text(HEADER + PAIR)
    (tmp_path / "test.tsv").write_text("index" + HEADER[7:] + PAIR)
    splits = mrpc.load_mrpc(tmp_path)
    assert {name: table["label"] for name, table in splits.items()} == {
        "train": [1],
        "test": [-1],
    }


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (PAIR + "1\t2\t3\tonly one\n", r"train\.tsv, line 3: 4 fields, expected 5: Quality"),
        (PAIR + "2\t2\t3\ta\tb\n", r"line 3: Quality must be 0 or 1, got '2'"),
        (PAIR + "\n0\t2\t3\t \tb\n", r"line 4: #1 String is empty"),
    ],
)
def test_a_bad_row_is_named(tmp_path, body, told):
    (tmp_path / "train.tsv").write_text(HEADER + body)
    with pytest.raises(DataError, match=told):
        mrpc.load_mrpc(tmp_path)


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(FolderError, match=r"there is no folder .*nowhere"):
        mrpc.load_mrpc(tmp_path / "nowhere")
    with pytest.raises(FolderError, match=r"holds no MRPC: expected train\.tsv, .* or"):
        mrpc.load_mrpc(tmp_path)
    (tmp_path / "msr_paraphrase_train.txt").write_text(HEADER + PAIR)
    with pytest.raises(FolderError, match=r"but no dev_ids\.tsv"):
        mrpc.load_mrpc(tmp_path)
    (tmp_path / "dev_ids.tsv").write_text("98\t99\n")
    with pytest.raises(DataError, match=r"dev_ids\.tsv lists 1 pairs .* among them 98 and 99"):
        mrpc.load_mrpc(tmp_path)
    (tmp_path / "dev_ids.tsv").write_text("98\n")
    with pytest.raises(DataError, match=r"dev_ids\.tsv, line 1: 1 fields, expected two ids"):
        mrpc.load_mrpc(tmp_path)
    (tmp_path / "train.tsv").write_text("a,b\n")
    with pytest.raises(DataError, match=r"train\.tsv, line 1: the fields are \['a,b'\]"):
        mrpc.load_mrpc(tmp_path)
    (tmp_path / "train.tsv").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"train\.tsv is not UTF-8"):
        mrpc.load_mrpc(tmp_path)


def test_tables_check_what_they_are_given():
    with pytest.raises(ValueError, match=r"one length, got \{'a': 1, 'b': 2\}"):
        text.Table({"a": [1], "b": [1, 2]})
    table = text.Table({"a": [1, 2], "b": [3, 4]})
    with pytest.raises(KeyError, match="no column 'c'; the columns are"):
        table.remove_columns(["c"])
    assert list(table.select([1, 1])) == [{"a": 2, "b": 4}] * 2
    assert table[:1] == {"a": [1], "b": [3]}


def test_metrics():
    logits = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    found = mrpc.accuracy_and_f1((logits, np.array([1, 0, 1, 0])))
    assert found == {"accuracy": 0.5, "f1": 0.5}
    assert mrpc.accuracy_and_f1((logits, np.zeros(4, int)))["f1"] == 0


def look_on_the_command_line(*arguments):
    app = typer.Typer()
    app.command()(data.data)
    return CliRunner().invoke(app, list(arguments))


def test_the_command_shows_the_sample():
    result = look_on_the_command_line("--rows", "1")
    assert result.exit_code == 0
    assert "equivalent 48 (66.7%)" in result.output
    assert result.output.count("sentence1: ") == 2


def test_the_command_names_what_is_wrong(tmp_path):
    result = look_on_the_command_line(str(tmp_path))
    assert result.exit_code == 2
    assert "holds no MRPC: expected train.tsv" in result.output


def test_a_look_keeps_only_the_first_rows():
    found = data.look(str(mrpc_folder()), rows=2)
    assert {name: split.rows for name, split in found.items()} == mrpc.SIZES
    assert found["train"].labels == {"not_equivalent": 1194, "equivalent": 2474}
    assert [len(split.first) for split in found.values()] == [2, 2, 2]


@pytest.mark.parametrize("counted", [100_000, 5])
def test_a_look_streams_a_hub_data_set(tmp_path, monkeypatch, counted):
    """Through `datasets` itself, on a folder laid out as a data set on the Hub is."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(data, "COUNTED", counted)
    table = mrpc.load_mrpc()["validation"]
    datasets.Dataset.from_dict(table.columns).to_parquet(tmp_path / "mrpc" / "train.parquet")
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n- config_name: mrpc\n  data_dir: mrpc\n"
        "dataset_info:\n- config_name: mrpc\n  features:\n"
        + "".join(f"  - name: sentence{i}\n    dtype: string\n" for i in (1, 2))
        + "  - name: label\n    dtype:\n      class_label:\n        names:\n"
        "          '0': not_equivalent\n          '1': equivalent\n"
        "  - name: idx\n    dtype: int64\n"
        "  splits:\n  - name: train\n    num_examples: 36\n    num_bytes: 1\n---\n"
    )
    (split,) = data.look(f"{tmp_path}:mrpc", rows=2).values()
    assert split.rows == 36
    assert split.labels == (None if counted == 5 else {"not_equivalent": 13, "equivalent": 23})
    assert split.first == [table[0], table[1]]


def test_the_hub_without_its_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    for load in (lambda: data.look("mrpc"), lambda: mrpc.load_mrpc("hub")):
        with pytest.raises(DataError, match=r"pip install 'portbench\[hub\]'"):
            load()
