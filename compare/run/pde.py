"""Ground truth for the physics-informed network: the viscous Burgers equation, in NumPy alone.

    u_t + u u_x + v u_y = viscosity (u_xx + u_yy),  the same for v,

on a periodic grid, x along w and y along h. Arrays are (..., c=2, h, w), c being (u, v).
"""

from __future__ import annotations

import math

import numpy as np

from compare.run.draw import generator

# Of the fourth-order stencils: the largest symbols, which bound the stable step.
_FIRST_SYMBOL, _LAPLACIAN_SYMBOL = 1.372, 2 * 16 / 3


def simulate(
    initial: np.ndarray, steps: int, dt: float, spacing: float, viscosity: float
) -> np.ndarray:
    """Velocities at times 0, dt, ... steps * dt: (steps + 1, ..., c=2, h, w), float64.

    Differences of fourth order in space and Runge-Kutta's of fourth order in time, whose own
    step divides dt and is stable for the speeds of `initial`: Burgers' never grow. Raises
    ValueError where a number is not positive, or `initial` has not two channels.
    """
    if initial.ndim < 3 or initial.shape[-3] != 2:
        raise ValueError(f"initial must be (..., c=2, h, w), got shape {initial.shape}")
    for name, number in (("dt", dt), ("spacing", spacing), ("viscosity", viscosity)):
        if not number > 0:
            raise ValueError(f"{name} must be positive, got {number}")
    speed = np.abs(initial).max(axis=(-2, -1)).sum(-1).max()
    fastest = _FIRST_SYMBOL * speed / spacing + _LAPLACIAN_SYMBOL * viscosity / spacing**2
    substeps = math.ceil(dt * fastest / 2)
    fields = [np.asarray(initial, np.float64)]
    for _ in range(steps):
        velocity = fields[-1]
        for _ in range(substeps):
            velocity = _runge_kutta(velocity, dt / substeps, spacing, viscosity)
        fields.append(velocity)
    return np.stack(fields)


def initial_velocity(
    seed: int, n: int, height: int, width: int, speed: float = 1.0, modes: int = 2
) -> np.ndarray:
    """`n` smooth random periodic velocities (n, c=2, h, w): the lowest `modes` waves an axis.

    Scaled so that the largest component of each is `speed`, and rounded to float32, so that
    float32 and float64 start from the same numbers.
    """
    rng = generator(seed, "initial velocity")
    y, x = np.meshgrid(
        2 * np.pi * np.arange(height) / height,
        2 * np.pi * np.arange(width) / width,
        indexing="ij",
    )
    velocity = np.zeros((n, 2, height, width))
    for along_y in range(-modes, modes + 1):
        for along_x in range(modes + 1):
            phase = along_y * y + along_x * x
            waves = np.stack([np.cos(phase), np.sin(phase)])
            strength = rng.normal(size=(n, 2, 2)) / (1 + along_y**2 + along_x**2)
            velocity += np.einsum("nck,khw->nchw", strength, waves)
    velocity *= speed / np.abs(velocity).max(axis=(1, 2, 3), keepdims=True)
    return velocity.astype(np.float32).astype(np.float64)


def _runge_kutta(
    velocity: np.ndarray, step: float, spacing: float, viscosity: float
) -> np.ndarray:
    def rate(change: np.ndarray | float) -> np.ndarray:
        return burgers_rate(velocity + change, spacing, viscosity)

    first = rate(0.0)
    second = rate(step / 2 * first)
    third = rate(step / 2 * second)
    fourth = rate(step * third)
    return velocity + step / 6 * (first + 2 * second + 2 * third + fourth)


def burgers_rate(velocity: np.ndarray, spacing: float, viscosity: float) -> np.ndarray:
    """d velocity / dt: what the equation says of (..., c=2, h, w)."""
    u, v = velocity[..., :1, :, :], velocity[..., 1:, :, :]
    along_x, along_y = (_derivatives(velocity, axis, spacing) for axis in (-1, -2))
    return viscosity * (along_x[1] + along_y[1]) - u * along_x[0] - v * along_y[0]


def _derivatives(field: np.ndarray, axis: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """The first and second derivative along `axis`, periodic, of fourth order."""
    before, after = np.roll(field, 1, axis), np.roll(field, -1, axis)
    before2, after2 = np.roll(field, 2, axis), np.roll(field, -2, axis)
    first = (8 * (after - before) - (after2 - before2)) / (12 * spacing)
    second = (16 * (after + before) - (after2 + before2) - 30 * field) / (12 * spacing**2)
    return first, second
