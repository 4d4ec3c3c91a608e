"""BERT's attention. Attribute names are Hugging Face's, so leaves have the same paths.

Shapes: n sequences of s tokens, hidden size e = h heads of size d. Sources: Vaswani et al.
2017, https://arxiv.org/abs/1706.03762; Devlin et al. 2018, https://arxiv.org/abs/1810.04805.

The two implementations differ where a mask leaves a token nothing to attend to: "sdpa" gives
0 there, "eager" the mean of all values, as in Hugging Face's models.

`key` and `rngs` are a jax.random key to draw dropout from; none is needed in evaluation, at
rate 0, or where the slots for masks are filled.
"""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from jax_impl._bert import Device, dense, split
from jax_impl.activation import softmax
from jax_impl.bert_config import BertConfig
from jax_impl.dropout import Dropout
from jax_impl.normalization import LayerNorm

__all__ = [
    "extended_mask",
    "eager_attention",
    "sdpa_attention",
    "BertSelfAttention",
    "BertSelfOutput",
    "BertAttention",
]


def extended_mask(
    attention_mask: ArrayLike | None, hidden_states: Array, implementation: str = "sdpa"
) -> Array | None:
    """The mask that attention takes, (n, 1, 1 or s, s), from one where 1 keeps and 0 hides.

    attention_mask is (n, s), hiding tokens from all others, (n, s, s) or (n, 1 or h, s, s); of
    these four axes it may be floating, and is then added to the scores as it is. "sdpa" takes
    a boolean mask, "eager" one that is 0 or the lowest number of the dtype of hidden_states.
    Raises ValueError for a shape that does not fit.
    """
    if attention_mask is None:
        return None
    mask = jnp.asarray(attention_mask)
    batch, length = hidden_states.shape[:2]
    shape = mask.shape
    if len(shape) not in (2, 3, 4) or shape[0] not in (1, batch) or shape[-1] != length:
        raise ValueError(
            f"attention_mask must be (n, s), (n, s, s) or (n, h, s, s) with n={batch} and "
            f"s={length}, got {shape}"
        )
    if len(shape) == 4 and jnp.issubdtype(mask.dtype, jnp.floating):
        return mask.astype(hidden_states.dtype)
    keep = mask != 0
    keep = keep[:, None, None] if len(shape) == 2 else keep
    keep = keep[:, None] if len(shape) == 3 else keep
    if implementation == "sdpa":
        return keep
    lowest = jnp.finfo(hidden_states.dtype).min
    return jnp.where(keep, jnp.zeros((), hidden_states.dtype), lowest)


def eager_attention(
    query: Array,
    key: Array,
    value: Array,
    attention_mask: Array | None,
    dropout: Dropout,
    *,
    rngs: Array | None = None,
) -> Array:
    """dropout(softmax(q k^T / sqrt(d) + mask)) v; query, key, value and result (n, h, s, d)."""
    scores = query @ key.swapaxes(2, 3) * query.shape[-1] ** -0.5
    scores = scores if attention_mask is None else scores + attention_mask
    return dropout(softmax(scores, -1), rngs=rngs) @ value


def sdpa_attention(
    query: Array,
    key: Array,
    value: Array,
    attention_mask: Array | None,
    dropout: Dropout,
    *,
    rngs: Array | None = None,
) -> Array:
    """The same; half precision is computed in float32 between the two products.

    Divided by the softmax's sum before the second product: dividing d numbers last instead of s
    is cheaper, but its gradient cancels and loses 6 float32 bits on states far from zero.
    """
    wide = jnp.promote_types(query.dtype, jnp.float32)
    query = query * query.shape[-1] ** -0.5
    scores = jnp.matmul(query, key.swapaxes(2, 3), preferred_element_type=wide)
    scores, seen = _masked(scores, attention_mask)
    weights = jnp.exp(scores - lax.stop_gradient(scores.max(-1, keepdims=True)))
    weights = weights / weights.sum(-1, keepdims=True)
    kept = dropout(weights, rngs=rngs).astype(value.dtype)
    result = jnp.matmul(kept, value, preferred_element_type=wide)
    result = result if seen is None else jnp.where(seen, result, 0)
    return result.astype(value.dtype)


def _masked(scores: Array, mask: Array | None) -> tuple[Array, Array | None]:
    """The scores, and whether a token has anything to attend to (None: it has)."""
    if mask is None:
        return scores, None
    lowest = jnp.finfo(scores.dtype).min
    if mask.dtype == bool:
        return jnp.where(mask, scores, lowest), mask.any(-1, keepdims=True)
    return scores + jnp.maximum(mask, lowest), (mask > -jnp.inf).any(-1, keepdims=True)


_ATTENTION = {"eager": eager_attention, "sdpa": sdpa_attention}


class BertSelfAttention(nnx.Module):
    """Multi-head attention of hidden states (n, s, e) among themselves, to (n, s, e).

    `dropout` acts on the attention probabilities; its slot takes a mask (n, h, s, s).
    """

    def __init__(
        self,
        config: BertConfig,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.num_attention_heads = config.num_attention_heads
        self.attention_head_size = config.hidden_size // config.num_attention_heads
        self.attn_implementation = config.attn_implementation
        size = config.hidden_size
        self.query = dense(config, size, size, device, dtype, rngs)
        self.key = dense(config, size, size, device, dtype, rngs)
        self.value = dense(config, size, size, device, dtype, rngs)
        self.dropout = Dropout(config.attention_probs_dropout_prob)

    def __call__(
        self,
        hidden_states: Array,
        attention_mask: Array | None = None,
        *,
        rngs: Array | None = None,
    ) -> Array:
        """`attention_mask` is what `extended_mask` makes."""
        layers = (self.query, self.key, self.value)
        query, key, value = (self._heads(layer(hidden_states)) for layer in layers)
        attention = _ATTENTION[self.attn_implementation]
        result = attention(query, key, value, attention_mask, self.dropout, rngs=rngs)
        return result.swapaxes(1, 2).reshape(hidden_states.shape)

    def _heads(self, states: Array) -> Array:
        """(n, s, e) to (n, h, s, d)."""
        heads = (self.num_attention_heads, self.attention_head_size)
        return states.reshape(*states.shape[:-1], *heads).swapaxes(1, 2)


class BertSelfOutput(nnx.Module):
    """LayerNorm(dropout(dense(hidden_states)) + input_tensor), all (n, s, e)."""

    def __init__(
        self,
        config: BertConfig,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        size = config.hidden_size
        self.dense = dense(config, size, size, device, dtype, rngs)
        self.LayerNorm = LayerNorm(size, config.layer_norm_eps, device=device, dtype=dtype)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def __call__(
        self, hidden_states: Array, input_tensor: Array, *, rngs: Array | None = None
    ) -> Array:
        states = self.dropout(self.dense(hidden_states), rngs=rngs)
        return self.LayerNorm(states + input_tensor)


class BertAttention(nnx.Module):
    """`BertSelfAttention`, then `BertSelfOutput` with the input beside it."""

    def __init__(
        self,
        config: BertConfig,
        device: Device = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.self = BertSelfAttention(config, device, dtype, rngs=rngs)
        self.output = BertSelfOutput(config, device, dtype, rngs=rngs)

    def __call__(
        self,
        hidden_states: Array,
        attention_mask: Array | None = None,
        *,
        rngs: Array | None = None,
    ) -> Array:
        first, second = split(rngs, 2)
        attended = self.self(hidden_states, attention_mask, rngs=first)
        return self.output(attended, hidden_states, rngs=second)
