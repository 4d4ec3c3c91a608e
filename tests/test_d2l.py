"""d2l's training by hand: pairings, the loop in lockstep, penalties, early stopping, images."""

from __future__ import annotations

import gzip

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import nnx

from compare.cases.case import Case, draw, labels
from compare.check import check
from compare.judge.agree import compare
from compare.run import jax_leaves, state, target, torch_side
from compare.run.draw import generator, leaf_array
from compare.run.images import NAMES, DataError, fashion_mnist, idx_folder
from compare.run.pairings import LOSSES, excesses, pairings

ROUNDING = 2.0**-40
"""A ratio of two small float64 steps: 13 of 53 bits may go in the differences."""

BATCH = 8
WEIGHTS = {"w": draw("a=3 b=4")}
IMAGES = {"X": draw("n=3 c=2 h=3 w=4")}
SIZES = {"num_inputs": 24, "num_outputs": 5}


def built_in_relu(X: jax.Array) -> jax.Array:
    return jax.nn.relu(X)


CASES = [
    Case(
        "overfitting.l1_penalty", {"w": draw("a=6", "given", values=[0.0, -1, 2, 0, 3.5, -7])}
    ),
    Case("overfitting.l2_penalty", WEIGHTS),
    Case(
        "overfitting.dropout_layer",
        {"X": draw("n=5 a=8")},
        options={"dropout": 0.3},
        masks={"mask": draw("n=5 a=8", "bits", keep=0.7)},
    ),
    Case("overfitting.SoftWeightSharing", WEIGHTS, init={"num_components": 4, "bound": 0.5}),
    Case("overfitting.SoftWeightSharing", WEIGHTS, init={"num_components": 1}),
    Case(
        "overfitting.DropoutMLP",
        IMAGES,
        init={**SIZES, "num_hiddens_1": 7, "num_hiddens_2": 6},
        masks={
            "dropout1.mask": draw("n=3 a=7", "bits", keep=0.8),
            "dropout2.mask": draw("n=3 a=6", "bits"),
        },
        out=("n a",),
    ),
    Case("sgd.linreg", {"X": draw("n=5 a=3"), "w": draw("a=3 b=1"), "b": draw("b=1")}),
    Case("sgd.squared_loss", {"y_hat": draw("n=5 a=1"), "y": draw("n=5")}),
    Case("softmax_regression.softmax", {"X": draw("n=4 a=5")}),
    Case(
        "softmax_regression.cross_entropy",
        {"y_hat": draw("n=4 c=5", "simplex"), "y": labels("n=4", 5)},
        out=("n",),
    ),
    Case("softmax_regression.SoftmaxRegressionScratch", IMAGES, init=SIZES, out=("n a",)),
    Case("softmax_regression.SoftmaxRegression", IMAGES, init=SIZES, out=("n a",)),
    Case("mlp.relu", {"X": draw("a=5", "given", values=[0.0, -1, 2, 0, 3.5])}),
    Case("mlp.MLPScratch", IMAGES, init={**SIZES, "num_hiddens": 7}, out=("n a",)),
    Case("mlp.MLP", IMAGES, init={**SIZES, "num_hiddens": 7}, out=("n a",)),
]


def test_every_piece_is_the_same_function_with_the_same_gradients():
    verdicts = check(CASES, quick=True)
    assert not [f"{v.case}: {v.verdict}: {v.says}" for v in verdicts if v.verdict != "same"]


def test_the_pieces_would_not_pass_for_each_other():
    faults = [
        Case("overfitting.l2_penalty", WEIGHTS, jax="jax_impl.overfitting:l1_penalty"),
        Case(
            "mlp.relu",
            {"X": draw("a=2", "given", values=[0.0, 1.0])},
            jax="test_d2l:built_in_relu",
        ),
        Case(
            "overfitting.SoftWeightSharing",
            WEIGHTS,
            init={"num_components": 4},
            jax_init={"num_components": 3},
        ),
    ]
    assert [v.verdict for v in check(faults, quick=True)] == ["different", "different", "error"]


@pytest.fixture(scope="module")
def table():
    return pairings(batch_size=BATCH, steps=3)


