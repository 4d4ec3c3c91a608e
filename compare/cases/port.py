"""A user's own pair as a case: two modules that are at hand, and how each is called."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from compare.cases.case import Case


@dataclass(frozen=True)
class Port(Case):
    """A pair of models that came from outside; they travel in `Givens.built`.

    jax_called            how the JAX model is called; None as torch's module is
    returns, jax_returns  names of what each side returns that are compared, in this order;
                          () all
    keeps                 whether dropout stands and keeps everything; else it is set aside
    """

    jax_called: tuple[tuple[Any, ...], Mapping[str, Any]] | None = None
    returns: tuple[str, ...] = ()
    jax_returns: tuple[str, ...] = ()
    keeps: bool = False

    def returned(self, side: str) -> tuple[str, ...]:
        return self.returns if side == "torch" else self.jax_returns

    def during(self, side: str) -> AbstractContextManager[None]:
        if not self.keeps:
            return nullcontext()
        from importlib import import_module

        return import_module(f"compare.run.port.{side}_kept").keeping()

    def calls(self, side: str) -> tuple[tuple[Any, ...], Mapping[str, Any]] | None:
        other = side == "jax" and self.jax_called is not None
        return self.jax_called if other else self.called
