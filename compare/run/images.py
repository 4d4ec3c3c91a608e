"""Fashion-MNIST, MNIST and their like from a folder of IDX files, as NumPy.

The format: two zero bytes, a byte for the type of the entries, a byte for the number of axes,
the length of each axis as a big-endian uint32, then the entries, row by row.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from compare.run.batches import Dataset

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""

NAMES = {
    "train images": "train-images-idx3-ubyte",
    "train labels": "train-labels-idx1-ubyte",
    "test images": "t10k-images-idx3-ubyte",
    "test labels": "t10k-labels-idx1-ubyte",
}

UNSIGNED_BYTE = 0x08


class DataError(ValueError):
    """A data set that can't be read: what is missing or wrong, and in which file."""


ADVICE = (
    "install Debian's package dataset-fashion-mnist, or name a folder that holds the IDX files "
    "with --data-folder"
)
HUB_NAME = "zalando-datasets/fashion_mnist"


def fashion_mnist(folder: str | Path = "") -> Dataset:
    """The 60,000 and 10,000 images of Fashion-MNIST, (n, c=1, h=28, w=28), in 10 classes.

    From the IDX files of `folder`; without one from Debian's, and where those are not installed
    from the Hub. Raises DataError as `idx_folder` does, where the files hold another data set's
    sizes, and where the Hub can't be reached.
    """
    if folder or DEBIAN_FOLDER.is_dir():
        source = str(folder or DEBIAN_FOLDER)
        try:
            dataset = idx_folder(source)
        except FolderError as error:
            raise FolderError(f"{error}; {ADVICE}") from None
    else:
        dataset, source = from_hub(HUB_NAME), HUB_NAME
    for part, (images, labels), count in (
        ("train", dataset.train, 60_000),
        ("test", dataset.test, 10_000),
    ):
        if images.shape != (count, 1, 28, 28) or labels.max() > 9:
            raise DataError(
                f"{source} does not hold Fashion-MNIST: its {part} part has images "
                f"{images.shape} and labels up to {labels.max()}, not {(count, 1, 28, 28)} "
                "and 9"
            )
    return dataset


def from_hub(name: str) -> Dataset:
    """A data set of the Hub with columns `image` and `label`, like `idx_folder`'s.

    Raises DataError where the package `datasets` or the network is missing.
    """
    try:
        from datasets import load_dataset

        parts = [load_dataset(name, split=split) for split in ("train", "test")]
    except ImportError:
        raise DataError(
            f"{name} on the Hub needs the package datasets (pip install 'portbench[hub]'); or "
            f"{ADVICE}"
        ) from None
    except Exception as error:
        raise DataError(f"{name} can't be had from the Hub ({error}); {ADVICE}") from None
    return Dataset(*(_columns(part) for part in parts))


def _columns(part: Any) -> tuple[np.ndarray, np.ndarray]:
    images = np.stack([np.asarray(image, np.uint8) for image in part["image"]])
    labels = np.asarray(part["label"], np.int64)
    return images[:, None].astype(np.float32) / np.float32(255), labels


def idx_folder(folder: str | Path) -> Dataset:
    """The four classic files of `folder`, plain or with .gz: images (n, c=1, h, w), labels (n).

    Images are float32, a byte k as k / 255 like torchvision's ToTensor; labels are int64.
    Raises DataError that names the folder or file: missing, not IDX, cut short, or with images
    and labels that do not pair.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FolderError(f"there is no folder {folder}")
    train, test = (_part(folder, part) for part in ("train", "test"))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise DataError(
            f"the images of {folder} differ in size: {train[0].shape[1:]} in the train part, "
            f"{test[0].shape[1:]} in the test part (channel, height, width)"
        )
    return Dataset(train, test)


class FolderError(DataError):
    """A folder, or a file in it, that is not there."""


def _part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    images = read_idx(_found(folder, NAMES[f"{part} images"]), axes=3)
    labels = read_idx(_found(folder, NAMES[f"{part} labels"]), axes=1)
    if len(images) != len(labels) or len(images) == 0:
        raise DataError(
            f"the {part} part of {folder} has {len(images)} images and {len(labels)} labels"
        )
    return images[:, None].astype(np.float32) / np.float32(255), labels.astype(np.int64)


def _found(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise FolderError(f"{folder} has neither {name} nor {name}.gz")


def read_idx(file: str | Path, axes: int) -> np.ndarray:
    """The unsigned bytes of an IDX file with that many axes, gzipped or not by its first bytes.

    Raises DataError that names the file, what it holds and what was expected.
    """
    file = Path(file)
    content = _content(file)
    if not content:
        raise DataError(f"{file} is empty")
    magic, expected = content[:4], bytes((0, 0, UNSIGNED_BYTE, axes))
    if magic != expected:
        raise DataError(
            f"{file} does not start as an IDX file of unsigned bytes with {axes} axes: magic "
            f"number 0x{magic.hex()}, expected 0x{expected.hex()}"
        )
    header = 4 + 4 * axes
    if len(content) < header:
        raise DataError(f"{file} is cut short: {len(content)} bytes, its header has {header}")
    shape = tuple(np.frombuffer(content, ">u4", axes, 4).tolist())
    held, wanted = len(content) - header, math.prod(shape)
    if held != wanted:
        cut = "is cut short" if held < wanted else "has bytes to spare"
        raise DataError(f"{file} {cut}: {held} entries for shape {shape}, which has {wanted}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{file} is no whole gzip file: {error}") from None
    except OSError as error:
        raise DataError(f"{file} can't be read: {error.strerror or error}") from None
