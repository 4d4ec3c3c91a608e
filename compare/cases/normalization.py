"""Cases of torch_impl/normalization.py and jax_impl/normalization.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

_X = draw("n=3 s=4 w=8", mean=3.0)
_CHANNELS = draw("n=3 c=6 h=4 w=5", mean=3.0)
_WEIGHT = {"weight": draw("w=8", "uniform", low=0.5, high=1.5)}
_BIAS = {"bias": draw("w=8")}
_PER_CHANNEL = {"weight": draw("c=6", "uniform", low=0.5, high=1.5), "bias": draw("c=6")}
_FAR = {"input": draw("n=3 s=4 w=8", mean=1e4)}

CASES = [
    *vary(
        Case("normalization.layer_norm", {"input": _X}, options={"normalized_shape": (8,)}),
        {},
        {"normalized_shape": (4, 8)},
        {"eps": 1e-3},
        {"inputs": _WEIGHT, "name": "normalization.layer_norm(weight)"},
        {"inputs": {**_WEIGHT, **_BIAS}, "name": "normalization.layer_norm(weight, bias)"},
        {
            "inputs": {**_FAR, **_WEIGHT, **_BIAS},
            "name": "normalization.layer_norm(mean 1e4)",
            "why": "a one-pass variance loses every bit here",
        },
    ),
    *vary(
        Case("normalization.LayerNorm", {"input": _X}, init={"normalized_shape": 8}),
        {},
        {"normalized_shape": (4, 8)},
        {"eps": 1e-12},
        {"elementwise_affine": False},
        {"bias": False},
        {"inputs": _FAR, "name": "normalization.LayerNorm(mean 1e4)"},
        {"inputs": {"input": draw("n=0 s=4 w=8")}, "name": "normalization.LayerNorm(empty)"},
    ),
    *vary(
        Case("normalization.rms_norm", {"input": _X}, options={"normalized_shape": (8,)}),
        {"eps": 1e-5},
        {"normalized_shape": (4, 8), "eps": 1e-6},
        {"inputs": _WEIGHT, "eps": 1e-5, "name": "normalization.rms_norm(weight)"},
    ),
    *vary(
        Case("normalization.RMSNorm", {"input": _X}, init={"normalized_shape": 8}),
        {"eps": 1e-6},
        {"normalized_shape": (4, 8), "eps": 1e-5},
        {"elementwise_affine": False, "eps": 1e-5},
    ),
    *vary(
        Case("normalization.group_norm", {"input": _CHANNELS}),
        {"num_groups": 2},
        {"num_groups": 6},
        {"num_groups": 1, "eps": 1e-3},
        {"num_groups": 3, "inputs": _PER_CHANNEL, "name": "normalization.group_norm(affine)"},
    ),
    *vary(
        Case("normalization.GroupNorm", {"input": _CHANNELS}, init={"num_channels": 6}),
        {"num_groups": 2},
        {"num_groups": 6},
        {"num_groups": 3, "affine": False},
        {"num_groups": 1, "eps": 1e-3},
        {
            "num_groups": 2,
            "inputs": {"input": draw("n=4 c=6")},
            "name": "normalization.GroupNorm(n c)",
        },
        {
            "num_groups": 2,
            "inputs": {"input": draw("n=3 c=6 h=4 w=5", mean=1e4)},
            "name": "normalization.GroupNorm(mean 1e4)",
        },
    ),
    *vary(
        Case("normalization.local_response_norm", {"input": _CHANNELS}),
        {"size": 3},
        {"size": 2, "alpha": 0.1, "beta": 0.5, "k": 2.0, "why": "an even window is lopsided"},
    ),
    *vary(
        Case("normalization.LocalResponseNorm", {"input": _CHANNELS}, init={"size": 3}),
        {},
        {"size": 2, "alpha": 0.1, "k": 2.0},
        {
            "inputs": {"input": draw("n=2 c=5 l=4")},
            "name": "normalization.LocalResponseNorm(1-D)",
        },
    ),
    *vary(
        Case("normalization.CrossMapLRN2d", {"input": _CHANNELS}, init={"size": 3}),
        {},
        {"size": 5, "alpha": 0.1, "beta": 0.5, "k": 2},
    ),
    *vary(
        Case("normalization.normalize", {"input": draw("a=3 b=4")}),
        {},
        {"p": 1.0, "dim": 0},
        {"p": 3.0, "dim": -1},
        {"p": float("inf"), "dim": 1},
    ),
]
