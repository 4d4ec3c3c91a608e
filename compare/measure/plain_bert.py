"""A BERT classifier of plain Flax layers, written the obvious way, for ours to be timed by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

# Where Hugging Face keeps what a layer and the model call so.
_LAYER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "projection": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "output_norm": "output.LayerNorm",
}
_MODEL = {
    "words": "bert.embeddings.word_embeddings",
    "places": "bert.embeddings.position_embeddings",
    "types": "bert.embeddings.token_type_embeddings",
    "norm": "bert.embeddings.LayerNorm",
    "pooler": "bert.pooler.dense",
    "classifier": "classifier",
}


class PlainLayer(nnx.Module):
    """Attention and two dense layers."""

    def __init__(self, config: Mapping[str, Any], rngs: nnx.Rngs) -> None:
        size, wide = config["hidden_size"], config["intermediate_size"]
        eps = config["layer_norm_eps"]
        self.heads = config["num_attention_heads"]
        self.query = nnx.Linear(size, size, rngs=rngs)
        self.key = nnx.Linear(size, size, rngs=rngs)
        self.value = nnx.Linear(size, size, rngs=rngs)
        self.projection = nnx.Linear(size, size, rngs=rngs)
        self.attention_norm = nnx.LayerNorm(size, epsilon=eps, rngs=rngs)
        self.up = nnx.Linear(size, wide, rngs=rngs)
        self.down = nnx.Linear(wide, size, rngs=rngs)
        self.output_norm = nnx.LayerNorm(size, epsilon=eps, rngs=rngs)
        self.attention_dropout = nnx.Dropout(config["attention_probs_dropout_prob"], rngs=rngs)
        self.dropout = nnx.Dropout(config["hidden_dropout_prob"], rngs=rngs)

    def __call__(self, states: Array, mask: Array) -> Array:
        shape = (*states.shape[:2], self.heads, states.shape[2] // self.heads)
        query, key, value = (
            layer(states).reshape(shape) for layer in (self.query, self.key, self.value)
        )
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / shape[-1] ** 0.5
        scores = jnp.where(mask[:, None, None], scores, jnp.finfo(scores.dtype).min)
        weights = self.attention_dropout(nnx.softmax(scores))
        attended = jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(states.shape)
        states = self.attention_norm(states + self.dropout(self.projection(attended)))
        inner = nnx.gelu(self.up(states), approximate=False)
        return self.output_norm(states + self.dropout(self.down(inner)))


class PlainBert(nnx.Module):
    """Embeddings, layers, pooler and classifier; `config` is a parsed config.json."""

    def __init__(self, config: Mapping[str, Any], *, rngs: nnx.Rngs) -> None:
        size, places = config["hidden_size"], config["max_position_embeddings"]
        self.words = nnx.Embed(config["vocab_size"], size, rngs=rngs)
        self.places = nnx.Embed(places, size, rngs=rngs)
        self.types = nnx.Embed(config["type_vocab_size"], size, rngs=rngs)
        self.norm = nnx.LayerNorm(size, epsilon=config["layer_norm_eps"], rngs=rngs)
        layers = (PlainLayer(config, rngs) for _ in range(config["num_hidden_layers"]))
        self.layers = nnx.List(layers)
        self.pooler = nnx.Linear(size, size, rngs=rngs)
        self.classifier = nnx.Linear(size, 2, rngs=rngs)
        self.dropout = nnx.Dropout(config["hidden_dropout_prob"], rngs=rngs)

    def __call__(self, ids: Array, mask: Array, types: Array) -> Array:
        places = self.places(jnp.arange(ids.shape[1]))
        states = self.dropout(self.norm(self.words(ids) + self.types(types) + places))
        for layer in self.layers:
            states = layer(states, mask.astype(bool))
        pooled = jnp.tanh(self.pooler(states[:, 0]))
        return self.classifier(self.dropout(pooled))


def load(model: PlainBert, stored: Mapping[str, np.ndarray]) -> None:
    """Fills `model` with the weights of Hugging Face's, by their names."""
    leaves = []
    for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param)):
        *place, name = path
        if place[0] == "layers":
            stem = f"bert.encoder.layer.{place[1]}.{_LAYER[str(place[2])]}"
        else:
            stem = _MODEL[str(place[0])]
        array = stored[f"{stem}.{'bias' if name == 'bias' else 'weight'}"]
        array = array.T if name == "kernel" else array
        leaves.append((path, leaf.replace(jnp.asarray(array))))
    nnx.update(model, nnx.from_flat_state(leaves))