def test_pairings_are_off_by_exactly_what_the_batch_size_says(table):
    assert len(table) == len(LOSSES) * 6
    expected = [times * excess for times in LOSSES.values() for *_, excess in excesses(BATCH)]
    for row, factor in zip(table, expected, strict=True):
        assert row.expected == factor
        for side in target.SIDES:
            assert abs(row.factor[side] / factor - 1) < ROUNDING, str(row)
        assert max(row.spread, row.gap) < ROUNDING, str(row)


def test_the_right_pairings_are_d2ls(table):
    right = {(row.loss, row.reduction, row.updater) for row in table if row.right}
    serves = [("none", "hand-written"), ("none", "built-in")]
    serves += [("sum", "hand-written"), ("mean", "built-in")]
    halved = ("squared_loss", "mse_loss / 2")
    assert right == {(loss, *pair) for loss in halved for pair in serves}
    assert {row.expected for row in table} == {1, 2, 8, 16, 1 / 8, 1 / 4}


def both(stem: str, name: str):
    return [target.named(f"{stem}.{name}", side) for side in target.SIDES]


def parameters(module: nnx.Module) -> dict[str, nnx.Param]:
    """The module's own parameters by path: writing to one changes the module."""
    found = nnx.iter_graph(module)
    return {jax_leaves.dotted(path): one for path, one in found if isinstance(one, nnx.Param)}


def twins(stem: str, name: str, **init):
    """The two modules in float64 with equal leaves, and a check that these still are equal."""
    make_torch, make_jax = both(stem, name)
    ours, theirs = make_jax(**init, rngs=nnx.Rngs(0)), make_torch(**init).double()
    owners = {leaf.path: leaf for leaf in torch_side.module_leaves(theirs)}
    drawn = {path: leaf_array(leaf, generator(0, path)) for path, leaf in owners.items()}
    theirs.load_state_dict({path: torch.tensor(values) for path, values in drawn.items()})
    slots = parameters(ours)
    carried = state.carry_leaves(drawn, owners, {k: v.shape for k, v in slots.items()})
    for path, values in carried.items():
        slots[path].set_value(jnp.asarray(values))

    def apart() -> list[str]:
        found = []
        for path, parameter in theirs.named_parameters():
            values = np.asarray(parameters(ours)[path][...])
            values = state.to_torch(values, state.leaf_pattern(owners[path]))
            one = compare(path, parameter.detach().numpy(), values, None, None, {})
            found += [f"{path}: {one.says}"] if one.verdict != "same" else []
            assert not np.array_equal(values, drawn[path]), f"{path} was not trained"
        return found

    return theirs, ours, apart


def images(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 1, 4, 4)), rng.integers(0, 3, count)


def loaders(data: tuple[np.ndarray, np.ndarray], batch_size: int = 16):
    """Both sides' minibatches, in one order; the last of 40 examples holds 8."""
    torch_load, jax_load = both("sgd", "load_array")
    there = tuple(map(torch.tensor, data))
    here = np.moveaxis(data[0], 1, -1), data[1]
    rngs = (np.random.default_rng(7) for _ in range(2))
    return [
        load(arrays, batch_size, rng=rng)
        for load, arrays, rng in zip((torch_load, jax_load), (there, here), rngs, strict=True)
    ]


def penalties(name: str, rate: float):
    def of(side: str):
        penalty = target.named(f"overfitting.{name}", side)
        weights = target.named("train_ch3.weights", side)
        return lambda net: rate * sum(penalty(w) for w in weights(net))

    return [of(side) for side in target.SIDES]


def by_hand(theirs, ours, rate: float):
    parameters, updaters = both("train_ch3", "parameters"), both("sgd", "Updater")
    pairs = zip(parameters, updaters, (theirs, ours), strict=True)
    return [make(of(net), rate) for of, make, net in pairs]


def built_in(theirs, ours, rate: float):
    return [
        torch.optim.SGD(theirs.parameters(), rate),
        nnx.Optimizer(ours, optax.sgd(rate), wrt=nnx.Param),
    ]


def decayed(theirs, ours, rate: float):
    makers = both("overfitting", "sgd_with_weight_decay")
    return [make(net, rate, 0.05) for make, net in zip(makers, (theirs, ours), strict=True)]


SCRATCH = ("softmax_regression", "SoftmaxRegressionScratch")
LOCKSTEP = {
    "by hand": (SCRATCH, ("softmax_regression", "cross_entropy"), by_hand, None),
    "by hand, l1": (("mlp", "MLPScratch"), None, by_hand, "l1_penalty"),
    "built in, l2": (("mlp", "MLP"), None, built_in, "l2_penalty"),
    "weight decay": (("mlp", "MLP"), None, decayed, None),
}


