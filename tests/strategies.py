"""Strategies: arguments and shapes of every family of layers, as cases."""

from __future__ import annotations

import hypothesis.strategies as st

from compare.cases.case import Case, draw, labels


def pairs(low: int, high: int):
    """An int for both axes, or one for each."""
    one = st.integers(low, high)
    return one | st.tuples(one, one)


@st.composite
def conv2d(take) -> Case:
    groups = take(st.integers(1, 3))
    i, o = take(st.integers(1, 3)), take(st.integers(1, 3)) * groups
    h, w = take(st.integers(4, 9)), take(st.integers(4, 9))
    kh, kw = take(st.integers(1, 4)), take(st.integers(1, 4))
    batch = take(st.sampled_from(["", "n=1 ", "n=2 "]))
    inputs = {
        "input": draw(f"{batch}c={i * groups} h={h} w={w}"),
        "weight": draw(f"o={o} i={i} h={kh} w={kw}"),
    }
    if take(st.booleans()):
        inputs["bias"] = draw(f"o={o}")
    options = {
        "stride": take(pairs(1, 3)),
        "padding": take(pairs(0, 3) | st.sampled_from(["same", "valid"])),
        "dilation": take(pairs(1, 3)),
        "groups": groups,
    }
    return Case("conv.conv2d", inputs, options=options)


@st.composite
def padded_conv(take) -> Case:
    mode = take(st.sampled_from(["zeros", "reflect", "replicate", "circular"]))
    axes = f"n=2 c=2 h={take(st.integers(4, 7))} w={take(st.integers(4, 7))}"
    init = {
        "in_channels": 2,
        "out_channels": 4,
        "kernel_size": take(pairs(1, 3)),
        "stride": take(pairs(1, 2)),
        "padding": take(pairs(0, 4) | st.just("same")),
        "groups": take(st.sampled_from([1, 2])),
        "bias": take(st.booleans()),
        "padding_mode": mode,
    }
    return Case("conv.Conv2d", {"input": draw(axes)}, init=init)


@st.composite
def max_pool2d(take) -> Case:
    batch = take(st.sampled_from(["", "n=2 "]))
    axes = f"{batch}c=2 h={take(st.integers(3, 9))} w={take(st.integers(3, 9))}"
    indices = take(st.booleans())
    names = draw(axes).names
    options = {
        "kernel_size": take(pairs(1, 4)),
        "stride": take(st.none() | pairs(1, 4)),
        "padding": take(pairs(0, 2)),
        "dilation": take(pairs(1, 3)),
        "ceil_mode": take(st.booleans()),
        "return_indices": indices,
    }
    out = (names, names) if indices else (names,)
    return Case("pool.max_pool2d", {"input": draw(axes, "distinct")}, options=options, out=out)


