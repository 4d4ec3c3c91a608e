"""BERT's attention. Attribute names are Hugging Face's, so state dicts have the same keys.

Shapes: n sequences of s tokens, hidden size e = h heads of size d. Sources: Vaswani et al.
2017, https://arxiv.org/abs/1706.03762; Devlin et al. 2018, https://arxiv.org/abs/1810.04805.

The two implementations differ where a mask leaves a token nothing to attend to: "sdpa" gives
0 there, "eager" the mean of all values, as in Hugging Face's models.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torch_impl._bert import Device, dense
from torch_impl.bert_config import BertConfig
from torch_impl.dropout import Dropout
from torch_impl.normalization import LayerNorm

__all__ = [
    "extended_mask",
    "eager_attention",
    "sdpa_attention",
    "BertSelfAttention",
    "BertSelfOutput",
    "BertAttention",
]


def extended_mask(
    attention_mask: Tensor | None, hidden_states: Tensor, implementation: str = "sdpa"
) -> Tensor | None:
    """The mask that attention takes, (n, 1, s, s), from one where 1 keeps and 0 hides.

    attention_mask is (n, s), hiding tokens from all others, (n, s, s) or (n, 1 or h, s, s); of
    these four axes it may be floating, and is then added to the scores as it is. "sdpa" takes
    a boolean mask, "eager" one that is 0 or the lowest number of the dtype of hidden_states.
    A mask that hides nothing is None. Raises ValueError for a shape that does not fit.
    """
    if attention_mask is None:
        return None
    batch, length = hidden_states.shape[:2]
    shape = tuple(attention_mask.shape)
    if len(shape) not in (2, 3, 4) or shape[0] not in (1, batch) or shape[-1] != length:
        raise ValueError(
            f"attention_mask must be (n, s), (n, s, s) or (n, h, s, s) with n={batch} and "
            f"s={length}, got {shape}"
        )
    if len(shape) == 4 and attention_mask.is_floating_point():
        return attention_mask.to(hidden_states.dtype)
    keep = attention_mask != 0
    # The fastest kernels take no mask. Under torch.compile its values cannot be looked at.
    if not torch.compiler.is_compiling() and keep.all():
        return None
    keep = keep[:, None, None] if len(shape) == 2 else keep
    keep = (keep[:, None] if len(shape) == 3 else keep).expand(-1, -1, length, -1)
    if implementation == "sdpa":
        return keep
    lowest = torch.finfo(hidden_states.dtype).min
    return torch.zeros((), dtype=hidden_states.dtype, device=keep.device).where(keep, lowest)


def eager_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: Dropout,
) -> Tensor:
    """dropout(softmax(q k^T / sqrt(d) + mask)) v; query, key, value and result (n, h, s, d)."""
    scores = query @ key.transpose(2, 3) * query.shape[-1] ** -0.5
    scores = scores if attention_mask is None else scores + attention_mask
    return dropout(scores.softmax(-1)) @ value


def sdpa_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: Dropout,
) -> Tensor:
    """The same by torch's scaled_dot_product_attention, which draws its dropout itself.

    A given dropout mask, which it cannot take, has it written out.
    """
    if not dropout.training or dropout.mask is None:
        rate = dropout.p if dropout.training else 0.0
        scale = query.shape[-1] ** -0.5  # torch's own rounds otherwise
        return F.scaled_dot_product_attention(
            query, key, value, attention_mask, rate, scale=scale
        )
    if attention_mask is None:
        return eager_attention(query, key, value, None, dropout)
    if attention_mask.dtype == torch.bool:
        attention_mask = query.new_zeros(()).where(attention_mask, -torch.inf)
    seen = (attention_mask > -torch.inf).any(-1, keepdim=True)
    bias = attention_mask.clamp(min=torch.finfo(query.dtype).min)
    return eager_attention(query, key, value, bias, dropout) * seen


_ATTENTION = {"eager": eager_attention, "sdpa": sdpa_attention}


class BertSelfAttention(nn.Module):
    """Multi-head attention of hidden states (n, s, e) among themselves, to (n, s, e).

    `dropout` acts on the attention probabilities; its slot takes a mask (n, h, s, s).
    """

    def __init__(
        self, config: BertConfig, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.num_attention_heads = config.num_attention_heads
        self.attention_head_size = config.hidden_size // config.num_attention_heads
        self.attn_implementation = config.attn_implementation
        size = config.hidden_size
        self.query = dense(config, size, size, device, dtype)
        self.key = dense(config, size, size, device, dtype)
        self.value = dense(config, size, size, device, dtype)
        self.dropout = Dropout(config.attention_probs_dropout_prob)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """`attention_mask` is what `extended_mask` makes."""
        layers = (self.query, self.key, self.value)
        query, key, value = (self._heads(layer(hidden_states)) for layer in layers)
        attention = _ATTENTION[self.attn_implementation]
        result = attention(query, key, value, attention_mask, self.dropout)
        return result.transpose(1, 2).flatten(2)

    def _heads(self, states: Tensor) -> Tensor:
        """(n, s, e) to (n, h, s, d)."""
        heads = (self.num_attention_heads, self.attention_head_size)
        return states.unflatten(-1, heads).transpose(1, 2)


class BertSelfOutput(nn.Module):
    """LayerNorm(dropout(dense(hidden_states)) + input_tensor), all (n, s, e)."""

    def __init__(
        self, config: BertConfig, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        size = config.hidden_size
        self.dense = dense(config, size, size, device, dtype)
        self.LayerNorm = LayerNorm(size, config.layer_norm_eps, device=device, dtype=dtype)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(hidden_states)) + input_tensor)


class BertAttention(nn.Module):
    """`BertSelfAttention`, then `BertSelfOutput` with the input beside it."""

    def __init__(
        self, config: BertConfig, device: Device = None, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.self = BertSelfAttention(config, device, dtype)
        self.output = BertSelfOutput(config, device, dtype)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        return self.output(self.self(hidden_states, attention_mask), hidden_states)
