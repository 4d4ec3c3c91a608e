"""The atlas: dropout, and other ways against overfitting."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
import torch
import torch.nn.functional as F
from flax import linen, nnx
from torch import nn

from compare.cases.case import draw
from compare.run.atlas import Bench, Facts, gap, host
from compare.run.early_stopping import early_stopping
from jax_impl import dropout, overfitting
from jax_impl.linear import Linear

MASK = draw("n=4 w=6", "bits", keep=0.75)


def whole_maps(bench: Bench) -> Facts:
    """4,000 maps of 2 x 2 ones: zero or scaled as a whole, how often, and by how much."""

    def in_torch(x):
        found = F.dropout2d(x, 0.3)
        return (found == found[:, :, :1, :1]).all()

    def right(x):
        found = dropout.dropout2d(x, 0.3, key=jax.random.key(0))
        return (found == found[:, :1, :1, :]).all()

    maps = draw("n=400 c=10 h=2 w=2", "given", values=[1.0] * 16000)
    torch.manual_seed(bench.seed)
    facts = bench.sides(in_torch, right, x=maps)
    x = np.ones((400, 10, 2, 2), np.float32)
    found = {
        "torch": host(F.dropout2d(torch.tensor(x), 0.3)),
        "JAX": host(
            dropout.dropout2d(x.transpose(0, 2, 3, 1), 0.3, key=jax.random.key(bench.seed))
        ).transpose(0, 3, 1, 2),
    }
    for side, values in found.items():
        flat = values.reshape(4000, 4)
        dropped = int((flat == 0).all(1).sum())
        chance = scipy.stats.binomtest(dropped, 4000, 0.3).pvalue
        facts.note(
            **{
                f"{side}_maps_in_part": int(((flat == 0).any(1) & (flat != 0).any(1)).sum()),
                f"{side}_share_dropped": dropped / 4000,
                f"{side}_p_of_a_share_of_0.3": chance,
                f"{side}_survivors_scaled_by": float(flat.max()),
                f"{side}_survivors_off_1_over_0.7": float(flat.max())
                - float(np.float32(1 / 0.7)),
            }
        )
    names = inspect.signature(nn.Dropout2d.__init__).parameters
    return facts.note(defaults=[names["p"].default, names["inplace"].default])


def three_axes(bench: Bench) -> Facts:
    """A 3-D input of ones, (50, 40, 6): along which axis all is dropped together."""

    def in_torch(x):
        found = F.dropout2d(x, 0.5)
        return (found == found[:, :, :1]).all(), (found == found[:1]).all()

    def right(x):
        found = dropout.dropout2d(x, 0.5, key=jax.random.key(0))
        return (found == found[:, :1, :]).all(), (found == found[:1]).all()

    ones = draw("n=50 c=40 l=6", "given", values=[1.0] * 12000)
    facts = bench.sides(in_torch, right, x=ones)
    sums = F.dropout2d(torch.ones(50, 40, 6), 0.5).sum(2)
    return facts.note(
        one_decision_along_the_last_axis=bool(facts.value("torch")),
        one_decision_along_the_first_axis=bool(facts.value("torch", 1)),
        sums_over_the_last_axis=sums.unique(),
    )


def what_it_acts_on(bench: Bench) -> Facts:
    def in_torch(x):
        linear, drop = nn.Linear(6, 6).to(x.dtype), nn.Dropout(0.5)
        before = linear.weight.clone()
        zeros = (drop(linear(x)) == 0).any()
        moved = (linear.weight - before).abs().max()
        return moved, zeros, len(list(drop.parameters()))

    def right(x):
        linear = Linear(6, 6, dtype=x.dtype, rngs=nnx.Rngs(0))
        drop = dropout.Dropout(0.5, rngs=nnx.Rngs(1))
        before = jnp.array(linear.weight[...])
        zeros = (drop(linear(x)) == 0).any()
        moved = jnp.abs(linear.weight[...] - before).max()
        return moved, zeros, len(jax.tree.leaves(nnx.state(drop, nnx.Param)))

    facts = bench.sides(in_torch, right, x="n=8 i=6")
    return facts.note(
        parameters_moved_by=facts.value("torch"),
        zeros_in_the_tensor_that_flows=bool(facts.value("torch", 1)),
        parameters_of_dropout=int(facts.value("torch", 2)),
    )


def per_element(bench: Bench) -> Facts:
    """Dropout drops elements, Dropout2d maps; of torch's six the most general one."""

    def in_torch(x, mask):
        return torch.where(mask, x / 0.75, 0.0)

    def right(x, mask):
        return dropout.dropout(x, 0.25, mask=mask)

    facts = bench.sides(in_torch, right, x="n=4 w=6", mask=MASK)
    x = torch.ones(20000)
    torch.manual_seed(bench.seed)
    dropped = int((F.dropout(x, 0.25) == 0).sum())
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(num_hidden_layers=1, hidden_size=8, num_attention_heads=2)
    kinds = [type(layer).__name__ for layer in BertForSequenceClassification(config).modules()]
    return facts.note(
        p_of_a_share_of_a_quarter=scipy.stats.binomtest(dropped, 20000, 0.25).pvalue,
        Dropout_layers_in_a_BERT=kinds.count("Dropout"),
        Dropout2d_layers_in_a_BERT=kinds.count("Dropout2d"),
    )


