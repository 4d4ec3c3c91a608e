"""Cases of torch_impl/loss_ctc.py and jax_impl/loss_ctc.py."""

from __future__ import annotations

from compare.cases.case import Case, draw, labels, vary

# Time t, batch n, classes c with 0 the blank; targets of three lengths, padded to 4.
_LOG = draw("t=9 n=3 c=5", "log_simplex")
_PADDED = draw("n=3 s=4", "given", grad=False, values=[1, 2, 2, 3, 4, 1, 3, 1, 2, 4, 1, 1])
_LENGTHS = {
    "input_lengths": draw("n=3", "given", grad=False, values=[9, 8, 9]),
    "target_lengths": draw("n=3", "given", grad=False, values=[4, 3, 2]),
}
_FLAT = {"targets": draw("k=9", "given", grad=False, values=[1, 2, 2, 3, 4, 1, 3, 2, 4])}
_SHORT = {"input_lengths": draw("n=3", "given", grad=False, values=[3, 8, 9])}
_INPUTS = {"log_probs": _LOG, "targets": _PADDED, **_LENGTHS}
_ONE = {
    "log_probs": draw("t=7 c=5", "log_simplex"),
    "targets": labels("s=3", 5, low=1),
    "input_lengths": draw("", "given", grad=False, values=7),
    "target_lengths": draw("", "given", grad=False, values=3),
}


def _cases(target: str, init: dict | None) -> list[Case]:
    base = Case(target, _INPUTS, init=init, out=("",))
    return [
        *vary(
            base,
            {},
            {"reduction": "sum"},
            {"reduction": "none", "out": ("n",)},
            {"blank": 4, "inputs": {"targets": labels("n=3 s=4", 4)}},
            {"inputs": _FLAT, "name": f"{target}(targets in one row)"},
            {
                "inputs": _SHORT,
                "reduction": "none",
                "out": ("n",),
                "name": f"{target}(no alignment)",
                "why": "too few frames for the first target: inf",
            },
            {
                "inputs": _SHORT,
                "zero_infinity": True,
                "name": f"{target}(no alignment, zero_infinity=True)",
            },
        ),
        *vary(Case(target, _ONE, init=init, out=("",)), {"name": f"{target}(unbatched)"}),
    ]


CASES = [*_cases("loss_ctc.ctc_loss", None), *_cases("loss_ctc.CTCLoss", {})]
