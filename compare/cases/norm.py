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

_SIZES = {1: "l=6", 2: "h=5 w=4", 3: "d=2 h=3 w=4"}


def _layers(rank: int) -> list[Case]:
    """BatchNorm and InstanceNorm of one rank."""
    inputs = {"input": draw(f"n=4 c=3 {_SIZES[rank]}", mean=3.0)}
    batch = Case(f"norm.BatchNorm{rank}d", inputs, init={"num_features": 3})
    instance = Case(f"norm.InstanceNorm{rank}d", inputs, init={"num_features": 3})
    kind = f"norm.InstanceNorm{rank}d"
    unbatched = {"input": draw(f"c=3 {_SIZES[rank]}", mean=3.0)}
    tracked = {"track_running_stats": True, "affine": True}
    shared = [
        {},
        {"affine": False},
        {"momentum": None},
        {"track_running_stats": False},
        {"train": False, "name": f"norm.BatchNorm{rank}d(eval)"},
    ]
    return [
        *(vary(batch, *shared) if rank != 2 else []),
        *vary(
            instance,
            {},
            {"affine": True},
            {"eps": 1e-3},
            tracked,
            {**tracked, "momentum": 0.3},
            {**tracked, "train": False, "name": f"{kind}(eval, tracked)"},
            {"train": False, "name": f"{kind}(eval)"},
            {"inputs": unbatched, "name": f"{kind}(unbatched)"},
            {
                "inputs": {"input": draw(f"n=4 c=3 {_SIZES[rank]}", mean=1e4)},
                "name": f"{kind}(mean 1e4)",
            },
            {**tracked, "inputs": unbatched, "name": f"{kind}(unbatched, tracked)"},
        ),
    ]


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
            "inputs": {"input": draw("n=4 c=3 h=5 w=6", mean=1e4)},
            "name": "norm.BatchNorm2d(mean 1e4)",
            "why": "a one-pass variance loses every bit here",
        },
        {
            "inputs": {"input": draw("n=2 c=3 h=1 w=1")},
            "name": "norm.BatchNorm2d(two values a channel)",
            "why": "n / (n - 1) is 2: the unbiased running variance stands out",
        },
    ),
    *(case for rank in (1, 2, 3) for case in _layers(rank)),
    *vary(
        Case(
            "norm.BatchNorm1d", {"input": draw("n=5 c=3", mean=3.0)}, init={"num_features": 3}
        ),
        {"name": "norm.BatchNorm1d(n c)"},
        {"train": False, "name": "norm.BatchNorm1d(n c, eval)"},
    ),
    *vary(
        Case("norm.SyncBatchNorm", {"input": _X2}, init={"num_features": 3}),
        {"why": "with no device to share statistics with, it is BatchNorm"},
        {"train": False, "name": "norm.SyncBatchNorm(eval)"},
    ),
    *vary(
        Case("norm.instance_norm", {"input": _X2}),
        {},
        {"eps": 1e-3},
        {"inputs": _AFFINE, "name": "norm.instance_norm(affine)"},
    ),
    *vary(
        Case("norm.instance_norm", {**_STATISTICS, **_AFFINE}, mutates=_MUTATED),
        {"name": "norm.instance_norm(tracked)"},
        {"use_input_stats": False},
        {"momentum": 0.4},
    ),
]
