"""Naive layers: modules of jax_impl with one known mistake each, to be attached to a model.

The planted faults of compare/cases/planted.py name these. Never import it to compute.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from jax_impl import (
    activation,
    bert_attention,
    conv,
    convlstm,
    linear,
    norm,
    normalization,
    resnet,
)


class SwappedConv2d(conv.Conv2d):
    """Kernel height and width swapped on the way."""

    def __call__(self, input: Any) -> Array:
        weight = self.weight[...].swapaxes(0, 1)
        return conv.conv2d(input, weight, self.bias, self.stride, self.padding)  # pyright: ignore


class BiaslessConv2d(conv.Conv2d):
    """The bias is there, and is not added."""

    def __call__(self, input: Any) -> Array:
        return conv.conv2d(input, self.weight[...], None, self.stride, self.padding)  # pyright: ignore


class StoppedConv2d(conv.Conv2d):
    """The right result; no gradient passes."""

    def __call__(self, input: Any) -> Array:
        return lax.stop_gradient(super().__call__(input))


class SameConv2d(conv.Conv2d):
    """Padding SAME, whatever was asked for."""

    def __call__(self, input: Any) -> Array:
        out = lax.conv_general_dilated(
            input, self.weight[...], self.stride, "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip
        return out if self.bias is None else out + self.bias[...]


class BiaslessLinear(linear.Linear):
    """The bias is there, and is not added."""

    def __call__(self, input: Any) -> Array:
        return input @ self.weight[...]


class DoubledBiasLinear(linear.Linear):
    """The bias is added twice."""

    def __call__(self, input: Any) -> Array:
        assert self.bias is not None
        return input @ self.weight[...] + 2 * self.bias[...]


class TransposedLinear(linear.Linear):
    """A square weight that lies the other way."""

    def __call__(self, input: Any) -> Array:
        out = input @ self.weight[...].T
        return out if self.bias is None else out + self.bias[...]


class StoppedLinear(linear.Linear):
    """The right result; no gradient passes."""

    def __call__(self, input: Any) -> Array:
        return lax.stop_gradient(super().__call__(input))


class UnbiasedLayerNorm(normalization.LayerNorm):
    """The variance with n - 1."""

    def __call__(self, input: Any) -> Array:
        mean = input.mean(-1, keepdims=True)
        variance = input.var(-1, keepdims=True, ddof=1)
        whitened = (input - mean) * lax.rsqrt(variance + self.eps)
        assert self.weight is not None
        assert self.bias is not None
        return whitened * self.weight[...] + self.bias[...]


class OutsideLayerNorm(normalization.LayerNorm):
    """eps outside the root."""

    def __call__(self, input: Any) -> Array:
        mean = input.mean(-1, keepdims=True)
        whitened = (input - mean) / (input.std(-1, keepdims=True) + self.eps)
        assert self.weight is not None
        assert self.bias is not None
        return whitened * self.weight[...] + self.bias[...]


class StoppedLayerNorm(normalization.LayerNorm):
    """The right result; no gradient passes."""

    def __call__(self, input: Any) -> Array:
        return lax.stop_gradient(super().__call__(input))


class BiasedBatchNorm2d(norm.BatchNorm2d):
    """The running variance moves towards the biased one."""

    def __call__(self, input: Array) -> Array:
        assert isinstance(self.running_var, nnx.Variable)
        old, m = self.running_var[...], self.momentum or 0.0
        out = super().__call__(input)
        count = input.size // input.shape[-1]
        moved = (self.running_var[...] - (1 - m) * old) * ((count - 1) / count)
        self.running_var[...] = (1 - m) * old + moved
        return out


class StillBatchNorm2d(norm.BatchNorm2d):
    """The running statistics are never written back."""

    def __call__(self, input: Array) -> Array:
        leaves = (self.running_mean, self.running_var, self.num_batches_tracked)
        before = [leaf[...] for leaf in leaves if isinstance(leaf, nnx.Variable)]
        out = super().__call__(input)
        for leaf, value in zip(leaves, before, strict=True):
            leaf[...] = value  # pyright: ignore
        return out


class TanhGELU(activation.GELU):
    """jax.nn.gelu's default."""

    def __call__(self, input: Any) -> Array:
        return jax.nn.gelu(input)


class UnscaledSelfAttention(bert_attention.BertSelfAttention):
    """Scores are not divided by the root of the heads' size."""

    def __call__(self, hidden_states, attention_mask=None, *, rngs=None):
        return attended(self, hidden_states, attention_mask, 1.0, False)


class ScaledBySizeSelfAttention(bert_attention.BertSelfAttention):
    """Scores are divided by the heads' size, not by its root."""

    def __call__(self, hidden_states, attention_mask=None, *, rngs=None):
        scale = 1.0 / self.attention_head_size
        return attended(self, hidden_states, attention_mask, scale, False)


class SwappedSelfAttention(bert_attention.BertSelfAttention):
    """Query and key change places."""

    def __call__(self, hidden_states, attention_mask=None, *, rngs=None):
        scale = self.attention_head_size**-0.5
        return attended(self, hidden_states, attention_mask, scale, True)


def attended(layer, states, mask, scale: float, swapped: bool) -> Array:
    """BERT's eager attention with another scale, or query and key swapped."""
    query, key, value = (
        layer._heads(one(states)) for one in (layer.query, layer.key, layer.value)
    )
    query, key = (key, query) if swapped else (query, key)
    scores = query @ key.swapaxes(2, 3) * scale
    scores = scores if mask is None else scores + mask
    result = layer.dropout(jax.nn.softmax(scores, -1)) @ value
    return result.swapaxes(1, 2).reshape(states.shape)


class WithoutShortcut(resnet.BasicBlock):
    """The branch alone: what came in is not added."""

    def __call__(self, x: Array) -> Array:
        return self.relu(self.branch(x))


class GatesInAnotherOrder(convlstm.ConvLSTMCell):
    """Gates read as i g f o."""

    def __call__(self, input, hx=None):
        h, c = self.initial_state(input) if hx is None else hx
        i, g, f, o = jnp.split(self.conv(jnp.concatenate([input, h], axis=-1)), 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c


class HiddenFirst(convlstm.ConvLSTMCell):
    """The state before the input, where torch joins the input before the state."""

    def __call__(self, input, hx=None):
        h, c = self.initial_state(input) if hx is None else hx
        i, f, g, o = jnp.split(self.conv(jnp.concatenate([h, input], axis=-1)), 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c
