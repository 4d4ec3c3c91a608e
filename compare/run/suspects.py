"""The library of known mistakes: which of them a call on torch's side could have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from compare.run import suspects_activation as activation
from compare.run import suspects_attention as attention
from compare.run import suspects_conv as conv
from compare.run import suspects_layout as layout
from compare.run import suspects_loss as losses
from compare.run import suspects_norm as norm
from compare.run import suspects_operation as operation
from compare.run import suspects_pool as pool
from compare.run import suspects_recurrent as recurrent
from compare.run import suspects_settings as settings
from compare.run.calls import WHOLE, Seen
from compare.run.suspect import Suspect

Family = Callable[[Seen], Iterator[Suspect]]

# By the beginning of the call's name; every family that fits is asked.
FAMILIES: tuple[tuple[tuple[str, ...], Family], ...] = (
    (("batch_norm", "instance_norm", "layer_norm", "group_norm", "rms_norm"), norm.suspects),
    (("conv1d", "conv2d", "conv3d", "conv_transpose"), conv.convolution),
    (("linear",), conv.dense),
    (("max_pool", "avg_pool"), pool.pooling),
    (("interpolate", "upsample"), pool.resizing),
    (("embedding",), pool.embedding),
    (("gelu",), activation.gelu),
    (("relu",), activation.relu),
    (("relu6", "hardtanh", "clamp"), activation.clip),
    (("abs",), activation.absolute),
    (("sigmoid", "tanh", "silu", "gelu", "elu", "leaky_relu"), activation.others),
    (("softmax", "log_softmax", "softmin"), activation.softmax),
    (("log",), activation.logarithm),
    (("scaled_dot_product_attention",), attention.attention),
    (("multi_head_attention_forward",), attention.multi_head),
    (("lstm", "gru"), recurrent.recurrent),
    (("chunk", "split", "unbind"), recurrent.gates),
    (("repeat_interleave",), layout.tiled),
    (("add",), layout.added),
    (("pixel_shuffle",), conv.shuffled),
    (("__getitem__",), conv.indexing),
    (("matmul", "bmm"), attention.product),
    (("flatten", "reshape", "view"), conv.flattening),
    (("mul", "div", "rdiv", "add", "sub", "rsub", "cat"), operation.arithmetic),
    (("masked_fill", "where", "add"), operation.masking),
    (("mean", "sum"), operation.reduction),
)
EXACT = {"relu", "log", "abs", "add", "mul", "div", "sum", "mean", "std", "var", "linear"}
LOSSES = ("loss", "entropy", "kl_div", "cross_entropy")


def suspects(calls: Sequence[Seen]) -> list[Suspect]:
    """Every known mistake that one of `calls` could have, no two alike."""
    scores = any(one.name.startswith("softmax") for one in calls)
    found: dict[Any, Suspect] = {}
    for seen in calls:
        for one in of_call(seen, scores):
            one = one.at(seen)
            found.setdefault((seen.index, one.name, one.says), one)
    for first, *others in alike(calls):
        also = tuple(seen.index for seen in others)
        for one in [one for one in found.values() if one.index == first.index]:
            found[first.index, one.name, one.says, also] = replace(one, also=also)
    return list(found.values())


def alike(calls: Sequence[Seen]) -> list[list[Seen]]:
    """Calls of one function with the same settings, as a loop makes them, where several are."""
    groups: dict[Any, list[Seen]] = {}
    for seen in calls:
        plain = {k: v for k, v in seen.arguments.items() if isinstance(v, int | float | str)}
        groups.setdefault((seen.path, seen.name, repr(plain)), []).append(seen)
    return [group for group in groups.values() if len(group) > 1]


def of_call(seen: Seen, scores: bool) -> Iterator[Suspect]:
    """The known mistakes of one call; `scores` says that a softmax stands near it."""
    for starts, family in FAMILIES:
        if seen.name in starts or (seen.name not in EXACT and seen.name.startswith(starts)):
            yield from known(family, seen)
    if seen.name in ("std", "var"):
        yield from norm.spread(seen)
    if any(word in seen.name for word in LOSSES):
        yield from losses.loss(seen)
    if scores and seen.name in ("mul", "div"):
        yield from operation.scores(seen)
    if seen.index == WHOLE:
        yield from operation.whole(seen)
        yield from pool.dropout(seen) if is_dropout(seen) else ()
    if seen.index != WHOLE or seen.module is None:
        yield from settings.suspects(seen)
        yield from operation.any_call(seen)


def known(family: Family, seen: Seen) -> list[Suspect]:
    """What a family knows of the call: nothing of a user's function that only has the name."""
    try:
        return list(family(seen))
    except KeyError:  # it takes other arguments
        return []


def is_dropout(seen: Seen) -> bool:
    name = type(seen.module).__name__ if seen.module is not None else seen.name
    return name.lower() in pool.DROPOUTS
