"""Every sample that PyTorch ships for the mirrored modules, train and eval. No skip list."""

from __future__ import annotations

import importlib
import inspect

import jax.numpy as jnp
import pytest
import torch
from flax import nnx
from samples import axes, bound, legacy, modern, modern_infos, plain, stem_of, translated
from torch.testing._internal.common_modules import ModuleErrorEnum

from compare.cases.case import Case
from compare.check import check
from compare.run import state

BATCH = 16
ZEROS = "nothing was compared but zeros"

# How many tests share the samples of one list: the longest would keep one worker too long.
PARTS = {name: 1 for name in modern_infos()} | {
    "CrossEntropyLoss": 2,
    "LinearCrossEntropyLoss": 16,
    "CTCLoss": 2,
}
LEGACY_PARTS = 8


def judged(cases: list[Case]) -> None:
    assert cases
    problems = []
    for start in range(0, len(cases), BATCH):
        for verdict in check(cases[start : start + BATCH], quick=True):
            # A sample whose values are all zero (a clipped one, say) is equal, and says little.
            zeros = verdict.verdict == "error" and verdict.says.startswith(ZEROS)
            if verdict.verdict != "same" and not zeros:
                problems.append(f"{verdict.case}: {verdict.verdict}: {verdict.says}")
    assert not problems, "\n".join(problems)


LONG = {"LinearCrossEntropyLoss", "CrossEntropyLoss", "CTCLoss"}


def marks(name: str, part: int, training: bool) -> list:
    """No mode changes a loss: of the longest lists one part runs in the default run, the others
    in `make test-slow`."""
    return [pytest.mark.slow] if name in LONG and (part > 0 or not training) else []


MODULE_DB = [
    pytest.param(name, part, training, marks=marks(name, part, training))
    for name, parts in PARTS.items()
    for part in range(parts)
    for training in (True, False)
]


@pytest.mark.parametrize(("name", "part", "training"), MODULE_DB)
def test_module_db(name, part, training):
    judged(list(modern(training, name))[part :: PARTS[name]])


# In evaluation by `make test-slow`: what differs there the newer list has too.
@pytest.mark.parametrize(
    "training",
    [
        pytest.param(True, id="train"),
        pytest.param(False, id="eval", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("part", range(LEGACY_PARTS))
def test_legacy_lists(part, training):
    judged(list(legacy(training))[part::LEGACY_PARTS])


def test_samples_are_many():
    """The lists are PyTorch's own: should they shrink, this test says so."""
    assert len(PARTS) >= 90
    assert sum(1 for name in PARTS for _ in modern(True, name)) >= 400
    assert sum(1 for _ in legacy(True)) >= 220


WITH_ERRORS = [name for name, info in modern_infos().items() if info.module_error_inputs_func]
PYTHONS = (ValueError, TypeError, IndexError, NotImplementedError)


@pytest.mark.parametrize("name", WITH_ERRORS)
def test_error_samples_raise_here_too(name):
    """What torch refuses is refused, in Python, in words that name the argument."""
    info = modern_infos()[name]
    cls = getattr(importlib.import_module(f"jax_impl.{stem_of(name)}"), name)
    samples = info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
    )
    for sample in samples:
        call = sample.module_error_input
        init = bound(
            info.module_cls, call.constructor_input.args, call.constructor_input.kwargs
        )
        init = {k: plain(v) for k, v in {**init, **translated(init)}.items()}
        if "rngs" in inspect.signature(cls.__init__).parameters:
            init["rngs"] = nnx.Rngs(0)
        if sample.error_on == ModuleErrorEnum.CONSTRUCTION_ERROR:
            with pytest.raises(PYTHONS, match=r"\w+ \w+"):
                cls(**init)
            continue
        module = cls(**init)
        with pytest.raises(PYTHONS, match=r"\w+ \w+"):
            module(*(carried(name, value) for value in call.forward_input.args))


def carried(name: str, value: torch.Tensor):
    """A sample tensor in this side's order of axes."""
    names = axes(name, tuple(value.shape), value.is_floating_point())
    names = " ".join(part.split("=")[0] for part in names.split())
    return jnp.asarray(state.to_jax(value.numpy(), state.channels_last(names)))
