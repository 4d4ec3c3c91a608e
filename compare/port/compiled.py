"""A module under torch.compile: whether its compiled form computes what the module does.

It is the module that is compared with the JAX side and followed, as no hook sees into compiled
code; what the compiler made of it is compared with the module, and so with the JAX side too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from compare.judge.agree import judge
from compare.judge.verdict import Verdict
from compare.port.models import Models
from compare.run import torch_side
from compare.run.record import PRECISIONS, Record
from compare.run.torch_side import Compiler


def compiler_of(model: Any) -> Compiler | None:
    """What compiles a copy as the user's module is compiled; None where it is not.

    `torch.compile(module, ...)` keeps its backend and options in the wrapper's context.
    `module.compile(...)` keeps them nowhere: a copy is compiled with the defaults.
    """
    if hasattr(model, "_orig_mod"):
        return getattr(model, "dynamo_ctx", torch.compile)
    return torch.compile if getattr(model, "_compiled_call_impl", None) is not None else None


def compiled(
    made: Models, records: Mapping[tuple[str, str], Record], compiler: Compiler, seed: int
) -> Verdict:
    """The compiled module (as the "JAX" side of the judge) against the module itself.

    Verdict `unsupported` where it can't be compiled on this machine.
    """
    name = f"{made.case.name} compiled"
    pair = {("torch", p): records["torch", p] for p in PRECISIONS}
    for precision in PRECISIONS:
        # One graph for each precision: what was compiled before was for other leaves.
        torch.compiler.reset()
        run = torch_side.run(made.case, made.given, precision, seed, compiler=compiler)
        if run.error:
            return Verdict(name, "unsupported", says=run.error)
        kept = {k: x for k, x in run.arrays.items() if k in pair["torch", precision].arrays}
        pair["jax", precision] = dataclasses.replace(run, side="jax", arrays=kept)
    verdict = judge(name, pair, may_be_flat=False)
    return dataclasses.replace(verdict, says=verdict.says.replace("JAX", "compiled"))
