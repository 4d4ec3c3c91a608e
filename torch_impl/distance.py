"""Similarity of and distance between vectors, torch's own."""

from __future__ import annotations

from torch.nn import CosineSimilarity, PairwiseDistance
from torch.nn.functional import cosine_similarity, pairwise_distance, pdist

__all__ = [
    "cosine_similarity",
    "pairwise_distance",
    "pdist",
    "CosineSimilarity",
    "PairwiseDistance",
]