@pytest.mark.parametrize("name", LOCKSTEP)
def test_train_ch3_in_lockstep(name):
    (stem, cls), loss, update, penalty = LOCKSTEP[name]
    hidden = {"num_hiddens": 6} if stem == "mlp" else {}
    with jax.enable_x64(True):
        theirs, ours, apart = twins(stem, cls, num_inputs=16, num_outputs=3, **hidden)
        if loss:
            losses = both(*loss)
        else:
            losses = [make(reduction="none") for make in both("loss", "CrossEntropyLoss")]
        updaters = update(theirs, ours, 0.1)
        added = penalties(penalty, 0.05) if penalty else (None, None)
        histories = []
        for side in range(2):
            train = loaders(images(40))[side]
            test = loaders(images(24, seed=1), 24)[side]
            run = both("train_ch3", "train_ch3")[side]
            net = (theirs, ours)[side]
            histories.append(
                run(net, train, test, losses[side], 3, updaters[side], penalty=added[side])
            )
        assert not apart()
    there, here = (np.array(history) for history in histories)
    assert there.shape == (3, 3)
    assert compare("losses", there[:, 0], here[:, 0], None, None, {}).verdict == "same"
    np.testing.assert_array_equal(there[:, 1:], here[:, 1:])


def test_a_wrong_updater_is_seen():
    with jax.enable_x64(True):
        theirs, ours, apart = twins("mlp", "MLP", num_inputs=16, num_outputs=3, num_hiddens=6)
        losses = [make(reduction="none") for make in both("loss", "CrossEntropyLoss")]
        updaters = by_hand(theirs, ours, 0.1)[0], by_hand(theirs, ours, 0.1 * (1 + 1e-9))[1]
        epochs = both("train_ch3", "train_epoch_ch3")
        for epoch, net, batches, loss, update in zip(
            epochs, (theirs, ours), loaders(images(40)), losses, updaters, strict=True
        ):
            epoch(net, batches, loss, update)
        assert apart()


def test_an_updater_of_strange_parameters_and_used_up_data_raise():
    ours = target.named("mlp.MLP", "jax")(16, 3, 6, rngs=nnx.Rngs(0))
    stranger = nnx.Param(jnp.zeros((16, 6)))
    epoch, update = (
        target.named(name, "jax") for name in ("train_ch3.train_epoch_ch3", "sgd.Updater")
    )
    loss = target.named("loss.CrossEntropyLoss", "jax")(reduction="none")
    x, y = images(8)
    batch = np.moveaxis(x, 1, -1).astype(np.float32), y
    with pytest.raises(ValueError, match="not net's"):
        epoch(ours, [batch], loss, update([stranger], 0.1))
    for side in target.SIDES:
        evaluate = target.named("train_ch3.evaluate_accuracy", side)
        with pytest.raises(ValueError, match="no example was read"):
            evaluate(lambda x: x, iter(()))


class Held:
    """One side's small net with batch norm, read and written through one interface."""

    def __init__(self, side: str) -> None:
        self.side = side
        norm = target.named("norm.BatchNorm1d", side)
        self.net = norm(2)

    def fill(self, value: float) -> None:
        for leaf in ("weight", "running_mean"):
            held = getattr(self.net, leaf)
            if self.side == "torch":
                held.data.fill_(value)
            else:
                held[...] = jnp.full(2, value)

    def values(self) -> list[float]:
        read = (getattr(self.net, leaf) for leaf in ("weight", "running_mean"))
        return [float(x.detach()[0] if self.side == "torch" else x[0]) for x in read]


