"""BERT: equal to Hugging Face's on the torch side, to torch's on the other; files; errors.

What is judged is judged as every case is: by compare.judge, in float64.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers
from flax import nnx
from real_data import minilm_folder
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import jax_impl.bert
import jax_impl.bert_layers
import torch_impl.bert
import torch_impl.bert_layers
from compare.cases.bert import CASES
from compare.check import check
from compare.judge.agree import compare

ROOT = Path(__file__).parent.parent
SIDES = {"torch": torch_impl.bert, "jax": jax_impl.bert}
SMALL = {
    "vocab_size": 30,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
}


def make(side: str, cls: str = "BertForSequenceClassification", seed: int = 0, **changes):
    module = SIDES[side]
    config = module.BertConfig(**{**SMALL, **changes})
    if side == "torch":
        torch.manual_seed(seed)
        return getattr(module, cls)(config)
    return getattr(module, cls)(config, rngs=nnx.Rngs(seed))


def leaves(model) -> dict[str, np.ndarray]:
    """Every leaf by its name, as each side has it."""
    if isinstance(model, torch.nn.Module):
        return {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}
    flat = nnx.to_flat_state(nnx.state(model, nnx.Param))
    return {".".join(map(str, path)): np.asarray(leaf[...]) for path, leaf in flat}


def padded(vocabulary: int, lengths: tuple[int, ...] = (9, 5, 2)) -> dict[str, np.ndarray]:
    """A batch as a tokenizer makes it: pairs of sentences, padded behind."""
    rng = np.random.default_rng(0)
    shape = (len(lengths), max(lengths))
    mask = (np.arange(shape[1]) < np.array(lengths)[:, None]).astype(np.int64)
    return {
        "input_ids": rng.integers(1, vocabulary, shape) * mask,
        "attention_mask": mask,
        "token_type_ids": rng.integers(0, 2, shape) * mask,
        "labels": rng.integers(0, 2, len(lengths)),
    }


def tensors(batch: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(values) for name, values in batch.items()}


def logits(model, batch: dict[str, np.ndarray]) -> np.ndarray:
    inputs = {name: values for name, values in batch.items() if name != "labels"}
    if isinstance(model, torch.nn.Module):
        with torch.no_grad():
            return model(**tensors(inputs)).logits.numpy()
    return np.asarray(nnx.jit(lambda model, inputs: model(**inputs).logits)(model, inputs))


def not_the_same(pairs: dict[str, tuple[np.ndarray, np.ndarray]]) -> list[str]:
    found = [compare(name, *pair, None, None, {}) for name, pair in pairs.items()]
    return [f"{one.array}: {one.verdict}: {one.says}" for one in found if one.verdict != "same"]


# Against torch. All cases run in test_cases.py.


def test_a_step_is_compared_whole_and_other_mathematics_would_not_pass():
    base = next(case for case in CASES if case.name.endswith("(eval)"))
    config = base.init["config"]
    faults = {"hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "num_attention_heads": 4}
    faulty = []
    for name, value in faults.items():
        changed = dataclasses.replace(config, arguments={**config.arguments, name: value})
        faulty.append(dataclasses.replace(base, name=name, jax_init={"config": changed}))
    right, *wrong = check([base, *faulty], quick=True)
    assert right.verdict == "same", right.says
    assert [verdict.verdict for verdict in wrong] == ["different"] * 3
    layer = "grad/bert.encoder.layer.0.attention"
    expected = {"output/0", "output/1", f"{layer}.self.value.weight", "grad/classifier.bias"}
    assert expected <= {one.array for one in right.findings}


# Against Hugging Face.


def twins(folder: Path, implementation: str):
    options = {"attn_implementation": implementation, "dtype": torch.float64}
    ours = torch_impl.bert.BertForSequenceClassification.from_pretrained(folder, **options)
    theirs = transformers.BertForSequenceClassification.from_pretrained(folder, **options)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours, theirs


def step(model, batch: dict[str, np.ndarray], train: bool) -> dict[str, np.ndarray]:
    model.train(train)
    torch.manual_seed(0)
    model.zero_grad()
    out = model(**tensors(batch))
    out.loss.backward()
    grads = {name: leaf.grad.numpy() for name, leaf in model.named_parameters()}
    return {"loss": out.loss.detach().numpy(), "logits": out.logits.detach().numpy()} | grads


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_real_weights_give_what_hugging_face_gives_with_dropout_and_without(implementation):
    ours, theirs = twins(minilm_folder(), implementation)
    batch = padded(30522)
    for train in (False, True):
        here, there = step(ours, batch, train), step(theirs, batch, train)
        assert not not_the_same({name: (there[name], here[name]) for name in there})
    batch["attention_mask"][2] = 0
    hidden = {name: values for name, values in batch.items() if name != "labels"}
    pair = [model.eval()(**tensors(hidden)).logits.detach().numpy() for model in (theirs, ours)]
    assert not not_the_same({"a sequence all hidden": tuple(pair)})


def test_real_weights_give_in_flax_what_they_give_in_torch(tmp_path):
    ours = torch_impl.bert.BertForSequenceClassification.from_pretrained(minilm_folder())
    ours.save_pretrained(tmp_path)
    batch = padded(30522)
    with jax.enable_x64(True):
        there = jax_impl.bert.BertForSequenceClassification.from_pretrained(
            tmp_path, dtype=jnp.float64
        )
        pair = (logits(ours.double(), batch), logits(there, batch))
    assert not not_the_same({"logits": pair})


def test_leaves_are_hugging_faces():
    theirs = transformers.BertForSequenceClassification(transformers.BertConfig(**SMALL))
    names = {name: tuple(tensor.shape) for name, tensor in theirs.state_dict().items()}
    assert names == {name: leaf.shape for name, leaf in leaves(make("torch")).items()}
    assert names.keys() == leaves(make("jax")).keys()


def test_the_config_has_hugging_faces_defaults():
    theirs = transformers.BertConfig()
    ours = torch_impl.bert.BertConfig()
    names = [f.name for f in dataclasses.fields(ours)]
    names = [name for name in names if name not in ("attn_implementation", "id2label")]
    assert {n: getattr(ours, n) for n in names} == {n: getattr(theirs, n) for n in names}


def test_the_config_is_one_file():
    files = [ROOT / f"{side}_impl" / "bert_config.py" for side in SIDES]
    assert files[0].read_bytes() == files[1].read_bytes()


# Files.


@pytest.mark.parametrize("writer", ["torch", "jax", "transformers"])
def test_checkpoints_go_everywhere_bit_for_bit(writer, tmp_path):
    names = ("no", "yes", "perhaps")
    if writer == "transformers":
        config = transformers.BertConfig(**SMALL, id2label=dict(enumerate(names)))
        transformers.BertForSequenceClassification(config).save_pretrained(tmp_path / "0")
    else:
        make(writer, num_labels=3, id2label=names).save_pretrained(tmp_path / "0")
    first = load_file(tmp_path / "0" / "model.safetensors")
    for number, (side, module) in enumerate(SIDES.items(), 1):
        model = module.BertForSequenceClassification.from_pretrained(tmp_path / str(number - 1))
        assert (model.config.id2label, model.num_labels) == (names, 3)
        model.save_pretrained(tmp_path / str(number))
        again = load_file(tmp_path / str(number) / "model.safetensors")
        assert again.keys() == first.keys()
        assert all(torch.equal(again[name], first[name]) for name in first), side
    theirs, report = transformers.BertForSequenceClassification.from_pretrained(
        tmp_path / "2", output_loading_info=True
    )
    assert not any(report.values()), report
    assert theirs.config.id2label == dict(enumerate(names))
    assert all(torch.equal(theirs.state_dict()[name], first[name]) for name in first)
    with safe_open(tmp_path / "2" / "model.safetensors", "pt") as opened:
        assert opened.metadata() == {"format": "pt"}


@pytest.mark.parametrize("side", SIDES)
def test_a_headless_checkpoint_gets_a_new_head_and_says_so(side, tmp_path, caplog):
    bare = make(side, "BertModel", seed=1)
    bare.save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        model = SIDES[side].BertForSequenceClassification.from_pretrained(tmp_path)
    assert re.search("drawn anew.*classifier", caplog.text)
    found, wanted = leaves(model), leaves(bare)
    assert found.keys() == {f"bert.{k}" for k in wanted} | {
        "classifier.weight",
        "classifier.bias",
    }
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[f"bert.{name}"], values)
    assert not found["classifier.bias"].any()
    assert 0 < found["classifier.weight"].std() < 0.06


@pytest.mark.parametrize("side", SIDES)
def test_a_headed_checkpoint_serves_a_bare_model(side, tmp_path, caplog):
    make(side).save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        model = SIDES[side].BertModel.from_pretrained(tmp_path)
    assert "not read" in caplog.text
    assert "encoder.layer.1.output.dense.weight" in leaves(model)


@pytest.mark.parametrize("side", SIDES)
def test_old_names_shards_and_a_missing_pooler(side, tmp_path, caplog):
    """As BERT's first checkpoints are: gamma, beta, a position_ids buffer, other heads."""
    make("torch", "BertModel").save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    for old, new in (
        ("LayerNorm.weight", "LayerNorm.gamma"),
        ("LayerNorm.bias", "LayerNorm.beta"),
    ):
        stored = {name.replace(old, new): tensor for name, tensor in stored.items()}
    old = {f"bert.{k}": v for k, v in stored.items() if not k.startswith("pooler")}
    old["bert.embeddings.position_ids"] = torch.arange(12)[None]
    old["cls.predictions.bias"] = torch.zeros(30)
    parts = {"model-00001-of-00002.safetensors": {}, "model-00002-of-00002.safetensors": {}}
    for i, name in enumerate(old):
        parts[sorted(parts)[i % 2]][name] = old[name]
    for file, part in parts.items():
        save_file(part, tmp_path / file)
    where = {name: file for file, part in parts.items() for name in part}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    with caplog.at_level(logging.WARNING):
        model = SIDES[side].BertForSequenceClassification.from_pretrained(tmp_path)
    assert re.search("not read.*cls.predictions.bias", caplog.text)
    assert re.search("drawn anew.*bert.pooler.dense.weight", caplog.text)
    np.testing.assert_array_equal(
        leaves(model)["bert.encoder.layer.1.output.LayerNorm.weight"],
        stored["encoder.layer.1.output.LayerNorm.gamma"].numpy(),
    )
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="lacks model-00002"):
        SIDES[side].BertForSequenceClassification.from_pretrained(tmp_path)


