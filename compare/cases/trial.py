"""The trial: 25 pairs of a correct port and a mutant, on which rules of agreement are tried.

The pairs are those of the field's most frequent mistakes. Of the last mutant of the pools the
function is the same: a rule that flags it raises a false alarm.
"""

from __future__ import annotations

from typing import Any

from compare.cases.case import call, draw, labels
from compare.cases.trial_pair import naive, pair, sides, trial

SEEDS = 10
"""Draws of each pair."""

_TOKENS = draw("n=16 w=768", mean=0.0)
_AFFINE = {"weight": draw("w=768", "uniform", low=0.5, high=1.5), "bias": draw("w=768")}
_NORM: dict[str, Any] = {"options": {"normalized_shape": (768,)}}
_MAPS = draw("n=4 c=8 h=14 w=14", mean=1.0)
_BUFFERS = ("buffer/running_mean", "buffer/running_var")
_ROWS = {"input": draw("n=16 c=10"), "target": labels("n=16", 10)}
_HEADS = draw("n=2 h=2 s=6 d=8")
_POOL: dict[str, Any] = {"options": {"kernel_size": 3, "stride": 2, "padding": 1}}
_ZERO_ROW = [0.0] * 6 + [1.0, -0.5, 2.0, 0.25, 3.0, -1.0] * 7
_SEEN = [True, True, False, True, False, True] * 5 + [False] * 6


def _layer_norm(input: Any) -> dict[str, Any]:
    return {"input": input, **_AFFINE}


def _adamw(steps: int) -> dict[str, Any]:
    return {
        "weight": draw("w=256", std=0.05, grad=False),
        "gradients": draw(f"s={steps} w=256", std=0.1, grad=False),
    }


