"""Checkpoints in Hugging Face's format: a folder with config.json and safetensors files.

Only `read_tensors` and `write_tensors` know a framework; the rest is the same on both sides.
Source: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

__all__ = [
    "locate",
    "read_config",
    "write_config",
    "tensor_files",
    "read_tensors",
    "write_tensors",
    "pair_names",
]

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
# Heads of other tasks, which a checkpoint may hold and no model here has.
OTHER_HEADS = ("cls", "classifier", "qa_outputs", "pooler")
OLD_NAMES = {"gamma": "weight", "beta": "bias"}

_log = logging.getLogger(__name__)


def locate(name_or_folder: str | os.PathLike[str], revision: str | None = None) -> Path:
    """The folder itself, or the one that the Hub's files of that name are kept in.

    A name, "owner/model", is downloaded unless it was before. Raises FileNotFoundError where
    there is neither, with what to do.
    """
    folder = Path(name_or_folder)
    if folder.is_dir():
        return folder
    name = str(name_or_folder)
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
        raise FileNotFoundError(f"{name} is no folder")
    from huggingface_hub import snapshot_download

    try:
        wanted = [CONFIG, INDEX, "model*.safetensors"]
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:
        raise FileNotFoundError(
            f"{name!r} is no folder, and the Hugging Face Hub did not give it "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). "
            f"Where there is a network, run `hf download {name} --local-dir FOLDER`, and give "
            "FOLDER here"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """What `folder`/config.json holds; FileNotFoundError where there is none."""
    file = folder / CONFIG
    if not file.is_file():
        raise FileNotFoundError(f"{folder} holds no {CONFIG}: it is no checkpoint of a model")
    return json.loads(file.read_text(encoding="utf-8"))


def write_config(folder: Path, values: Mapping[str, Any]) -> None:
    """Writes `folder`/config.json, and makes the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(values, indent=2, sort_keys=True)
    (folder / CONFIG).write_text(f"{text}\n", encoding="utf-8")


def tensor_files(folder: Path) -> list[Path]:
    """model.safetensors, or the shards that its index lists.

    Raises FileNotFoundError where there is neither, or a shard is missing.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        files = [folder / name for name in sorted(set(index["weight_map"].values()))]
        missing = [file.name for file in files if not file.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{folder} lacks {', '.join(missing)}, which its index lists"
            )
        return files
    old = [file.name for file in folder.glob("pytorch_model*.bin")]
    hint = (
        f", only {', '.join(sorted(old))}, which is read by running code: convert it by "
        "transformers.AutoModel.from_pretrained(folder).save_pretrained(folder)"
    )
    raise FileNotFoundError(f"{folder} holds no {WEIGHTS}{hint if old else ''}")


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint by its name, at the dtype that it is stored in."""
    tensors = {}
    for file in tensor_files(folder):
        with safe_open(file, framework="pt") as opened:
            tensors |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    return tensors


def write_tensors(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes `folder`/model.safetensors, whole or not at all."""
    unfinished = folder / f"{WEIGHTS}.part"
    owned = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(owned, unfinished, metadata={"format": "pt"})
    unfinished.replace(folder / WEIGHTS)


def pair_names(
    stored: Mapping[str, Sequence[int]],
    wanted: Mapping[str, Sequence[int]],
    fresh: Iterable[str],
    source: str = "the checkpoint",
    base: str = "bert",
) -> dict[str, str]:
    """{wanted name: stored name}, both given with their shapes, torch's.

    gamma and beta are old names of weight and bias, position_ids an old buffer. A checkpoint
    of a bare model lacks the prefix `base`, one of a headed model has it: either serves both.
    A module of `fresh` that the checkpoint lacks altogether is left out, a head of another
    task that it has is left unread; both are logged. All else that is missing, spare or
    misshapen is listed in one ValueError.
    """
    named = _renamed(stored, wanted, f"{base}.")
    spare = [name for name in named if name not in wanted]
    missing = [name for name in wanted if name not in named]
    unread = [name for name in spare if name.removeprefix(f"{base}.").startswith(_heads())]
    new = [
        name
        for module in fresh
        if not any(name.startswith(f"{module}.") for name in named)
        for name in missing
        if name.startswith(f"{module}.")
    ]
    problems = [f"missing: {name} {tuple(wanted[name])}" for name in missing if name not in new]
    problems += [
        f"spare: {named[name]} {tuple(stored[named[name]])}"
        for name in spare
        if name not in unread
    ]
    problems += [
        f"misshapen: {old} is {tuple(stored[old])}, the model has {tuple(wanted[name])}"
        for name, old in named.items()
        if name in wanted and tuple(stored[old]) != tuple(wanted[name])
    ]
    if problems:
        listed = "\n  ".join(problems)
        raise ValueError(f"{source} does not fit the model its config describes:\n  {listed}")
    if unread:
        _log.warning("%s: not read, as no part of this model: %s", source, ", ".join(unread))
    if new:
        _log.warning("%s: drawn anew, to be trained: %s", source, ", ".join(new))
    return {name: old for name, old in named.items() if name in wanted}


def _heads() -> tuple[str, ...]:
    return tuple(f"{head}." for head in OTHER_HEADS)


def _renamed(stored: Iterable[str], wanted: Iterable[str], base: str) -> dict[str, str]:
    """{name as of now, with the prefix that the model has: name stored}."""
    current = {}
    for old in stored:
        parent, _, leaf = old.rpartition(".")
        if leaf != "position_ids":
            current[f"{parent}.{OLD_NAMES.get(leaf, leaf)}" if parent else leaf] = old
    stored_bare = not any(name.startswith(base) for name in current)
    wanted_bare = not any(name.startswith(base) for name in wanted)
    if stored_bare and not wanted_bare:
        heads = _heads()[:-1]  # the pooler is part of the backbone
        return {
            name if name.startswith(heads) else base + name: old
            for name, old in current.items()
        }
    if wanted_bare:
        return {name.removeprefix(base): old for name, old in current.items()}
    return current
