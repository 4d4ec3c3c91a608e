"""Both Trainers against transformers' own and each other, on a tiny BERT and the sample."""

import dataclasses
import json
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
import pytest
import torch
import transformers
from flax import nnx
from real_data import minilm_folder, mrpc_folder

import jax_impl.bert
import jax_impl.finetune
import jax_impl.trainer_callback
import jax_impl.trainer_utils
import torch_impl.bert
import torch_impl.finetune
import torch_impl.trainer_callback
from compare.run import mrpc, text

ROOT = Path(__file__).parent.parent
SAME = (
    *("training_arguments", "trainer_callback", "trainer_utils"),
    *("_trainer_base", "_trainer_evaluate", "_trainer_train"),
)
FINETUNE = {"torch": torch_impl.finetune, "jax": jax_impl.finetune}
CALLBACK = {"torch": torch_impl.trainer_callback, "jax": jax_impl.trainer_callback}
SIDES = list(FINETUNE)
SIZES = {
    "vocab_size": 1024,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
USUAL = {
    "per_device_train_batch_size": 8,
    "max_steps": 6,
    "learning_rate": 3e-3,
    "weight_decay": 0.1,
    "logging_steps": 2,
    "seed": 7,
    "disable_tqdm": True,
    "use_cpu": True,
    "save_strategy": "no",
}


@pytest.fixture(scope="module")
def data():
    tokenizer = text.load_tokenizer()
    splits = mrpc.load_mrpc()
    return {name: text.tokenize_pairs(table, tokenizer) for name, table in splits.items()}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A folder with the weights that every model starts from."""
    folder = tmp_path_factory.mktemp("start")
    torch.manual_seed(0)
    config = torch_impl.bert.BertConfig(**SIZES)
    torch_impl.bert.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def model(side, start, rate=0.1):
    kind = {"torch": torch_impl.bert, "jax": jax_impl.bert}[side].BertForSequenceClassification
    rates = {"hidden_dropout_prob": rate, "attention_probs_dropout_prob": rate}
    if side == "torch":
        return kind.from_pretrained(start, **rates)
    return kind.from_pretrained(start, rngs=nnx.Rngs(0), **rates)


def trainer(side, folder, start, data, rate=0.1, options=None, **arguments):
    M = FINETUNE[side]
    return M.Trainer(
        model(side, start, rate),
        M.TrainingArguments(str(folder), **{**USUAL, **arguments}),
        text.padding_collator(text.load_tokenizer(), pad_to_multiple_of=64),
        data["train"],
        data["validation"],
        compute_metrics=mrpc.accuracy_and_f1,
        **(options or {}),
    )


def torch_batches(collator):
    return lambda rows: {k: torch.as_tensor(v) for k, v in collator(rows).items()}


def theirs(folder, network, data, **arguments):
    """transformers' Trainer with the same settings."""
    collator = text.padding_collator(text.load_tokenizer(), pad_to_multiple_of=64)
    return transformers.Trainer(
        network,
        transformers.TrainingArguments(str(folder), report_to="none", **{**USUAL, **arguments}),
        torch_batches(collator),
        data["train"],
        data["validation"],
        compute_metrics=mrpc.accuracy_and_f1,
    )


def lines(trained):
    """The log without what is a matter of time."""
    told = ("runtime", "per_second")
    return [
        {k: None if any(word in k for word in told) else v for k, v in line.items()}
        for line in trained.state.log_history
    ]


def arrays(trained):
    if isinstance(trained.model, nnx.Module):
        state = nnx.to_flat_state(nnx.state(trained.model, nnx.Param))
        return {".".join(map(str, path)): np.asarray(leaf[...]) for path, leaf in state}
    return {name: p.detach().numpy().copy() for name, p in trained.model.named_parameters()}


def assert_bit_equal(one, other):
    assert one.keys() == other.keys()
    unequal = [name for name in one if not np.array_equal(one[name], other[name])]
    assert not unequal


@pytest.mark.parametrize("stem", SAME)
def test_neutral_files_are_the_same_on_both_sides(stem):
    torch_text = (ROOT / "torch_impl" / f"{stem}.py").read_text()
    assert (
        torch_text.replace("torch_impl", "jax_impl")
        == (ROOT / "jax_impl" / f"{stem}.py").read_text()
    )


# Arguments.


def test_arguments_are_transformers_with_their_defaults():
    ours = {
        f.name: f.default for f in dataclasses.fields(torch_impl.finetune.TrainingArguments)
    }
    other = {f.name: f.default for f in dataclasses.fields(transformers.TrainingArguments)}
    if version("transformers") == "5.23.0":  # other versions have others too
        assert set(ours) - set(other) == {"evaluation_strategy", "warmup_ratio"}
        assert set(other) <= set(ours)

    def off(value):  # transformers 5.17 says False where 5.23 says None
        return value is None or value is False

    shared = ours.keys() & other.keys()
    assert {
        name: (ours[name], other[name])
        for name in shared
        if ours[name] != other[name] and not (off(ours[name]) and off(other[name]))
    } == {}


def test_old_names_of_arguments():
    args = jax_impl.finetune.TrainingArguments(
        "x", evaluation_strategy="epoch", warmup_ratio=0.05
    )
    assert (args.eval_strategy, args.do_eval, args.get_warmup_steps(41)) == ("epoch", True, 3)
    with pytest.raises(
        ValueError, match="evaluation_strategy is the old name of eval_strategy"
    ):
        jax_impl.finetune.TrainingArguments(
            "x", evaluation_strategy="epoch", eval_strategy="steps"
        )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"batch_size": 8}, "unexpected keyword argument 'batch_size'"),
        ({"fp16": True}, "fp16 must be False, got True: not supported"),
        ({"report_to": "wandb"}, "report_to must be 'none', got 'wandb'"),
        ({"eval_do_concat_batches": False}, "eval_do_concat_batches must be True"),
        ({"eval_strategy": "never"}, r"eval_strategy must be in \('no', 'steps', 'epoch'\)"),
        ({"lr_scheduler_type": "polynomial"}, "lr_scheduler_type must be in"),
        ({"optim": "sgd"}, "optim must be in"),
        ({"per_device_train_batch_size": 0}, "per_device_train_batch_size must be a positive"),
        ({"learning_rate": -1.0}, "learning_rate must not be negative, got -1.0"),
        ({"adam_beta2": 1.0}, r"adam_beta2 must be in \[0, 1\), got 1.0"),
        ({"num_train_epochs": 0}, "max_steps or num_train_epochs must be positive"),
        ({"logging_steps": 2.5}, "logging_steps must be a positive int"),
        ({"save_strategy": "best"}, "metric_for_best_model must be given"),
        ({"load_best_model_at_end": True}, "needs an evaluation for each checkpoint"),
        (
            {
                "load_best_model_at_end": True,
                "eval_strategy": "steps",
                "eval_steps": 3,
                "save_steps": 4,
            },
            "save_steps to be a multiple of eval_steps, got 4 and 3",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, told):
    kinds = (ValueError, TypeError, NotImplementedError)
    with pytest.raises(kinds, match=told):
        torch_impl.finetune.TrainingArguments("x", **arguments)


