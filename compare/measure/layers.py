"""The price of a layer: ours against plain Flax, optax or JAX, where they have the same one.

    python -m compare.measure.layers --out results

Compiled time of the forward pass, and of the forward pass with every gradient, on one thread of
the CPU. Both sides hold the same parameters and must agree before they are timed. A ratio over
LIMIT must have its reason in the table; without one the exit status is 1.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax

from compare.cases.case import Given, draw, labels
from compare.measure import environment
from compare.measure.paired import Paired, paired
from compare.run.draw import array, generator
from compare.run.target import named

LIMIT = 1.05
ENVIRONMENT = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "JAX_PLATFORMS": "cpu"}
MODES = ("forward", "gradient")
_SECONDS = 0.8  # of CPU, for one row's mode
# What Flax calls a parameter -> what torch and jax_impl call it.
_NAMES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}
_NAMES["negative_slope"] = "weight"

Layer = Callable[..., Any]


@dataclass(frozen=True)
class Row:
    """One comparison: its name, how each side is made, and the inputs of both.

    reason   why ours takes longer, where it does
    random   outputs are drawn, so they cannot be held against each other
    """

    name: str
    ours: Callable[[], Layer]
    plain: Callable[[], Layer]
    inputs: tuple[Given, ...]
    reason: str = ""
    random: bool = False


def ours(name: str, *arguments: Any, **options: Any) -> Callable[[], Layer]:
    """How jax_impl's `name` is made: a class by its arguments, a function by its options."""
    return plain(named(name, "jax"), *arguments, **options)


def plain(thing: Any, *arguments: Any, **options: Any) -> Callable[[], Layer]:
    """The same of anything; a class that draws its parameters gets a stream to draw from."""
    if not inspect.isclass(thing):
        return lambda: partial(thing, **options)
    maker: Any = thing  # a class of unknown arguments, to a type checker
    draws = "rngs" in inspect.signature(thing.__init__).parameters

    def made() -> Layer:
        return maker(*arguments, **options, **({"rngs": nnx.Rngs(0)} if draws else {}))

    return made


def evaluated(make: Callable[[], Layer]) -> Callable[[], Layer]:
    """The same layer, in evaluation."""

    def made() -> Layer:
        layer = make()
        layer.eval()  # type: ignore[attr-defined]
        return layer

    return made


def mean(loss: Callable[..., Any], **options: Any) -> Callable[[], Layer]:
    """An elementwise loss of optax, averaged."""
    return lambda: lambda *inputs: loss(*inputs, **options).mean()


_TOKENS = draw("n=512 c=768")  # 4 sentences of BERT-base
_ACTIVATIONS = draw("n=1024 c=1024")
_IMAGE = draw("n=16 h=28 w=28 c=64")  # a batch in ResNet


def _conv(
    name: str,
    axes: str,
    channels: tuple[int, int],
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
) -> Row:
    """A convolution over the spatial axes of `axes`, which names all but the channels."""
    rank = len(axes.split()) - 1
    options = {"padding": padding, "feature_group_count": groups}
    return Row(
        name,
        ours(f"conv.Conv{rank}d", *channels, kernel, stride, padding, groups=groups),
        plain(nnx.Conv, *channels, (kernel,) * rank, stride, **options),
        (draw(f"{axes} c={channels[0]}"),),
    )


def _activation(
    name: str, function: Callable[..., Any], reason: str = "", **options: Any
) -> Row:
    theirs = plain(function, **options)
    return Row(name, ours(f"activation.{name}"), theirs, (_ACTIVATIONS,), reason)


