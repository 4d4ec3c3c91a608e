"""What is timed: layers of ResNet and BERT, models trained or called. Data, no framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compare.cases.case import Call, Case, Given, Pair, call, draw, labels
from compare.cases.finetune import MINILM, TINY, finetuned
from compare.cases.train import LENET, RESNET, SOFTMAX
from compare.cases.training import Training
from compare.measure.flops import Count, bert, conv, lenet, linear, product, resnet

SIZES = ("tiny", "cpu", "gpu")
MODES = ("forward", "gradient", "inference", "train")


@dataclass(frozen=True)
class Workload:
    """One thing to time.

    pair     a Case (modes forward and gradient) or a Training (inference and train)
    mode     forward: the outputs; gradient: outputs and every gradient; inference: the model in
             evaluation; train: a whole step, update included
    batch    arrays of a Training's batch, each a Given, in torch's order of axes
    flops    of one step: stated formulas, a multiply-add is 2
    samples  in one step
    tokens   (real, padded) in one step, where it has any
    plain    plain Flax's counterpart: a target and its arguments; None where there is none
    layout   whether torch may hold its arrays channels last in memory
    few      whether, where no arm is named, only those of the columns run
    """

    name: str
    pair: Pair
    mode: str
    batch: Mapping[str, Given] = field(default_factory=dict)
    flops: Count = 0
    samples: int = 0
    tokens: tuple[int, int] | None = None
    plain: Call | None = None
    layout: bool = False
    few: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"{self.name}: mode must be one of {MODES}, got {self.mode!r}")

    @property
    def trained(self) -> bool:
        """Whether it is a model with a batch, and not a layer with its inputs."""
        return isinstance(self.pair, Training)


class UnknownWorkload(LookupError):
    """A text that no workload's name has in it."""


def workloads(size: str, texts: list[str] | None = None) -> list[Workload]:
    """Those of `size` whose name has one of `texts`; all where none is given."""
    if size not in SIZES:
        raise ValueError(f"size must be one of {SIZES}, got {size!r}")
    every = [*layers(size), *models(size)]
    if not texts:
        return every
    for text in texts:
        if not any(text in one.name for one in every):
            names = ", ".join(one.name for one in every)
            raise UnknownWorkload(f"no workload has {text!r} in its name; there are {names}")
    return [one for one in every if any(text in one.name for text in texts)]


# Layers.


def layers(size: str) -> list[Workload]:
    """A forward call and one with every gradient, of each layer."""
    n = {"tiny": 1, "cpu": 4, "gpu": 64}[size]
    side = {"tiny": 6, "cpu": 56, "gpu": 56}[size]
    deep = {"tiny": 4, "cpu": 64, "gpu": 64}[size]
    rows = {"tiny": 8, "cpu": 512, "gpu": 4096}[size]
    wide = {"tiny": 8, "cpu": 768, "gpu": 768}[size]
    images = draw(f"n={n} c={deep} h={side} w={side}")
    tokens = draw(f"m={rows} e={wide}")
    return [
        *_convolutions(size, n, side, deep),
        *_layer(
            "linear 768 to 3072", Case("linear.Linear", {"input": tokens},
            init={"in_features": wide, "out_features": 4 * wide}),
            linear(rows, wide, 4 * wide), rows,
            call("flax.nnx:Linear", in_features=wide, out_features=4 * wide),
        ),
        *_layer(
            "batch norm 64", Case("norm.BatchNorm2d", {"input": images},
            init={"num_features": deep}), 0, n,
            call("flax.nnx:BatchNorm", num_features=deep, momentum=0.9, epsilon=1e-5,
                 use_fast_variance=False),
            layout=True,
        ),
        *_layer(
            "layer norm 768", Case("normalization.LayerNorm", {"input": tokens},
            init={"normalized_shape": wide}), 0, rows,
            call("flax.nnx:LayerNorm", num_features=wide, epsilon=1e-5,
                 use_fast_variance=False),
        ),
        *_attention(size),
        *_layer(
            "max pool 3x3 stride 2", Case("pool.MaxPool2d", {"input": images},
            init={"kernel_size": 3, "stride": 2, "padding": 1}), 0, n, layout=True,
        ),
        *_layer(
            "cross entropy", Case("loss.cross_entropy",
            {"input": draw(f"n={rows} c={wide}"), "target": labels(f"n={rows}", wide)},
            out=("",)), 0, rows,
        ),
        *_layer("embedding", _embedding(size), 0, rows),
        *_layer(
            "dropout 0.1", Case("dropout.Dropout", {"input": tokens}, init={"p": 0.1},
            masks={"mask": draw(f"m={rows} e={wide}", "bits", keep=0.9)}), 0, rows,
        ),
        *_layer("gelu", Case("activation.GELU", {"input": tokens}, init={}), 0, rows),
    ]  # fmt: skip