@pytest.mark.parametrize("side", SIDES)
def test_all_that_does_not_fit_is_listed_at_once(side, tmp_path):
    make("torch").save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    stored["bert.extra.weight"] = torch.zeros(2)
    stored["classifier.bias"] = torch.zeros(7)
    del stored["bert.encoder.layer.0.output.dense.bias"]
    save_file(stored, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="does not fit") as raised:
        SIDES[side].BertForSequenceClassification.from_pretrained(tmp_path)
    text = str(raised.value)
    assert "missing: bert.encoder.layer.0.output.dense.bias (16,)" in text
    assert "spare: bert.extra.weight (2,)" in text
    assert "misshapen: classifier.bias is (7,), the model has (2,)" in text


@pytest.mark.parametrize("side", SIDES)
def test_what_is_no_bert_is_refused(side, tmp_path, monkeypatch):
    module = SIDES[side]
    load = module.BertForSequenceClassification.from_pretrained
    with pytest.raises(FileNotFoundError, match="is no folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        load(tmp_path)
    config = tmp_path / "config.json"
    for wrong in (
        {"model_type": "roberta"},
        {"model_type": "bert", "is_decoder": True},
        {"model_type": "bert", "position_embedding_type": "relative_key"},
    ):
        config.write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match=list(wrong)[-1]):
            load(tmp_path)
    config.write_text(json.dumps({"model_type": "bert", **SMALL}))
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(FileNotFoundError, match=r"only pytorch_model\.bin"):
        load(tmp_path)

    def offline(*args, **kwargs):
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(FileNotFoundError, match="hf download owner/model"):
        load("owner/model")