CONVOLUTIONS = [
    _conv("Conv2d 1x1, 256 to 64", "n=1 h=28 w=28", (256, 64), 1),
    _conv("Conv2d 3x3, 64 to 64", "n=1 h=28 w=28", (64, 64), 3, padding=1),
    _conv("Conv2d 3x3 stride 2, 64 to 128", "n=2 h=28 w=28", (64, 128), 3, 2, 1),
    _conv("Conv2d 7x7 stride 2, 3 to 64", "n=1 h=112 w=112", (3, 64), 7, 2, 3),
    _conv("Conv1d 3, 128 to 128", "n=2 l=256", (128, 128), 3, padding=1),
    Row(
        "ConvTranspose2d 4x4 stride 2, 64 to 32",
        ours("conv.ConvTranspose2d", 64, 32, 4, 2, 1),
        plain(nnx.ConvTranspose, 64, 32, (4, 4), 2, padding=((2, 2), (2, 2)),
              transpose_kernel=True),
        (draw("n=2 h=14 w=14 c=64"),),
    ),
]  # fmt: skip
# Where XLA's CPU backend leaves its fast convolution.
CLIFFS = [
    _conv("Conv2d 3x3 of 2x2, 512 to 512", "n=16 h=2 w=2", (512, 512), 3, padding=1),
    _conv("Conv2d 3x3 stride 2 of 2x2, 256 to 512", "n=16 h=2 w=2", (256, 512), 3, 2, 1),
    _conv("Conv2d 5x5 of 4x4, 64 to 64", "n=8 h=4 w=4", (64, 64), 5, padding=2),
    _conv("Conv2d 3x3 depthwise, 128", "n=2 h=14 w=14", (128, 128), 3, 1, 1, 128),
    _conv("Conv2d 7x7 depthwise, 96", "n=2 h=14 w=14", (96, 96), 7, 1, 3, 96),
    _conv("Conv2d 3x3 groups 32, 128 to 128", "n=2 h=14 w=14", (128, 128), 3, 1, 1, 32),
    _conv("Conv3d 3x3x3, 16 to 32", "n=1 d=8 h=14 w=14", (16, 32), 3, padding=1),
]
_TWO = {"use_fast_variance": False}
# Errors of LayerNorm on N(1e4, 1) in float32: ours 6e-7, two passes 1e-3, E[x²]-E[x]² 1e3.
_CORRECTED = (
    "one more sum takes off the mean's rounding error: at mean 1e4 that keeps 11 bits which "
    "two passes lose"
)
_ONE_PASS = f"plain takes E[x²]-E[x]² in one pass, which loses every bit there; {_CORRECTED}"
_EXP = "the gradient takes exp(x), accurate far below 0; plain has expm1(x) + 1 at hand"
_AXES = "sums one axis after the other"
_INFINITE = "an infinite input gives the slope the gradient 0, as in torch, and not NaN"
LAYERS = [
    Row("Linear 768 to 768", ours("linear.Linear", 768, 768), plain(nnx.Linear, 768, 768),
        (draw("n=128 c=768"),)),
    Row("Embedding 5000 x 768", ours("embedding.Embedding", 5000, 768),
        plain(nnx.Embed, 5000, 768), (labels("n=8 l=128", 5000),)),
    Row("MaxPool2d 3 stride 2", ours("pool.MaxPool2d", 3, 2, 1),
        plain(nnx.max_pool, window_shape=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1))),
        (_IMAGE,)),
    Row("AvgPool2d 2", ours("pool.AvgPool2d", 2),
        plain(nnx.avg_pool, window_shape=(2, 2), strides=(2, 2)), (_IMAGE,), _AXES),
    Row("AvgPool2d 3 stride 2", ours("pool.AvgPool2d", 3, 2),
        plain(nnx.avg_pool, window_shape=(3, 3), strides=(2, 2)), (_IMAGE,)),
    Row("AdaptiveAvgPool2d 1", ours("adaptive_pool.AdaptiveAvgPool2d", 1),
        plain(jnp.mean, axis=(1, 2), keepdims=True), (_IMAGE,)),
    Row("BatchNorm2d", ours("norm.BatchNorm2d", 64),
        plain(nnx.BatchNorm, 64, momentum=0.9, **_TWO), (_IMAGE,), _CORRECTED),
    Row("BatchNorm2d, evaluation", evaluated(ours("norm.BatchNorm2d", 64)),
        evaluated(plain(nnx.BatchNorm, 64, momentum=0.9)), (_IMAGE,)),
    Row("BatchNorm2d, Flax's default", ours("norm.BatchNorm2d", 64),
        plain(nnx.BatchNorm, 64, momentum=0.9), (_IMAGE,), _ONE_PASS),
    Row("InstanceNorm2d", ours("norm.InstanceNorm2d", 64, affine=True),
        plain(nnx.InstanceNorm, 64, epsilon=1e-5, **_TWO), (_IMAGE,), _CORRECTED),
    Row("LayerNorm 768", ours("normalization.LayerNorm", 768),
        plain(nnx.LayerNorm, 768, epsilon=1e-5, **_TWO), (_TOKENS,), _CORRECTED),
    Row("LayerNorm 768, Flax's default", ours("normalization.LayerNorm", 768),
        plain(nnx.LayerNorm, 768, epsilon=1e-5), (_TOKENS,), _ONE_PASS),
    Row("GroupNorm 32 of 64", ours("normalization.GroupNorm", 32, 64),
        plain(nnx.GroupNorm, 64, 32, epsilon=1e-5, **_TWO), (_IMAGE,)),
    Row("RMSNorm 768", ours("normalization.RMSNorm", 768, 1e-6), plain(nnx.RMSNorm, 768),
        (_TOKENS,)),
    Row("Dropout 0.1", ours("dropout.Dropout", 0.1), plain(nnx.Dropout, 0.1), (_TOKENS,),
        random=True),
    Row("ReflectionPad2d 1", ours("pad.ReflectionPad2d", 1),
        plain(jnp.pad, pad_width=((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect"), (_IMAGE,)),
    Row("Unfold 3x3", ours("fold.Unfold", 3, padding=1),
        lambda: lambda x: lax.conv_general_dilated_patches(
            x, (3, 3), (1, 1), [(1, 1)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
        ).reshape(len(x), -1, 9 * x.shape[-1]),
        (draw("n=2 h=14 w=14 c=64"),)),
    Row("Upsample bilinear x2", ours("resize.Upsample", scale_factor=2, mode="bilinear"),
        plain(jax.image.resize, shape=(16, 56, 56, 64), method="linear"), (_IMAGE,)),
    Row("Upsample nearest x2", ours("resize.Upsample", scale_factor=2),
        plain(jax.image.resize, shape=(16, 56, 56, 64), method="nearest"), (_IMAGE,)),
    Row("CosineSimilarity", ours("distance.CosineSimilarity"),
        plain(optax.cosine_similarity, epsilon=1e-16), (_TOKENS, _TOKENS)),
]  # fmt: skip
ACTIVATIONS = [
    _activation("ReLU", nnx.relu),
    _activation("ReLU6", nnx.relu6),
    _activation("Sigmoid", nnx.sigmoid),
    _activation("Hardsigmoid", nnx.hard_sigmoid),
    _activation("Tanh", nnx.tanh),
    _activation("Hardtanh", nnx.hard_tanh),
    _activation("SiLU", nnx.silu),
    _activation("Mish", jax.nn.mish),
    _activation("Hardswish", nnx.hard_swish),
    _activation("ELU", nnx.elu, _EXP),
    _activation("CELU", nnx.celu, _EXP),
    _activation("SELU", nnx.selu, _EXP),
    _activation("GLU", nnx.glu),
    _activation("GELU", nnx.gelu, approximate=False),
    _activation("LeakyReLU", nnx.leaky_relu),
    _activation("LogSigmoid", nnx.log_sigmoid),
    _activation("Softplus", nnx.softplus),
    _activation("Softsign", nnx.soft_sign),
    Row("PReLU", ours("activation.PReLU"), plain(nnx.PReLU, 0.25), (_ACTIVATIONS,),
        _INFINITE),
    Row("Softmax", ours("activation.Softmax", -1), plain(nnx.softmax), (_ACTIVATIONS,)),
    Row("LogSoftmax", ours("activation.LogSoftmax", -1), plain(nnx.log_softmax),
        (_ACTIVATIONS,)),
]  # fmt: skip
_TARGET = draw("n=512 c=768", grad=False)
LOSSES = [
    Row("MSELoss", ours("loss.MSELoss"), mean(optax.squared_error), (_TOKENS, _TARGET)),
    Row("HuberLoss", ours("loss_robust.HuberLoss"), mean(optax.huber_loss),
        (_TOKENS, _TARGET)),
    Row("CrossEntropyLoss, labels", ours("loss.CrossEntropyLoss"),
        mean(optax.softmax_cross_entropy_with_integer_labels),
        (_ACTIVATIONS, labels("n=1024", 1024))),
    Row("CrossEntropyLoss, probabilities", ours("loss.CrossEntropyLoss"),
        mean(optax.softmax_cross_entropy),
        (_ACTIVATIONS, draw("n=1024 c=1024", "simplex", grad=False))),
    Row("BCEWithLogitsLoss", ours("loss_binary.BCEWithLogitsLoss"),
        mean(optax.sigmoid_binary_cross_entropy),
        (_TOKENS, draw("n=512 c=768", "uniform", grad=False, low=0, high=1))),
    Row("KLDivLoss batchmean", ours("loss_likelihood.KLDivLoss", reduction="batchmean"),
        mean(optax.kl_divergence),
        (draw("n=512 c=768", "log_simplex"), draw("n=512 c=768", "simplex", grad=False))),
    Row("CTCLoss sum",
        lambda: lambda x, y: named("loss_ctc.ctc_loss", "jax")(
            nnx.log_softmax(x), y, np.full(8, 64), np.full(8, 16), reduction="sum"
        ),
        lambda: lambda x, y: optax.ctc_loss(
            x.swapaxes(0, 1), jnp.zeros((8, 64)), y, jnp.zeros((8, 16))
        ).sum(),
        (draw("l=64 n=8 c=32"), draw("n=8 s=16", "integers", grad=False, low=1, high=32))),
]  # fmt: skip
ROWS = [*CONVOLUTIONS, *CLIFFS, *LAYERS, *ACTIVATIONS, *LOSSES]


def measure(row: Row) -> dict[str, Paired]:
    """Both modes of a row. Raises ArithmeticError where the two sides do not agree."""
    inputs = [_input(row, index) for index in range(len(row.inputs))]
    theirs = row.plain()
    mine = row.ours()
    if isinstance(theirs, nnx.Module):
        _share(theirs, mine)
    found = {}
    for mode in MODES:
        calls = [_compiled(layer, row, inputs, mode) for layer in (mine, theirs)]
        if not row.random:
            _agree(row, *(_shown(call(), mode) for call in calls))
        found[mode] = paired(*calls, seconds=_SECONDS)
    return found


def _input(row: Row, index: int) -> jax.Array:
    values = array(row.inputs[index], generator(0, row.name, str(index)))
    return jnp.asarray(values, jnp.int32 if values.dtype.kind in "iu" else jnp.float32)


def _share(theirs: nnx.Module, mine: Any) -> None:
    """Gives our layer the parameters of Flax's: by torch's name, in our layout."""
    for name, parameter in vars(theirs).items():
        if not isinstance(parameter, nnx.Param):
            continue
        own = getattr(mine, _NAMES[name])
        value = parameter[...]
        if value.ndim == own[...].ndim and value.shape != own[...].shape:
            value = value.swapaxes(-1, -2)  # a transposed kernel: (..., out, in)
        own[...] = value.reshape(own[...].shape)


def _compiled(layer: Layer, row: Row, inputs: list[jax.Array], mode: str) -> Callable[[], Any]:
    """A call of the compiled layer that returns when all is computed.

    Leaves are passed one by one: walking a module's tree would be timed too.
    """
    graph, parameters, rest = nnx.split(
        layer if isinstance(layer, nnx.Module) else nnx.Module(), nnx.Param, ...
    )
    trained, structure = jax.tree.flatten(parameters)
    kept, other_structure = jax.tree.flatten(rest)
    moving = [
        index
        for index, given in enumerate(row.inputs)
        if given.grad and given.kind != "integers"
    ]

    def forward(trained: list, moved: list, kept: list, inputs: list) -> tuple:
        whole = list(inputs)
        for index, value in zip(moving, moved, strict=True):
            whole[index] = value
        if not isinstance(layer, nnx.Module):
            return layer(*whole), ()
        module = nnx.merge(
            graph,
            jax.tree.unflatten(structure, trained),
            jax.tree.unflatten(other_structure, kept),
        )
        return module(*whole), jax.tree.leaves(nnx.state(module, nnx.BatchStat))

    def gradient(trained: list, moved: list, kept: list, inputs: list, cotangent: Any) -> Any:
        def of(trained: list, moved: list) -> tuple:
            return forward(trained, moved, kept, inputs)

        output, pull, buffers = jax.vjp(of, trained, moved, has_aux=True)
        return output, pull(cotangent), buffers

    arguments: list[Any] = [trained, [inputs[index] for index in moving], kept, inputs]
    if mode == "gradient":
        shape = jax.eval_shape(forward, *arguments)[0].shape
        arguments.append(jax.random.normal(jax.random.key(0), shape))
    compiled = jax.jit(forward if mode == "forward" else gradient).lower(*arguments).compile()
    return lambda: jax.block_until_ready(compiled(*arguments))


def _shown(result: tuple, mode: str) -> list[jax.Array]:
    """The output, and in the gradient's mode the gradients of the inputs."""
    return [result[0]] if mode == "forward" else [result[0], *result[1][1]]


def _agree(row: Row, mine: list[jax.Array], theirs: list[jax.Array]) -> None:
    for own, other in zip(mine, theirs, strict=True):
        gap = float(jnp.abs(own - other).max() / jnp.abs(other).max())
        if own.shape != other.shape or not gap < 1e-4:
            raise ArithmeticError(f"{row.name}: ours and plain differ by {gap:.1e} of the top")


def over(row: Row, found: dict[str, Paired]) -> list[str]:
    """The modes whose ratio is over LIMIT, beyond what noise explains."""
    return [mode for mode in MODES if found[mode].ratio > LIMIT and found[mode].low > LIMIT]


def markdown(results: list[tuple[Row, dict[str, Paired]]], facts: dict[str, Any]) -> str:
    packages = ("jax", "jaxlib", "flax", "optax")
    versions = ", ".join(f"{name} {facts['versions'][name]}" for name in packages)
    lines = [
        "# Our layers against plain Flax, optax and JAX",
        "",
        f"One thread of {facts['machine']['processor']}; {versions}; float32. CPU time of a "
        "compiled call, ours over plain: Huber's location of paired ratios, its 95 % interval. "
        "Below 1 ours is faster. Milliseconds are of the plain side.",
        "",
        "| layer | forward | 95 % | plain, ms | with gradients | 95 % | plain, ms | why over "
        f"{LIMIT} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row, found in results:
        cells = [
            cell
            for mode in MODES
            for cell in (
                _ratio(found[mode].ratio),
                f"{_ratio(found[mode].low)} - {_ratio(found[mode].high)}",
                f"{1000 * found[mode].theirs:.3g}",
            )
        ]
        why = (row.reason or "unexplained") if over(row, found) else ""
        lines.append(f"| {' | '.join([row.name, *cells, why])} |")
    return "\n".join(lines) + "\n"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def one_thread() -> None:
    """Binds this process to one thread and one core; must come before JAX makes an array."""
    os.environ.update(ENVIRONMENT)
    jax.config.update("jax_platforms", "cpu")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m compare.measure.layers",
        description="Time our layers against plain Flax, optax and JAX, on one CPU thread.",
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("-k", default="", metavar="TEXT", help="only rows whose name has TEXT")
    options = parser.parse_args()
    rows = [row for row in ROWS if options.k.lower() in row.name.lower()]
    if not rows:
        parser.error(f"no row has {options.k!r} in its name")
    one_thread()
    facts = {"versions": environment.versions(), "machine": environment.machine()}
    results = []
    for row in rows:
        results.append((row, measure(row)))
        shown = "  ".join(f"{mode} {_ratio(results[-1][1][mode].ratio)}" for mode in MODES)
        print(f"{row.name:<42}{shown}", flush=True)
        jax.clear_caches()
    options.out.mkdir(parents=True, exist_ok=True)
    figures = [
        {"layer": row.name, **{m: asdict(found[m]) for m in MODES}, "reason": row.reason}
        for row, found in results
    ]
    text = json.dumps({**facts, "limit": LIMIT, "layers": figures}, indent=1)
    (options.out / "layers-cpu.json").write_text(text + "\n")
    (options.out / "layers-cpu.md").write_text(markdown(results, facts))
    bare = [row.name for row, found in results if over(row, found) and not row.reason]
    if bare:
        print(f"over {LIMIT} without a reason: {', '.join(bare)}", file=sys.stderr)
    return int(bool(bare))


if __name__ == "__main__":
    sys.exit(main())