def _layer(
    name: str, case: Case, flops: Count, samples: int, plain: Call | None = None, **more: Any
) -> list[Workload]:
    """Of a count of the forward call: the gradients of input and weight take as much each."""
    shared = {"samples": samples, "plain": plain, "few": True, **more}
    return [
        Workload(f"{name}, forward", case, "forward", flops=flops, **shared),
        Workload(f"{name}, gradient", case, "gradient", flops=3 * flops, **shared),
    ]


def _convolutions(size: str, n: int, side: int, deep: int) -> list[Workload]:
    stem = {"tiny": 12, "cpu": 112, "gpu": 224}[size]
    kinds = (
        ("conv 3x3, 64 to 64", deep, deep, 3, 1, 1, side),
        ("conv 1x1, 64 to 256", deep, 4 * deep, 1, 1, 0, side),
        ("conv 7x7 stride 2, 3 to 64", 3, deep, 7, 2, 3, stem),
    )
    found = []
    for name, inputs, outputs, kernel, stride, padding, across in kinds:
        init = {"in_channels": inputs, "out_channels": outputs, "kernel_size": kernel,
                "stride": stride, "padding": padding, "bias": False}  # fmt: skip
        given = {"input": draw(f"n={n} c={inputs} h={across} w={across}")}
        flops = conv(n, inputs, outputs, kernel, across, stride, padding)
        plain = call(
            "flax.nnx:Conv", in_features=inputs, out_features=outputs, use_bias=False,
            kernel_size=(kernel, kernel), strides=stride, padding=padding,
        )  # fmt: skip
        case = Case("conv.Conv2d", given, init=init)
        found += _layer(name, case, flops, n, plain, layout=True)
    return found


def _attention(size: str) -> list[Workload]:
    """BERT's self-attention with its three projections, on sequences of 128, in evaluation."""
    n, s = {"tiny": (2, 8), "cpu": (4, 128), "gpu": (32, 128)}[size]
    config = TINY if size == "tiny" else {}
    wide = config.get("hidden_size", 768)
    case = Case(
        "bert_attention.BertSelfAttention",
        {"hidden_states": draw(f"n={n} s={s} e={wide}")},
        init={"config": call("bert_config.BertConfig", **config)},
        train=False,
    )
    flops = linear(n * s, wide, 3 * wide) + 2 * product(n * s, wide, s)
    return _layer("self-attention", case, flops, n)


def _embedding(size: str) -> Case:
    n, s, rows, wide = {
        "tiny": (2, 4, 16, 8), "cpu": (4, 128, 30522, 768), "gpu": (32, 128, 30522, 768)
    }[size]  # fmt: skip
    ids = draw(f"n={n} s={s}", "integers", grad=False, low=0, high=rows)
    init = {"num_embeddings": rows, "embedding_dim": wide}
    return Case("embedding.Embedding", {"input": ids}, init=init, out=("n s e",))


# Models.


def models(size: str) -> list[Workload]:
    """d2l's softmax regression and LeNet, ResNet, BERT: each trained, and most called."""
    few = {"tiny": 2, "cpu": 32, "gpu": 256}[size]
    digits = {"image": draw(f"n={few} c=1 h=28 w=28"), "label": labels(f"n={few}", 10)}
    found = [
        *_model("softmax regression", SOFTMAX, digits, (linear(few, 784, 10), 0), ("train",)),
        *_model("lenet", LENET, digits, lenet(few), layout=True),
        *_resnet("resnet18", size),
    ]
    if size != "tiny":
        found += _resnet("resnet50", size)
    configs = (
        {"bert-tiny": TINY} if size == "tiny" else {"bert-minilm": MINILM, "bert-base": {}}
    )
    for name, config in configs.items():
        found += _bert(name, config, size)
    return found


