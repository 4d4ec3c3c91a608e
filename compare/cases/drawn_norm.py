"""Random correct cases: normalisations, dropout with given masks, softmax and its kin."""

from __future__ import annotations

from compare.cases.case import Case
from compare.cases.case import draw as given
from compare.cases.chance import Draw


def batch_norm(draw: Draw) -> Case:
    rank, c = draw.integer(1, 3), draw.integer(1, 4)
    init = {
        "num_features": c,
        "eps": draw.choice((1e-5, 1e-3, 1e-8)),
        "momentum": draw.choice((None, 0.0, 0.1, 0.5, 1.0)),
        "affine": draw.boolean(),
        "track_running_stats": draw.boolean(),
    }
    image = given(f"n={draw.integer(2, 4)} c={c} {draw.spatial(rank, 1, 4)}", mean=3.0)
    return Case(f"norm.BatchNorm{rank}d", {"input": image}, init=init, train=draw.boolean())


def instance_norm(draw: Draw) -> Case:
    rank = draw.integer(1, 3)
    init = {
        "num_features": 2,
        "eps": draw.choice((1e-5, 1e-3)),
        "momentum": draw.choice((0.1, 0.7)),
        "affine": draw.boolean(),
        "track_running_stats": draw.boolean(),
    }
    image = given(f"{draw.batch()}c=2 {draw.spatial(rank, 2, 4)}", mean=2.0)
    return Case(f"norm.InstanceNorm{rank}d", {"input": image}, init=init, train=draw.boolean())


def group_norm(draw: Draw) -> Case:
    groups = draw.integer(1, 3)
    c = groups * draw.integer(1, 3)
    init = {
        "num_groups": groups,
        "num_channels": c,
        "eps": draw.choice((1e-5, 1e-3)),
        "affine": draw.boolean(),
    }
    axes = f"n=2 c={c} {draw.spatial(draw.integer(1, 3), 2, 4)}"
    return Case("normalization.GroupNorm", {"input": given(axes, mean=-5.0)}, init=init)


def layer_norm(draw: Draw) -> Case:
    """LayerNorm and RMSNorm over the last axis or the last two."""
    shape = tuple(draw.integers(draw.integer(1, 2), 2, 5))
    kind = draw.choice(("LayerNorm", "RMSNorm"))
    init: dict = {
        "normalized_shape": shape,
        "eps": draw.choice((1e-5, 1e-3)),
        "elementwise_affine": draw.boolean(),
    }
    if kind == "LayerNorm":
        init["bias"] = draw.boolean()
    named = " ".join(f"x{i}={size}" for i, size in enumerate(shape))
    image = {"input": given(f"n=3 s={draw.integer(1, 3)} {named}", mean=5.0)}
    return Case(f"normalization.{kind}", image, init=init)


def response_norm(draw: Draw) -> Case:
    kind = draw.choice(("LocalResponseNorm", "CrossMapLRN2d"))
    init = {
        "size": draw.choice((3, 5) if kind == "CrossMapLRN2d" else (1, 2, 3, 5)),
        "alpha": draw.choice((1e-4, 0.1)),
        "beta": draw.choice((0.5, 0.75)),
        "k": draw.choice((1, 2)),
    }
    image = {"input": given(f"n=2 c={draw.integer(2, 6)} {draw.spatial(2, 2, 4)}")}
    return Case(f"normalization.{kind}", image, init=init)


def normalize(draw: Draw) -> Case:
    options = {
        "p": draw.choice((1.0, 2.0, 3.0)),
        "dim": draw.choice((0, 1, -1)),
        "eps": draw.choice((1e-12, 0.5)),
    }
    image = {"input": given(f"a={draw.integer(2, 4)} b={draw.integer(2, 5)} e=3")}
    return Case("normalization.normalize", image, options=options)


def dropout(draw: Draw) -> Case:
    """The mask is given; by elements, or by whole channels of one to three axes."""
    rank = draw.integer(0, 3)
    axes = f"n={draw.integer(1, 3)} c={draw.integer(1, 4)}"
    image = f"{axes} {draw.spatial(max(1, rank), 2, 3)}"
    per_channel = " ".join(
        part if part[0] in "nc" else f"{part[0]}=1" for part in image.split()
    )
    p = draw.choice((0.0, 0.1, 0.5, 0.9))
    return Case(
        f"dropout.Dropout{rank}d" if rank else "dropout.Dropout",
        {"input": given(image, mean=2.0)},
        init={"p": p},
        masks={"mask": given(per_channel if rank else image, "bits", keep=0.7)},
        train=draw.boolean(),
    )


def alpha_dropout(draw: Draw) -> Case:
    kind = draw.choice(("AlphaDropout", "FeatureAlphaDropout"))
    axes = f"n={draw.integer(1, 3)} c={draw.integer(1, 4)}"
    mask = f"{axes} h=2 w=3" if kind == "AlphaDropout" else f"{axes} h=1 w=1"
    return Case(
        f"dropout.{kind}",
        {"input": given(f"{axes} h=2 w=3")},
        init={"p": draw.choice((0.1, 0.5, 0.9))},
        masks={"mask": given(mask, "bits", keep=0.7)},
        train=draw.boolean(),
    )


def softmaxes(draw: Draw) -> Case:
    shape = draw.integers(draw.integer(1, 3), 2, 4)
    function = draw.choice(("softmax", "log_softmax", "softmin"))
    axes = " ".join(f"x{i}={size}" for i, size in enumerate(shape))
    mean = draw.choice((0.0, 300.0))
    image = {"input": given(axes, mean=mean, std=3.0)}
    dim = draw.integer(-len(shape), len(shape) - 1)
    return Case(f"activation.{function}", image, options={"dim": dim})


FAMILIES = (
    *(batch_norm, instance_norm, group_norm, layer_norm, response_norm, normalize),
    *(dropout, alpha_dropout, softmaxes),
)
