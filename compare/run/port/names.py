"""How alike two names of leaves are, across the habits of two frameworks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

SAME_WORD = {
    "q": "query", "k": "key", "v": "value", "attn": "attention", "attentions": "attention",
    "selfattention": "attention", "self": "", "ln": "norm", "layernorm": "norm", "bn": "norm",
    "batchnorm": "norm", "gn": "norm", "rms": "norm", "fc": "dense", "linear": "dense",
    "lin": "dense", "wte": "word", "wpe": "position", "pos": "position", "tok": "word",
    "token": "word", "emb": "embed", "embedding": "embed", "embeddings": "embed",
    "out": "output", "o": "output", "proj": "projection", "layers": "layer", "blocks": "block",
    "stages": "stage",
    "convolution": "conv", "kernel": "", "weight": "", "w": "", "scale": "", "gamma": "",
    "bias": "", "b": "", "beta": "", "params": "", "batch": "", "stats": "", "running": "",
    "module": "", "model": "", "head": "head", "classifier": "head", "encoder": "encoder",
    "h": "layer", "ih": "i", "hh": "layer", "downsample": "shortcut", "skip": "shortcut",
    "ffn": "mlp", "intermediate": "up",
}  # fmt: skip
"""What is said otherwise; "" for words that say what kind of leaf it is, and not whose."""

WHOLE = {
    "wq": "query", "wk": "key", "wv": "value", "wo": "output", "w1": "gate", "w2": "down",
    "w3": "up", "wi_0": "gate", "wi_1": "up",
}  # fmt: skip
"""Names of Llama and T5 that say what a number would not."""

MARGIN = 0.05
"""By how much a name must be more alike than every other to decide."""


def words(path: str) -> list[str]:
    """ "encoder.layers_0.selfAttn.q_proj.kernel" -> encoder layer 0 attention query ..."""
    path = ".".join(WHOLE.get(part, part) for part in path.split("."))
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", path)
    found = [SAME_WORD.get(part.lower(), part.lower()) for part in parts]
    return [part for part in found if part]


def alike(one: str, other: str) -> float:
    """0 to 1: the share of words that both have; equal numbers in equal order count double."""
    ours, theirs = words(one), words(other)
    common = sum((Counter(ours) & Counter(theirs)).values())
    share = 2 * common / max(1, len(ours) + len(theirs))
    numbers = [[w for w in side if w.isdigit()] for side in (ours, theirs)]
    return (share + (numbers[0] == numbers[1])) / 2


def matched(ours: Sequence[str], theirs: Sequence[str]) -> tuple[list[tuple[int, int]], bool]:
    """The pairs of places whose names are most alike, and whether names decide all of them.

    They decide where each pair is more alike than any other pair that has one of the two.
    """
    if not ours or not theirs:
        return [], True
    scores = np.array([[alike(a, b) for b in theirs] for a in ours])
    rows, columns = linear_sum_assignment(-scores)
    pairs = [(int(r), int(c)) for r, c in zip(rows, columns, strict=True)]

    def decided(row: int, column: int) -> bool:
        rivals = [*np.delete(scores[row], column), *np.delete(scores[:, column], row)]
        return all(scores[row, column] >= rival + MARGIN for rival in rivals)

    return pairs, all(decided(*pair) for pair in pairs)