@pytest.mark.parametrize("side", target.SIDES)
def test_early_stopping_restores_the_best_state_buffers_included(side):
    make = target.named("overfitting.EarlyStopping", side)
    stopping, held = make(patience=3, min_delta=0.1), Held(side)
    with pytest.raises(RuntimeError, match="no best state"):
        stopping.restore(held.net)
    said = []
    for epoch, loss in enumerate([1.0, 0.5, 0.45, float("nan"), 0.41, 0.0], start=1):
        held.fill(float(epoch))
        said.append(stopping(held.net, loss))
        if said[-1]:
            break
    assert said == [False, False, False, False, True]
    assert held.values() == [5.0, 5.0]
    stopping.restore(held.net)
    assert held.values() == [2.0, 2.0]
    assert (stopping.best, stopping.best_epoch) == (0.5, 2)
    for wrong in ({"patience": 0}, {"min_delta": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            make(**wrong)


@pytest.mark.parametrize("side", target.SIDES)
def test_accuracy_counts_and_shares(side):
    array = torch.tensor if side == "torch" else jnp.asarray
    accuracy = target.named("train_ch3.accuracy", side)
    scores = array(np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]], np.float32))
    assert accuracy(scores, array(np.array([1, 1, 1]))) == 2.0
    share = target.named("train_ch3.evaluate_accuracy", side)
    data = [(scores, array(np.array([1, 1, 1]))), (scores[:1], array(np.array([0])))]
    assert share(lambda x: x, data) == 0.5


def idx(values: np.ndarray) -> bytes:
    sizes = np.array(values.shape, ">u4").tobytes()
    return bytes((0, 0, 8, values.ndim)) + sizes + values.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path):
    """A right folder of four small files, of which one is gzipped."""
    for part, count in (("train", 5), ("test", 3)):
        pixels = np.arange(count * 12).reshape(count, 4, 3)
        (tmp_path / NAMES[f"{part} images"]).write_bytes(idx(pixels))
        (tmp_path / NAMES[f"{part} labels"]).write_bytes(idx(np.arange(count)))
    whole = tmp_path / NAMES["test images"]
    (tmp_path / f"{whole.name}.gz").write_bytes(gzip.compress(whole.read_bytes()))
    whole.unlink()
    return tmp_path


def test_images_are_read_whole(folder):
    data = idx_folder(folder)
    assert [part.shape for part in (*data.train, *data.test)] == [
        (5, 1, 4, 3),
        (5,),
        (3, 1, 4, 3),
        (3,),
    ]
    assert data.train[0].dtype == np.float32
    assert data.train[0][1, 0, 2, 1] == np.float32(19) / np.float32(255)
    assert data.test[1].tolist() == [0, 1, 2]


def spoil(folder, name: str, change) -> None:
    file = folder / name
    file.write_bytes(change(file.read_bytes()))


IMAGES_FILE, LABELS_FILE = NAMES["train images"], NAMES["train labels"]
SPOILT = {
    "missing": (lambda at: (at / LABELS_FILE).unlink(), f"neither {LABELS_FILE} nor"),
    "empty": (lambda at: spoil(at, IMAGES_FILE, lambda b: b""), "is empty"),
    "cut short": (lambda at: spoil(at, IMAGES_FILE, lambda b: b[:-1]), "is cut short: 59"),
    "no header": (lambda at: spoil(at, IMAGES_FILE, lambda b: b[:9]), "its header has 16"),
    "too long": (lambda at: spoil(at, IMAGES_FILE, lambda b: b + b"\0"), "bytes to spare"),
    "wrong magic": (lambda at: spoil(at, LABELS_FILE, lambda b: b"\0\0\x0d" + b[3:]), "000d01"),
    "labels for images": (
        lambda at: (at / IMAGES_FILE).write_bytes((at / LABELS_FILE).read_bytes()),
        "expected 0x00000803",
    ),
    "half a gzip": (
        lambda at: spoil(at, f"{NAMES['test images']}.gz", lambda b: b[:-9]),
        "no whole gzip file",
    ),
    "no pairs": (
        lambda at: (at / LABELS_FILE).write_bytes(idx(np.arange(4))),
        "5 images and 4 labels",
    ),
    "two sizes": (
        lambda at: (at / IMAGES_FILE).write_bytes(idx(np.zeros((5, 4, 4)))),
        "differ in size",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_image_files_are_named(folder, name):
    spoiling, says = SPOILT[name]
    spoiling(folder)
    with pytest.raises(DataError) as caught:
        idx_folder(folder)
    assert says in str(caught.value)
    assert str(folder) in str(caught.value)


def test_another_data_set_is_not_taken_for_fashion_mnist(folder, tmp_path):
    with pytest.raises(DataError, match="does not hold Fashion-MNIST"):
        fashion_mnist(folder)
    with pytest.raises(DataError, match="dataset-fashion-mnist"):
        fashion_mnist(tmp_path / "nowhere")
