"""A small physics-informed recurrent convolutional network for the viscous Burgers equation.

    u_t + u u_x + v u_y = viscosity (u_xx + u_yy),  the same for v,

on a periodic grid, x along w and y along h, the channels (u, v). Derivatives are convolutions
with hand-made kernels. Sources: Shi et al. 2015, https://arxiv.org/abs/1506.04214 (the cell);
Ren et al. 2021, https://arxiv.org/abs/2106.14103 (the network and its physics loss).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

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
    residual: Tensor, fields: Tensor, observed: Tensor, data_weight: float = 1.0
) -> Tensor:
    """mean(residual^2) + data_weight * mean((fields - observed)^2), a scalar.

    Shapes: residual any, fields (t, *), observed (s, *) with s <= t: the first s of the fields,
    the initial condition ahead, were observed. Raises ValueError for other shapes.
    """
    matched = fields[: len(observed)]
    if matched.shape != observed.shape:
        raise ValueError(
            f"observed must be the first of the fields, got {tuple(observed.shape)} for fields "
            f"{tuple(fields.shape)}"
        )
    return residual.square().mean() + data_weight * (matched - observed).square().mean()


class ConvLSTMCell(nn.Module):
    """An LSTM cell whose gates are a convolution of [input, h], without peepholes.

        i, f, g, o = split(conv([input, h]))
        c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')

    Shapes: input (n, in_channels, h, w), and (n, hidden_channels, h, w) for h and c, which are
    zeros where `hx` is not given. Returns (h', c'). The gates' order is torch.nn.LSTMCell's.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: int | tuple[int, int],
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.hidden_channels = hidden_channels
        self.conv = nn.Conv2d(
            in_channels + hidden_channels,
            4 * hidden_channels,
            kernel_size,
            padding="same",
            bias=bias,
            padding_mode=padding_mode,
            device=device,
            dtype=dtype,
        )

    def initial_state(self, input: Tensor) -> tuple[Tensor, Tensor]:
        """(h, c) of zeros, for `input`."""
        n, _, height, width = input.shape
        zeros = input.new_zeros(n, self.hidden_channels, height, width)
        return zeros, zeros

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        h, c = self.initial_state(input) if hx is None else hx
        i, f, g, o = self.conv(torch.cat([input, h], dim=1)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class FiniteDifference(nn.Module):
    """A derivative of periodic fields, by a fixed kernel: (*, c, h, w) to the same shape.

    `derivative` is "dx" (along w), "dy" (along h) or "laplacian", `spacing` the distance of
    grid points along both, and the error falls as spacing^order, `order` 2 or 4. The kernel
    holds integers, exact at every precision, and the division comes after it. Raises ValueError
    for another derivative or order, and a spacing that is not positive.
    """

    def __init__(self, derivative: str, spacing: float = 1.0, order: int = 4) -> None:
        super().__init__()
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

    def forward(self, input: Tensor) -> Tensor:
        channels, height, width = input.shape[-3:]
        y, x = len(self.kernel) // 2, len(self.kernel[0]) // 2
        fields = pad(input.reshape(-1, channels, height, width), (x, x, y, y), "circular")
        weight = input.new_tensor(self.kernel).expand(channels, 1, -1, -1)
        return (conv2d(fields, weight, groups=channels) / self.divisor).reshape(input.shape)


class PhysicsRNN(nn.Module):
    """Burgers velocities rolled out in time: u_(t+1) = u_t + dt * net(u_t, h_t).

    Shapes: u (n, c=2, h, w) to fields (steps + 1, n, c=2, h, w), of which the first is u. The
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
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dt = dt
        self.viscosity = viscosity
        made = {"padding_mode": "circular", "device": device, "dtype": dtype}
        self.encoder = nn.Conv2d(2, hidden_channels, kernel_size, padding="same", **made)
        self.cell = ConvLSTMCell(hidden_channels, hidden_channels, kernel_size, **made)
        self.decoder = nn.Conv2d(hidden_channels, 2, kernel_size, padding="same", **made)
        self.dx = FiniteDifference("dx", spacing, order)
        self.dy = FiniteDifference("dy", spacing, order)
        self.laplacian = FiniteDifference("laplacian", spacing, order)

    def forward(self, u: Tensor, steps: int = 1) -> Tensor:
        fields, hx = [u], self.cell.initial_state(u)
        for _ in range(steps):
            hx = self.cell(torch.tanh(self.encoder(fields[-1])), hx)
            fields.append(fields[-1] + self.dt * self.decoder(hx[0]))
        return torch.stack(fields)

    def residual(self, u_t: Tensor, u_next: Tensor) -> Tensor:
        """What the equation leaves over in the middle of a step, u = (u_t + u_next) / 2:

            (u_next - u_t) / dt + (u . grad) u - viscosity laplacian(u)

        Shapes: u_t and u_next (*, c=2, h, w), and so the residual.
        """
        u = (u_t + u_next) / 2
        along_x, along_y = u.chunk(2, dim=-3)
        carried = along_x * self.dx(u) + along_y * self.dy(u)
        return (u_next - u_t) / self.dt + carried - self.viscosity * self.laplacian(u)
