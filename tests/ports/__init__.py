"""Pairs of models as users write them: a PyTorch original, its port to JAX, known mistakes.

Every module of `PORTS` has `torch_model()`, `jax_model(mistake="")`, `INPUTS` (NumPy arrays in
torch's layout), `TRAIN` (whether the pair is compared in train mode) and `MISTAKES` by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

PORTS = (
    "resnet_nnx",
    "cnn_nnx",
    "d2l_residual_linen",
    "d2l_batchnorm_linen",
    "d2l_lenet_linen",
    "bert_linen",
    "bert_nnx",
    "mlp_equinox",
    "gpt_function",
    "mha_nnx",
    "autoencoder_nnx",
    "unet_linen",
    "llama_function",
    "lstm_linen",
    "gru_nnx",
    "vit_nnx",
    "vq_nnx",
    "convnext_equinox",
)


@dataclass(frozen=True)
class Mistake:
    """A fault of a port, and what a checker should say of it.

    Args:
        place: path of the torch module at fault, or of the innermost one whose children agree.
        cause: a word that the name or the words of the cause must have.
        gotcha: its number in the list of known differences, or 0.
        array: what differs first: "output", "grad" or "buffer".
        proven: whether with the causes on torch's side too all arrays agree; not where it is
            the precision that differs, or a buffer has another shape.
        also: where the port has several faults, all of them in the order of computing.
    """

    place: str
    cause: str
    gotcha: int = 0
    array: str = "output"
    proven: bool = True
    also: tuple[Mistake, ...] = ()


def everywhere(*places: str, cause: str, gotcha: int = 0, array: str = "output") -> Mistake:
    """One fault made in several places, given in the order of computing."""
    faults = tuple(Mistake(place, cause, gotcha, array) for place in places)
    return Mistake(places[0], cause, gotcha, array, also=faults)


def trained(model: nn.Module) -> nn.Module:
    """`model` with no array left at a constant, as in a checkpoint."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim < 2 or not parameter.std() > 0:
                parameter += 0.2 * torch.randn_like(parameter)
        for name, buffer in model.named_buffers():
            if "mean" in name:
                buffer.normal_(0.0, 0.3)
            elif "var" in name:
                buffer.uniform_(0.5, 1.5)
    return model