def other_ways(bench: Bench) -> Facts:
    """L1 and L2 penalties here; early stopping, the ensemble and shared weights as studies."""

    def in_torch(weight):
        return 0.1 * weight.abs().sum(), 0.1 * weight.square().sum() / 2

    def right(weight):
        return [
            0.1 * penalty(weight)
            for penalty in (overfitting.l1_penalty, overfitting.l2_penalty)
        ]

    facts = bench.sides(in_torch, right, weight="o=4 i=5")
    stopped = early_stopping(bench.seed)
    ran = {side: len(one.losses) for side, one in stopped.items()}
    import importlib

    twin = importlib.import_module("torch_impl.overfitting").__all__
    return facts.note(
        best_epoch_in_torch=stopped["torch"].best_epoch,
        best_epoch_in_JAX=stopped["jax"].best_epoch,
        epochs_after_the_best=ran["torch"] - stopped["torch"].best_epoch,
        same_epochs=ran["torch"] == ran["jax"],
        classes_here=[name for name in overfitting.__all__ if name[0].isupper()],
        L1_and_L2_in_torch_impl={"l1_penalty", "l2_penalty"} <= set(twin),
    )


def streams(bench: Bench) -> Facts:
    """The frameworks' own draws from one seed, and one mask given to both."""

    def in_torch(x, mask):
        torch.manual_seed(0)
        return F.dropout(x, 0.25)

    def naive(x, mask):
        return nnx.Dropout(0.25, rngs=nnx.Rngs(0))(x)

    def right(x, mask):
        torch.manual_seed(0)
        theirs = F.dropout(torch.ones(4, 6), 0.25) != 0
        return dropout.dropout(x, 0.25, mask=host(theirs))

    facts = bench.sides(in_torch, naive, right, x="n=4 w=6", mask=MASK)
    zeros = [facts.value(side) == 0 for side in ("torch", "naive")]
    torch.manual_seed(0)
    normal = host(torch.randn(8))
    return facts.note(
        masks_of_one_seed_agree_in=int((zeros[0] == zeros[1]).sum()),
        of=zeros[0].size,
        randn_of_one_seed_apart_by=gap(host(jax.random.normal(jax.random.key(0), 8)), normal),
    )


def default_key(bench: Bench) -> Facts:
    """d2l's JAX tab: key=d2l.get_key() in the signature, drawn once, when it is defined."""

    def in_torch(x):
        first, second = (F.dropout(x, 0.5) != 0 for _ in range(2))
        return (first == second).all()

    def naive(x):
        first, second = (d2l_dropout(x, 0.5) != 0 for _ in range(2))
        return (first == second).all()

    def right(x):
        rngs = nnx.Rngs(0)
        first, second = (overfitting.dropout_layer(x, 0.5, key=rngs()) != 0 for _ in range(2))
        return (first == second).all()

    torch.manual_seed(bench.seed)
    facts = bench.sides(in_torch, naive, right, x="n=40 w=40")
    return facts.note(
        torch_draws_one_mask_twice=bool(facts.value("torch")),
        port_draws_one_mask_twice=bool(facts.value("naive")),
    )


def d2l_dropout(x, rate, key=jax.random.key(0)):  # noqa: B008
    keep = jax.random.uniform(key, x.shape) > rate
    return jnp.where(keep, x / (1 - rate), 0)


def linen_and_nnx(bench: Bench) -> Facts:
    """linen asks for the mode and a key at each call; NNX keeps both, and trains at first."""

    def in_torch(x):
        return nn.Dropout(0.5).eval()(x)

    def naive(x):
        return nnx.Dropout(0.5, rngs=nnx.Rngs(0))(x)

    def right(x):
        layer = dropout.Dropout(0.5, rngs=nnx.Rngs(0))
        layer.eval()
        return layer(x)

    facts = bench.sides(in_torch, naive, right, x="n=4 w=6")
    x = jnp.ones((4, 6))
    try:
        linen.Dropout(0.5).apply({}, x)
        asks = False
    except Exception:
        asks = True
    return facts.note(
        torch_layer_trains_at_first=nn.Dropout().training,
        nnx_layer_trains_at_first=not nnx.Dropout(0.5, rngs=nnx.Rngs(0)).deterministic,
        linen_asks_for_the_mode=asks,
    )
