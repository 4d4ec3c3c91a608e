"""The atlas: what else study notes use of torch."""

from __future__ import annotations

from compare.cases.atlas import AGREES, Row, about, equal, plausible, rounding

ROWS = [
    Row(
        "N6.1a",
        "torch.normal and randn draw, ones and zeros and their _like forms fill; each has its "
        "twin.",
        "tensor.creation",
        (
            plausible("torch randn p"),
            plausible("JAX randn p"),
            plausible("torch normal p"),
            plausible("JAX normal p"),
            AGREES,
        ),
    ),
    Row(
        "N6.1b",
        "nn.Parameter makes a tensor one that its layer trains.",
        "tensor.parameter",
        (AGREES, equal("an optimizer takes them", "SGD")),
    ),
    Row(
        "N6.1c",
        "nn.init.normal_ fills in place.",
        "tensor.init_functions",
        (equal("normal exists", True), equal("normal keeps its deviation", True), AGREES),
    ),
    Row(
        "N6.1d",
        "(?) There is nn.init.randn_.",
        "tensor.init_functions",
        (equal("randn exists", True),),
        expect="does not hold",
        quick=True,
    ),
    Row(
        "N6.1e",
        "torch.optim's optimizers step in place.",
        "tensor.optimizers",
        (about("left of the weight", 0.8), AGREES),
    ),
    Row(
        "N6.1f",
        "torch.max(a, b) and min(a, b) go element by element; relu and sigmoid as well.",
        "tensor.elementwise",
        (
            equal("larger of two", [1.0, 2.0, 0.5, 3.0]),
            equal("smaller of two", [0.0, -2.0, 0.5, -1.0]),
            AGREES,
        ),
    ),
    Row(
        "N6.1g",
        "torch.norm(x, p) is (sum |x|^p)^(1/p).",
        "tensor.norms",
        (rounding("largest gap to the formula"), AGREES),
    ),
]
