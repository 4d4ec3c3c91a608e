"""What all pooling shares: reading an image, and joining the taps of windows axis by axis.

A pooling over several axes is a pooling over the last, then over the one before it, and so on;
an ordered, associative `join` (a sum, the larger of two) makes one axis's windows from about
2 log2(kernel) joins of shifted slices. Everything is slices and elementwise work: it
differentiates as it stands, and its gradient needs no scatter.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jax_impl._arguments import ntuple

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
State = TypeVar("State")


def by_rank(
    function: Callable[Concatenate[int, Arguments], Result], *ranks: int
) -> tuple[Callable[Arguments, Result], ...]:
    """`_max_pool(rank, input, ...)` as max_pool1d, max_pool2d, max_pool3d(input, ...)."""

    def bind(rank: int) -> Callable[Arguments, Result]:
        @functools.wraps(function)
        def bound(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            return function(rank, *args, **kwargs)

        signature = inspect.signature(function)
        bound.__signature__ = signature.replace(  # pyright: ignore[reportAttributeAccessIssue]
            parameters=list(signature.parameters.values())[1:]
        )
        bound.__name__ = bound.__qualname__ = f"{function.__name__.lstrip('_')}{rank}d"
        return bound

    return tuple(bind(rank) for rank in ranks or (1, 2, 3))


def read_image(input: ArrayLike, rank: int, integers: Sequence[str] = ()) -> Array:
    """`input` as an array (N, *, C) or (*, C) of floats, or of one of the `integers` dtypes.

    Raises ValueError where it has another rank, or an axis other than N is empty, and TypeError
    for other dtypes.
    """
    image = jnp.asarray(input)
    if image.ndim not in (rank + 1, rank + 2):
        raise ValueError(
            f"input must be (N, *, C) or (*, C) with {rank} axes in *, got shape {image.shape}"
        )
    if 0 in image.shape[-rank - 1 :]:
        raise ValueError(f"input may have no empty axis but the batch, got {image.shape}")
    if not jnp.issubdtype(image.dtype, jnp.floating) and image.dtype.name not in integers:
        allowed = ", ".join(["a floating dtype", *integers])
        raise TypeError(f"input must have {allowed}, got {image.dtype}")
    return image


def spatial_axes(image: Array, rank: int) -> range:
    """The axes between N and C."""
    return range(image.ndim - 1 - rank, image.ndim - 1)


def fixed(size: Any) -> Any:
    """A size as a layer keeps it: a sequence as a tuple, so that it is static to NNX."""
    return tuple(size) if isinstance(size, Sequence) else size


def along(values: Any, axis: int, ndim: int) -> Any:
    """A vector as an array of `ndim` axes that lies along `axis` and broadcasts elsewhere."""
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])


class Window(NamedTuple):
    """How windows lie along one axis of `length` elements, and their number."""

    length: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    count: int

    @property
    def overhang(self) -> int:
        """The padding on the right that the last window reaches."""
        stop = (self.count - 1) * self.stride + (self.kernel - 1) * self.dilation + 1
        return max(0, stop - self.padding - self.length)


def read_windows(
    rank: int,
    image: Array,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
    ceil_mode: bool,
) -> dict[int, Window]:
    """The windows along each spatial axis; raises ValueError where there are none."""
    kernels = ntuple(kernel_size, rank, "kernel_size")
    strides = kernels if stride is None else ntuple(stride, rank, "stride")
    paddings = ntuple(padding, rank, "padding")
    dilations = ntuple(dilation, rank, "dilation")
    positive = {"kernel_size": kernels, "stride": strides, "dilation": dilations}
    for name, values in positive.items():
        if min(values) < 1:
            raise ValueError(f"{name} must be at least 1, got {values}")
    windows = {}
    axes = spatial_axes(image, rank)
    for axis, kernel, step, pad, gap in zip(
        axes, kernels, strides, paddings, dilations, strict=True
    ):
        reach, length = (kernel - 1) * gap + 1, image.shape[axis]
        if not 0 <= pad <= kernel // 2:
            raise ValueError(f"padding must be 0 to half of kernel_size {kernel}, got {pad}")
        spare = length + 2 * pad - reach
        count = (-(-spare // step) if ceil_mode else spare // step) + 1
        if ceil_mode and (count - 1) * step >= length + pad:
            count -= 1
        if count < 1:
            raise ValueError(
                f"the window of {reach} does not fit in axis {axis} of input {image.shape} "
                f"with padding {pad}: the output would be empty"
            )
        windows[axis] = Window(length, kernel, step, pad, gap, count)
    return windows


def window_sizes(
    windows: dict[int, Window], count_include_pad: bool, ndim: int
) -> int | np.ndarray:
    """The number of elements in each window: one int where all have the same."""
    counts = np.ones([1] * ndim, int)
    for axis, window in windows.items():
        start = np.arange(window.count) * window.stride - window.padding
        stop = np.minimum(start + window.kernel, window.length + window.padding)
        if not count_include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, window.length)
        counts = counts * along(stop - start, axis, ndim)
    return int(counts.flat[0]) if counts.min() == counts.max() else counts


class Candidates(NamedTuple):
    """The largest elements so far, their flat position in the plane, and whether they are real.

    What is not real is padding. Positions, and `real` where nothing is padded, may be None.
    """

    value: Array
    index: Array | None = None
    real: Array | None = None


def candidates(image: Array, rank: int, with_index: bool) -> Candidates:
    """Each element as its own largest; positions are flat over the spatial axes, row-major."""
    if not with_index:
        return Candidates(image)
    plane = image.shape[-rank - 1 : -1]
    positions = jnp.arange(int(np.prod(plane))).reshape(*plane, 1)
    return Candidates(image, jnp.broadcast_to(positions, image.shape))


def picked(state: Candidates) -> Array | tuple[Array, Array]:
    """The values, and the positions where they were asked for."""
    return state.value if state.index is None else (state.value, state.index)


def larger(earlier: Candidates, later: Candidates) -> Candidates:
    """The one that torch's scan keeps: the first of equals, the last NaN, never padding."""
    take = (later.value > earlier.value) | (later.value != later.value)
    real = None
    if earlier.real is not None and later.real is not None:
        take = take | ~earlier.real
        real = earlier.real | later.real
    choose = functools.partial(jnp.where, take)
    index = None
    if earlier.index is not None and later.index is not None:
        index = choose(later.index, earlier.index)
    return Candidates(choose(later.value, earlier.value), index, real)


