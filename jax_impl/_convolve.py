"""The linear part of a convolution and of its transpose, and how the CPU does it.

A convolution y = f(x, w) is linear in both arguments. With its transposes x = gx(y, w) and
w = gw(x, y) it makes three products of one kind: f with the derivatives gx and gw is a
convolution, gx with the derivatives f and gw is a transposed one.

On an accelerator all of them are `lax.conv_general_dilated`. XLA's CPU backend has a fast
convolution too, but leaves it for one that is 3 to 1000 times slower

- where the window has more entries than what it slides over, both counted without padding and
  dilation: XLA swaps the two, and the fast convolution does not take the result. So go 3x3 over
  2x2, the weight's gradient of a transposed convolution, and that of a convolution whose
  padding makes the output larger than the input;
- for groups, most of all in the weight's gradient;
- for three spatial axes.

There the CPU sums the same terms in another way, which `_cpu_products` chooses.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

Sizes = tuple[int, ...]

_DIMENSION_NUMBERS = {
    1: ("NWC", "WIO", "NWC"),
    2: ("NHWC", "HWIO", "NHWC"),
    3: ("NDHWC", "DHWIO", "NDHWC"),
}
_MOST_TAPS = 128  # beyond, a kernel that is written out tap by tap is slow to compile


class Window(NamedTuple):
    """How a kernel slides over (N, *size, C), whose entries lie `spread` apart (else 1)."""

    size: Sizes
    kernel: Sizes
    stride: Sizes
    pads: tuple[tuple[int, int], ...]
    dilation: Sizes
    spread: Sizes
    groups: int

    @property
    def output(self) -> Sizes:
        return tuple(
            ((n - 1) * spread + sum(pad) - d * (k - 1)) // s + 1
            for n, k, s, pad, d, spread in zip(*self[:6], strict=True)
        )

    def backward(self) -> Window:
        """The window that slides over the output, a stride apart, and makes the input."""
        pads = tuple(
            (d * (k - 1) - low, n - 1 + low - (o - 1) * s)
            for n, k, s, (low, _), d, o in zip(*self[:5], self.output, strict=True)
        )
        return self._replace(
            size=self.output, stride=self.spread, pads=pads, spread=self.stride
        )

    def without_depth(self) -> Window:
        return Window._make([*(field[1:] for field in self[:6]), self.groups])

    def taps(self, axis: int) -> list[slice]:
        """The entries of the padded input that each kernel entry of a spatial axis meets."""
        d, s, o = self.dilation[axis], self.stride[axis], self.output[axis]
        return [slice(k * d, k * d + (o - 1) * s + 1, s) for k in range(self.kernel[axis])]


Product = Callable[[Array, Array, Window], Array]


def convolve(x: Array, w: Array, window: Window) -> Array:
    """y (N, *output, out) of x (N, *size, in) and w (*kernel, in / groups, out)."""
    return _cpu_convolve(x, w, window) if _for_cpu(x, w) else _direct(x, w, window)


def convolve_transpose(y: Array, w: Array, window: Window) -> Array:
    """x (N, *size, in) of y (N, *output, out) and w (*kernel, in / groups, out)."""
    return _cpu_transpose(y, w, window) if _for_cpu(y, w) else _direct_input(y, w, window)


def _for_cpu(*operands: Array) -> bool:
    return jax.default_backend() == "cpu" and all(
        operand.size and jnp.issubdtype(operand.dtype, jnp.floating) for operand in operands
    )


@functools.partial(jax.jit, static_argnames="window")
def _cpu_convolve(x: Array, w: Array, window: Window) -> Array:
    if len(window.size) == 3 and window.groups == 1:
        y = _cpu_convolve(_depth_in_channels(x, window), _flat(w), window.without_depth())
        return y.reshape(-1, *window.output, y.shape[-1])
    f, gx, gw = _cpu_products(x.shape[0], w.shape[-2:], window)
    if (f, gx, gw) == (_direct, _direct_input, _direct_weight):
        return _direct(x, w, window)
    return _bilinear(f, gx, gw, window)(x, w)


@functools.partial(jax.jit, static_argnames="window")
def _cpu_transpose(y: Array, w: Array, window: Window) -> Array:
    if len(window.size) == 3 and window.groups == 1:
        flat = y.reshape(-1, *y.shape[2:])
        deep = _cpu_transpose(flat, _flat(w), window.without_depth())
        x = jax.ShapeDtypeStruct((y.shape[0], *window.size, w.shape[-2]), y.dtype)
        return jax.linear_transpose(lambda x: _depth_in_channels(x, window), x)(deep)[0]
    f, gx, gw = _cpu_products(y.shape[0], w.shape[-2:], window)
    return _bilinear(gx, f, lambda y, ct, window: gw(ct, y, window), window)(y, w)


def _cpu_products(
    batch: int, channels: Sizes, window: Window
) -> tuple[Product, Product, Product]:
    """f, gx and gw in the way that the CPU does each of them best."""
    inputs, outputs = channels
    kernel, size, output = map(math.prod, (window.kernel, window.size, window.output))
    if window.groups > 1:
        depthwise = inputs == 1 and outputs == window.groups
        if depthwise and kernel <= _MOST_TAPS:
            return _shifted, _shifted_input, _shifted_weight
        if depthwise and kernel // window.kernel[0] <= _MOST_TAPS:
            return _direct, _direct_input, _shifted_weight
        if inputs == 1 or len(window.size) == 3:
            return _columns, _columns_input, _columns_weight
        return _direct, _direct_input, _columns_weight
    f, gx, gw = _direct, _direct_input, _direct_weight
    if sum(window.kernel) > _MOST_TAPS:
        return f, gx, gw
    # Columns that are no larger than the input or the weight cost less than XLA's own packing.
    packed = kernel == 1 or batch * output <= outputs
    if packed or kernel > size:
        f, gw = _columns, _columns_weight
    elif output > size:
        gw = _padded_weight
    if packed or kernel > output:
        gx = _columns_input
    return f, gx, gw


def _bilinear(
    product: Product, left: Product, right: Product, window: Window
) -> Callable[[Array, Array], Array]:
    """product(a, b), whose cotangent ct goes back as left(ct, b) to a and right(a, ct) to b."""

    @jax.custom_jvp
    def apply(a: Array, b: Array) -> Array:
        return product(a, b, window)

    @functools.partial(apply.defjvp, symbolic_zeros=True)
    def _(primals: tuple[Array, Array], tangents: tuple) -> tuple[Array, Array]:
        a, b = primals
        out = apply(a, b)
        like = jax.ShapeDtypeStruct(out.shape, out.dtype)
        backward = (lambda ct: left(ct, b, window), lambda ct: right(a, ct, window))
        terms = [
            jax.linear_transpose(pull, like)(tangent)[0]
            for pull, tangent in zip(backward, tangents, strict=True)
            if not isinstance(tangent, SymbolicZero)
        ]
        return out, sum(terms[1:], start=terms[0])

    return apply


def _by_input(product: Product) -> Product:
    def transposed(y: Array, w: Array, window: Window) -> Array:
        shape = (y.shape[0], *window.size, w.shape[-2] * window.groups)
        x = jax.ShapeDtypeStruct(shape, y.dtype)
        return jax.linear_transpose(lambda x: product(x, w, window), x)(y)[0]

    return transposed


def _by_weight(product: Product) -> Product:
    def transposed(x: Array, y: Array, window: Window) -> Array:
        shape = (*window.kernel, x.shape[-1] // window.groups, y.shape[-1])
        w = jax.ShapeDtypeStruct(shape, x.dtype)
        return jax.linear_transpose(lambda w: product(x, w, window), w)(y)[0]

    return transposed


def _turned(product: Product) -> Product:
    """The transpose by the input: a product again, with the kernel turned about its center."""

    def transposed(y: Array, w: Array, window: Window) -> Array:
        *kernel, inputs, outputs = w.shape
        n, groups = len(kernel), window.groups
        grouped = lax.rev(w, range(n)).reshape(*kernel, inputs, groups, outputs // groups)
        turned = jnp.swapaxes(grouped, n, n + 2)
        return product(
            y, turned.reshape(*kernel, outputs // groups, groups * inputs), window.backward()
        )

    return transposed


def _direct(x: Array, w: Array, window: Window) -> Array:
    return lax.conv_general_dilated(
        x,
        w,
        window.stride,
        window.pads,
        lhs_dilation=window.spread,
        rhs_dilation=window.dilation,
        dimension_numbers=_DIMENSION_NUMBERS[len(window.size)],
        feature_group_count=window.groups,
    )


def _padded(x: Array, w: Array, window: Window) -> Array:
    """The padding written out, and kept from being folded back: so the input is the larger."""
    padded = lax.optimization_barrier(_pad(x, window))
    none = ((0, 0),) * len(window.size)
    return _direct(padded, w, window._replace(size=padded.shape[1:-1], pads=none))


def _columns(x: Array, w: Array, window: Window) -> Array:
    """What a window covers goes into the channels, one axis after the other; then a matmul."""
    if window.groups > 1:
        x, w = (jnp.moveaxis(a, -2, 0) for a in _by_group(x, w, window.groups))
        one_group = functools.partial(_columns, window=window._replace(groups=1))
        y = jax.vmap(one_group, out_axes=-2)(x, w)
        return y.reshape(*y.shape[:-2], -1)
    x = _pad(x, window)
    for axis in reversed(range(len(window.size))):
        before = (slice(None),) * (axis + 1)
        x = jnp.concatenate([x[*before, tap] for tap in window.taps(axis)], axis=-1)
    return x @ w.reshape(-1, w.shape[-1])


def _shifted(x: Array, w: Array, window: Window) -> Array:
    """One input to a group: shifted inputs times a number a channel, all in one loop."""
    x = _pad(x, window)
    taps = itertools.product(*map(window.taps, range(len(window.size))))
    numbers = w.reshape(-1, w.shape[-1])
    terms = [x[:, *tap] * number for tap, number in zip(taps, numbers, strict=True)]
    return functools.reduce(jnp.add, terms)


def _shifted_weight(x: Array, y: Array, window: Window) -> Array:
    """One kernel row after the other: all at once would read the arrays once for each entry."""
    x = _pad(x, window)
    first = window.taps(0)[0]
    rest = list(itertools.product(*map(window.taps, range(1, len(window.size)))))

    @jax.checkpoint
    def row(start: Array) -> Array:
        part = lax.dynamic_slice_in_dim(x, start, first.stop, axis=1)[:, :: first.step]
        axes = tuple(range(y.ndim - 1))
        return jnp.stack([jnp.sum(part[:, :, *tap] * y, axes) for tap in rest])

    starts = window.dilation[0] * jnp.arange(window.kernel[0])
    return lax.map(row, starts).reshape(*window.kernel, 1, y.shape[-1])


def _by_group(x: Array, w: Array, groups: int) -> tuple[Array, Array]:
    """x (..., groups, in / groups) and w (*kernel, in / groups, groups, out / groups)."""
    return x.reshape(*x.shape[:-1], groups, -1), w.reshape(*w.shape[:-1], groups, -1)


def _pad(x: Array, window: Window) -> Array:
    widths = [
        (*pad, spread - 1) for pad, spread in zip(window.pads, window.spread, strict=True)
    ]
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *widths, (0, 0, 0)])


def _depth_in_channels(x: Array, window: Window) -> Array:
    """(N, D, H, W, in) as (N * D', H, W, kD * in): the planes under a kernel side by side."""
    low, high = window.pads[0]
    zero = jnp.zeros((), x.dtype)
    x = lax.pad(x, zero, [(0, 0, 0), (low, high, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)])
    planes = jnp.concatenate([x[:, tap] for tap in window.taps(0)], axis=-1)
    return planes.reshape(-1, *planes.shape[2:])


def _flat(w: Array) -> Array:
    """(kD, kH, kW, in, out) as (kH, kW, kD * in, out)."""
    return jnp.moveaxis(w, 0, 2).reshape(*w.shape[1:3], -1, w.shape[-1])


_direct_input, _direct_weight = _turned(_direct), _by_weight(_direct)
_padded_weight = _by_weight(_padded)
_columns_input, _columns_weight = _by_input(_columns), _by_weight(_columns)
_shifted_input = _turned(_shifted)
