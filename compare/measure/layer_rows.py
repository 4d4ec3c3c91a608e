"""Layers that jax_impl and plain Flax, optax or JAX both have, side by side: what is timed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax

from compare.cases.case import Given, draw, labels
from compare.run.target import named

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
