"""The atlas: pooling, and resizing."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from flax import nnx
from torch import nn

from compare.cases.case import draw
from compare.run import naive as ports
from compare.run.atlas import Bench, Facts, error_of, gap, host, plain
from jax_impl import adaptive_pool, pool, resize

IMAGE = draw("n=2 c=3 h=7 w=8", "distinct")
NEGATIVE = draw("n=1 c=1 h=5 w=5", "uniform", low=-3.0, high=-1.0)


def signature(bench: Bench) -> Facts:
    def in_torch(x):
        return nn.MaxPool2d(2)(x)

    def right(x):
        return pool.MaxPool2d(2)(x)

    facts = bench.sides(in_torch, right, x=IMAGE)
    return facts.note(
        torch_defaults=defaults(nn.MaxPool2d),
        JAX_defaults=defaults(pool.MaxPool2d),
        batch_and_channels=facts.value("torch").shape[:2],
        learned_in_torch=len(list(nn.MaxPool2d(2).parameters())),
        learned_in_JAX=len(jax.tree.leaves(nnx.state(pool.MaxPool2d(2), nnx.Param))),
    )


def defaults(layer: type) -> list[str]:
    given = inspect.signature(layer.__init__).parameters.values()
    return [
        f"{one.name}={one.default}" if one.default is not one.empty else one.name
        for one in given
        if one.name not in ("self", "args", "kwargs")
    ]


def stride_is_the_kernel(bench: Bench) -> Facts:
    def in_torch(x):
        return nn.MaxPool2d(3)(x)

    def naive(x):
        return nnx.max_pool(x, (3, 3))

    def right(x):
        return pool.MaxPool2d(3)(x)

    facts = bench.sides(in_torch, naive, right, x=IMAGE)
    x = torch.tensor(bench.array("x", IMAGE))
    blocks = host(x[:, :, :6, :6].reshape(2, 3, 2, 3, 2, 3).amax((3, 5)))
    return facts.note(
        gap_to_blocks_without_overlap=gap(facts.value("torch"), blocks),
        torch_size=facts.value("torch").shape[-1],
        Flax_size=facts.value("naive").shape[-1],
    )


def what_pads(bench: Bench) -> Facts:
    """Negative values everywhere: a pad of 0 would win at each edge."""

    def in_torch(x):
        return nn.MaxPool2d(3, 2, padding=1)(x), F.max_pool2d(x, 3, 2, padding=1)

    def naive(x):
        return [ports.max_pool2d_zero(x, 3, 2, padding=1)] * 2

    def right(x):
        return pool.MaxPool2d(3, 2, padding=1)(x), pool.max_pool2d(x, 3, 2, padding=1)

    facts = bench.sides(in_torch, naive, right, out="n c h w", x=NEGATIVE)
    after_relu = [np.maximum(facts.value(side), 0.0) for side in ("torch", "naive")]
    flax = bench.value(padded_by_flax, out="n c h w", x=NEGATIVE)
    unknown = error_of(lambda: nn.MaxPool2d(3, padding_mode="zeros"))  # pyright: ignore
    return facts.note(
        largest_of_the_class=facts.value("torch", 0).max(),
        largest_of_the_function=facts.value("torch", 1).max(),
        class_minus_function=np.abs(facts.value("torch") - facts.value("torch", 1)).max(),
        padding_mode=unknown,
        naive_gap_after_ReLU=np.abs(after_relu[0] - after_relu[1]).max(),
        Flax_gap=gap(flax, facts.value("torch")),
    )


def padded_by_flax(x):
    return nnx.max_pool(x, (3, 3), (2, 2), [(1, 1), (1, 1)])


def ceil_mode(bench: Bench) -> Facts:
    def in_torch(x):
        return F.max_pool2d(x, 2, ceil_mode=True)

    def naive(x):
        wide = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
        return nnx.max_pool(wide, (2, 2), (2, 2))

    def right(x):
        return pool.max_pool2d(x, 2, ceil_mode=True)

    facts = bench.sides(in_torch, naive, right, x=NEGATIVE)
    dropped = F.max_pool2d(torch.tensor(bench.array("x", NEGATIVE)), 2)
    return facts.note(
        largest_of_the_last_window=facts.value("torch")[..., -1, -1].max(),
        size_with_ceil_mode=facts.value("torch").shape[-1],
        size_without=dropped.shape[-1],
        largest=facts.value("torch").max(),
    )


def indices(bench: Bench) -> Facts:
    def in_torch(x):
        values, where = F.max_pool2d(x, 2, return_indices=True)
        return values, where, F.max_unpool2d(values, where, 2, output_size=x.shape)

    def right(x):
        values, where = pool.max_pool2d(x, 2, return_indices=True)
        return values, where, pool.max_unpool2d(values, where, 2, output_size=x.shape[1:3])

    facts = bench.sides(in_torch, right, x=IMAGE)
    x, where = bench.array("x", IMAGE), facts.value("torch", 1)
    there = np.take_along_axis(x.reshape(2, 3, -1), where.reshape(2, 3, -1), 2)
    restored = facts.value("torch", 2)
    return facts.note(
        value_at_its_index_minus_maximum=np.abs(
            there - facts.value("torch").reshape(2, 3, -1)
        ).max(),
        indices_of_the_first_map=where[0, 0].ravel(),
        restored_where_not_0=gap(restored[restored != 0], x[restored != 0]),
    )


def where_it_is(bench: Bench) -> Facts:
    """64 single bright pixels: where the pooled map has its peak, in pixels of the image."""

    def in_torch(x):
        return F.max_pool2d(x, 2).flatten(1).argmax(1)

    def right(x):
        return pool.max_pool2d(x, 2).reshape(64, -1).argmax(1)

    x = np.eye(64).reshape(64, 1, 8, 8)
    given = draw("n=64 c=1 h=8 w=8", "given", values=x.tolist())
    facts = bench.sides(in_torch, right, x=given)
    y, x = np.divmod(facts.value("torch"), 4)
    far = [np.abs(2 * y - np.arange(64) // 8).max(), np.abs(2 * x - np.arange(64) % 8).max()]
    return facts.note(peak_moved_by_at_most=max(map(int, far)))


def average_at_the_edge(bench: Bench) -> Facts:
    def in_torch(x):
        return F.avg_pool2d(x, 2, ceil_mode=True)

    def naive(x):
        return ports.avg_pool2d_same(x, 2, 2)

    def right(x):
        return pool.avg_pool2d(x, 2, ceil_mode=True)

    ones = draw("n=1 c=1 h=3 w=3", "given", values=[1.0] * 9)
    facts = bench.sides(in_torch, naive, right, x=ones)
    return facts.note(
        torch_corner=facts.value("torch")[0, 0, -1, -1],
        Flax_SAME_corner=facts.value("naive")[0, 0, -1, -1],
        ceil_mode_of_nnx="ceil_mode" in inspect.signature(nnx.avg_pool).parameters,
    )


def count_include_pad(bench: Bench) -> Facts:
    def in_torch(x):
        return F.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False)

    def naive(x):
        return nnx.avg_pool(x, (3, 3), (1, 1), [(1, 1), (1, 1)])

    def right(x):
        return pool.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False)

    facts = bench.sides(in_torch, naive, right, x=IMAGE)
    flax = bench.value(not_counted_by_flax, x=IMAGE)
    default = inspect.signature(nnx.avg_pool).parameters["count_include_pad"].default
    return facts.note(
        Flax_default=plain(default), Flax_with_False=gap(flax, facts.value("torch"))
    )


def not_counted_by_flax(x):
    return nnx.avg_pool(x, (3, 3), (1, 1), [(1, 1), (1, 1)], count_include_pad=False)


def adaptive(bench: Bench) -> Facts:
    def in_torch(x):
        return F.adaptive_avg_pool2d(x, (3, 5)), F.adaptive_max_pool2d(x, (3, 5))

    def naive(x):
        kernel = (x.shape[1] // 3, x.shape[2] // 5)
        return [call(x, kernel, kernel)[:, :3, :5] for call in (nnx.avg_pool, nnx.max_pool)]

    def right(x):
        size = (3, 5)
        average = adaptive_pool.adaptive_avg_pool2d(x, size)
        return average, adaptive_pool.adaptive_max_pool2d(x, size)

    facts = bench.sides(in_torch, naive, right, x=IMAGE)
    x = torch.tensor(bench.array("x", IMAGE))
    one = gap(host(F.adaptive_avg_pool2d(x, 1))[..., 0, 0], host(x.mean((2, 3))))
    named = [name for name in dir(nnx) if "adaptive" in name.lower()]
    return facts.note(output_size_1_against_the_mean=one, adaptive_pools_of_nnx=named)


def bilinear(bench: Bench) -> Facts:
    def in_torch(x):
        down, up = (F.interpolate(x, size=s, mode="bilinear") for s in ((3, 4), (15, 17)))
        return down, up

    def naive(x):
        n, _, _, c = x.shape
        return [jax.image.resize(x, (n, h, w, c), "bilinear") for h, w in ((3, 4), (15, 17))]

    def right(x):
        sizes = ((3, 4), (15, 17))
        return [resize.interpolate(x, size=size, mode="bilinear") for size in sizes]

    facts = bench.sides(in_torch, naive, right, x="n=2 c=3 h=8 w=9")
    plain_down = bench.value(without_antialias, x="n=2 c=3 h=8 w=9")
    downs = facts.value("naive") - facts.value("torch")
    return facts.note(
        largest_difference_downwards=np.abs(downs).max(),
        downwards_without_antialias=gap(plain_down, facts.value("torch")),
        upwards=gap(facts.value("naive", 1), facts.value("torch", 1)),
    )


def without_antialias(x):
    return jax.image.resize(x, (2, 3, 4, 3), "bilinear", antialias=False)
