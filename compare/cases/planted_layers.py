"""Planted faults of one setting: a function called with another argument on the JAX side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compare.cases.case import Case, draw


def told(changes: dict[str, Any]) -> str:
    """Arguments as one would write them: "padding=2, stride=1"."""
    return ", ".join(f"{name}={value}" for name, value in changes.items())


_X = {"input": draw("n=4 c=6 h=8 w=7", mean=0.5)}
_ROWS = {"input": draw("n=6 w=8", mean=0.5, std=2.0)}
_SCORES = {
    "input": draw("n=6 c=5"),
    "target": draw("n=6", "given", grad=False, values=[3, 0, 4, 3, 1, 2]),
}
_TWO = {"input": draw("n=4 w=5"), "target": draw("n=4 w=5")}
_UNIT = {
    "input": draw("n=4 w=5", "uniform", low=0.1, high=0.9),
    "target": draw("n=4 w=5", "uniform", low=0.0, high=1.0, grad=False),
}
_KERNELS = {"weight": draw("o=4 i=6 h=3 w=3"), "bias": draw("o=4")}
_UP = {"weight": draw("i=6 o=4 h=3 w=3"), "bias": draw("o=4")}

# (target, inputs, torch's settings, JAX's other ones, cause, axes of the output)
SETTINGS: list[tuple[str, dict, dict, dict, str, str | None]] = [
    ("normalization.layer_norm", _ROWS, {"normalized_shape": (8,)},
     {"eps": 3.1e-6}, "eps", None),
    ("normalization.layer_norm", _ROWS, {"normalized_shape": (8,)},
     {"eps": 1e-3}, "eps", None),
    ("normalization.group_norm", _X, {"num_groups": 3}, {"num_groups": 2}, "groups", None),
    ("normalization.group_norm", _X, {"num_groups": 3}, {"eps": 4e-4}, "eps", None),
    ("normalization.rms_norm", _ROWS, {"normalized_shape": (8,), "eps": 1e-5}, {"eps": 1e-6},
     "eps", None),
    ("normalization.local_response_norm", _X, {"size": 3}, {"size": 5}, "size", None),
    ("normalization.local_response_norm", _X, {"size": 3}, {"alpha": 5e-4}, "alpha", None),
    ("normalization.local_response_norm", _X, {"size": 3}, {"beta": 0.5}, "beta", None),
    ("normalization.local_response_norm", _X, {"size": 3}, {"k": 2.0}, "k", None),
    ("conv.conv2d", {**_X, **_KERNELS}, {"stride": 2}, {"stride": 1}, "stride", None),
    ("conv.conv2d", {**_X, **_KERNELS}, {"padding": 1}, {"padding": 0}, "padding", None),
    ("conv.conv2d", {**_X, **_KERNELS}, {"padding": 2}, {"padding": 1}, "padding", None),
    ("conv.conv2d", {**_X, **_KERNELS}, {"dilation": 2, "padding": 2},
     {"dilation": 1, "padding": 1}, "dilation and padding", None),
    ("conv.conv_transpose2d", {**_X, **_UP}, {"stride": 2, "output_padding": 1},
     {"output_padding": 0}, "output padding", None),
    ("conv.conv_transpose2d", {**_X, **_UP}, {"stride": 2, "padding": 1}, {"padding": 0},
     "padding", None),
    ("conv.conv_transpose2d", {**_X, **_UP}, {"stride": 2}, {"stride": 1}, "stride", None),
    ("pool.max_pool2d", _X, {"kernel_size": 3}, {"stride": 2}, "stride", None),
    ("pool.max_pool2d", _X, {"kernel_size": 2, "ceil_mode": True}, {"ceil_mode": False},
     "ceil mode", None),
    ("pool.max_pool2d", _X, {"kernel_size": 3, "padding": 1},
     {"padding": 0}, "padding", None),
    ("pool.max_pool2d", _X, {"kernel_size": 2, "dilation": 2},
     {"dilation": 1}, "dilation", None),
    ("pool.avg_pool2d", _X, {"kernel_size": 3}, {"stride": 1}, "stride", None),
    ("pool.avg_pool2d", _X, {"kernel_size": 3, "ceil_mode": True}, {"ceil_mode": False},
     "ceil mode", None),
    ("pool.avg_pool2d", _X, {"kernel_size": 3, "padding": 1},
     {"padding": 0}, "padding", None),
    ("activation.leaky_relu", _ROWS, {}, {"negative_slope": 0.2}, "negative slope", None),
    ("activation.leaky_relu", _ROWS, {}, {"negative_slope": 0.017}, "negative slope", None),
    ("activation.elu", _ROWS, {}, {"alpha": 0.7}, "alpha", None),
    ("activation.celu", _ROWS, {}, {"alpha": 1.4}, "alpha", None),
    ("activation.softplus", _ROWS, {}, {"beta": 2.0}, "beta", None),
    ("activation.softshrink", _ROWS, {}, {"lambd": 0.25}, "lambd", None),
    ("activation.hardtanh", _ROWS, {}, {"max_val": 0.5}, "max val", None),
    ("activation.softmax", _ROWS, {"dim": -1}, {"dim": 0}, "softmax axis", None),
    ("activation.log_softmax", _ROWS, {"dim": 1}, {"dim": 0}, "softmax axis", None),
    ("activation.gelu", _ROWS, {"approximate": "tanh"}, {"approximate": "none"}, "GELU form",
     None),
    ("loss.mse_loss", _TWO, {}, {"reduction": "sum"}, "reduction", ""),
    ("loss.l1_loss", _TWO, {}, {"reduction": "sum"}, "reduction", ""),
    ("loss.cross_entropy", _SCORES, {}, {"label_smoothing": 0.1}, "label smoothing", ""),
    ("loss.cross_entropy", _SCORES, {"label_smoothing": 0.2}, {"label_smoothing": 0.0},
     "label smoothing", ""),
    ("loss.cross_entropy", _SCORES, {}, {"reduction": "sum"}, "reduction", ""),
    ("loss.cross_entropy", _SCORES, {"ignore_index": 3},
     {"ignore_index": -100}, "ignore index", ""),
    ("loss_robust.smooth_l1_loss", _TWO, {}, {"beta": 0.3}, "beta", ""),
    ("loss_robust.huber_loss", _TWO, {}, {"delta": 0.6}, "delta", ""),
    ("loss_binary.binary_cross_entropy", _UNIT, {}, {"reduction": "sum"}, "reduction", ""),
    ("distance.cosine_similarity",
     {"x1": draw("n=4 w=5", mean=0.0, std=0.01), "x2": draw("n=4 w=5")}, {},
     {"eps": 0.5}, "eps", "n"),
]  # fmt: skip


def in_layers() -> Iterator[Case]:
    """One setting of a function that is another on the JAX side."""
    for target, inputs, ours, theirs, cause, out in SETTINGS:
        name = f"planted: {target}({told(ours)}): {told(theirs)}"
        case = Case(
            target,
            inputs,
            options=ours,
            jax_options=theirs,
            out=() if out is None else (out,),
            expect="different",
            cause=cause,
            name=name,
        )
        yield case
