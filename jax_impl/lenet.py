"""d2l's LeNet-5: two convolutions and three dense layers, sigmoids and average pooling."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from jax_impl.conv import Conv2d
from jax_impl.linear import Linear
from jax_impl.pool import AvgPool2d

__all__ = ["LeNet"]


class LeNet(nnx.Module):
    """Images (n, h=28, w=28, c=1) to scores (n, num_classes).

    conv 5x5 (6, padding 2), sigmoid, average pool 2; conv 5x5 (16), sigmoid, average pool 2;
    dense 120, sigmoid; dense 84, sigmoid; dense num_classes. Source: Dive into Deep Learning,
    7.6; LeCun et al. 1998.
    """

    def __init__(
        self, num_classes: int = 10, activation: str = "sigmoid", *, rngs: nnx.Rngs
    ) -> None:
        self.activation = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}[activation]
        self.conv1 = Conv2d(1, 6, kernel_size=5, padding=2, rngs=rngs)
        self.conv2 = Conv2d(6, 16, kernel_size=5, rngs=rngs)
        self.pool = AvgPool2d(kernel_size=2, stride=2)
        self.fc1 = Linear(16 * 5 * 5, 120, rngs=rngs)
        self.fc2 = Linear(120, 84, rngs=rngs)
        self.fc3 = Linear(84, num_classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.pool(self.activation(self.conv1(x)))
        x = self.pool(self.activation(self.conv2(x)))
        # Channels go first again before flattening: the rows of fc1.weight keep torch's order.
        x = jnp.moveaxis(x, -1, 1).reshape(x.shape[0], -1)
        x = self.activation(self.fc1(x))
        x = self.activation(self.fc2(x))
        return self.fc3(x)
