"""A suspect: one known mistake, as a rewrite of one call on torch's side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from compare.run.calls import Rewrite, Seen

OPERATIONS = ("constant", "term", "order", "axis", "missing call", "stop_gradient")
"""Sources of suspects that know an operation but not what it is for."""


@dataclass(frozen=True)
class Suspect:
    """What the JAX side may compute instead of `call`, and how to say so.

    name      of the mistake: "eps", "kernel flipped"
    source    where it is documented: "gotcha 5"
    says      the finding; {torch} and {jax} stand for the setting's values, {kind} for the call
    change    the line to change on the JAX side
    rewrite   the mistake, on torch's side
    starts    of a number that is to be fitted, where to look for it; the mistake has none if ()
    positive  the number is positive, and its order of magnitude is what is unknown
    torch     the setting's value in torch
    general   says how the results relate rather than what was done: only for want of a cause
    also      other calls, alike, that have the mistake too: those of a loop
    careless  the same function, computed with less care: shows in float32 alone
    """

    name: str
    source: str
    says: str
    change: str
    rewrite: Rewrite
    starts: tuple[float, ...] = ()
    positive: bool = False
    torch: Any = None
    general: bool = False
    careless: bool = False
    index: int = 0
    also: tuple[int, ...] = ()
    path: str = ""
    kind: str = ""

    @property
    def slot(self) -> tuple[int, str]:
        """What it changes: of two suspects with one slot only one can hold."""
        return self.index, self.name

    @property
    def rank(self) -> int:
        """0 for a documented mistake, 1 for a setting, 2 for an operation, 3 for a relation."""
        if self.general:
            return 3
        return 0 if self.source.startswith("gotcha") else int(self.source in OPERATIONS) + 1

    def at(self, seen: Seen) -> Suspect:
        return replace(self, index=seen.index, path=seen.path, kind=seen.name)

    def said(self, value: float | None) -> tuple[str, str]:
        """`says` and `change`, with the number that was found."""
        words = {"torch": shown(self.torch), "jax": shown(value), "kind": self.kind}
        return self.says.format(**words), self.change.format(**words)


def shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def changed(**settings: Any) -> Rewrite:
    """The call with other arguments."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        return rest(**{**arguments, **settings})

    return rewrite


def fitted(name: str) -> Rewrite:
    """The call with a number for the argument `name`."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        return rest(**{**arguments, name: value})

    return rewrite


def mapped(name: str, function: Callable[[Any], Any]) -> Rewrite:
    """The call with `function` of one of its arguments."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        return rest(**{**arguments, name: function(arguments[name])})

    return rewrite


def instead(function: Callable[..., Any], *names: str) -> Rewrite:
    """`function` of some of the call's arguments, in the call's place."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        return function(*(arguments[name] for name in names))

    return rewrite


def after(function: Callable[..., Any]) -> Rewrite:
    """`function` of the call's result (and of the arguments and the number, by name)."""

    def rewrite(rest: Callable[..., Any], arguments: dict[str, Any], value: float) -> Any:
        return function(rest(**arguments), arguments, value)

    return rewrite
