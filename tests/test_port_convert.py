"""Checkpoints carried over from file to file, bit for bit."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import CliRunner

from compare.__main__ import app
from compare.port.convert import converted, drafted, read, write
from compare.run.port import table
from compare.run.port.errors import PortError, Undecided

TABLE = """
conv.weight | o i y x -> y x i o | conv.kernel
conv.bias | | conv.bias
attn.in_proj_weight[0:4] | (h d) i -> i h d, h=2 | attn.query.kernel
attn.in_proj_weight[4:8] | (h d) i -> i h d, h=2 | attn.key.kernel
attn.in_proj_weight[8:12] | (h d) i -> i h d, h=2 | attn.value.kernel
q.weight | o i -> i o | qkv.kernel[:, 0:3]
k.weight | o i -> i o | qkv.kernel[:, 3:6]
v.weight | o i -> i o | qkv.kernel[:, 6:9]
blocks.0.weight | o i -> i o | blocks.kernel[0]
blocks.1.weight | o i -> i o | blocks.kernel[1]
norm.num_batches_tracked | - | -
"""
SHAPES = {
    "conv.weight": (5, 3, 2, 4), "conv.bias": (5,), "attn.in_proj_weight": (12, 4),
    "q.weight": (3, 5), "k.weight": (3, 5), "v.weight": (3, 5), "blocks.0.weight": (3, 2),
    "blocks.1.weight": (3, 2),
}  # fmt: skip


def tensors(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn(shape).to(dtype) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.float16])
def test_there_and_back_bit_for_bit(dtype):
    rows = table.parsed(TABLE)
    before = tensors(dtype)
    there = converted(rows, before | {"norm.num_batches_tracked": torch.tensor(3)}, "jax")
    assert {name: tuple(x.shape) for name, x in there.items()} == {
        "conv.kernel": (2, 4, 3, 5), "conv.bias": (5,), "attn.query.kernel": (4, 2, 2),
        "attn.key.kernel": (4, 2, 2), "attn.value.kernel": (4, 2, 2), "qkv.kernel": (5, 9),
        "blocks.kernel": (2, 2, 3),
    }  # fmt: skip
    assert all(x.dtype == dtype for x in there.values())
    kernel = before["attn.in_proj_weight"][4:8].T.reshape(4, 2, 2)
    assert torch.equal(there["attn.key.kernel"], kernel)
    back = converted(rows, there, "torch")
    assert back.keys() == before.keys()
    assert all(torch.equal(back[name], x) for name, x in before.items())


def test_signs_of_zeros_are_kept():
    rows = table.parsed("a | | c[0:2]\nb | | c[2:4]")
    parts = {"a": torch.tensor([-0.0, 1.0]), "b": torch.tensor([2.0, -0.0])}
    whole = converted(rows, parts, "jax")["c"]
    assert torch.signbit(whole).tolist() == [True, False, False, True]


def test_two_biases_are_one_there_and_the_first_has_all_back():
    rows = table.parsed("b_ih | | bias\nb_hh | | bias")
    found = converted(rows, {"b_ih": torch.ones(3), "b_hh": torch.full((3,), 2.0)}, "jax")
    assert found["bias"].tolist() == [3.0] * 3
    back = converted(rows, found, "torch")
    assert (back["b_ih"] + back["b_hh"]).tolist() == [3.0] * 3


def test_a_table_that_does_not_fit_the_file():
    rows = table.parsed(TABLE)
    some = tensors(torch.float32)
    del some["q.weight"]
    with pytest.raises(PortError, match=r"the file has no q\.weight"):
        converted(rows, some, "jax")
    with pytest.raises(PortError, match=r"no row names spare \(2,\)"):
        converted(rows, tensors(torch.float32) | {"spare": torch.ones(2)}, "jax")
    flat = table.parsed("a | o i -> i o | b")
    with pytest.raises(PortError, match=r"a \(3,\) as .o i -> i o."):
        converted(flat, {"a": torch.ones(3)}, "jax")


def run(*words: Any) -> Any:
    return CliRunner().invoke(app, ["convert", *map(str, words)])


@pytest.fixture
def checkpoint(tmp_path):
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Embedding(5, 6), nn.Linear(6, 7)
    )
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    torch.save(model.state_dict(), tmp_path / "m.pt")
    return tmp_path, model.state_dict()


def test_a_file_alone_is_asked_about_or_trusted(checkpoint):
    folder, state = checkpoint
    result = run(
        folder / "m.safetensors", folder / "out.safetensors", "--save-map", folder / "map"
    )
    assert result.exit_code == 3, result.output
    assert not (folder / "out.safetensors").exists()
    assert "? " in (folder / "map").read_text()
    result = run(folder / "m.pt", folder / "out.safetensors", "--trust")
    assert result.exit_code == 0, result.output
    out = load_file(folder / "out.safetensors")
    assert torch.equal(out["0.kernel"], state["0.weight"].permute(2, 3, 1, 0))
    assert torch.equal(out["1.scale"], state["1.weight"])
    assert torch.equal(out["1.mean"], state["1.running_mean"])
    assert torch.equal(out["3.kernel"], state["3.weight"].T)


def test_a_map_that_was_edited(checkpoint):
    folder, state = checkpoint
    run(folder / "m.pt", folder / "out.safetensors", "--save-map", folder / "map")
    text = (folder / "map").read_text()
    lines = [line for line in text.splitlines() if "2.weight" not in line]
    (folder / "map").write_text("\n".join([*lines, "2.weight | | 2.embedding"]))
    result = run(folder / "m.pt", folder / "out.safetensors", "--map", folder / "map")
    assert result.exit_code == 0, result.output
    assert torch.equal(load_file(folder / "out.safetensors")["2.embedding"], state["2.weight"])
    back = run(folder / "out.safetensors", folder / "back.safetensors", "--map", folder / "map",
               "--to", "torch")  # fmt: skip
    assert back.exit_code == 0, back.output
    again = load_file(folder / "back.safetensors")
    assert all(torch.equal(again[k], x) for k, x in state.items() if "num_batches" not in k)


def test_both_models(checkpoint, tmp_path):
    port = importlib.import_module("tests.ports.mha_nnx")
    state = port.torch_model().state_dict()
    save_file(state, tmp_path / "mha.safetensors")
    np.savez(tmp_path / "x.npz", x=port.INPUTS[0])
    models = (
        "--torch",
        "tests.ports.mha_nnx:torch_model",
        "--jax",
        "tests.ports.mha_nnx:jax_model",
    )
    result = run(tmp_path / "mha.safetensors", tmp_path / "out.safetensors", *models,
                 "--inputs", tmp_path / "x.npz")  # fmt: skip
    assert result.exit_code == 0, result.output
    out = load_file(tmp_path / "out.safetensors")
    wanted = state["encoder.self_attn.in_proj_weight"][24:48].T.reshape(24, 4, 6)
    assert torch.equal(out["block.attention.key.kernel"], wanted)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.pt", "o.safetensors"], "can't read nothing.pt"),
        (["{m}", "o.npz", "--trust"], "written as .safetensors"),
        (["{m}", "o.safetensors", "--to", "mlx"], "--to must be jax or torch"),
        (["{m}", "o.safetensors", "--torch", "a:b"], "go together"),
        (["{m}", "o.safetensors", "--map", "none"], "can't read the table none"),
    ],
)
def test_wrong_use_is_one_line(words, said, checkpoint):
    folder, _ = checkpoint
    result = run(*(word.format(m=folder / "m.pt") for word in words))
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_nothing_is_unpickled(tmp_path):
    torch.save(nn.Linear(2, 3), tmp_path / "model.pt")
    with pytest.raises(PortError, match="can't read"):
        read(tmp_path / "model.pt")
    torch.save({"state_dict": {"w": torch.ones(2)}, "epoch": 3}, tmp_path / "run.pt")
    assert read(tmp_path / "run.pt")["w"].tolist() == [1.0, 1.0]
    write(tmp_path / "w.safetensors", {"w": torch.ones(2, 3).T})
    assert read(tmp_path / "w.safetensors")["w"].shape == (3, 2)


def test_drafts_ask_where_names_do_not_tell():
    rows = {row.torch: row for row in drafted({"a.weight": torch.ones(2, 3),
            "a.bias": torch.ones(2), "wte.weight": torch.ones(5, 2)}, "jax")}  # fmt: skip
    assert not rows["a.weight"].sure
    assert rows["a.bias"].sure
    assert rows["wte.weight"].jax == "wte.embedding"
    with pytest.raises(Undecided, match="both models"):
        drafted({"a.kernel": torch.ones(2, 3)}, "torch")