@pytest.mark.parametrize("side", SIDES)
def test_overrides_of_the_config_and_dtypes(side, tmp_path):
    make(side).save_pretrained(tmp_path)
    load = SIDES[side].BertForSequenceClassification.from_pretrained
    half = {"torch": torch.bfloat16, "jax": jnp.bfloat16}[side]
    model = load(tmp_path, hidden_dropout_prob=0.0, attn_implementation="eager", dtype=half)
    assert (model.config.hidden_dropout_prob, model.config.attn_implementation) == (
        0.0,
        "eager",
    )
    model.save_pretrained(tmp_path)
    again = load(tmp_path)
    assert again.bert.embeddings.word_embeddings.weight.dtype == half
    batch = padded(30)
    if side == "torch":
        out = again(**tensors(batch))
    else:
        out = nnx.jit(lambda model: model(**batch))(again)
    assert out.logits.dtype == out.loss.dtype == half
    assert np.isfinite(out.loss.item())
    with pytest.raises(TypeError, match="depth"):
        load(tmp_path, depth=3)


def test_the_tokenizer_is_saved_beside_the_model(tmp_path):
    class Tokenizer:
        def save_pretrained(self, folder):
            (Path(folder) / "vocab.txt").touch()

    for side in SIDES:
        make(side).save_pretrained(tmp_path / side, tokenizer=Tokenizer())
        assert (tmp_path / side / "vocab.txt").is_file()


