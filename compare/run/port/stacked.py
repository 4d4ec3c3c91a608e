"""Layers that a JAX model keeps in one stack and runs in a loop, as so many layers.

The loop may be JAX's or Python's. A leaf `blocks.kernel` of shape (4, i, o) is paired as
`blocks.kernel[0]` to `blocks.kernel[3]`, which the rows of the table name as parts of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from compare.run.port.choices import Uses
from compare.run.port.table import Row
from compare.run.port.use import Use

Parts = dict[str, tuple[str, int, int]]
"""Of a layer's leaf: the stack that it is part of, the stack's axis, and the place in it."""


def sliced(absent: Uses, seen: Uses) -> Uses:
    """The use of every leaf, those of its slices where all of them are used one by one.

    absent   the leaves as if none were used
    seen     uses of leaves and of slices, by path
    """
    slices: dict[str, dict[int, Use]] = {}
    for use in seen.values():
        if use.part is not None:
            slices.setdefault(use.part[0], {})[use.part[2]] = use
    found: Uses = {}
    whole: dict[str, str] = {}
    for path, none in absent.items():
        some = slices.get(path, {})
        first = next(iter(some.values()), None)
        every = first is not None and len(some) == none.shape[first.stacked or 0]
        if path not in seen and every:
            found |= {use.path: use for _, use in sorted(some.items())}
            continue
        whole |= {use.path: path for use in some.values()}
        plain = replace(first, path=path, stacked=None, part=None) if first else none
        found[path] = seen.get(path, plain)
    return {
        path: replace(use, above=frozenset(whole.get(p, p) for p in use.above) - {path},
                      joined=tuple(whole.get(p, p) for p in use.joined))
        for path, use in found.items()
    }  # fmt: skip


def layers(uses: Uses, most: int = 512) -> tuple[Uses, Parts]:
    """The uses with every stack as the leaves of its layers, and what each of those is."""
    stacks = {p: u for p, u in uses.items() if u.stacked is not None and u.part is None}
    stacks = {p: u for p, u in stacks.items() if 0 < u.shape[u.stacked or 0] <= most}
    first: dict[int, int] = {}
    for use in stacks.values():
        first[use.loop] = min(use.order, first.get(use.loop, use.order))
    found: list[tuple[tuple[int, int, int], Use]] = []
    parts: Parts = {}
    for path, use in uses.items():
        if path not in stacks:
            if use.part is not None:
                parts[path] = use.part
                use = replace(use.without(use.part[1]), stacked=None)
            above = _above(use.above, stacks, None, 0)
            found.append(((use.order, 0, 0), replace(use, above=above)))
            continue
        axis = use.stacked or 0
        for turn in range(use.shape[axis]):
            name = f"{path}[{turn}]"
            parts[name] = path, axis, turn
            above = _above(use.above, stacks, use.loop, turn)
            made = replace(use.without(axis), path=name, above=above, stacked=None)
            found.append(((first[use.loop], turn, use.order), made))
    places = {use.path: n for n, (_, use) in enumerate(sorted(found, key=lambda one: one[0]))}
    return {u.path: replace(u, order=places[u.path] if u.role else -1) for _, u in found}, parts


def _above(above: Iterable[str], stacks: Uses, loop: int | None, turn: int) -> frozenset[str]:
    """What stands before turn `turn` of loop `loop`: its own layer's, and all earlier ones."""
    found: set[str] = set()
    for path in above:
        use = stacks.get(path)
        if use is None:
            found.add(path)
        elif use.loop == loop:
            found.add(f"{path}[{turn}]")
        else:
            found |= {f"{path}[{n}]" for n in range(use.shape[use.stacked or 0])}
    for path, use in stacks.items():
        if use.loop == loop:
            found |= {f"{path}[{n}]" for n in range(turn)}
    return frozenset(found)


def folded(row: Row, parts: Parts) -> Row:
    """The row with a layer's leaf as a part of its stack."""
    if row.jax not in parts:
        return row
    path, axis, turn = parts[row.jax]
    rest = [one.strip() for one in row.jax_part.strip("[]").split(",") if one.strip()]
    rest += [":"] * (axis - len(rest))
    index = ", ".join([*rest[:axis], str(turn), *rest[axis:]])
    return replace(row, jax=path, jax_part=f"[{index}]")
