"""Real and synthetic batches as NumPy, in torch's order of axes, the same for both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from compare.run.draw import generator, representable


@dataclass(frozen=True)
class Dataset:
    """Images (n, c, h, w) in [0, 1] and their labels (n,), split into train and test."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def digits(seed: int) -> Dataset:
    """The 1,797 real 8x8 digits that scikit-learn ships, as 28x28 images, 1,437 to train on.

    Each pixel is repeated 3x3 and framed by 2 zeros, so that d2l's LeNet fits unchanged.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.kron(np.reshape(pixels, (-1, 8, 8)) / 16.0, np.ones((3, 3)))
    images = representable(np.pad(images, ((0, 0), (2, 2), (2, 2)))[:, None])
    order = generator(seed, "digits").permutation(len(images))
    images, labels = images[order], labels[order].astype(np.int64)
    return Dataset((images[:1437], labels[:1437]), (images[1437:], labels[1437:]))


DATASETS = {"digits": digits}


def minibatches(
    dataset: Dataset, batch_size: int, steps: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`steps` full batches, reshuffled each epoch; a short last batch is dropped."""
    images, labels = dataset.train
    per_epoch = len(images) // batch_size
    if per_epoch == 0:
        raise ValueError(f"batch_size {batch_size} exceeds the {len(images)} training images")
    for step in range(steps):
        epoch, index = divmod(step, per_epoch)
        order = generator(seed, f"epoch {epoch}").permutation(len(images))
        rows = order[index * batch_size : (index + 1) * batch_size]
        yield images[rows], labels[rows]