@st.composite
def batch_norm2d(take) -> Case:
    c = take(st.integers(1, 4))
    n, h, w = (take(st.integers(1, 4)) for _ in range(3))
    axes = f"n={n} c={c} h={h} w={w}"
    init = {
        "num_features": c,
        "eps": take(st.sampled_from([1e-5, 1e-3, 1e-8])),
        "momentum": take(st.none() | st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        "affine": take(st.booleans()),
        "track_running_stats": take(st.booleans()),
    }
    mean = take(st.sampled_from([0.0, 3.0, -8.0]))
    return Case(
        "norm.BatchNorm2d",
        {"input": draw(axes, mean=mean)},
        init=init,
        train=take(st.booleans()),
    )


@st.composite
def cross_entropy(take) -> Case:
    classes = take(st.integers(2, 6))
    shape = take(
        st.sampled_from([("", ""), ("n=4 ", ""), ("n=3 ", "d=2"), ("n=2 ", "d=2 e=3")])
    )
    before, after = shape
    axes = f"{before}c={classes} {after}".strip()
    inputs = {"input": draw(axes)}
    if take(st.booleans()):
        inputs["target"] = draw(axes, "simplex")
        ignore = {}
    else:
        inputs["target"] = labels(f"{before}{after}".strip(), classes)
        ignore = {"ignore_index": take(st.integers(-100, classes - 1))}
    if take(st.booleans()):
        inputs["weight"] = draw(f"c={classes}", "uniform", low=0.25, high=2.0, grad=False)
    reduction = take(st.sampled_from(["none", "mean", "sum"]))
    options = {
        "reduction": reduction,
        "label_smoothing": take(st.sampled_from([0.0, 0.1, 1.0])),
        **ignore,
    }
    out = draw(f"{before}{after}".strip()).names if reduction == "none" else ""
    return Case("loss.cross_entropy", inputs, options=options, out=(out,))


@st.composite
def dropout2d(take) -> Case:
    axes = f"n={take(st.integers(1, 3))} c={take(st.integers(1, 4))}"
    p = take(st.sampled_from([0.0, 0.1, 0.5, 0.9]))
    return Case(
        "dropout.Dropout2d",
        {"input": draw(f"{axes} h=2 w=3", mean=2.0)},
        init={"p": p},
        masks={"mask": draw(f"{axes} h=1 w=1", "bits", keep=0.7)},
        train=take(st.booleans()),
    )


@st.composite
def pointwise_loss(take) -> Case:
    axes = take(st.sampled_from(["", "n=5", "n=2 w=3", "n=2 c=3 h=2 w=2"]))
    function = take(st.sampled_from(["l1_loss", "mse_loss"]))
    inputs = {"input": draw(axes), "target": draw(axes)}
    options = {"reduction": take(st.sampled_from(["none", "mean", "sum"]))}
    return Case(f"loss.{function}", inputs, options=options)


SIZES = {1: ("l",), 2: ("h", "w"), 3: ("d", "h", "w")}


def spatial(take, rank: int, low: int, high: int) -> str:
    return " ".join(f"{name}={take(st.integers(low, high))}" for name in SIZES[rank])


def per_axis(take, rank: int, low: int, high: int):
    """An int for all axes, or one for each."""
    one = st.integers(low, high)
    return take(one | st.tuples(*[one] * rank))


@st.composite
def convolution(take) -> Case:
    """Every rank, through the class."""
    rank, groups = take(st.sampled_from([1, 3])), take(st.integers(1, 2))
    init = {
        "in_channels": groups * take(st.integers(1, 2)),
        "out_channels": groups * take(st.integers(1, 2)),
        "kernel_size": per_axis(take, rank, 1, 3),
        "stride": per_axis(take, rank, 1, 2),
        "padding": per_axis(take, rank, 0, 2),
        "dilation": per_axis(take, rank, 1, 2),
        "groups": groups,
        "bias": take(st.booleans()),
        "padding_mode": take(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
    }
    axes = f"n=2 c={init['in_channels']} {spatial(take, rank, 3, 6)}"
    return Case(f"conv.Conv{rank}d", {"input": draw(axes)}, init=init)


@st.composite
def transposed_convolution(take) -> Case:
    rank, groups = take(st.integers(1, 3)), take(st.integers(1, 2))
    init = {
        "in_channels": groups * take(st.integers(1, 2)),
        "out_channels": groups * take(st.integers(1, 2)),
        "kernel_size": per_axis(take, rank, 1, 3),
        "stride": per_axis(take, rank, 1, 3),
        "padding": per_axis(take, rank, 0, 1),
        "output_padding": take(st.integers(0, 1)),
        "groups": groups,
        "bias": take(st.booleans()),
        "dilation": per_axis(take, rank, 1, 2),
    }
    axes = f"n=2 c={init['in_channels']} {spatial(take, rank, 2, 4)}"
    return Case(f"conv.ConvTranspose{rank}d", {"input": draw(axes)}, init=init)


@st.composite
def unfold(take) -> Case:
    options = {
        name: take(pairs(low, high))
        for name, low, high in (
            ("kernel_size", 1, 3),
            ("dilation", 1, 2),
            ("padding", 0, 2),
            ("stride", 1, 3),
        )
    }
    axes = f"n=2 c=2 {spatial(take, 2, 3, 6)}"
    return Case("fold.unfold", {"input": draw(axes)}, options=options, out=("n c l",))


@st.composite
def padding(take) -> Case:
    rank = take(st.integers(1, 3))
    kind = take(
        st.sampled_from(
            ["ConstantPad", "ReflectionPad", "ReplicationPad", "ZeroPad", "CircularPad"]
        )
    )
    # Where a crop leaves less than a circular padding takes, torch reads what it never wrote.
    sides = st.integers(0 if kind == "CircularPad" else -2, 3)
    init = {"padding": take(sides | st.tuples(*[sides] * (2 * rank)))}
    if kind == "ConstantPad":
        init["value"] = take(st.sampled_from([0.0, -1.5, 3.0]))
    batch = take(st.sampled_from(["", "n=2 "]))
    axes = f"{batch}c=2 {spatial(take, rank, 3, 6)}"
    return Case(f"pad.{kind}{rank}d", {"input": draw(axes)}, init=init)


@st.composite
def average_pool(take) -> Case:
    rank = take(st.integers(1, 3))
    options = {
        "kernel_size": per_axis(take, rank, 1, 3),
        "stride": take(st.none() | st.integers(1, 3)),
        "padding": take(st.integers(0, 2)),
        "ceil_mode": take(st.booleans()),
        "count_include_pad": take(st.booleans()),
    }
    batch = take(st.sampled_from(["", "n=2 "]))
    axes = f"{batch}c=2 {spatial(take, rank, 3, 6)}"
    return Case(f"pool.avg_pool{rank}d", {"input": draw(axes)}, options=options)


@st.composite
def adaptive_pool(take) -> Case:
    rank, kind = take(st.integers(1, 3)), take(st.sampled_from(["avg", "max"]))
    target = f"adaptive_pool.adaptive_{kind}_pool{rank}d"
    axes = f"n=2 c=2 {spatial(take, rank, 1, 7)}"
    options = {"output_size": per_axis(take, rank, 1, 5)}
    drawn = "distinct" if kind == "max" else "normal"
    return Case(target, {"input": draw(axes, drawn)}, options=options)


@st.composite
def group_norm(take) -> Case:
    groups = take(st.integers(1, 3))
    c = groups * take(st.integers(1, 3))
    mean = take(st.sampled_from([0.0, 5.0, -100.0]))
    init = {
        "num_groups": groups,
        "num_channels": c,
        "eps": take(st.sampled_from([1e-5, 1e-3])),
        "affine": take(st.booleans()),
    }
    axes = f"n=2 c={c} {spatial(take, take(st.integers(1, 3)), 2, 4)}"
    return Case("normalization.GroupNorm", {"input": draw(axes, mean=mean)}, init=init)


@st.composite
def layer_norm(take) -> Case:
    shape = take(st.lists(st.integers(1, 5), min_size=1, max_size=2))
    kind = take(st.sampled_from(["LayerNorm", "RMSNorm"]))
    init = {
        "normalized_shape": tuple(shape),
        "eps": take(st.sampled_from([1e-5, 1e-3])),
        "elementwise_affine": take(st.booleans()),
    }
    if kind == "LayerNorm":
        init["bias"] = take(st.booleans())
    names = [f"n=3 s={take(st.integers(1, 3))}", *(f"x{i}={n}" for i, n in enumerate(shape))]
    mean = take(st.sampled_from([0.0, 5.0]))
    return Case(f"normalization.{kind}", {"input": draw(" ".join(names), mean=mean)}, init=init)


@st.composite
def instance_norm(take) -> Case:
    rank = take(st.integers(1, 3))
    init = {
        "num_features": 2,
        "eps": take(st.sampled_from([1e-5, 1e-3])),
        "momentum": take(st.sampled_from([0.1, 0.7])),
        "affine": take(st.booleans()),
        "track_running_stats": take(st.booleans()),
    }
    batch = take(st.sampled_from(["", "n=2 "]))
    inputs = {"input": draw(f"{batch}c=2 {spatial(take, rank, 1, 4)}", mean=2.0)}
    return Case(f"norm.InstanceNorm{rank}d", inputs, init=init, train=take(st.booleans()))


POINTWISE = {
    "loss_robust.smooth_l1_loss": {"beta": [0.0, 0.3, 1.0]},
    "loss_robust.huber_loss": {"delta": [0.3, 1.0]},
    "loss_binary.binary_cross_entropy_with_logits": {},
    "loss_likelihood.poisson_nll_loss": {"full": [False, True]},
    "loss_margin.soft_margin_loss": {},
    "loss_embedding.hinge_embedding_loss": {"margin": [0.5, 1.0]},
}
SIGNED = ("loss_margin.soft_margin_loss", "loss_embedding.hinge_embedding_loss")


@st.composite
def pointwise_losses(take) -> Case:
    target = take(st.sampled_from(sorted(POINTWISE)))
    axes = take(st.sampled_from(["", "n=5", "n=2 w=3"]))
    kind = "signs" if target in SIGNED else "uniform"
    options = {k: take(st.sampled_from(values)) for k, values in POINTWISE[target].items()}
    options["reduction"] = take(st.sampled_from(["none", "mean", "sum"]))
    inputs = {"input": draw(axes), "target": draw(axes, kind, grad=False)}
    return Case(target, inputs, options=options)


@st.composite
def ctc(take) -> Case:
    t, n, c, s = take(st.integers(3, 8)), 2, take(st.integers(2, 5)), take(st.integers(1, 3))
    lengths = {
        "input_lengths": [take(st.integers(1, t)) for _ in range(n)],
        "target_lengths": [take(st.integers(0, s)) for _ in range(n)],
    }
    blank = take(st.integers(0, c - 1))
    symbols = [x for x in range(c) if x != blank]
    targets = [take(st.sampled_from(symbols)) for _ in range(n * s)]
    inputs = {
        "log_probs": draw(f"t={t} n={n} c={c}", "log_simplex"),
        "targets": draw(f"n={n} s={s}", "given", grad=False, values=targets),
        **{k: draw(f"n={n}", "given", grad=False, values=v) for k, v in lengths.items()},
    }
    options = {"blank": blank, "zero_infinity": take(st.booleans()), "reduction": "sum"}
    return Case("loss_ctc.ctc_loss", inputs, options=options, out=("",))


@st.composite
def embedding_bag(take) -> Case:
    rows, width = take(st.integers(2, 5)), take(st.integers(1, 3))
    count, bags = take(st.integers(1, 6)), take(st.integers(1, 3))
    offsets = [0, *sorted(take(st.integers(0, count)) for _ in range(bags - 1))]
    mode = take(st.sampled_from(["sum", "mean", "max"]))
    inputs = {
        "input": labels(f"s={count}", rows),
        "weight": draw(f"v={rows} w={width}"),
        "offsets": draw(f"b={bags}", "given", grad=False, values=offsets),
    }
    if mode == "sum" and take(st.booleans()):
        inputs["per_sample_weights"] = draw(f"s={count}")
    options = {"mode": mode, "padding_idx": take(st.none() | st.integers(0, rows - 1))}
    return Case("embedding.embedding_bag", inputs, options=options, out=("b w",))


@st.composite
def interpolation(take) -> Case:
    rank = take(st.integers(1, 3))
    smooth = {1: ["linear"], 2: ["bilinear", "bicubic"], 3: ["trilinear"]}[rank]
    mode = take(st.sampled_from(["nearest", "nearest-exact", "area", *smooth]))
    options = {"mode": mode}
    if take(st.booleans()):
        options["size"] = per_axis(take, rank, 1, 7)
    else:
        # Over three axes torch's gradient of 'nearest' at 1.3 is not its forward's transpose.
        factors = [0.5, 0.75, 2.0] if rank == 3 else [0.5, 0.75, 1.3, 2.0]
        options["scale_factor"] = take(st.sampled_from(factors))
    if mode in smooth:
        options["align_corners"] = take(st.booleans())
    axes = f"n=1 c=2 {spatial(take, rank, 2, 5)}"
    return Case("resize.interpolate", {"input": draw(axes)}, options=options)


@st.composite
def softmaxes(take) -> Case:
    shape = take(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    axes = " ".join(f"x{i}={n}" for i, n in enumerate(shape))
    function = take(st.sampled_from(["softmax", "log_softmax", "softmin"]))
    dim = take(st.integers(-len(shape), len(shape) - 1))
    mean = take(st.sampled_from([0.0, 300.0]))
    given = {"input": draw(axes, mean=mean, std=3.0)}
    return Case(f"activation.{function}", given, options={"dim": dim})


FAMILIES = (
    *(conv2d, padded_conv, convolution, transposed_convolution, unfold, padding),
    *(max_pool2d, average_pool, adaptive_pool),
    *(batch_norm2d, instance_norm, group_norm, layer_norm, dropout2d, softmaxes),
    *(cross_entropy, pointwise_loss, pointwise_losses, ctc),
    *(embedding_bag, interpolation),
)