# Against transformers.


@pytest.mark.parametrize("n", [0, 1, 2, 36, 3668])
@pytest.mark.parametrize("seed", [0, 42, 2**32 + 5])
def test_rows_come_in_torchs_order(n, seed):
    expected = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert jax_impl.trainer_utils.seeded_permutation(n, seed).tolist() == expected.tolist()


CADENCES = [
    {"eval_strategy": "steps", "eval_steps": 4, "logging_first_step": True},
    {
        "eval_strategy": "epoch",
        "logging_strategy": "epoch",
        "max_steps": -1,
        "num_train_epochs": 1.5,
        "per_device_train_batch_size": 16,
        "gradient_accumulation_steps": 2,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.2,
        "max_grad_norm": 0.5,
        "data_seed": 3,
        "dataloader_drop_last": True,
    },
    {"lr_scheduler_type": "constant", "max_grad_norm": 0.0, "eval_on_start": True},
]


@pytest.mark.parametrize("arguments", CADENCES)
def test_torch_is_transformers_bit_for_bit(tmp_path, start, data, arguments):
    """Dropout on: both draw from the same stream, in evaluations and shuffling too."""
    other = theirs(tmp_path / "theirs", model("torch", start), data, **arguments)
    other.train()
    ours = trainer("torch", tmp_path / "ours", start, data, **arguments)
    ours.train()
    assert_bit_equal(arrays(ours), arrays(other))
    assert lines(ours) == lines(other)


