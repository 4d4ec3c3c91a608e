"""Embeddings, torch's own."""

from __future__ import annotations

from torch.nn import Embedding, EmbeddingBag
from torch.nn.functional import embedding, embedding_bag, one_hot

__all__ = ["embedding", "embedding_bag", "one_hot", "Embedding", "EmbeddingBag"]
