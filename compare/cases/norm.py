"""Cases of torch_impl/norm.py and jax_impl/norm.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, vary

# A mean far from 0 beside the spread: what a one-pass variance cannot stand.
_X2 = draw("n=4 c=3 h=5 w=6", mean=3.0)
_STATISTICS = {
    "input": _X2,
    "running_mean": draw("c=3", mean=0.5, std=0.25, grad=False),
    "running_var": draw("c=3", "uniform", low=0.5, high=2.0, grad=False),
}
_AFFINE = {"weight": draw("c=3", "uniform", low=0.5, high=1.5), "bias": draw("c=3")}
_MUTATED = ("running_mean", "running_var")

_batch_norm = Case("norm.batch_norm", {**_STATISTICS, **_AFFINE}, mutates=_MUTATED)
_BatchNorm2d = Case("norm.BatchNorm2d", {"input": _X2}, init={"num_features": 3})

CASES = [
    *vary(
        _batch_norm,
        {"training": True},
        {"training": False},
        {"training": True, "momentum": 0.3},
        {"training": True, "eps": 1e-3},
    ),
    *vary(
        Case("norm.batch_norm", _STATISTICS, mutates=_MUTATED),
        {"training": True, "name": "norm.batch_norm(no affine, training=True)"},
    ),
    *vary(
        _BatchNorm2d,
        {},
        {"momentum": 0.01},
        {"momentum": None, "why": "a cumulative average, by num_batches_tracked"},
        {"eps": 1e-3},
        {"affine": False},
        {"track_running_stats": False},
        {"affine": False, "track_running_stats": False},
        {"train": False, "name": "norm.BatchNorm2d(eval)"},
        {"train": False, "affine": False, "name": "norm.BatchNorm2d(eval, affine=False)"},
        {
            "train": False,
            "track_running_stats": False,
            "name": "norm.BatchNorm2d(eval, track_running_stats=False)",
            "why": "without running statistics evaluation uses the batch's",
        },
        {
            "inputs": {"input": draw("n=2 c=3 h=1 w=1")},
            "name": "norm.BatchNorm2d(two values a channel)",
            "why": "n / (n - 1) is 2: the unbiased running variance stands out",
        },
    ),
]