PAIRS = [
    pair(
        "matmul, K=768: weight untransposed",
        "linear.linear",
        {"input": draw("n=16 i=768"), "weight": draw("o=768 i=768")},
        mutant=naive("linear_untransposed"),
    ),
    pair(
        "matmul, K=4608: operands in bfloat16",
        "linear.linear",
        {"input": draw("n=16 i=4608"), "weight": draw("o=64 i=4608")},
        mutant=trial("linear_bfloat16"),
    ),
    pair(
        "convolution, K=4608: SAME at stride 2",
        "conv.conv2d",
        {
            "input": draw("n=1 c=512 h=8 w=8"),
            "weight": draw("o=16 i=512 h=3 w=3"),
            "bias": draw("o=16"),
        },
        mutant=naive("conv2d_same"),
        options={"stride": 2, "padding": 1},
    ),
    pair("GELU by tanh", "activation.gelu", {"input": _TOKENS}, mutant=naive("gelu_tanh")),
    pair(
        "LayerNorm: eps 1e-6, unit variance",
        "normalization.layer_norm",
        _layer_norm(_TOKENS),
        jax_options={"eps": 1e-6},
        **_NORM,
    ),
    pair(
        "LayerNorm: eps 1e-6, std 0.02",
        "normalization.layer_norm",
        _layer_norm(draw("n=16 w=768", mean=0.0, std=0.02)),
        jax_options={"eps": 1e-6},
        **_NORM,
    ),
    pair(
        "LayerNorm: fast variance, mean 100",
        "normalization.layer_norm",
        _layer_norm(draw("n=16 w=768", mean=100.0)),
        mutant=naive("layer_norm_fast"),
        **_NORM,
    ),
    pair(
        "BatchNorm: running variance biased, n=784",
        "norm.BatchNorm2d",
        {"input": _MAPS},
        mutant=naive("FlaxBatchNorm"),
        arrays=_BUFFERS,
        init={"num_features": 8},
    ),
    pair(
        "BatchNorm: momentum of Flax's default",
        "norm.BatchNorm2d",
        {"input": _MAPS},
        jax_init={"momentum": 0.01},
        arrays=_BUFFERS,
        init={"num_features": 8},
    ),
    pair(
        "transposed convolution unflipped",
        "conv.conv_transpose2d",
        {
            "input": draw("n=2 c=8 h=6 w=5"),
            "weight": draw("i=8 o=4 h=3 w=3"),
            "bias": draw("o=4"),
        },
        mutant=naive("conv_transpose2d_unflipped"),
        options={"stride": 2},
    ),
    pair(
        "max-pool padded with zeros, signed input",
        "pool.max_pool2d",
        {"input": draw("n=2 c=8 h=9 w=9", mean=-1.0)},
        mutant=naive("max_pool2d_zero"),
        **_POOL,
    ),
    pair(
        "max-pool padded with zeros, after ReLU",
        "pool.max_pool2d",
        {"input": draw("n=2 c=8 h=9 w=9", "uniform", low=0.0, high=2.0)},
        mutant=naive("max_pool2d_zero"),
        equivalent=True,
        **_POOL,
    ),
    pair(
        "average pool: SAME for ceil_mode",
        "pool.avg_pool2d",
        {"input": draw("n=2 c=8 h=9 w=9")},
        mutant=naive("avg_pool2d_same"),
        options={"kernel_size": 2, "stride": 2, "ceil_mode": True},
    ),
    pair(
        "cross entropy: ignored labels counted",
        "loss.cross_entropy",
        {"input": draw("n=16 c=10"), "target": labels("n=16", 10, also=-100)},
        mutant=naive("cross_entropy_all_rows"),
        out=("",),
    ),
    pair(
        "cross entropy: class weights over the count",
        "loss.cross_entropy",
        {**_ROWS, "weight": draw("c=10", "uniform", low=0.25, high=2.0, grad=False)},
        mutant=naive("cross_entropy_weight_count"),
        out=("",),
    ),
    pair(
        "flattened in NHWC order before a dense layer",
        "lenet.LeNet",
        {"x": draw("n=2 c=1 h=28 w=28")},
        mutant=naive("FlattenedInNhwcOrder"),
        init={},
        out=("n k",),
    ),
    pair(
        "AdamW: decay 1e-4 for 1e-2, 1 step",
        "optim_adam.AdamW",
        _adamw(1),
        jax_options={"weight_decay": 1e-4},
        options={"lr": 2e-5},
        out=("w",),
        **sides("adamw"),
    ),
    pair(
        "AdamW: decay 1e-4 for 1e-2, 100 steps",
        "optim_adam.AdamW",
        _adamw(100),
        jax_options={"weight_decay": 1e-4},
        options={"lr": 2e-5},
        out=("w",),
        **sides("adamw"),
    ),
    pair(
        "AdamW: eps 1e-6 for 1e-8",
        "optim_adam.AdamW",
        _adamw(10),
        jax_options={"eps": 1e-6},
        options={"lr": 1e-3},
        out=("w",),
        **sides("adamw"),
    ),
    pair(
        "clipped by optax, without the 1e-6",
        "optim.clip_grad_norm_",
        {"gradient": draw("w=784", mean=0.0, std=0.02, grad=False)},
        mutant=trial("clipped_by_optax"),
        options={"max_norm": 0.01},
        out=("w",),
        **sides("clipped"),
    ),
    pair(
        "gradient of ReLU at 0",
        "activation.relu",
        {"input": draw("n=64", "given", values=[-1.0, 0.0, 2.0, 3.0] * 16)},
        mutant=naive("relu_maximum"),
        arrays=("grad/input",),
    ),
    pair(
        "NaN on one side: cosine of a zero vector",
        "distance.cosine_similarity",
        {"x1": draw("n=8 w=6", "given", values=_ZERO_ROW), "x2": draw("n=8 w=6")},
        mutant=naive("cosine_similarity_plain"),
        out=("n",),
    ),
    pair(
        "one wrong element of 12288",
        "activation.gelu",
        {"input": _TOKENS},
        mutant=trial("gelu_one_wrong"),
    ),
    pair(
        "errors of mean 0 and std 0.1",
        "activation.gelu",
        {"input": _TOKENS},
        mutant=trial("gelu_noisy"),
    ),
    pair(
        "attention: a row that sees no token",
        "bert_attention.sdpa_attention",
        {
            "query": _HEADS,
            "key": _HEADS,
            "value": _HEADS,
            "attention_mask": draw("n=1 m=1 q=6 k=6", "given", grad=False, values=_SEEN),
        },
        mutant=trial("attention_unseen"),
        options={"dropout": call("dropout.Dropout", p=0.0)},
        out=("n h s d",),
    ),
]
