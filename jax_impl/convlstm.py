"""A small physics-informed recurrent convolutional network for the viscous Burgers equation.

    u_t + u u_x + v u_y = viscosity (u_xx + u_yy),  the same for v,

on a periodic grid, x along w and y along h, the channels (u, v). Derivatives are convolutions
with hand-made kernels. Sources: Shi et al. 2015, https://arxiv.org/abs/1506.04214 (the cell);
Ren et al. 2021, https://arxiv.org/abs/2106.14103 (the network and its physics loss).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

from jax_impl.activation import sigmoid, tanh
from jax_impl.conv import Conv2d, conv2d
from jax_impl.pad import pad

__all__ = ["physics_loss", "ConvLSTMCell", "FiniteDifference", "PhysicsRNN"]

# By order: integers, and what they are divided by at spacing 1.
_SLOPES = {2: ((-1, 0, 1), 2), 4: ((1, -8, 0, 8, -1), 12)}
_LAPLACIANS = {
    2: (((0, 1, 0), (1, -4, 1), (0, 1, 0)), 1),
    4: (
        (
            (0, 0, -1, 0, 0),
            (0, 0, 16, 0, 0),
            (-1, 16, -60, 16, -1),
            (0, 0, 16, 0, 0),
            (0, 0, -1, 0, 0),
        ),
        12,
    ),
}


def physics_loss(
    residual: Array, fields: Array, observed: Array, data_weight: float = 1.0
) -> Array:
    """mean(residual^2) + data_weight * mean((fields - observed)^2), a scalar.

    Shapes: residual any, fields (t, *), observed (s, *) with s <= t: the first s of the fields,
    the initial condition ahead, were observed. Raises ValueError for other shapes.
    """
    matched = fields[: len(observed)]
    if matched.shape != observed.shape:
        raise ValueError(
            f"observed must be the first of the fields, got {observed.shape} for fields "
            f"{fields.shape}"
        )
    return jnp.square(residual).mean() + data_weight * jnp.square(matched - observed).mean()


class ConvLSTMCell(nnx.Module):
    """An LSTM cell whose gates are a convolution of [input, h], without peepholes.

        i, f, g, o = split(conv([input, h]))
        c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')

    Shapes: input (n, h, w, in_channels), and (n, h, w, hidden_channels) for h and c, which are
    zeros where `hx` is not given. Returns (h', c'). The gates' order is torch.nn.LSTMCell's.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: int | tuple[int, int],
        bias: bool = True,
        padding_mode: str = "zeros",
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.hidden_channels = hidden_channels
        self.conv = Conv2d(
            in_channels + hidden_channels,
            4 * hidden_channels,
            kernel_size,
            padding="same",
            bias=bias,
            padding_mode=padding_mode,
            device=device,
            dtype=dtype,
            rngs=rngs,
        )

    def initial_state(self, input: Array) -> tuple[Array, Array]:
        """(h, c) of zeros, for `input`."""
        zeros = jnp.zeros((*input.shape[:-1], self.hidden_channels), input.dtype)
        return zeros, zeros

    def __call__(
        self, input: Array, hx: tuple[Array, Array] | None = None
    ) -> tuple[Array, Array]:
        h, c = self.initial_state(input) if hx is None else hx
        i, f, g, o = jnp.split(self.conv(jnp.concatenate([input, h], axis=-1)), 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c


class FiniteDifference(nnx.Module):
    """A derivative of periodic fields, by a fixed kernel: (*, h, w, c) to the same shape.

    `derivative` is "dx" (along w), "dy" (along h) or "laplacian", `spacing` the distance of
    grid points along both, and the error falls as spacing^order, `order` 2 or 4. The kernel
    holds integers, exact at every precision, and the division comes after it. Raises ValueError
    for another derivative or order, and a spacing that is not positive.
    """

    def __init__(self, derivative: str, spacing: float = 1.0, order: int = 4) -> None:
        if derivative not in ("dx", "dy", "laplacian"):
            raise ValueError(f"derivative must be dx, dy or laplacian, got {derivative!r}")
        if order not in (2, 4):
            raise ValueError(f"order must be 2 or 4, got {order}")
        if not spacing > 0:
            raise ValueError(f"spacing must be positive, got {spacing}")
        if derivative == "laplacian":
            self.kernel, divisor = _LAPLACIANS[order]
            self.divisor = divisor * spacing**2
        else:
            row, divisor = _SLOPES[order]
            self.kernel = (row,) if derivative == "dx" else tuple((number,) for number in row)
            self.divisor = divisor * spacing

    def __call__(self, input: Array) -> Array:
        height, width, channels = input.shape[-3:]
        y, x = len(self.kernel) // 2, len(self.kernel[0]) // 2
        fields = pad(input.reshape(-1, height, width, channels), (x, x, y, y), "circular")
        kernel = jnp.array(self.kernel, input.dtype)[:, :, None, None]
        weight = jnp.broadcast_to(kernel, (*kernel.shape[:-1], channels))
        return (conv2d(fields, weight, groups=channels) / self.divisor).reshape(input.shape)


class PhysicsRNN(nnx.Module):
    """Burgers velocities rolled out in time: u_(t+1) = u_t + dt * net(u_t, h_t).

    Shapes: u (n, h, w, c=2) to fields (steps + 1, n, h, w, c=2), of which the first is u. The
    net: convolution, tanh, ConvLSTMCell, convolution; all periodic. `dt`, `spacing` and
    `viscosity` are the equation's, `order` that of the differences.
    """

    def __init__(
        self,
        hidden_channels: int = 16,
        kernel_size: int = 5,
        dt: float = 0.02,
        spacing: float = 1 / 24,
        viscosity: float = 0.02,
        order: int = 4,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.dt = dt
        self.viscosity = viscosity
        made = {"padding_mode": "circular", "device": device, "dtype": dtype, "rngs": rngs}
        self.encoder = Conv2d(2, hidden_channels, kernel_size, padding="same", **made)
        self.cell = ConvLSTMCell(hidden_channels, hidden_channels, kernel_size, **made)
        self.decoder = Conv2d(hidden_channels, 2, kernel_size, padding="same", **made)
        self.dx = FiniteDifference("dx", spacing, order)
        self.dy = FiniteDifference("dy", spacing, order)
        self.laplacian = FiniteDifference("laplacian", spacing, order)

    def __call__(self, u: Array, steps: int = 1) -> Array:
        # Unrolled: inside lax.scan, XLA's CPU backend is slow at gradients of convolutions.
        fields, hx = [u], self.cell.initial_state(u)
        for _ in range(steps):
            hx = self.cell(tanh(self.encoder(fields[-1])), hx)
            fields.append(fields[-1] + self.dt * self.decoder(hx[0]))
        return jnp.stack(fields)

    def residual(self, u_t: Array, u_next: Array) -> Array:
        """What the equation leaves over in the middle of a step, u = (u_t + u_next) / 2:

            (u_next - u_t) / dt + (u . grad) u - viscosity laplacian(u)

        Shapes: u_t and u_next (*, h, w, c=2), and so the residual.
        """
        u = (u_t + u_next) / 2
        along_x, along_y = jnp.split(u, 2, axis=-1)
        carried = along_x * self.dx(u) + along_y * self.dy(u)
        return (u_next - u_t) / self.dt + carried - self.viscosity * self.laplacian(u)
