"""Planted faults with their place and cause: in models, at random depth, and in single layers.

Every fault is one mistake on the JAX side. `planted(seed)` yields them all: what the proof of
the judge runs, and what tells whether place and cause are found.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compare.cases.bert import CASES as BERT
from compare.cases.case import Call, Case, draw
from compare.cases.planted_layers import in_layers, told

LAYERS = "compare.run.naive_layers:"


@dataclass(frozen=True)
class Sites:
    """A model, and the modules in it where a kind of fault may be planted.

    paths    of modules of one kind, with the arguments of the constructor at each
    faults   (JAX's module or "" for torch's own, other arguments, cause)
    """

    model: Case
    module: str
    paths: dict[str, dict[str, Any]]
    faults: Sequence[tuple[str, dict[str, Any], str]]


LENET = Case(
    "lenet.LeNet",
    {"x": draw("n=2 c=1 h=28 w=28")},
    init={"activation": "relu"},
    out=("n k",),
    name="lenet",
)
RESNET = Case(
    "resnet.resnet18",
    {"x": draw("n=2 c=3 h=32 w=32")},
    init={"num_classes": 5},
    out=("n k",),
    name="resnet18",
)
BURGERS = Case(
    "convlstm.PhysicsRNN",
    {"u": draw("n=2 c=2 h=7 w=7")},
    init={"hidden_channels": 4, "kernel_size": 3},
    options={"steps": 2},
    out=("t n c h w",),
    name="burgers",
)
EAGER = next(case for case in BERT if "SequenceClassification(eager" in case.name)
BERT_TINY = next(case for case in BERT if "SequenceClassification(sdpa" in case.name)


def _blocks(what: str) -> dict[str, dict[str, Any]]:
    """Batch norms or second convolutions of ResNet-18's blocks."""
    found: dict[str, dict[str, Any]] = {}
    # At a 32 x 32 input the last stage's maps are one pixel: of a kernel only the middle counts
    # there, flipped or not.
    widths = (64, 128, 256, 512) if what == "norm" else (64, 128, 256)
    for stage, width in enumerate(widths, start=1):
        for block in (0, 1):
            start = f"layer{stage}.{block}"
            if what == "norm":
                found |= {f"{start}.bn{i}": {"num_features": width} for i in (1, 2)}
            else:
                sizes = {"in_channels": width, "out_channels": width, "kernel_size": 3}
                found[f"{start}.conv2"] = {**sizes, "padding": 1, "bias": False}
    return found


def _plain_blocks() -> dict[str, dict[str, Any]]:
    """Blocks of ResNet-18 without a downsample."""
    widths = {"layer1.0": 64, "layer1.1": 64, "layer2.1": 128, "layer3.1": 256}
    return {path: {"inplanes": width, "planes": width} for path, width in widths.items()}


def _bert(case: Case, part: str, **sizes: Any) -> dict[str, dict[str, Any]]:
    config = (case.init or {})["config"]
    layers = config.arguments["num_hidden_layers"]
    return {f"bert.encoder.layer.{i}.{part}": sizes for i in range(layers)}


_E, _I = 8, 12
_NORMS = {
    **_bert(BERT_TINY, "attention.output.LayerNorm", normalized_shape=_E, eps=1e-12),
    **_bert(BERT_TINY, "output.LayerNorm", normalized_shape=_E, eps=1e-12),
}
_SQUARE = {
    f"{path}": {"in_features": _E, "out_features": _E}
    for name in ("self.query", "self.key", "self.value", "output.dense")
    for path in _bert(BERT_TINY, f"attention.{name}")
}
_ATTENTIONS = _bert(EAGER, "attention.self", config=(EAGER.init or {})["config"])
_LINEAR = [
    ("BiaslessLinear", {}, "bias missing"),
    ("DoubledBiasLinear", {}, "bias doubled"),
    ("StoppedLinear", {}, "gradient stopped"),
]
_TRANSPOSED = ("TransposedLinear", {}, "weight transposed")
_CONV = [
    ("compare.run.naive:FlippedConv2d", {}, "kernel flipped"),
    ("SwappedConv2d", {}, "kernel axes swapped"),
    ("StoppedConv2d", {}, "gradient stopped"),
]
_BIASLESS = ("BiaslessConv2d", {}, "bias missing")
_NORM = [
    ("", {"eps": 1e-3}, "eps"),
    ("", {"momentum": 0.9}, "momentum"),
    ("", {"momentum": 0.01}, "momentum"),
    ("", {"eps": 3.1e-6}, "eps"),
    ("BiasedBatchNorm2d", {}, "running variance biased"),
    ("StillBatchNorm2d", {}, "buffers not updated"),
]
_LENET_CONVS = {
    "conv1": {"in_channels": 1, "out_channels": 6, "kernel_size": 5, "padding": 2},
    "conv2": {"in_channels": 6, "out_channels": 16, "kernel_size": 5},
}
_LENET_DENSE = {
    "fc1": {"in_features": 400, "out_features": 120},
    "fc2": {"in_features": 120, "out_features": 84},
    "fc3": {"in_features": 84, "out_features": 10},
}

