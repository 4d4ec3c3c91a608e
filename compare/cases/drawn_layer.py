"""Random correct cases: activations, linear maps, embeddings, distances, shapes, attention."""

from __future__ import annotations

from typing import Any

from compare.cases.case import Case, Slot, call, labels
from compare.cases.case import draw as given
from compare.cases.chance import Draw, options

ELEMENTWISE: dict[str, dict[str, tuple[Any, ...]]] = {
    "relu": {},
    "relu6": {},
    "sigmoid": {},
    "hardsigmoid": {},
    "tanh": {},
    "silu": {},
    "mish": {},
    "hardswish": {},
    "selu": {},
    "softsign": {},
    "tanhshrink": {},
    "logsigmoid": {},
    "threshold": {"threshold": (-0.5, 0.5), "value": (-1.0, 2.0)},
    "hardtanh": {"min_val": (-0.5, -2.0), "max_val": (0.5, 2.0)},
    "elu": {"alpha": (0.5, 1.0)},
    "celu": {"alpha": (1.0, 2.0)},
    "gelu": {"approximate": ("none", "tanh")},
    "hardshrink": {"lambd": (0.5, 1.0)},
    "leaky_relu": {"negative_slope": (0.01, 0.2)},
    "softplus": {"beta": (0.5, 2.0), "threshold": (5.0, 20.0)},
    "softshrink": {"lambd": (0.5, 1.0)},
}


def elementwise(draw: Draw) -> Case:
    """An activation without parameters."""
    function = draw.choice(sorted(ELEMENTWISE))
    axes = draw.choice(("n=7", "n=3 w=4", "n=2 c=3 h=2 w=2"))
    chosen = options(draw, ELEMENTWISE[function])
    return Case(f"activation.{function}", {"input": given(axes)}, options=chosen)


def gated(draw: Draw) -> Case:
    """Activations that take more than the input: gates, slopes, noise."""
    kind, c = draw.choice(("glu", "prelu", "rrelu")), draw.integer(1, 4)
    image = {"input": given(f"n=3 c={c} l={2 * draw.integer(1, 3)}")}
    if kind == "glu":
        image = {"input": given(f"n=3 a={c} l={2 * draw.integer(1, 3)}")}
        return Case("activation.glu", image, options={"dim": -1}, out=("n a l",))
    if kind == "prelu":
        slopes = given(f"k={draw.choice((1, c))}", "uniform", low=0.05, high=0.5)
        return Case("activation.prelu", {**image, "weight": slopes})
    noise = {"noise": given(image["input"].axes, "uniform", low=0.125, high=0.33, grad=False)}
    chosen = {"training": draw.boolean()}
    return Case("activation.rrelu", image, options=chosen, masks=noise)


def linear(draw: Draw) -> Case:
    i, o = draw.integer(1, 6), draw.integer(1, 6)
    axes = draw.choice(("", "n=3 ", "n=2 s=3 "))
    init = {"in_features": i, "out_features": o, "bias": draw.boolean()}
    return Case("linear.Linear", {"input": given(f"{axes}i={i}")}, init=init)


def bilinear(draw: Draw) -> Case:
    n, i, j, o = draw.integer(1, 4), draw.integer(1, 4), draw.integer(1, 4), draw.integer(1, 3)
    inputs = {
        "input1": given(f"n={n} i={i}"),
        "input2": given(f"n={n} j={j}"),
        "weight": given(f"o={o} i={i} j={j}"),
    }
    if draw.boolean():
        inputs["bias"] = given(f"o={o}")
    return Case("linear.bilinear", inputs, out=("n o",))


def embedding(draw: Draw) -> Case:
    rows, width = draw.integer(2, 6), draw.integer(1, 4)
    inputs = {
        "input": labels(f"n=2 s={draw.integer(1, 4)}", rows),
        "weight": given(f"v={rows} w={width}"),
    }
    chosen = {
        "padding_idx": draw.choice((None, draw.integer(0, rows - 1))),
        "scale_grad_by_freq": draw.boolean(),
    }
    return Case("embedding.embedding", inputs, options=chosen, out=("n s w",))


def embedding_bag(draw: Draw) -> Case:
    rows, width = draw.integer(2, 5), draw.integer(1, 3)
    count, bags = draw.integer(1, 6), draw.integer(1, 3)
    offsets = [0, *sorted(draw.integers(bags - 1, 0, count))]
    mode = draw.choice(("sum", "mean", "max"))
    inputs = {
        "input": labels(f"s={count}", rows),
        "weight": given(f"v={rows} w={width}"),
        "offsets": given(f"b={bags}", "given", grad=False, values=offsets),
    }
    if mode == "sum" and draw.boolean():
        inputs["per_sample_weights"] = given(f"s={count}")
    chosen = {"mode": mode, "padding_idx": draw.choice((None, draw.integer(0, rows - 1)))}
    return Case("embedding.embedding_bag", inputs, options=chosen, out=("b w",))