def _model(
    name: str,
    training: Training,
    batch: Mapping[str, Given],
    flops: tuple[Count, Count],
    modes: tuple[str, ...] = ("inference", "train"),
    **more: Any,
) -> list[Workload]:
    """`flops` of a call: those whose input takes no gradient, and the rest."""
    first, rest = flops
    counts = {"inference": first + rest, "train": 2 * first + 3 * rest}
    samples = next(iter(batch.values())).shape[0]
    return [
        Workload(f"{name}, {mode}", training, mode, batch, counts[mode], samples, **more)
        for mode in modes
    ]


def _resnet(name: str, size: str) -> list[Workload]:
    n, across, classes = {"tiny": (2, 32, 10), "cpu": (8, 64, 1000), "gpu": (64, 224, 1000)}[
        size
    ]
    training = replace(
        RESNET,
        target=f"resnet.{name}",
        name=f"bench.{name}",
        init={"num_classes": classes},
        update=call("optim.SGD", lr=1e-4, momentum=0.9, weight_decay=1e-4),
    )
    batch = {
        "image": draw(f"n={n} c=3 h={across} w={across}"),
        "label": labels(f"n={n}", classes),
    }
    flops = resnet(name, n, across, classes)
    few = size == "cpu" and name == "resnet50"  # its compiles take minutes there
    return _model(name, training, batch, flops, layout=True, few=few)


def _bert(name: str, config: dict[str, Any], size: str) -> list[Workload]:
    """On padded pairs; trained with its dropout, and without it, which alone can be matched."""
    n, s = {"tiny": (2, 8), "cpu": (8, 128), "gpu": (32, 128)}[size]
    if size == "cpu" and not config:
        n = 2  # of the base size each arm holds 2 GiB and more
    ids, kept, types = padded(n, s, config.get("vocab_size", 30522))
    real = int(sum(map(sum, kept)))
    whole = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
             "intermediate_size": 3072, **config}  # fmt: skip
    given = [
        draw(f"n={n} s={s}", "given", grad=False, values=rows) for rows in (ids, kept, types)
    ]
    batch: dict[str, Given] = dict(zip(("ids", "mask", "types"), given, strict=True))
    batch["label"] = labels(f"n={n}", 2)
    # A schedule that is past its warm-up and that no run ends.
    drawn = finetuned(whole, steps=10**7, name=f"bench.{name}", data=call("none"))
    rates = {"num_warmup_steps": 0, "num_training_steps": 10**7}
    assert drawn.schedule is not None
    drawn = replace(drawn, schedule=Call(drawn.schedule.target, rates))
    still = {**whole, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    quiet = replace(drawn, init={"config": call("bert_config.BertConfig", **still)}, masks={})
    flops = (0, bert(n, s, whole))
    tokens = (real, n * s)
    kinds: list[tuple[str, Training, tuple[str, ...]]] = [
        (name, drawn, ("train",)),
        (f"{name} without dropout", quiet, ("train",)),
        (name, quiet, ("inference",)),
    ]
    return [
        one
        for title, training, modes in kinds
        for one in _model(
            title, training, batch, flops, modes, tokens=tokens, few=size == "cpu"
        )
    ]


def padded(n: int, s: int, vocabulary: int) -> tuple[list, list, list]:
    """Ids, mask and types (n, s) as a tokenizer pads pairs; lengths spread over s/4 .. s.

    The mean is about 5/8 of s, between MRPC's (53 of 128) and no padding.
    """
    lengths = [s - (3 * s // 4) * i // max(1, n - 1) for i in range(n)]
    kept = [[int(place < length) for place in range(s)] for length in lengths]
    ids = [
        [(1 + (7919 * (s * i + j) + 104729) % (vocabulary - 1)) * keep
         for j, keep in enumerate(row)]
        for i, row in enumerate(kept)
    ]  # fmt: skip
    types = [
        [int(2 * j > length) * keep for j, keep in enumerate(row)]
        for row, length in zip(kept, lengths, strict=True)
    ]
    return ids, kept, types
