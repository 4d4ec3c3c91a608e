"""Random correct cases: pools of every kind, adaptive, fractional and undone, and resizing."""

from __future__ import annotations

from compare.cases.case import Case
from compare.cases.case import draw as given
from compare.cases.chance import AXES, Draw

SMOOTH = {1: ("linear",), 2: ("bilinear", "bicubic"), 3: ("trilinear",)}


def _both(draw: Draw, function: str, layer: str, inputs: dict, arguments: dict, **more) -> Case:
    """The function, or the class that wraps it."""
    if draw.boolean():
        return Case(function, inputs, options=arguments, **more)
    return Case(layer, inputs, init=arguments, **more)


def max_pool(draw: Draw) -> Case:
    rank, indices = draw.choice((1, 2, 2, 3)), draw.boolean()
    image = given(f"{draw.batch()}c=2 {draw.spatial(rank, 4, 9 - rank)}", "distinct")
    arguments = {
        "kernel_size": draw.per_axis(rank, 2, 4),
        "stride": draw.choice((None, draw.per_axis(rank, 1, 4))),
        "padding": draw.per_axis(rank, 0, 1),
        "dilation": draw.choice((1, draw.per_axis(rank, 1, 2))),
        "ceil_mode": draw.boolean(),
        "return_indices": indices,
    }
    out = (image.names, image.names) if indices else (image.names,)
    names = f"pool.max_pool{rank}d", f"pool.MaxPool{rank}d"
    return _both(draw, *names, {"input": image}, arguments, out=out)


def average_pool(draw: Draw) -> Case:
    rank = draw.integer(1, 3)
    arguments = {
        "kernel_size": draw.per_axis(rank, 2, 3),
        "stride": draw.choice((None, draw.integer(1, 3))),
        "padding": draw.integer(0, 1),
        "ceil_mode": draw.boolean(),
        "count_include_pad": draw.boolean(),
    }
    if rank > 1 and draw.integer(0, 3) == 0:
        arguments["divisor_override"] = draw.integer(1, 5)
    image = {"input": given(f"{draw.batch()}c=2 {draw.spatial(rank, 3, 6)}")}
    return _both(draw, f"pool.avg_pool{rank}d", f"pool.AvgPool{rank}d", image, arguments)


def power_pool(draw: Draw) -> Case:
    """LPPool: positive values, as torch takes the root of a sum of signed powers."""
    rank = draw.integer(1, 3)
    arguments = {
        "norm_type": draw.choice((1, 2, 3, 1.5)),
        "kernel_size": draw.integer(1, 3),
        "stride": draw.choice((None, 1, 2, 3)),
        "ceil_mode": draw.boolean(),
    }
    axes = f"{draw.batch()}c=2 {draw.spatial(rank, 3, 6)}"
    image = {"input": given(axes, "uniform", low=0.25, high=2.0)}
    return _both(draw, f"pool.lp_pool{rank}d", f"pool.LPPool{rank}d", image, arguments)


def max_unpool(draw: Draw) -> Case:
    """Each value goes to some place of its own window of 2."""
    rank, sizes = 2, tuple(draw.integers(2, 1, 3))
    h, w = sizes
    values = [
        (2 * row + draw.integer(0, 1)) * 2 * w + 2 * column + draw.integer(0, 1)
        for _ in range(2)
        for row in range(h)
        for column in range(w)
    ]
    axes = f"n=1 c=2 h={h} w={w}"
    inputs = {"input": given(axes), "indices": given(axes, "given", grad=False, values=values)}
    names = f"pool.max_unpool{rank}d", f"pool.MaxUnpool{rank}d"
    return _both(draw, *names, inputs, {"kernel_size": 2})


def adaptive_pool(draw: Draw) -> Case:
    rank, kind = draw.integer(1, 3), draw.choice(("avg", "max"))
    arguments = {"output_size": draw.per_axis(rank, 1, 5)}
    values = "distinct" if kind == "max" else "normal"
    image = {"input": given(f"{draw.batch()}c=2 {draw.spatial(rank, 1, 7)}", values)}
    target, layer = f"adaptive_{kind}_pool{rank}d", f"Adaptive{kind.title()}Pool{rank}d"
    names = f"adaptive_pool.{target}", f"adaptive_pool.{layer}"
    return _both(draw, *names, image, arguments)


def fractional_pool(draw: Draw) -> Case:
    """Its random samples are given, as a dropout mask is."""
    rank = draw.integer(2, 3)
    sizes = [(name, draw.integer(5, 8)) for name in AXES[rank]]
    axes = " ".join(f"{name}={size}" for name, size in sizes)
    inputs = {
        "input": given(f"n=2 c=3 {axes}", "distinct"),
        "_random_samples": given(f"n=2 k=3 r={rank}", "uniform", grad=False),
    }
    kernel = draw.integer(1, 3)
    options: dict = {"kernel_size": kernel}
    if draw.boolean():
        smallest = min(size for _, size in sizes)
        options["output_size"] = draw.per_axis(rank, 1, smallest - kernel)
    else:
        options["output_ratio"] = tuple(draw.choice((0.3, 0.5, 0.6)) for _ in range(rank))
    return Case(f"adaptive_pool.fractional_max_pool{rank}d", inputs, options=options)


def interpolation(draw: Draw) -> Case:
    rank = draw.integer(1, 3)
    smooth = SMOOTH[rank]
    mode = draw.choice(("nearest", "nearest-exact", "area", *smooth, *smooth))
    options: dict = {"mode": mode}
    if draw.boolean():
        options["size"] = draw.per_axis(rank, 1, 7)
    else:
        # Over three axes torch's gradient of 'nearest' at 1.3 is not its forward's transpose.
        factors = (0.5, 0.75, 2.0) if rank == 3 else (0.5, 0.75, 1.3, 2.0)
        options["scale_factor"] = draw.choice(factors)
    if mode in smooth:
        options["align_corners"] = draw.boolean()
    if rank == 2 and mode in smooth and draw.integer(0, 3) == 0:
        options["antialias"] = True
    image = given(f"n=1 c=2 {draw.spatial(rank, 2, 5)}")
    # To one column torch's antialiased rows all take the weights of the first.
    if options.get("antialias") and _width(options, image.shape[-1]) == 1:
        del options["antialias"]
    return Case("resize.interpolate", {"input": image}, options=options)


def _width(options: dict, before: int) -> int:
    """How many columns a resize to `size`, or by `scale_factor`, has."""
    size = options.get("size")
    if size is None:
        return int(before * options["scale_factor"])
    return size if isinstance(size, int) else size[-1]


FAMILIES = (
    *(max_pool, average_pool, power_pool, max_unpool, adaptive_pool, fractional_pool),
    interpolation,
)
