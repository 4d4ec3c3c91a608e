"""The atlas: attention and embeddings."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F
from flax import nnx
from torch import nn

from compare.cases.case import draw
from compare.run.atlas import Bench, Facts, error_of, gap, x64
from jax_impl import bert_attention, embedding
from jax_impl.dropout import Dropout

HEADS = {name: "n=1 h=2 s=3 d=4" for name in ("query", "key", "value")}
SEEN = [[True, True, True], [True, False, True], [False, False, False]]
HIDDEN = draw("n=1 h=1 s=3 t=3", "given", grad=False, values=SEEN)
LOW = draw("n=1 h=1 s=3 t=3", "given", grad=False, values=[[0.0] * 3, [0, 1, 0], [0, 0, 1]])


def masked_rows(bench: Bench) -> Facts:
    """The last of three tokens sees nothing."""

    def in_torch(query, key, value, seen):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=seen)

    def naive(query, key, value, seen):
        query, key, value = (x.swapaxes(1, 2) for x in (query, key, value))
        found = jax.nn.dot_product_attention(query, key, value, mask=seen)
        return found.swapaxes(1, 2)

    def right(query, key, value, seen):
        return bert_attention.sdpa_attention(query, key, value, seen, Dropout(0.0))

    facts = bench.sides(in_torch, naive, right, **HEADS, seen=HIDDEN)
    mean = bench.array("value", HEADS["value"]).mean(2)
    by_hand = bench.value(softmax_of_minus_infinity, **HEADS, seen=HIDDEN)
    return facts.note(
        torch_largest_of_the_row=np.abs(facts.value("torch")[:, :, 2]).max(),
        jax_nn_row_against_the_mean_of_values=gap(facts.value("naive")[:, :, 2], mean),
        by_hand_with_minus_infinity_is_NaN=bool(np.isnan(by_hand[:, :, 2]).all()),
    )


def softmax_of_minus_infinity(query, key, value, seen):
    scores = query @ key.swapaxes(2, 3) * query.shape[-1] ** -0.5
    return jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), -1) @ value


def mask_constant(bench: Bench) -> Facts:
    """Additive masks: -1e4 against the lowest number; scores as large as half precision has."""

    def in_torch(query, key, value, hidden):
        mask = hidden * torch.finfo(query.dtype).min
        return F.scaled_dot_product_attention(query * 300, key * 300, value, attn_mask=mask)

    def naive(query, key, value, hidden):
        scores = (query * 300) @ (key * 300).swapaxes(2, 3) / 2 + hidden * -1e4
        return jax.nn.softmax(scores, -1) @ value

    def right(query, key, value, hidden):
        mask = hidden * jnp.finfo(query.dtype).min
        return bert_attention.eager_attention(query * 300, key * 300, value, mask, Dropout(0.0))

    # The hidden token is the one that the scores favour.
    keys = [[[one] * 4 for one in (1.0, 2.0, 3.0)]] * 2
    heads = {
        "query": draw("n=1 h=2 s=3 d=4", "uniform", low=0.5, high=1.0),
        "key": draw("n=1 h=2 s=3 d=4", "given", values=keys),
        "value": HEADS["value"],
    }
    return bench.sides(in_torch, naive, right, **heads, hidden=LOW).note(
        lowest_float32=float(np.finfo(np.float32).min),
        lowest_float16=float(np.finfo(np.float16).min),
        minus_1e10_in_float16_is_infinite=bool(np.isinf(np.float32(-1e10).astype(np.float16))),
    )


def packed_projection(bench: Bench) -> Facts:
    """torch's in_proj (3 E, E) as Flax's three kernels (E, H, D), and out (H, D, E)."""

    def in_torch(x, packed, last):
        layer = nn.MultiheadAttention(6, 2, bias=False, batch_first=True).to(x.dtype)
        layer.load_state_dict({"in_proj_weight": packed, "out_proj.weight": last})
        return layer(x, x, x, need_weights=False)[0]

    def naive(x, packed, last):
        layer = attention()
        for name, part in zip(("query", "key", "value"), jnp.split(packed, 3), strict=True):
            getattr(layer, name).kernel.set_value(part.reshape(6, 2, 3))
        layer.out.kernel.set_value(last.reshape(2, 3, 6))
        return layer(x, x, x)

    def right(x, packed, last):
        layer = attention()
        for name, part in zip(("query", "key", "value"), jnp.split(packed, 3), strict=True):
            getattr(layer, name).kernel.set_value(part.T.reshape(6, 2, 3))
        layer.out.kernel.set_value(last.T.reshape(2, 3, 6))
        return layer(x, x, x)

    weights = {name: bench.array(name, axes) for name, axes in
               (("packed", "p=18 e=6"), ("last", "o=6 e=6"))}  # fmt: skip
    facts = bench.sides(in_torch, naive, right, x="n=2 s=5 e=6", **weights)
    with x64():
        layer = attention()
    return facts.note(
        torch_in_proj=list(nn.MultiheadAttention(6, 2).in_proj_weight.shape),
        Flax_query=list(layer.query.kernel.shape),
        Flax_out=list(layer.out.kernel.shape),
    )


def attention() -> nnx.MultiHeadAttention:
    """Flax's layer; its own attention takes the softmax in float32 whatever it is given."""
    wide = jnp.result_type(float)
    options = {"use_bias": False, "decode": False, "attention_fn": softmax_attention}
    return nnx.MultiHeadAttention(2, 6, **options, param_dtype=wide, rngs=nnx.Rngs(0))


