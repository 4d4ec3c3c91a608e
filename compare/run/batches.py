"""Batches as NumPy, in torch's order of axes, the same for both sides."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compare.cases.training import Training
from compare.run.draw import array, generator, representable

CHUNK = 1000
"""Test examples that are classified at once."""


@dataclass(frozen=True)
class Batch:
    """One step's arrays in the order of the training's `axes`, and its keep-masks by path."""

    arrays: tuple[np.ndarray, ...]
    masks: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """Arrays whose first axis counts the examples: those to train on, and those to test."""

    train: tuple[np.ndarray, ...]
    test: tuple[np.ndarray, ...] = ()

    def __len__(self) -> int:
        """How many examples there are to train on."""
        return len(self.train[0])

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """The arrays of some training examples."""
        return tuple(part[rows] for part in self.train)


@dataclass(frozen=True)
class Tokens(Dataset):
    """Rows of tokens, of lengths of their own, padded batch by batch.

    A batch is input_ids, attention_mask and token_type_ids (n, s), and labels (n).
    """

    rows: Any = None
    collate: Callable[..., Any] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        return padded(self.collate, [self.rows[int(i)] for i in rows])


def padded(collate: Any, rows: Sequence[Any]) -> tuple[np.ndarray, ...]:
    """The arrays of one batch, in the order of `Tokens`."""
    found = collate(rows)
    names = ("input_ids", "attention_mask", "token_type_ids", "labels")
    return tuple(np.asarray(found[name], np.int64) for name in names)


@dataclass(frozen=True)
class Batches:
    """A training's batches, made anew each time they are gone through: masks are large."""

    training: Training
    dataset: Dataset
    seed: int

    def __len__(self) -> int:
        return self.training.steps

    def __iter__(self) -> Iterator[Batch]:
        training, count = self.training, len(self.dataset)
        rows = list(minibatches(count, training.batch_size, training.steps, self.seed))
        order = list(range(len(rows)))
        if training.swap is not None:
            first, second = training.swap
            order[first], order[second] = order[second], order[first]
        for step in order:
            yield _batch(training, self.dataset.batch(rows[step]), step, self.seed)


def _batch(training: Training, arrays: tuple[np.ndarray, ...], step: int, seed: int) -> Batch:
    sizes = axis_lengths(training.axes, arrays)
    masks = {
        path: array(given.sized(sizes), generator(seed, training.name, path, str(step)))
        for path, given in training.masks.items()
    }
    return Batch(arrays, masks)