# The rest.


@pytest.mark.parametrize("side", SIDES)
def test_leaves_start_as_hugging_faces_do(side):
    found = leaves(make(side, vocab_size=500, hidden_size=64))
    for name, values in found.items():
        if "LayerNorm" in name:
            assert np.all(values == name.endswith("weight")), name
        elif name.endswith("bias"):
            assert not values.any(), name
        else:
            error = 5 * 0.02 / np.sqrt(2 * values.size)
            rows = values[1:] if "word" in name else values
            assert abs(rows.std() - 0.02) < error, name
            assert abs(rows.mean()) < 5 * 0.02 / np.sqrt(values.size), name
    assert not found["bert.embeddings.word_embeddings.weight"][0].any()


@pytest.mark.parametrize("side", SIDES)
def test_wrong_inputs_are_named(side):
    model, batch = make(side), padded(30)
    model.eval()

    def call(**changes):
        given = {**batch, **changes}
        return model(**(tensors(given) if side == "torch" else given))

    long = np.ones((1, 13), int)
    with pytest.raises(ValueError, match="truncate"):
        call(input_ids=long, attention_mask=long, token_type_ids=long, labels=long[:, 0])
    with pytest.raises(ValueError, match="attention_mask"):
        call(attention_mask=np.ones((3, 8), int))
    with pytest.raises(ValueError, match="labels"):
        call(labels=np.zeros((3, 2), int))
    with pytest.raises(IndexError):
        call(labels=np.array([0, 1, 2]))
    with pytest.raises(IndexError):
        call(input_ids=batch["input_ids"] + 30)
    with pytest.raises(ValueError, match="input_ids"):
        call(input_ids=batch["input_ids"][0])
    for wrong in (
        {"num_attention_heads": 5},
        {"attn_implementation": "flash"},
        {"problem_type": "ranking"},
        {"num_labels": 0},
        {"id2label": ("a",)},
        {"hidden_act": "gelu_fast"},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            make(side, **wrong)


def test_dropout_draws_anew_each_call_and_from_the_stream_of_the_call():
    model, batch = make("jax", num_hidden_layers=1), padded(30)
    forward = nnx.jit(lambda model, batch: model(**batch).logits)
    first, second = forward(model, batch), forward(model, batch)
    assert not np.array_equal(first, second)
    given = nnx.jit(lambda model, batch, key: model(**batch, rngs=key).logits)
    one, again, other = (given(model, batch, jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    model.eval()
    np.testing.assert_array_equal(forward(model, batch), forward(model, batch))
    silent = jax_impl.bert.BertForSequenceClassification(
        jax_impl.bert.BertConfig(**SMALL), rngs=nnx.Rngs(params=0)
    )
    with pytest.raises(ValueError, match="mask"):
        silent(**batch)


@pytest.mark.parametrize("problem", ["regression", "multi_label_classification"])
def test_losses_by_kind_are_hugging_faces(problem):
    """The kind is told by the labels where the config does not say it."""
    classes = 1 if problem == "regression" else 3
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4, classes))
    labels = rng.integers(0, 2, scores.shape).astype(float)
    with jax.enable_x64(True):
        ours = float(jax_impl.bert.sequence_loss(jnp.asarray(scores), labels))
    there = torch_impl.bert.sequence_loss(torch.tensor(scores), torch.tensor(labels))
    expected = (
        np.mean((scores - labels) ** 2)
        if problem == "regression"
        else np.mean(np.logaddexp(0, scores) - labels * scores)
    )
    for found in (ours, float(there)):
        assert not not_the_same({problem: (np.array(expected), np.array(found))})
