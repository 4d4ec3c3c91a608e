"""Known mistakes of how parts lie beside each other: heads, positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from compare.run.calls import Seen
from compare.run.suspect import Suspect


def added(seen: Seen) -> Iterator[Suspect]:
    """Positions that miss the first token."""
    operands = [(k, v) for k, v in seen.arguments.items() if isinstance(v, Tensor)][:2]
    for name, x in operands:
        if x.is_leaf and x.dim() == 3 and x.shape[0] == 1 and x.shape[1] > 1:
            yield Suspect(
                "class token without its position",
                "layout",
                "{kind}: the first token is given no position on the JAX side",
                "add the positions after the class token is put in front",
                lambda rest, a, _, name=name: rest(
                    **{**a, name: torch.cat([0 * a[name][:, :1], a[name][:, 1:]], 1)}
                ),
            )


def tiled(seen: Seen) -> Iterator[Suspect]:
    """Key heads of grouped queries, each repeated or all of them again and again."""
    x, repeats, dim = seen.arguments.get("input"), seen.get("repeats"), seen.get("dim")
    if isinstance(x, Tensor) and isinstance(repeats, int) and isinstance(dim, int):
        yield Suspect(
            "heads tiled",
            "layout",
            "{kind}: torch repeats each head (k0 k0 k1 k1), the JAX side tiles them "
            "(k0 k1 k0 k1)",
            f"jnp.repeat(x, {repeats}, axis), not jnp.tile",
            lambda rest, a, _: torch.cat([a["input"]] * repeats, dim),
        )


def heads_first(seen: Seen) -> Iterator[Suspect]:
    """Parts of equal width, as of a fused projection, read with the heads before the parts."""
    x, parts = next(iter(seen.arguments.values())), seen.result
    width = parts[0].shape[-1]
    if not isinstance(x, Tensor) or x.shape[-1] != width * len(parts):
        return
    for heads in (n for n in range(2, width) if width % n == 0):

        def read(rest: Any, a: dict[str, Any], _: float, heads: int = heads) -> tuple:
            whole = next(iter(a.values()))
            apart = whole.unflatten(-1, (heads, len(parts), width // heads))
            return tuple(apart[..., i, :].flatten(-2) for i in range(len(parts)))

        yield Suspect(
            "heads before parts",
            "layout",
            f"{{kind}}: torch has the {len(parts)} parts first, the JAX side its {heads} heads "
            f"(heads, {len(parts)}, head size)",
            f"reshape to ({len(parts)}, {heads}, {width // heads}), "
            f"not ({heads}, {len(parts)}, {width // heads})",
            read,
        )