def test_on_transformers_own_bert_too(tmp_path, data):
    """It takes num_items_in_batch and ignores it, so accumulated losses add up: there, here."""
    networks = []
    for _ in range(2):
        torch.manual_seed(0)
        config = transformers.BertConfig(**SIZES)
        networks.append(transformers.BertForSequenceClassification(config))
    arguments = {"gradient_accumulation_steps": 2, "max_steps": 3}
    other = theirs(tmp_path / "theirs", networks[0], data, **arguments)
    other.train()
    M = torch_impl.finetune
    ours = M.Trainer(
        networks[1],
        M.TrainingArguments(str(tmp_path / "ours"), **{**USUAL, **arguments}),
        text.padding_collator(text.load_tokenizer(), pad_to_multiple_of=64),
        data["train"],
    )
    ours.train()
    assert_bit_equal(arrays(ours), arrays(other))
    assert lines(ours) == lines(other)


@pytest.mark.data
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_real_weights_and_rows_step_for_step(tmp_path, dtype):
    """transformers' BERT in its Trainer, ours in ours, 20 steps: the same bits, dropout on."""
    tokenizer = text.load_tokenizer(minilm_folder())
    rows = text.tokenize_pairs(mrpc.load_mrpc(mrpc_folder())["train"], tokenizer)
    collator = text.padding_collator(tokenizer)
    torch.manual_seed(0)
    network = transformers.BertForSequenceClassification.from_pretrained(minilm_folder())
    network.save_pretrained(tmp_path / "start")
    batch = {"per_device_train_batch_size": 8, "max_steps": 20}
    arguments = {**USUAL, **batch, "learning_rate": 5e-5, "logging_steps": 1}
    other = transformers.Trainer(
        network.to(dtype),
        transformers.TrainingArguments(str(tmp_path), report_to="none", **arguments),
        torch_batches(collator),
        rows,
    )
    other.train()
    ours = torch_impl.finetune.Trainer(
        torch_impl.bert.BertForSequenceClassification.from_pretrained(
            tmp_path / "start", dtype=dtype
        ),
        torch_impl.finetune.TrainingArguments(str(tmp_path), **arguments),
        collator,
        rows,
    )
    ours.train()
    assert_bit_equal(arrays(ours), arrays(other))
    for found, expected in zip(lines(ours), lines(other), strict=True):
        assert {**found, "total_flos": 0.0} == {**expected, "total_flos": 0.0}


@pytest.mark.parametrize("arguments", CADENCES[:2])
def test_jax_logs_what_torch_logs(tmp_path, start, data, arguments):
    """The same lines at the same steps, and without dropout the same numbers."""
    one, other = (
        trainer(side, tmp_path / side, start, data, rate=0.0, **arguments) for side in SIDES
    )
    one.train()
    other.train()
    for expected, found in zip(lines(one), lines(other), strict=True):
        assert list(found) == list(expected)
        for name, value in expected.items():
            assert value is None or found[name] == pytest.approx(value, rel=2e-4), name


@pytest.mark.parametrize("accumulated", [1, 2])
def test_every_step_of_jax_is_torchs(tmp_path, start, data, accumulated):
    """In float64, without dropout: loss, norm, rate, gradients and parameters at each step."""
    records = {}
    with jax.enable_x64(True):
        for side in SIDES:
            made = trainer(
                side,
                tmp_path / side,
                start,
                data,
                rate=0.0,
                max_steps=4,
                warmup_steps=2,
                gradient_accumulation_steps=accumulated,
            )
            if side == "torch":
                made.model.double()
            else:
                state = nnx.state(made.model, nnx.Param)
                nnx.update(made.model, jax.tree.map(lambda x: x.astype("float64"), state))
            records[side] = []
            made.observer = records[side].append
            made.train()
    assert len(records["torch"]) == 4
    for one, other in zip(*records.values(), strict=True):
        assert other.losses == pytest.approx(one.losses, rel=1e-12)
        assert other.grad_norm == pytest.approx(one.grad_norm, rel=1e-11)
        assert other.learning_rate == one.learning_rate
        for field in ("gradients", "parameters"):
            ours, found = getattr(one, field), getattr(other, field)
            assert ours.keys() == found.keys()
            for name, array in ours.items():
                turned = found[name].T if found[name].shape != array.shape else found[name]
                if array.ndim == 2 and array.shape[0] == array.shape[1]:
                    turned = turned.T if "embeddings" not in name else turned
                assert np.abs(turned - array).max() < 1e-11, (one.step, field, name)