SITES = [
    Sites(LENET, "conv.Conv2d", _LENET_CONVS, [*_CONV, _BIASLESS]),
    Sites(LENET, "linear.Linear", _LENET_DENSE, _LINEAR),
    Sites(
        LENET,
        "pool.AvgPool2d",
        {"pool": {"kernel_size": 2, "stride": 2}},
        [("pool.MaxPool2d", {}, "kind of pool")],
    ),
    Sites(RESNET, "norm.BatchNorm2d", _blocks("norm"), _NORM),
    Sites(RESNET, "conv.Conv2d", _blocks("conv"), _CONV),
    Sites(
        RESNET,
        "resnet.BasicBlock",
        _plain_blocks(),
        [("WithoutShortcut", {}, "term left out")],
    ),
    Sites(
        BERT_TINY,
        "normalization.LayerNorm",
        _NORMS,
        [
            ("", {"eps": 1e-5}, "eps"),
            ("", {"eps": 1e-6}, "eps"),
            ("", {"eps": 2.7e-4}, "eps"),
            ("UnbiasedLayerNorm", {}, "unbiased variance"),
            ("StoppedLayerNorm", {}, "gradient stopped"),
        ],
    ),
    # A key's bias moves all scores of a row alike, which a softmax does not see.
    Sites(BERT_TINY, "linear.Linear", _SQUARE, [_TRANSPOSED]),
    Sites(
        BERT_TINY,
        "linear.Linear",
        {path: sizes for path, sizes in _SQUARE.items() if not path.endswith("key")},
        _LINEAR,
    ),
    Sites(
        EAGER,
        "bert_attention.BertSelfAttention",
        _ATTENTIONS,
        [
            ("UnscaledSelfAttention", {}, "attention scale"),
            ("ScaledBySizeSelfAttention", {}, "attention scale"),
            ("SwappedSelfAttention", {}, "q and k swapped"),
        ],
    ),
    Sites(
        BURGERS,
        "convlstm.ConvLSTMCell",
        {"cell": {"in_channels": 4, "hidden_channels": 4, "kernel_size": 3,
                  "padding_mode": "circular"}},
        [
            ("GatesInAnotherOrder", {}, "gate order"),
            ("HiddenFirst", {}, "order of concatenation"),
        ],
    ),
    Sites(
        BURGERS,
        "conv.Conv2d",
        {
            "encoder": {"in_channels": 2, "out_channels": 4, "kernel_size": 3},
            "decoder": {"in_channels": 4, "out_channels": 2, "kernel_size": 3},
            "cell.conv": {"in_channels": 8, "out_channels": 16, "kernel_size": 3},
        },
        [("", {"padding": "same"}, "padding mode")],
    ),
]  # fmt: skip


def in_models(seed: int = 0, times: int = 1) -> Iterator[Case]:
    """Each fault of SITES `times` times, each at a path drawn among those of its kind."""
    rng = random.Random(seed)
    for sites in SITES:
        for word, changes, cause in sites.faults:
            for path in rng.sample(list(sites.paths), min(times, len(sites.paths))):
                arguments = {**sites.paths[path], **changes}
                plain = not word or ":" in word or "." in word
                target = (word if plain else f"{LAYERS}{word}") or sites.module
                name = f"planted: {sites.model.name}, {path}: {cause}"
                name += f" ({word.rpartition(':')[2] or told(changes)})"
                yield replace(
                    sites.model,
                    name=name,
                    jax_attach={path: Call(target, arguments)},
                    expect="different",
                    cause=cause,
                    place=path,
                )
    yield from _whole()


def _whole() -> Iterator[Case]:
    """Faults between the layers: inside a model, whose children agree."""
    flat = replace(LENET, init={}, jax="compare.run.naive:FlattenedInNhwcOrder")
    slow = replace(BURGERS, jax_init={"dt": 0.04})
    for base, cause, word in (
        (flat, "flatten order", "flattened in NHWC order"),
        (slow, "constant", "another dt"),
    ):
        name = f"planted: {base.name}: {word}"
        yield replace(base, name=name, expect="different", cause=cause)


def planted(seed: int = 0, times: int = 1) -> Iterator[Case]:
    """Every planted fault of one call: of the layers, then of the models at random depth."""
    from compare.cases.faults import CASES
    from compare.cases.planted_elements import CASES as ELEMENTS

    yield from CASES
    yield from in_layers()
    yield from ELEMENTS
    yield from in_models(seed, times)
