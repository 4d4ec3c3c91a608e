"""Cases of torch_impl/embedding.py and jax_impl/embedding.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, labels, vary

# A row that stands twice, so that its gradients must add up.
_IDS = draw("n=2 s=4", "given", grad=False, values=[0, 2, 1, 2, 3, 3, 2, 0])
_TABLE = {"weight": draw("v=5 w=3", std=2.0)}
_ROW = draw("s=6", "given", grad=False, values=[0, 2, 1, 2, 4, 2])
_OFFSETS = {"offsets": draw("b=3", "given", grad=False, values=[0, 2, 5])}
_EMPTY_BAG = {"offsets": draw("b=3", "given", grad=False, values=[0, 2, 2])}
_LAST = {"offsets": draw("b=3", "given", grad=False, values=[0, 2, 6])}
_PER_SAMPLE = {"per_sample_weights": draw("s=6")}

_embedding = Case("embedding.embedding", {"input": _IDS, **_TABLE}, out=("n s w",))
_Embedding = Case(
    "embedding.Embedding",
    {"input": _IDS},
    init={"num_embeddings": 5, "embedding_dim": 3},
    out=("n s w",),
)
_bag = Case("embedding.embedding_bag", {"input": _ROW, **_TABLE, **_OFFSETS}, out=("b w",))
_Bag = Case(
    "embedding.EmbeddingBag",
    {"input": _ROW, **_OFFSETS},
    init={"num_embeddings": 5, "embedding_dim": 3},
    out=("b w",),
)
_MODES = ({"mode": "sum"}, {"mode": "mean"}, {"mode": "max"})

CASES = [
    *vary(
        _embedding,
        {},
        {"padding_idx": 2, "why": "the padding row takes no gradient"},
        {"padding_idx": -1},
        {"scale_grad_by_freq": True},
    ),
    *vary(
        _Embedding,
        {},
        {"padding_idx": 2},
        {"scale_grad_by_freq": True},
        {"inputs": {"input": labels("n=0 s=4", 5)}, "name": "embedding.Embedding(empty batch)"},
    ),
    *vary(
        _bag,
        *_MODES,
        {"mode": "sum", "inputs": _PER_SAMPLE, "name": "embedding.embedding_bag(weights)"},
        {"mode": "sum", "padding_idx": 2},
        {"mode": "mean", "padding_idx": 2},
        {"mode": "max", "padding_idx": 2},
        {"mode": "mean", "inputs": _EMPTY_BAG, "name": "embedding.embedding_bag(empty bag)"},
        {"mode": "sum", "include_last_offset": True, "inputs": _LAST},
    ),
    *vary(_Bag, *_MODES, {"mode": "mean", "padding_idx": 2}),
    *vary(
        Case(
            "embedding.EmbeddingBag",
            {"input": _IDS},
            init={"num_embeddings": 5, "embedding_dim": 3},
            out=("n w",),
        ),
        {"name": "embedding.EmbeddingBag(2-D input)"},
    ),
    Case(
        "embedding.one_hot",
        {"input": labels("n=2 s=3", 4)},
        options={"num_classes": 5},
        out=("n s k",),
    ),
]
