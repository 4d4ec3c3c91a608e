"""From what two leaves are used for to the einops pattern that carries one to the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from compare.run.port.use import Use

Layout = tuple[str, dict[str, int]]
"""A pattern, and the sizes of the axes that it splits."""

LETTERS = {1: ("i", "o"), 2: ("h d", "h d"), 3: ("k h d", "k h d")}
WINDOWS = {0: "", 1: "w", 2: "y x", 3: "z y x"}
PLAIN = tuple("abcdefg")


def layouts(torch: Use, jax: Use) -> list[Layout]:
    """Every way that `torch` could be laid out as `jax`, the likeliest first; else none."""
    if torch.kernel and jax.kernel:
        found = kernel(torch, jax)
        if found is not None:
            return [found]
        if torch.window and not jax.window:
            return patches(torch, jax)
        return []
    return plain(torch.shape, jax.shape)


def kernel(torch: Use, jax: Use) -> Layout | None:
    """A contraction's or convolution's weight: by what each axis does."""
    names: tuple[dict[int, str], dict[int, str]] = ({}, {})
    sizes: dict[str, int] = {}
    for which, (ours, theirs) in enumerate(((torch.ins, jax.ins), (torch.outs, jax.outs))):
        if not _grouped(torch, ours, jax, theirs, which, names, sizes):
            return None
    ours, theirs = list(torch.window), list(jax.window)
    lengths = [[side.shape[a] for a in axes] for side, axes in ((torch, ours), (jax, theirs))]
    if lengths[0] != lengths[1]:
        if any(n != 1 for n in (*lengths[0], *lengths[1])):
            return None
        ours_names, theirs_names = ["1"] * len(ours), ["1"] * len(theirs)
    else:
        ours_names = theirs_names = WINDOWS.get(len(ours), "z y x").split()
    names[0].update(zip(ours, ours_names, strict=True))
    names[1].update(zip(theirs, theirs_names, strict=True))
    if len(names[0]) != len(torch.shape):
        return None
    rest = [axis for axis in range(len(jax.shape)) if axis not in names[1]]
    if any(jax.shape[axis] != 1 for axis in rest):
        return None
    names[1].update(dict.fromkeys(rest, "1"))
    return _pattern(names, (torch.shape, jax.shape)), sizes


def _grouped(
    torch: Use, ours: Sequence[int], jax: Use, theirs: Sequence[int], which: int,
    names: tuple[dict[int, str], dict[int, str]], sizes: dict[str, int],
) -> bool:  # fmt: skip
    """Names for axes that mean the same, one of them split where the other side has several."""
    lengths = [torch.shape[a] for a in ours], [jax.shape[a] for a in theirs]
    if math.prod(lengths[0]) != math.prod(lengths[1]) or not ours or not theirs:
        return False
    count = max(len(ours), len(theirs))
    taken = set(names[0].values()) | {
        part for n in names[0].values() for part in n.strip("()").split()
    }
    letters = LETTERS.get(count, ("", ""))[which].split() or [
        f"{'io'[which]}{n}" for n in range(count)
    ]
    letters = [letter if letter not in taken else f"{letter}{which}" for letter in letters]
    if lengths[0] == lengths[1]:
        names[0].update(zip(ours, letters, strict=True))
        names[1].update(zip(theirs, letters, strict=True))
        return True
    if len(ours) == 1:
        names[0][ours[0]], many, side = f"({' '.join(letters)})", theirs, 1
    elif len(theirs) == 1:
        names[1][theirs[0]], many, side = f"({' '.join(letters)})", ours, 0
    else:
        return False
    names[side].update(zip(many, letters, strict=True))
    sizes.update(zip(letters[:-1], lengths[side][:-1], strict=True))
    return True


def patches(torch: Use, jax: Use) -> list[Layout]:
    """A convolution of patches as a dense layer over their flattened pixels."""
    if len(jax.ins) != 1 or len(jax.outs) != 1 or len(torch.window) != 2:
        return []
    if math.prod(torch.shape) != math.prod(jax.shape):
        return []
    y, x = (torch.shape[axis] for axis in torch.window)
    orders = ("(y x i)", "(i y x)")
    right = "{} o" if jax.ins[0] < jax.outs[0] else "o {}"
    return [(f"o i y x -> {right.format(one)}", {"y": y, "x": x}) for one in orders]


def plain(ours: Sequence[int], theirs: Sequence[int]) -> list[Layout]:
    """Arrays of which nothing but the shape is known: as they are, or without axes of one."""
    if tuple(ours) == tuple(theirs):
        return [("", {})]
    some = [[n for n in shape if n != 1] for shape in (ours, theirs)]
    if some[0] == some[1]:
        letters = iter(PLAIN)
        left = ["1" if n == 1 else next(letters) for n in ours]
        letters = iter(PLAIN)
        right = ["1" if n == 1 else next(letters) for n in theirs]
        return [(f"{' '.join(left)} -> {' '.join(right)}", {})]
    if sorted(some[0]) == sorted(some[1]) and len(set(some[0])) == len(some[0]):
        named = dict(zip(some[0], PLAIN, strict=False))
        sides = [
            " ".join("1" if n == 1 else named[n] for n in shape) for shape in (ours, theirs)
        ]
        return [(" -> ".join(sides), {})]
    if len(some[0]) == 1 and math.prod(theirs) == some[0][0] and len(some[1]) > 1:
        letters = LETTERS.get(len(some[1]), ("", ""))[0].split() or PLAIN[: len(some[1])]
        names = iter(letters)
        left = " ".join("1" if n == 1 else f"({' '.join(letters)})" for n in ours)
        right = " ".join("1" if n == 1 else next(names) for n in theirs)
        return [(f"{left} -> {right}", dict(zip(letters[:-1], some[1][:-1], strict=True)))]
    return []


def _pattern(names: Sequence[Mapping[int, str]], shapes: Sequence[Sequence[int]]) -> str:
    sides = [" ".join(one[axis] for axis in range(len(shape)))
             for one, shape in zip(names, shapes, strict=True)]  # fmt: skip
    return "" if sides[0] == sides[1] and "(" not in sides[0] else " -> ".join(sides)