def softmax_attention(query, key, value, **_):
    """Shapes (n, s, h, d)."""
    scores = jnp.einsum("nqhd,nkhd->nhqk", query, key) * query.shape[-1] ** -0.5
    return jnp.einsum("nhqk,nkhd->nqhd", jax.nn.softmax(scores, -1), value)


def padding_row(bench: Bench) -> Facts:
    def in_torch(weight, index):
        call = torch.func.grad(lambda w: F.embedding(index, w, padding_idx=2).square().sum())
        return call(weight)

    def naive(weight, index):
        def call(weight):
            layer = nnx.Embed(4, 3, rngs=nnx.Rngs(0))
            layer.embedding.set_value(weight)
            return jnp.square(layer(index)).sum()

        return jax.grad(call)(weight)

    def right(weight, index):
        def call(weight):
            return jnp.square(embedding.embedding(index, weight, padding_idx=2)).sum()

        return jax.grad(call)(weight)

    index = draw("n=5", "given", grad=False, values=[0, 2, 1, 2, 3])
    facts = bench.sides(in_torch, naive, right, weight="v=4 w=3", index=index)
    torch_layer = nn.Embedding(4, 3, padding_idx=2)
    flax_layer = nnx.Embed(4, 3, rngs=nnx.Rngs(0))
    return facts.note(
        torch_row_at_first=torch_layer.weight[2].abs().max(),
        Flax_row_at_first=jnp.abs(flax_layer.embedding[...][2]).max(),
        torch_gradient_of_the_row=np.abs(facts.value("torch")[2]).max(),
        Flax_gradient_of_the_row=np.abs(facts.value("naive")[2]).max(),
    )


def index_out_of_range(bench: Bench) -> Facts:
    def in_torch(weight, index):
        return F.embedding(index, weight)

    def naive(weight, index):
        layer = nnx.Embed(4, 3, rngs=nnx.Rngs(0))
        layer.embedding.set_value(weight)
        return layer(index)

    def right(weight, index):
        return embedding.embedding(index, weight)

    given = {
        "weight": "v=4 w=3",
        "index": draw("n=2", "given", grad=False, values=[0, 4]),
    }
    both = ("torch", "right")
    facts = bench.sides(in_torch, naive, right, out="n w", raises=both, **given)
    table = jnp.arange(4.0)
    return facts.note(
        torch_raises=facts.records["torch", "float64"].error.partition(":")[0],
        Flax_gives_NaN=bool(np.isnan(facts.value("naive")[1]).all()),
        jnp_take_gives_NaN=bool(jnp.isnan(jnp.take(table, 4))),
        indexing_clamps_to=float(table[jnp.array(7)]),
        minus_1_is=float(table[jnp.array(-1)]),
        torch_with_minus_1=error_of(lambda: F.embedding(torch.tensor([-1]), torch.ones(4, 3))),
    )


def rotary(bench: Bench) -> Facts:
    """Rotary positions with half of the dimensions turned, and base 10,000 against 500,000."""

    def in_torch(x):
        return turned(x, 10_000.0, torch)

    def naive(x):
        return turned(x, 500_000.0, jnp)

    def right(x):
        return turned(x, 10_000.0, jnp)

    facts = bench.sides(in_torch, naive, right, x="s=4096 d=8")
    apart = np.abs(facts.value("naive") - facts.value("torch")).max(1)
    return facts.note(
        apart_within_2_tokens=apart[:2].max(),
        apart_within_4096_tokens=apart.max(),
        growth=apart.max() / apart[:2].max(),
    )


def turned(x, base, numpy):
    """x (s, d), its first half of d rotated by the position, as partial rotary embeddings."""
    positions, count = numpy.arange(x.shape[0], dtype=x.dtype), x.shape[1] // 4
    rates = base ** (-numpy.arange(count, dtype=x.dtype) / count)
    angles = positions[:, None] * rates
    cos, sin = numpy.cos(angles), numpy.sin(angles)
    a, b, rest = x[:, :count], x[:, count : 2 * count], x[:, 2 * count :]
    return numpy.concatenate([a * cos - b * sin, b * cos + a * sin, rest], -1)
