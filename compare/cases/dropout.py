"""Cases of torch_impl/dropout.py and jax_impl/dropout.py, each with a given mask.

Native drawing has no twin to be equal to: the tests judge it by statistics.
"""

from __future__ import annotations

from compare.cases.case import Case, draw, vary


def _mask(axes: str, p: float) -> dict:
    return {"mask": draw(axes, "bits", keep=1.0 - p)}


_X2 = draw("n=3 c=4 h=5 w=6")
_X1 = draw("n=3 c=4 l=7")
_X3 = draw("n=3 c=4 d=2 h=3 w=2")
_VOLUMES = "n=3 c=4 d=1 h=1 w=1"
_WHOLE, _MAPS, _ROWS = "n=3 c=4 h=5 w=6", "n=3 c=4 h=1 w=1", "n=3 c=4 l=1"

CASES = [
    *vary(
        Case("dropout.dropout", {"input": _X2}, masks=_mask(_WHOLE, 0.5)),
        {},
        {"p": 0.1, "masks": _mask(_WHOLE, 0.1)},
        {"p": 0.0},
        {"training": False},
    ),
    *vary(
        Case("dropout.Dropout", {"input": _X2}, init={}, masks=_mask(_WHOLE, 0.5)),
        {},
        {"p": 0.2, "masks": _mask(_WHOLE, 0.2)},
        {"train": False, "name": "dropout.Dropout(eval)"},
    ),
    *vary(
        Case("dropout.Dropout1d", {"input": _X1}, init={}, masks=_mask(_ROWS, 0.5)),
        {},
        {"p": 0.25, "masks": _mask(_ROWS, 0.25)},
        {"train": False, "name": "dropout.Dropout1d(eval)"},
    ),
    *vary(
        Case("dropout.Dropout2d", {"input": _X2}, init={}, masks=_mask(_MAPS, 0.5)),
        {},
        {"p": 0.25, "masks": _mask(_MAPS, 0.25)},
        {"train": False, "name": "dropout.Dropout2d(eval)"},
        {
            "inputs": {"input": _X1},
            "masks": _mask(_ROWS, 0.5),
            "name": "dropout.Dropout2d(3-D input)",
            "why": "follows the rule of Dropout1d: (n, c, l), not (c, h, w)",
        },
    ),
    *vary(
        Case("dropout.dropout1d", {"input": _X1}, masks=_mask(_ROWS, 0.5)),
        {},
        {"training": False},
    ),
    *vary(
        Case("dropout.dropout2d", {"input": _X2}, masks=_mask(_MAPS, 0.5)),
        {},
        {"training": False},
    ),
    *vary(
        Case("dropout.Dropout3d", {"input": _X3}, init={}, masks=_mask(_VOLUMES, 0.5)),
        {},
        {"p": 0.25, "masks": _mask(_VOLUMES, 0.25)},
        {"train": False, "name": "dropout.Dropout3d(eval)"},
    ),
    *vary(
        Case("dropout.dropout3d", {"input": _X3}, masks=_mask(_VOLUMES, 0.5)),
        {},
        {"training": False},
    ),
    *(
        case
        for function, layer, axes in (
            ("alpha_dropout", "AlphaDropout", _WHOLE),
            ("feature_alpha_dropout", "FeatureAlphaDropout", _MAPS),
        )
        for case in [
            *vary(
                Case(f"dropout.{function}", {"input": _X2}, masks=_mask(axes, 0.5)),
                {"training": True},
                {"training": True, "p": 0.2, "masks": _mask(axes, 0.2)},
                {"training": False},
            ),
            *vary(
                Case(f"dropout.{layer}", {"input": _X2}, init={}, masks=_mask(axes, 0.5)),
                {},
                {"p": 0.2, "masks": _mask(axes, 0.2)},
                {"train": False, "name": f"dropout.{layer}(eval)"},
            ),
        ]
    ),
]
