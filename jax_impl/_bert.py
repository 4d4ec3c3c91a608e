"""What a BERT draws: its first weights, N(0, initializer_range), and the keys of dropout."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import DTypeLike

from jax_impl.bert_config import BertConfig
from jax_impl.dropout import Dropout
from jax_impl.embedding import Embedding
from jax_impl.linear import Linear

Device = jax.Device | None
Stream = nnx.Rngs | nnx.RngStream | Array | None


def dense(
    config: BertConfig,
    inputs: int,
    outputs: int,
    device: Device,
    dtype: DTypeLike | None,
    rngs: nnx.Rngs,
) -> Linear:
    weight = _drawn(config, (inputs, outputs), dtype, rngs)
    bias = jnp.zeros(outputs, weight.dtype)
    # As shapes first, so that Linear's own draw, which nothing would use, is not computed.
    layer = nnx.eval_shape(lambda: Linear(inputs, outputs, rngs=nnx.Rngs(0)))
    layer.weight = nnx.Param(jax.device_put(weight, device))
    layer.bias = nnx.Param(jax.device_put(bias, device))
    return layer


def table(
    config: BertConfig,
    rows: int,
    device: Device,
    dtype: DTypeLike | None,
    rngs: nnx.Rngs,
    padding_idx: int | None = None,
) -> Embedding:
    """Its row `padding_idx` is 0."""
    weight = _drawn(config, (rows, config.hidden_size), dtype, rngs)
    if padding_idx is not None:
        weight = weight.at[padding_idx].set(0)
    weight = jax.device_put(weight, device)
    return Embedding(rows, config.hidden_size, padding_idx, _weight=weight)


def _drawn(
    config: BertConfig, shape: tuple[int, int], dtype: DTypeLike | None, rngs: nnx.Rngs
) -> Array:
    draw = jax.random.normal(rngs.params(), shape, dtype or jnp.float32)
    return config.initializer_range * draw


def dropout_stream(rngs: nnx.Rngs) -> nnx.RngStream | None:
    """A stream of its own off rngs.dropout; None where `rngs` has none to draw dropout from."""
    stream = getattr(rngs, "dropout", None)
    return None if stream is None else stream.fork()


def dropout_key(model: nnx.Module, source: Stream) -> Array | None:
    """One key of `source` for a call of `model`; None where no dropout in it draws."""
    draws = any(
        isinstance(module, Dropout)
        and not module.deterministic
        and 0 < module.p < 1
        and module.mask.get_value() is None
        for _, module in nnx.iter_modules(model)
    )
    if not draws or source is None:
        return None
    if isinstance(source, nnx.Rngs):
        return source.dropout()
    return source() if isinstance(source, nnx.RngStream) else source


def split(key: Array | None, count: int) -> list[Array] | list[None]:
    """`count` keys from one, or as many times nothing."""
    return [None] * count if key is None else list(jax.random.split(key, count))
