"""A VQ-VAE with a straight-through quantizer, and one in NNX: gradients tell them apart."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from torch import nn
from torch.nn import functional as F

from . import Mistake, trained


class VectorQuantizer(nn.Module):
    def __init__(self, num_codes: int, dim: int, beta: float = 0.25):
        super().__init__()
        self.codebook = nn.Embedding(num_codes, dim)
        self.beta = beta

    def forward(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = z.permute(0, 2, 3, 1)
        codes = torch.cdist(z.reshape(-1, z.shape[-1]), self.codebook.weight).argmin(dim=1)
        q = self.codebook(codes).view(z.shape)
        loss = F.mse_loss(q, z.detach()) + self.beta * F.mse_loss(z, q.detach())
        q = z + (q - z).detach()
        return q.permute(0, 3, 1, 2), loss


class VQVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 1)
        )
        self.quantizer = VectorQuantizer(9, 6)
        self.decoder = nn.Sequential(
            nn.Conv2d(6, 10, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(10, 12, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        q, loss = self.quantizer(self.encoder(x))
        return self.decoder(q), loss


def pixel_shuffle(x, r):
    n, h, w, c = x.shape
    x = x.reshape(n, h, w, c // r**2, r, r)
    return x.transpose(0, 1, 4, 2, 5, 3).reshape(n, h * r, w * r, c // r**2)


def depth_to_space(x, r):
    """TensorFlow's order of the channels."""
    n, h, w, c = x.shape
    x = x.reshape(n, h, w, r, r, c // r**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, h * r, w * r, c // r**2)


class Codes(nnx.Module):
    def __init__(self, count, dim, *, beta, straight_through, swapped, rngs: nnx.Rngs):
        self.vectors = nnx.Param(jax.random.normal(rngs.params(), (count, dim)))
        self.beta = beta
        self.straight_through = straight_through
        self.swapped = swapped

    def __call__(self, z):
        vectors = self.vectors[...]
        distances = jnp.square(z[..., None, :] - vectors).sum(-1)
        q = vectors[jnp.argmin(distances, axis=-1)]
        to_codes = jnp.square(q - jax.lax.stop_gradient(z)).mean()
        to_encoder = jnp.square(z - jax.lax.stop_gradient(q)).mean()
        if self.swapped:
            to_codes, to_encoder = to_encoder, to_codes
        if self.straight_through:
            q = z + jax.lax.stop_gradient(q - z)
        return q, to_codes + self.beta * to_encoder


class JaxVQVAE(nnx.Module):
    def __init__(
        self,
        *,
        beta=0.25,
        straight_through=True,
        swapped=False,
        shuffle=pixel_shuffle,
        rngs: nnx.Rngs,
    ):
        self.conv_in = nnx.Conv(3, 8, (4, 4), strides=2, padding=1, rngs=rngs)
        self.to_code = nnx.Conv(8, 6, (1, 1), rngs=rngs)
        self.codes = Codes(
            9, 6, beta=beta, straight_through=straight_through, swapped=swapped, rngs=rngs
        )
        self.from_code = nnx.Conv(6, 10, (3, 3), rngs=rngs)
        self.conv_out = nnx.Conv(10, 12, (3, 3), rngs=rngs)
        self.shuffle = shuffle

    def __call__(self, x):
        z = self.to_code(nnx.relu(self.conv_in(x)))
        q, loss = self.codes(z)
        x = self.conv_out(nnx.relu(self.from_code(q)))
        return self.shuffle(x, 2), loss


OPTIONS: dict[str, dict[str, Any]] = {
    "no straight-through gradient": {"straight_through": False},
    "beta on the codes": {"swapped": True},
    "beta 1": {"beta": 1.0},
    "channels shuffled as in TensorFlow": {"shuffle": depth_to_space},
}
MISTAKES = {
    "no straight-through gradient": Mistake("quantizer", "gradient", 0, "grad"),
    "beta on the codes": Mistake("quantizer", "weight", 0, "grad"),
    "beta 1": Mistake("quantizer", "number"),
    "channels shuffled as in TensorFlow": Mistake("decoder.3", "order"),
}
INPUTS = (np.random.default_rng(17).standard_normal((2, 3, 12, 8), dtype=np.float32),)
TRAIN = False


def torch_model() -> nn.Module:
    torch.manual_seed(0)
    return trained(VQVAE()).eval()


def jax_model(mistake: str = "") -> Any:
    return JaxVQVAE(rngs=nnx.Rngs(0), **OPTIONS.get(mistake, {}))
