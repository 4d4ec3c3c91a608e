"""A user's JAX model in the harness: its leaves are made of torch's in the compiled program.

So gradients come back by torch's leaves, whatever was split, fused or tied: they are the
transpose of how the leaves were carried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from einops import EinopsError

from compare.cases.case import Case
from compare.run import target
from compare.run.draw import Givens
from compare.run.jax_leaves import cast
from compare.run.port.jax_model import JaxModel
from compare.run.port.table import Row, carried

OWN = "JAX leaf "
"""Before the path of a JAX leaf among a program's arguments."""


@dataclass(frozen=True)
class Ported:
    """A JAX model and where its leaves come from.

    as_is   its leaves stay as they are; torch's, which are then equal if the conversion was
            right, only say where gradients go
    """

    model: JaxModel
    rows: Sequence[Row]
    as_is: bool = False

    def forward(
        self, case: Case, given: Givens, dtype: Any, diff: dict, rest: dict
    ) -> Callable[[dict, dict], tuple[list, dict]]:
        """forward(diff, rest) -> (outputs, buffers), torch's leaves being added to both."""
        buffers = {path for path, leaf in given.owners.items() if leaf.buffer}
        for path, values in given.leaves.items():
            start = np.zeros_like(values) if self.as_is and path not in buffers else values
            (rest if path in buffers else diff)[path] = cast(start, dtype)
        own = {path: cast(np.asarray(x), dtype) for path, x in self.model.leaves.items()}
        rest |= {f"{OWN}{path}": values for path, values in own.items()}
        returning = [row for row in self.rows if row.paired and row.torch in buffers]

        def forward(diff: dict, rest: dict) -> tuple[list, dict]:
            now = {**diff, **rest}
            held = {path: jnp.asarray(now[f"{OWN}{path}"]) for path in own}
            mine = {path: now[path] for path in given.leaves}
            if self.as_is:
                mine |= {path: jnp.zeros_like(mine[path]) for path in buffers}
            leaves = self.leaves(mine, held)
            called = target.called(case, now, "jax")
            result, after = self.model.call(leaves, *called)
            outputs = target.outputs(case, result, "jax")
            after = leaves | after  # what a function has no buffer for stays
            return outputs, {row.torch: laid_back(row, after[row.jax]) for row in returning}

        return forward

    def leaves(self, torch: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """The JAX leaves for torch's, or the model's own with zeros of torch's added."""
        made = carried(self.rows, torch, own)
        if not self.as_is:
            return {path: jnp.asarray(x, own[path].dtype) if path in self.model.buffers else x
                    for path, x in made.items()}  # fmt: skip
        moved = {row.jax for row in self.rows if row.paired} - self.model.buffers
        return {path: x + made[path] if path in moved else x for path, x in own.items()}


def laid_back(row: Row, values: Any) -> Any:
    """A buffer in torch's layout; as it is, for the judge to tell, where its shape changed."""
    try:
        return row.backward(values)
    except EinopsError:
        return values