# Going on from a checkpoint.


class Interrupt:
    """A callback that ends the process, as far as a test can, after a step."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("side", SIDES)
def test_an_interrupted_training_goes_on_bit_for_bit(tmp_path, start, data, side):
    arguments = {
        "max_steps": 12,  # of 9 an epoch
        "save_strategy": "steps",
        "save_steps": 5,
        "eval_strategy": "steps",
        "eval_steps": 4,
    }
    whole = trainer(side, tmp_path / "whole", start, data, **arguments)
    whole.train()
    cut = trainer(
        side, tmp_path / "cut", start, data, options={"callbacks": [Interrupt(7)]}, **arguments
    )
    with pytest.raises(KeyboardInterrupt):
        cut.train()
    assert not np.array_equal(*(next(iter(arrays(t).values())) for t in (cut, whole)))
    (tmp_path / "cut" / "tmp-checkpoint-10").mkdir()  # what a kill leaves of a checkpoint
    resumed = trainer(side, tmp_path / "cut", start, data, **{**arguments, "seed": 7})
    output = resumed.train(resume_from_checkpoint=True)
    assert output.global_step == 12
    assert_bit_equal(arrays(resumed), arrays(whole))
    assert [line["step"] for line in resumed.state.log_history] == [
        line["step"] for line in whole.state.log_history
    ]
    again = trainer(side, tmp_path / "again", start, data, **arguments)
    again.train(str(tmp_path / "cut" / "checkpoint-10"))
    assert_bit_equal(arrays(again), arrays(whole))


@pytest.mark.parametrize("side", SIDES)
def test_no_checkpoint_to_go_on_from(tmp_path, start, data, side):
    made = trainer(side, tmp_path, start, data)
    with pytest.raises(ValueError, match="no checkpoint to go on from in"):
        made.train(resume_from_checkpoint=True)
    with pytest.raises(ValueError, match=r"it has no trainer_state\.json"):
        made.train(str(tmp_path))


@pytest.mark.parametrize("side", SIDES)
def test_the_best_model_and_no_more_checkpoints_than_wanted(tmp_path, start, data, side):
    made = trainer(
        side,
        tmp_path,
        start,
        data,
        eval_strategy="steps",
        eval_steps=2,
        save_strategy="steps",
        save_steps=2,
        max_steps=8,
        learning_rate=0.05,  # so that it gets worse again
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        save_total_limit=2,
    )
    made.train()
    losses = {x["step"]: x["eval_loss"] for x in made.state.log_history if "eval_loss" in x}
    best = min(losses, key=losses.__getitem__)
    assert made.state.best_global_step == best
    assert made.state.best_model_checkpoint == str(tmp_path / f"checkpoint-{best}")
    kept = {p.name for p in tmp_path.glob("checkpoint-*")}
    assert kept == {f"checkpoint-{best}", "checkpoint-8"} or best == 8
    assert made.evaluate()["eval_loss"] == pytest.approx(losses[best], abs=1e-7)
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "checkpoint-8").vocab_size


# What it is for.


@pytest.mark.parametrize("side", SIDES)
def test_it_learns_and_writes_what_it_found(tmp_path, start, data, side):
    made = trainer(
        side, tmp_path, start, data, 0.0, max_steps=90, logging_steps=9, learning_rate=1e-2
    )
    output = made.train()
    found = [line["loss"] for line in made.state.log_history if "loss" in line]
    assert found[-1] < 0.6 * found[0]
    made.save_metrics("train", output.metrics)
    evaluated = made.evaluate()
    made.save_metrics("eval", evaluated)
    made.save_state()
    made.save_model()
    prediction = made.predict(data["validation"])
    assert prediction.predictions.shape == (36, 2)
    assert prediction.metrics["test_loss"] == evaluated["eval_loss"]
    assert prediction.label_ids.tolist() == data["validation"]["labels"]
    results = json.loads((tmp_path / "all_results.json").read_text())
    assert results["train_loss"] == output.training_loss
    assert results["eval_f1"] == evaluated["eval_f1"]
    assert json.loads((tmp_path / "eval_results.json").read_text())["epoch"] == 10
    assert json.loads((tmp_path / "trainer_state.json").read_text())["global_step"] == 90
    unlabelled = data["validation"].remove_columns(["labels"])
    alone = made.predict(unlabelled)
    assert alone.label_ids is None
    assert np.array_equal(alone.predictions, prediction.predictions)
    reloaded = transformers.BertForSequenceClassification.from_pretrained(tmp_path).eval()
    batch = made.data_collator([data["validation"][i] for i in range(3)])
    with torch.no_grad():
        logits = reloaded(**{k: torch.as_tensor(v) for k, v in batch.items()}).logits
    assert np.allclose(logits.numpy(), prediction.predictions[:3], atol=1e-5)


@pytest.mark.parametrize("side", SIDES)
def test_early_stopping_and_other_callbacks(tmp_path, start, data, side, capsys):
    told = []

    class Listener(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            told.append(kwargs["model"])

    stopping = CALLBACK[side].EarlyStoppingCallback(2, early_stopping_threshold=10.0)
    made = trainer(
        side,
        tmp_path,
        start,
        data,
        options={"callbacks": [Listener, stopping]},
        eval_strategy="steps",
        eval_steps=2,
        max_steps=20,
        metric_for_best_model="f1",
    )
    assert made.train().global_step == 6
    assert told[0] is made.model
    assert "'eval_f1'" in capsys.readouterr().out
    assert made.pop_callback(Listener) is not None
    assert made.pop_callback(Listener) is None


@pytest.mark.parametrize("side", SIDES)
def test_bf16(tmp_path, start, data, side):
    full, half = (
        trainer(side, tmp_path / str(bf16), start, data, rate=0.0, bf16=bf16)
        for bf16 in (False, True)
    )
    full.train()
    half.train()
    assert half.evaluate()["eval_loss"] == pytest.approx(full.evaluate()["eval_loss"], rel=0.05)
    assert {array.dtype for array in arrays(half).values()} == {np.dtype("float32")}


def test_jax_compiles_a_step_for_each_length(tmp_path, start, data):
    lengths = set()
    collator = text.padding_collator(text.load_tokenizer(), pad_to_multiple_of=16)

    def counted(rows):
        batch = collator(rows)
        lengths.add(batch["input_ids"].shape)
        return batch

    made = trainer("jax", tmp_path, start, data, max_steps=9)
    made.data_collator = counted
    made.train()
    assert len(lengths) <= 3
    assert made._steps.whole._cache_size() == len(lengths)


def test_jax_pads_to_few_lengths_by_itself(tmp_path, start, data):
    tokenizer = text.load_tokenizer()
    for side, lengths in (("torch", {62}), ("jax", {64})):
        args = FINETUNE[side].TrainingArguments(str(tmp_path), **USUAL)
        made = FINETUNE[side].Trainer(model(side, start), args, tokenizer=tokenizer)
        rows = [data["train"][i] for i in range(72)]
        assert {made.data_collator(rows)["input_ids"].shape[1]} == lengths


def test_jax_dropout_is_drawn_from_the_seed(tmp_path, start, data):
    losses = []
    for seed in (1, 1, 2):
        made = trainer(
            "jax", tmp_path, start, data, max_steps=2, seed=seed, data_seed=0, logging_steps=1
        )
        made.train()
        losses.append([x["loss"] for x in made.state.log_history if "loss" in x])
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


class Plain(nnx.Module):
    """No save_pretrained, no config, a loss of its own."""

    def __init__(self):
        self.table = nnx.Embed(8, 4, rngs=nnx.Rngs(0))
        self.norm = nnx.BatchNorm(4, rngs=nnx.Rngs(0))
        self.drop = nnx.Dropout(0.2, rngs=nnx.Rngs(1))
        self.head = nnx.Linear(4, 2, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return {"logits": self.head(self.drop(self.norm(self.table(x))))}


class PlainTorch(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table = torch.nn.Embedding(8, 4)
        self.norm = torch.nn.BatchNorm1d(4)
        self.drop = torch.nn.Dropout(0.2)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, x):
        return {"logits": self.head(self.drop(self.norm(self.table(x))))}


def loss_of(outputs, labels, num_items_in_batch=None):
    square = (outputs["logits"] - labels[:, None]) ** 2
    return square.sum() / (2 * num_items_in_batch)


@pytest.mark.parametrize("side", SIDES)
def test_a_model_of_ones_own_with_a_loss_of_ones_own(tmp_path, side):
    """Statistics of a batch norm and dropout's stream go on from a checkpoint too."""
    M, kind = FINETUNE[side], {"torch": PlainTorch, "jax": Plain}[side]
    rows = [{"x": i % 8, "labels": i % 2, "spare": "text"} for i in range(40)]

    def made(folder, **arguments):
        args = M.TrainingArguments(
            str(folder),
            **{**USUAL, "max_steps": 8, "gradient_accumulation_steps": 2, **arguments},
            label_names=["labels"],
        )
        return M.Trainer(
            model_init=kind, args=args, train_dataset=rows, compute_loss_func=loss_of
        )

    whole = made(tmp_path / "a", save_strategy="steps", save_steps=4)
    whole.train()
    resumed = made(tmp_path / "b")
    resumed.train(str(tmp_path / "a" / "checkpoint-4"))
    assert_bit_equal(arrays(resumed), arrays(whole))
    if side == "jax":
        means = [np.asarray(t.model.norm.mean[...]) for t in (resumed, whole)]
    else:
        means = [t.model.norm.running_mean.numpy() for t in (resumed, whole)]
    assert np.array_equal(*means)
    assert whole.evaluate(rows)["eval_loss"] > 0