def pad_candidates(state: Candidates, axis: int, low: int, high: int) -> Candidates:
    """Adds entries along `axis` that lose against every element, a -inf included."""
    value, index, _ = state
    if low == high == 0:
        return Candidates(value, index)
    widths = [(low, high) if i == axis else (0, 0) for i in range(value.ndim)]
    real = np.pad(np.ones(value.shape[axis], bool), (low, high))
    return Candidates(
        jnp.pad(value, widths, constant_values=lowest(value.dtype)),
        None if index is None else jnp.pad(index, widths),
        jnp.asarray(along(real, axis, value.ndim)),
    )


def lowest(dtype: Any) -> Any:
    """What every number of a dtype is at least: -inf, or the smallest integer."""
    return -np.inf if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).min


def slide(
    join: Callable[[State, State], State],
    state: State,
    axis: int,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
) -> State:
    """Joins, in order, the `kernel` taps of every whole window along `axis` of all leaves.

    Blocks of 1, 2, 4 ... taps are made by doubling, and a window is put together from them
    by the binary digits of `kernel`. The widest is made in place, out of two halves, so that
    kernels up to 3 cost kernel - 1 joins of the output's size and no more. Sums of windows that
    adjoin are a reduction, which XLA has.
    """
    if join is operator.add and kernel == stride and dilation == 1:
        return jax.tree.map(functools.partial(_block_sums, axis=axis, size=kernel), state)

    def cut(start: int, count: int, step: int) -> State:
        stop = start + (count - 1) * step + 1
        return jax.tree.map(lambda leaf: lax.slice_in_dim(leaf, start, stop, step, axis), state)

    def size() -> int:
        return jax.tree.leaves(state)[0].shape[axis]

    while dilation == 1 and kernel % 2 == stride % 2 == 0:
        state = join(cut(0, size() // 2, 2), cut(1, size() // 2, 2))
        kernel, stride = kernel // 2, stride // 2
    windows = (size() - (kernel - 1) * dilation - 1) // stride + 1
    pieces, offset, width = [], 0, 1
    while offset < kernel:
        halves_of_widest = 2 if 2 * width <= kernel < 4 * width else 0
        for _ in range(halves_of_widest + bool(kernel & width)):
            pieces.append(cut(offset * dilation, windows, stride))
            offset += width
        if offset < kernel:
            count = size() - width * dilation
            state = join(cut(0, count, 1), cut(width * dilation, count, 1))
            width *= 2
    return functools.reduce(join, pieces)


def _block_sums(values: Array, axis: int, size: int) -> Array:
    count = values.shape[axis] // size
    whole = lax.slice_in_dim(values, 0, count * size, axis=axis)
    blocks = whole.reshape(*values.shape[:axis], count, size, *values.shape[axis + 1 :])
    return blocks.sum(axis + 1, dtype=values.dtype)


def adapt(
    join: Callable[[State, State], State], state: State, axis: int, length: int, size: int
) -> State:
    """Joins the windows floor(i L / S) to ceil((i + 1) L / S), i < S = `size`, L = `length`.

    Their widths differ by one at most: all slide at the smaller, and the wider take one more.
    """
    if size and length % size == 0:
        return slide(join, state, axis, length // size, length // size)
    starts, stops = adaptive_windows(length, size)
    width = int((stops - starts).min(initial=length))
    ndim = jax.tree.leaves(state)[0].ndim

    def take(windows: State, positions: np.ndarray) -> State:
        return jax.tree.map(
            lambda leaf: jnp.take(
                leaf,
                positions,
                axis,
                mode="clip",
                indices_are_sorted=True,
                unique_indices=size <= length,
            ),
            windows,
        )

    whole = take(slide(join, state, axis, width), starts)
    wider = along(stops - starts > width, axis, ndim)
    extended = join(whole, take(state, stops - 1))
    return jax.tree.map(functools.partial(jnp.where, wider), extended, whole)


def adaptive_windows(length: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of `size` windows over `length` elements starts and stops."""
    window = np.arange(size)
    return window * length // size, -(-(window + 1) * length // size)
