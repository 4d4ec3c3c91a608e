"""The losses that draw embeddings together or push them apart, torch's own."""

from __future__ import annotations

from torch.nn import (
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)
from torch.nn.functional import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)

__all__ = [
    "hinge_embedding_loss",
    "cosine_embedding_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "HingeEmbeddingLoss",
    "CosineEmbeddingLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]