# Bad input.


@pytest.mark.parametrize("side", SIDES)
def test_bad_input_is_named(tmp_path, start, data, side):
    M = FINETUNE[side]
    network = model(side, start)
    with pytest.raises(RuntimeError, match="either a model or a model_init"):
        M.Trainer()
    with pytest.raises(ValueError, match="and there is no eval_dataset"):
        M.Trainer(network, M.TrainingArguments(str(tmp_path), eval_strategy="epoch"))
    with pytest.raises(TypeError, match="train_dataset must have a length"):
        M.Trainer(network, M.TrainingArguments(str(tmp_path)), train_dataset=iter([]))
    with pytest.raises(ValueError, match="tokenizer is the old name of processing_class"):
        M.Trainer(network, tokenizer=1, processing_class=2)
    empty = M.Trainer(network, M.TrainingArguments(str(tmp_path), **USUAL))
    with pytest.raises(ValueError, match="train needs a train_dataset"):
        empty.train()
    with pytest.raises(ValueError, match="evaluate needs an eval_dataset"):
        empty.evaluate()
    raw = mrpc.load_mrpc()["train"]
    made = trainer(side, tmp_path, start, {"train": raw, "validation": raw})
    with pytest.raises(ValueError, match="label"):  # tokens are missing: the collator says so
        made.train()
    wordy = text.Table({"text": ["a", "b"]})
    made = trainer(side, tmp_path, start, {"train": wordy, "validation": wordy})
    with pytest.raises(ValueError, match=r"no column of the data \(text\) is an argument"):
        made.train()
    made = trainer(side, tmp_path, start, data, per_device_train_batch_size=100)
    made.args.dataloader_drop_last = True
    with pytest.raises(ValueError, match="train_dataset has 72 rows, no batch of 100"):
        made.train()


@pytest.mark.parametrize("side", SIDES)
def test_labels_out_of_range(tmp_path, start, data, side):
    train = data["train"]
    wrong = text.Table({**train.columns, "labels": [2] * len(train)})
    made = trainer(side, tmp_path, start, {**data, "train": wrong})
    with pytest.raises(IndexError, match=r"2 is out of bounds|got 2"):
        made.train()


def test_jax_wants_a_module(tmp_path):
    with pytest.raises(TypeError, match=r"model must be an nnx\.Module, got function"):
        jax_impl.finetune.Trainer(lambda x: x)
