"""The atlas: d2l's loop, residual networks, and how ports are checked."""

from __future__ import annotations

from compare.cases.atlas import AGREES, DIFFERS, Row, about, above, below, equal, rounding

ROWS = [
    Row(
        "N7.1",
        "squared_loss keeps the shape and holds a factor 1/2.",
        "train.squared_loss",
        (
            equal("shape", [6, 1]),
            about("built in over by hand", 2.0),
            rounding("torch impl against by hand"),
            AGREES,
        ),
    ),
    Row(
        "N7.2",
        "A vector has no backward, so the loss is summed; sgd by hand divides by the batch "
        "size, in place, and zeroes the gradient.",
        "train.hand_written",
        (
            equal("torch backward of a vector", "RuntimeError"),
            equal("jax grad of a vector", "TypeError"),
            above("moved in place", 0.0),
            equal("gradient after", 0.0),
            AGREES,
        ),
    ),
    Row(
        "N7.3",
        "Built-in losses are means, and the built-in optimizer does not divide.",
        "train.built_in",
        (
            equal("reduction of MSELoss", "mean"),
            rounding("gap to the mean gradient undivided"),
            AGREES,
        ),
    ),
    Row(
        "N7.4",
        "train_ch3 takes either updater with a 'none' loss; all four right pairings give the "
        "same parameters, wrong ones are off by the batch size.",
        "train.pairings",
        (
            equal("right pairings of squared loss", 4),
            rounding("largest gap of right ones"),
            equal("wrong ones off by", [0.1, 10]),
            rounding("largest gap to the factor"),
        ),
        quick=True,
    ),
    Row(
        "N8.1",
        "ResNet: blocks that add their input. ResNet-18 has 11,689,512 parameters.",
        "train.residual",
        (
            equal("parameters of ResNet 18", 11_689_512),
            equal("block without its branch against relu", 0.0),
            AGREES,
        ),
    ),
    Row(
        "G51",
        "A check of names and shapes passes on wrong weights.",
        "train.shape_check",
        (
            DIFFERS,
            equal("check of keys and shapes passes", True),
            above("error of the outputs", 0.38),
        ),
        "allenai/open-instruct#1839",
        quick=True,
    ),
    Row(
        "G52",
        "All layers' outputs: hooks in torch, nnx.capture with method_outputs in Flax.",
        "train.every_layer",
        (
            equal("layers seen in torch", 2),
            equal("layers seen in Flax", 2),
            AGREES,
        ),
        "flax#3198, #4058",
        needs="a Flax with nnx.capture",
    ),
    Row(
        "G54",
        "A port's list of differences, kept by hand in threads, held a cosine's denominator "
        "(2e-6 a step) and a clip's epsilon; here a run keeps the list.",
        "train.kept_lists",
        (
            DIFFERS,
            below("rate apart by", 1e-5),
            above("rate apart by", 1e-7),
            equal("of them without a case", 0),
        ),
        "goodfire-ai/spd#642, #643, #645, #649, #821",
    ),
]
