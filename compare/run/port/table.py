"""The pairing as a table: which torch leaf, or part of one, is which JAX leaf, laid out how.

A row reads `torch leaf | pattern | JAX leaf | how it was decided`. Patterns are einops strings
from torch's axes to JAX's, sizes of split axes behind a comma: "(h d) i -> i h d, h=4". A part
of a leaf is a slice: `attn.in_proj_weight[0:64]`, `qkv.kernel[:, 64:128]`. Rows for one part of
a JAX leaf add up. `-` stands for no partner. The text can be edited and read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from einops import EinopsError, rearrange

from compare.run.port.errors import PortError

NONE = "-"


@dataclass(frozen=True)
class Row:
    """One row; "" for a leaf means that the other has no partner.

    sure   whether it is decided: an undecided row is asked for
    """

    torch: str
    jax: str
    pattern: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict, hash=False)
    torch_part: str = ""
    jax_part: str = ""
    how: str = ""
    sure: bool = True

    @property
    def paired(self) -> bool:
        return bool(self.torch and self.jax)

    @property
    def layout(self) -> str:
        sizes = "".join(f", {name}={size}" for name, size in self.sizes.items())
        return f"{self.pattern}{sizes}" if self.pattern else ""

    def forward(self, values: Any) -> Any:
        """torch's whole leaf as this row's part of the JAX leaf."""
        return self._moved(values[slices(self.torch_part)], self.pattern)

    def backward(self, values: Any) -> Any:
        """The whole JAX leaf as this row's part of torch's leaf."""
        left, _, right = self.pattern.partition("->")
        back = f"{right.strip()} -> {left.strip()}" if self.pattern else ""
        return self._moved(values[slices(self.jax_part)], back)

    def _moved(self, values: Any, pattern: str) -> Any:
        if not pattern:
            return values
        left, _, right = pattern.partition("->")
        if left.split() == right.split():
            return values
        known = {k: n for k, n in self.sizes.items() if k in pattern}
        return rearrange(values, pattern, **known)


def slices(part: str) -> tuple[slice | int, ...]:
    """ "[:, 0:32]" as an index; "" takes all."""
    found: list[slice | int] = []
    for one in part.strip("[] ").split(",") if part.strip("[] ") else ():
        ends = [int(end) if end.strip() else None for end in one.split(":")]
        found.append(slice(*ends) if len(ends) > 1 else int(one))
    return tuple(found)


Shapes = Mapping[str, tuple[int, ...]]


def carried(rows: Iterable[Row], leaves: Mapping[str, Any], own: Mapping[str, Any]) -> dict:
    """JAX's leaves, made of torch's: rows of one leaf add up, each in its part.

    `own` has the JAX leaves' own values, kept where no row says otherwise; arrays of NumPy and
    of JAX do alike, so that it can be part of what is compiled and differentiated.
    """
    import jax.numpy as jnp

    made: dict[str, Any] = dict(own)
    filled: dict[str, np.ndarray] = {}
    for row in rows:
        if not row.paired:
            continue
        value = row.forward(leaves[row.torch])
        part = slices(row.jax_part)
        full = filled.setdefault(row.jax, np.zeros(np.shape(own[row.jax]), bool))
        if not part and not full.any():
            made[row.jax] = value
        else:
            base = made[row.jax] if full.any() else jnp.zeros_like(own[row.jax])
            place = jnp.asarray(base).astype(value.dtype).at[part]
            made[row.jax] = place.add(value) if full[part].any() else place.set(value)
        full[part] = True
    return made


def returned(
    rows: Iterable[Row], leaves: Mapping[str, Any], shapes: Shapes, summed: bool = False
) -> dict[str, Any]:
    """torch's leaves as JAX's have them; those without a partner are left out.

    summed   adds up what several JAX leaves have for one of torch's, as gradients do; else the
             first of torch's leaves that add up to one of JAX's has all of it, the others zeros
    """
    found: dict[str, Any] = {}
    filled: dict[str, np.ndarray] = {}
    for row in rows:
        if not row.paired or row.jax not in leaves:
            continue
        value = np.asarray(row.backward(leaves[row.jax]))
        full = filled.setdefault(row.jax, np.zeros(np.shape(leaves[row.jax]), bool))
        if full[slices(row.jax_part)].any() and not summed:
            value = np.zeros_like(value)
        full[slices(row.jax_part)] = True
        if not row.torch_part:
            again = summed and row.torch in found
            found[row.torch] = found[row.torch] + value if again else value
            continue
        whole = found.setdefault(row.torch, np.zeros(shapes[row.torch], value.dtype))
        whole[slices(row.torch_part)] = value
    return found


def checked(rows: Sequence[Row], torch: Shapes, jax: Shapes) -> list[Row]:
    """`rows`, which name leaves that there are and give them their shapes.

    Raises PortError that lists every row that does not, and every leaf that is in no row or
    only partly: what no row says would be zeros.
    """
    problems = []
    for row in rows:
        for side, name, shapes in (("torch", row.torch, torch), ("JAX", row.jax, jax)):
            if name and name not in shapes:
                problems.append(f"the {side} side has no leaf {name!r}")
        if row.paired and row.torch in torch and row.jax in jax:
            problems += _fits(row, torch[row.torch], jax[row.jax])
    for side, names, shapes in (
        ("torch", {row.torch for row in rows}, torch),
        ("JAX", {row.jax for row in rows}, jax),
    ):
        problems += [f"{side} leaf {p} {tuple(s)} is in no row" for p, s in shapes.items()
                     if p not in names]  # fmt: skip
    problems = problems or [*_gaps(rows, "torch", torch), *_gaps(rows, "jax", jax)]
    if problems:
        raise PortError("", "the table of leaves does not fit:\n  " + "\n  ".join(problems))
    return list(rows)


def _gaps(rows: Sequence[Row], side: str, shapes: Shapes) -> list[str]:
    """Leaves some elements of which are in no row."""
    filled: dict[str, np.ndarray] = {}
    for row in rows:
        if name := getattr(row, side):
            mask = filled.setdefault(name, np.zeros(shapes[name], bool))
            mask[slices(getattr(row, f"{side}_part"))] = True
    return [
        f"{'JAX' if side == 'jax' else side} leaf {name} {tuple(shapes[name])} is in rows in "
        "part: say - for the partner of the rest"
        for name, mask in filled.items()
        if not mask.all()
    ]


def _fits(row: Row, ours: tuple[int, ...], theirs: tuple[int, ...]) -> list[str]:
    try:
        made = row.forward(np.empty(ours, bool)).shape
        slot = np.empty(theirs, bool)[slices(row.jax_part)].shape
    except (EinopsError, IndexError, ValueError, TypeError) as error:
        lines = str(error).strip().splitlines()
        return [f"{row.torch} {tuple(ours)} as {row.layout!r}: {lines[-1] if lines else error}"]
    if tuple(made) != tuple(slot):
        return [
            f"{row.torch}{row.torch_part} {tuple(ours)} as {row.layout or 'it is'} gives "
            f"{made}, but {row.jax}{row.jax_part} is {slot}"
        ]
    return []


def text(rows: Sequence[Row]) -> str:
    """The table to read, to edit and to pass back."""
    cells = [
        (
            f"{row.torch}{row.torch_part}" or NONE,
            row.layout or ("" if row.paired else NONE),
            f"{row.jax}{row.jax_part}" or NONE,
            ("" if row.sure else "? ") + row.how,
        )
        for row in rows
    ]
    head = ("# torch leaf", "layout, torch -> JAX", "JAX leaf", "how it was decided")
    widths = [max(len(cell[i]) for cell in [head, *cells]) for i in range(3)]
    lines = [" | ".join([*(c.ljust(w) for c, w in zip(cell, widths, strict=False)), cell[3]])
             for cell in [head, *cells]]  # fmt: skip
    return "\n".join(line.rstrip() for line in lines) + "\n"


def parsed(words: str, name: str = "the table") -> list[Row]:
    """The rows of a text; PortError names the line that can't be read."""
    rows = []
    for number, line in enumerate(words.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 3:
            raise PortError(
                "", f"{name}, line {number}: needs `torch | layout | JAX`: {line!r}"
            )
        torch, torch_part = _part(cells[0])
        jax, jax_part = _part(cells[2])
        layout = cells[1]
        try:
            pattern, sizes = _layout("" if layout == NONE else layout)
            for part in (torch_part, jax_part):
                slices(part)
        except ValueError:
            raise PortError("", f"{name}, line {number}: can't read {line!r}") from None
        how = cells[3] if len(cells) > 3 else "given"
        rows.append(Row(torch, jax, pattern, sizes, torch_part, jax_part,
                        how.removeprefix("? ")))  # fmt: skip
    return rows


def load(path: str | Path) -> list[Row]:
    """The rows of a file."""
    try:
        return parsed(Path(path).read_text(), str(path))
    except OSError as error:
        raise PortError("", f"can't read the table {path}: {error.strerror}") from None


def _part(cell: str) -> tuple[str, str]:
    name, bracket, rest = cell.partition("[")
    return ("", "") if name.strip() == NONE else (name.strip(), bracket + rest)


def _layout(cell: str) -> tuple[str, dict[str, int]]:
    pattern, *sizes = (part.strip() for part in cell.split(","))
    if pattern and "->" not in pattern:
        raise ValueError(cell)
    pairs = (size.split("=") for size in sizes)
    return pattern, {name.strip(): int(size) for name, size in pairs}