def distances(draw: Draw) -> Case:
    kind, n, w = draw.integer(0, 2), draw.integer(2, 5), draw.integer(2, 6)
    pair = {"x1": given(f"n={n} w={w}"), "x2": given(f"n={n} w={w}")}
    if kind == 0:
        chosen = options(draw, {"eps": (1e-8, 0.5)})
        return Case("distance.cosine_similarity", pair, options=chosen, out=("n",))
    if kind == 1:
        chosen = options(draw, {"p": (1.0, 2.0, 3.0), "eps": (1e-6, 1e-3)})
        return Case("distance.pairwise_distance", pair, options=chosen, out=("n",))
    chosen = options(draw, {"p": (1.0, 2.0, 3.0, float("inf"))})
    return Case("distance.pdist", {"input": pair["x1"]}, options=chosen, out=("k",))


def shapes(draw: Draw) -> Case:
    """Channels to pixels and back, channels among each other, axes joined."""
    kind, factor = draw.integer(0, 3), draw.integer(2, 3)
    h, w, c = draw.integer(1, 3), draw.integer(1, 3), draw.integer(1, 2)
    if kind == 0:
        image, chosen = f"n=2 c={c * factor**2} h={h} w={w}", {"upscale_factor": factor}
        return Case("shape.pixel_shuffle", {"input": given(image)}, options=chosen)
    if kind == 1:
        image = f"n=2 c={c} h={h * factor} w={w * factor}"
        chosen = {"downscale_factor": factor}
        return Case("shape.pixel_unshuffle", {"input": given(image)}, options=chosen)
    if kind == 2:
        image = f"n=2 c={2 * c * factor} h={h} w={w}"
        chosen = {"groups": factor}
        return Case("shape.channel_shuffle", {"input": given(image)}, options=chosen)
    grid = {"input": given(f"a=2 b={h} e={w} f=3")}
    chosen, out = draw.choice(
        (({}, "x"), ({"start_dim": 1}, "a x"), ({"start_dim": 1, "end_dim": 2}, "a x f"))
    )
    return Case("shape.flatten", grid, options=chosen, out=(out,))


def attention(draw: Draw) -> Case:
    """BERT's attention with given dropout masks, and a mask that leaves each row a token."""
    n, s, heads = draw.integer(1, 3), draw.integer(2, 5), draw.integer(1, 3)
    e = heads * draw.integer(1, 4)
    states, keep = f"n={n} s={s} e={e}", draw.choice((0.6, 0.9))
    implementation = draw.choice(("sdpa", "eager"))
    config = call(
        "bert_config.BertConfig",
        hidden_size=e,
        num_attention_heads=heads,
        hidden_dropout_prob=0.25,
        attention_probs_dropout_prob=0.3,
        attn_implementation=implementation,
    )
    inputs = {"hidden_states": given(states)}
    if draw.boolean():
        shape = f"n={n} h=1 q=1 k={s}"
        if implementation == "sdpa":
            seen = [x == 0 or draw.boolean() for _ in range(n) for x in range(s)]
            inputs["attention_mask"] = given(shape, "given", grad=False, values=seen)
        else:
            inputs["attention_mask"] = given(shape, "uniform", low=-3.0, grad=False)
    masks = {
        "self.dropout.mask": given(f"n={n} h={heads} q={s} k={s}", "bits", keep=keep),
        "output.dropout.mask": given(states, "bits", keep=keep),
    }
    return Case("bert_attention.BertAttention", inputs, init={"config": config}, masks=masks)


def recurrent_cell(draw: Draw) -> Case:
    """The ConvLSTM cell, from a state that is given."""
    i, hidden = draw.integer(1, 2), draw.integer(1, 3)
    init = {"in_channels": i, "hidden_channels": hidden, "kernel_size": draw.choice((1, 3))}
    grid = draw.spatial(2, 3, 5)
    inputs = {"input": given(f"n=2 c={i} {grid}")}
    inputs |= {name: given(f"n=2 c={hidden} {grid}") for name in ("hidden", "cell")}
    arguments = (Slot("input"), (Slot("hidden"), Slot("cell")))
    return Case("convlstm.ConvLSTMCell", inputs, init=init, called=(arguments, {}))


FAMILIES = (
    *(elementwise, gated, linear, bilinear, embedding, embedding_bag, distances, shapes),
    *(attention, recurrent_cell),
)
