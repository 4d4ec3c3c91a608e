"""The leaves of a BERT as it starts: weights from N(0, initializer_range), biases 0.

Layers are made as shapes first, so that their own draws, which nothing uses, are not computed.
"""

from __future__ import annotations

import torch
from torch import nn

from torch_impl.bert_config import BertConfig
from torch_impl.embedding import Embedding
from torch_impl.linear import Linear

Device = torch.device | str | None


def dense(
    config: BertConfig, inputs: int, outputs: int, device: Device, dtype: torch.dtype | None
) -> Linear:
    layer = Linear(inputs, outputs, device="meta", dtype=dtype)
    layer = layer.to_empty(device=device or torch.get_default_device())
    nn.init.normal_(layer.weight, 0.0, config.initializer_range)
    nn.init.zeros_(layer.bias)
    return layer


def table(
    config: BertConfig,
    rows: int,
    device: Device,
    dtype: torch.dtype | None,
    padding_idx: int | None = None,
) -> Embedding:
    """Its row `padding_idx` is 0."""
    layer = Embedding(rows, config.hidden_size, padding_idx, device="meta", dtype=dtype)
    layer = layer.to_empty(device=device or torch.get_default_device())
    nn.init.normal_(layer.weight, 0.0, config.initializer_range)
    if padding_idx is not None:
        with torch.no_grad():
            layer.weight[padding_idx].zero_()
    return layer
