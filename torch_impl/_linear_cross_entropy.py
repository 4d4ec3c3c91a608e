"""`linear_cross_entropy` of torch 2.13, composed from what earlier torch has."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class LinearCrossEntropyOptions:
    """torch 2.13's fields; here they change nothing, for the logits are computed whole."""

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: torch.dtype | None = None


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """`cross_entropy` of the logits `linear(input, linear_weight, linear_bias)`.

    Shapes: input (N, in) or (in), linear_weight (C, d1, ..., dK, in), linear_bias
    (C, d1, ..., dK), target (N, d1, ..., dK) of indices or (N, C, d1, ..., dK) of
    probabilities. Raises ValueError where they do not fit, and for an `ignore_index`
    given with probabilities.
    """
    *places, in_features = linear_weight.shape
    if input.dim() not in (1, 2) or not places or input.shape[-1] != in_features:
        raise ValueError(
            "input must be (N, in) or (in) and linear_weight (C, d1, ..., dK, in), "
            f"got {tuple(input.shape)} and {tuple(linear_weight.shape)}"
        )
    if linear_bias is not None and list(linear_bias.shape) != places:
        raise ValueError(f"linear_bias must be {places}, got {tuple(linear_bias.shape)}")
    if len(places) > 1 and input.dim() == 1:
        raise ValueError(f"linear_weight {tuple(linear_weight.shape)} needs a batched input")
    flat_bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = F.linear(input, linear_weight.reshape(-1, in_features), flat_bias)
    logits = logits.reshape(*input.shape[:-1], *places)
    if target.shape == logits.shape and ignore_index is not None:
        raise ValueError("ignore_index cannot be given when target contains probabilities")
    return F.cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


class LinearCrossEntropyLoss(nn.Module):
    """`linear_cross_entropy` as a layer, that holds its `linear` map."""

    weight: Tensor | None

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        if weight is not None and weight.shape != (num_classes,):
            raise ValueError(f"weight must be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must be in [0, 1], got {label_smoothing}")
        super().__init__()
        self.register_buffer("weight", weight)
        self.reduction = reduction
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        columns = math.prod(out_features, start=num_classes)
        self.linear = nn.Linear(in_features, columns, bias, device, dtype)
        self.options = options

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        places = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return linear_cross_entropy(
            input,
            self.linear.weight.reshape(*places, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(places),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )
