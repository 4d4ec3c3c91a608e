"""The atlas: where ports of optimizers go wrong."""

from __future__ import annotations

from compare.cases.atlas import (
    DIFFERS,
    NAIVE_SERVES,
    Row,
    about,
    above,
    below,
    equal,
    rounding,
)

ROWS = [
    Row(
        "G35",
        "AdamW decays by 1e-2 by default in torch, by 1e-4 in optax; with equal arguments "
        "they agree.",
        "optim.adamw_decay",
        (
            DIFFERS,
            equal("torch default", 1e-2),
            equal("optax default", 1e-4),
            rounding("optax with matched arguments after 200 steps"),
        ),
        "measured",
        quick=True,
    ),
    Row(
        "G36",
        "torch's Adam(weight_decay) is an L2 penalty, not AdamW: add the decayed weights "
        "before adam.",
        "optim.adam_l2",
        (DIFFERS, rounding("decay added before adam")),
        "optax#417",
        quick=True,
    ),
    Row(
        "G37",
        "optax's rmsprop has eps inside the root unless eps_in_sqrt=False, and decay 0.9 where "
        "torch's alpha is 0.99.",
        "optim.rmsprop",
        (
            DIFFERS,
            rounding("with eps in sqrt False"),
            equal("torch alpha", 0.99),
            equal("optax decay", 0.9),
        ),
        "optax#532, #595",
    ),
    Row(
        "G38a",
        "Adagrad's sum starts at 0 in torch, at 0.1 in optax; eps is 1e-10 against 1e-7, and "
        "inside the root.",
        "optim.adagrad",
        (
            DIFFERS,
            equal("torch start and eps", [0, 1e-10]),
            equal("optax start and eps", [0.1, 1e-7]),
            above("apart after one step", 1e-3),
            below("with torchs arguments", 1e-6),
        ),
        "measured",
    ),
    Row(
        "G38b",
        "SGD's dampening has no equal in optax.",
        "optim.dampening",
        (DIFFERS, equal("optax has dampening", False)),
        "measured",
    ),
    Row(
        "G39",
        "clip_grad_norm_ adds 1e-6 to the norm, optax does not: 1e-6 over the norm apart.",
        "optim.clipping",
        (
            DIFFERS,
            about("of 1e6 over the norm", 1.0),
            below("relative difference", 1e-3),
        ),
        "goodfire-ai/spd#643, #821",
    ),
    Row(
        "X2",
        "amsgrad keeps the largest corrected second moment in optax, the largest uncorrected "
        "one in torch.",
        "optim.amsgrad",
        (DIFFERS,),
        "measured",
    ),
    Row(
        "X3",
        "SGD, its momentum, Nesterov's, and Adam agree as they are.",
        "optim.matched",
        (NAIVE_SERVES,),
        "measured",
    ),
    Row(
        "X4",
        "optax's updates must be added and kept: dropped, nothing trains and nothing says so.",
        "optim.in_place",
        (DIFFERS, equal("moved", 0.0), equal("item assignment", "TypeError")),
        "flax, docs: convert PyTorch models to Flax",
    ),
]
