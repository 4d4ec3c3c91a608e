"""The static look: settings of paired modules that differ, before anything is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Settings = Mapping[str, Mapping[str, Any]]
"""Settings by the path of their module, "" the whole; "kind" is what the module is."""


@dataclass(frozen=True)
class Setting:
    """One setting that differs: its module's path, its name, and its value on both sides."""

    path: str
    name: str
    torch: Any
    jax: Any

    def __str__(self) -> str:
        where = f"{self.path}." if self.path else ""
        return f"{where}{self.name}: torch {self.torch!r}, JAX {self.jax!r}"


def differing(torch: Settings, jax: Settings) -> list[Setting]:
    """The settings that both sides have and that differ, in the order of torch's modules."""
    found = []
    for path, other in paired(torch, jax):
        ours, theirs = torch[path], jax[other]
        for name in ours:
            if name != "kind" and name in theirs and not equal(ours[name], theirs[name]):
                found.append(Setting(path, name, ours[name], theirs[name]))
    return found


def paired(torch: Settings, jax: Settings) -> list[tuple[str, str]]:
    """Paths of modules that belong together: by path, the others by order among their kind."""
    pairs = [(path, path) for path in torch if path in jax]
    rest = [path for path in torch if path not in jax]
    spare = [path for path in jax if path not in torch]
    kinds = dict.fromkeys(torch[path].get("kind") for path in rest)
    for kind in kinds:
        ours = [path for path in rest if torch[path].get("kind") == kind]
        theirs = [path for path in spare if jax[path].get("kind") == kind]
        if len(ours) == len(theirs):
            pairs += zip(ours, theirs, strict=True)
    order = {path: place for place, path in enumerate(torch)}
    return sorted(pairs, key=lambda pair: order[pair[0]])


def equal(ours: Any, theirs: Any) -> bool:
    """Whether two settings mean the same: 3 and (3, 3) do, and (1, 1) and ((1, 1), (1, 1))."""
    if _flat(ours) == _flat(theirs):
        return True
    if ours is None or theirs is None:
        return False
    one, other = set(_flat(ours)), set(_flat(theirs))
    return len(one) == 1 and one == other and len(_flat(ours)) != len(_flat(theirs))


def _flat(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(leaf for part in value for leaf in _flat(part))
    return (value,)