def minibatches(count: int, batch_size: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """The rows of `steps` full batches, reshuffled each epoch; a short last one is dropped."""
    per_epoch = count // batch_size
    if per_epoch == 0:
        raise ValueError(f"batch_size {batch_size} exceeds the {count} training examples")
    order = np.arange(count)
    for step in range(steps):
        epoch, index = divmod(step, per_epoch)
        if index == 0:
            order = generator(seed, f"epoch {epoch}").permutation(count)
        yield order[index * batch_size : (index + 1) * batch_size]


def test_inputs(
    training: Training, test: tuple[np.ndarray, ...]
) -> Iterator[tuple[np.ndarray, ...]]:
    """What the model is evaluated on: of supervised data the inputs, CHUNK examples at once."""
    if training.objective == "physics":
        yield test
        return
    for start in range(0, len(test[0]), CHUNK):
        yield tuple(array[start : start + CHUNK] for array in test[:-1])


def evaluation(
    test: tuple[np.ndarray, ...], parts: Sequence[dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The parts as one, and of scores how many examples they classify rightly: `correct`."""
    if "scores" not in parts[0]:
        return parts[0]
    scores = np.concatenate([part["scores"] for part in parts])
    return {"scores": scores, "correct": np.sum(scores.argmax(-1) == test[-1])}


def axis_lengths(axes: Sequence[str], arrays: Sequence[np.ndarray]) -> dict[str, int]:
    """The length of each named axis. Raises ValueError where one has two."""
    sizes: dict[str, int] = {}
    for names, values in zip(axes, arrays, strict=True):
        for name, size in zip(names.split(), np.shape(values), strict=True):
            if sizes.setdefault(name, size) != size:
                raise ValueError(f"axis {name} is both {sizes[name]} and {size} long")
    return sizes


def dataset(training: Training, seed: int) -> Dataset:
    """The data of `training`."""
    make = DATASETS[training.data.target]
    return make(seed, **training.data.arguments)


def digits(
    seed: int, scale: int = 3, border: int = 2, channels: int = 1, test: int | None = None
) -> Dataset:
    """The 1,797 real 8x8 digits that scikit-learn ships, 1,437 to train on.

    Images (n, c, h, w) in [0, 1], grey in each channel, and labels (n). A pixel is repeated
    `scale` x `scale` times and the image framed by `border` zeros: 28x28 by default, so that
    d2l's LeNet fits unchanged. `test` keeps that many of the test images.
    """
    from sklearn.datasets import load_digits

    pixels, labels = (np.asarray(part) for part in load_digits(return_X_y=True))
    images = np.kron(np.reshape(pixels, (-1, 8, 8)) / 16.0, np.ones((scale, scale)))
    frame = ((0, 0), (border, border), (border, border))
    images = representable(np.pad(images, frame)[:, None]).repeat(channels, axis=1)
    order = generator(seed, "digits").permutation(len(images))
    images, labels = images[order], labels[order].astype(np.int64)
    end = None if test is None else 1437 + test
    held_out = (images[1437:end], labels[1437:end]) if test != 0 else ()
    return Dataset((images[:1437], labels[:1437]), held_out)


def fashion_mnist(seed: int, folder: str = "") -> Dataset:
    """Fashion-MNIST, 60,000 and 10,000 images: see compare/run/images.py for where it lies."""
    from compare.run import images

    return images.fashion_mnist(folder)


def clusters(seed: int, features: int = 6, classes: int = 3, count: int = 96) -> Dataset:
    """Points (n, a=features) about one random centre a class, and their labels (n)."""
    rng = generator(seed, "clusters")
    centres = rng.normal(size=(classes, features))
    labels = rng.integers(0, classes, count)
    points = representable(centres[labels] + 0.7 * rng.normal(size=(count, features)))
    return Dataset((points, labels))


def burgers(
    seed: int, n: int, size: int, times: int, dt: float = 0.02, viscosity: float = 0.02
) -> Dataset:
    """Velocities that solve the Burgers equation on the unit square: (n, t, c=2, h, w)."""
    from compare.run.pde import initial_velocity, simulate

    start = initial_velocity(seed, n, size, size)
    fields = simulate(start, times - 1, dt, 1 / size, viscosity)
    truth = representable(fields.swapaxes(0, 1))
    return Dataset((truth,), (truth[:1],))


def mrpc(seed: int, source: str = "sample", tokenizer: str = "", multiple: int = 16) -> Tokens:
    """MRPC's pairs as tokens; lengths are padded to a `multiple`, so that JAX compiles few.

    `source` is "sample", a folder, "hub", or "real": the folder that the environment variable
    PORTBENCH_MRPC names, else the Hub. `tokenizer` is a checkpoint's; the sample's if empty.
    """
    from compare.run.mrpc import load_mrpc
    from compare.run.start import located
    from compare.run.text import load_tokenizer, padding_collator, tokenize_pairs

    if source == "real":
        source = os.environ.get("PORTBENCH_MRPC", "hub")
    words = load_tokenizer(located(tokenizer) if tokenizer else None)
    splits = {name: tokenize_pairs(rows, words) for name, rows in load_mrpc(source).items()}
    collate = padding_collator(words, multiple)
    held_out = splits["validation"]
    test = padded(collate, [held_out[i] for i in range(len(held_out))])
    return Tokens((), test, splits["train"], collate)


DATASETS: dict[str, Callable[..., Dataset]] = {
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "clusters": clusters,
    "burgers": burgers,
    "mrpc": mrpc,
}
