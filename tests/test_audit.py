"""The leak audit: narrowing casts of a float64 run are found on both sides, and where."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import torch
from commands import portbench

from compare.run.audit import narrowing_casts
from compare.run.torch_audit import NarrowingCasts


class Inner(torch.nn.Module):
    def forward(self, scores):
        return torch.softmax(scores.float(), -1).to(scores.dtype)


class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList([torch.nn.Linear(3, 3), Inner()])

    def forward(self, scores):
        return self.blocks[1](self.blocks[0](scores))


def test_torchs_casts_are_named_by_line_and_module_forward_and_backward():
    model = Outer().double()
    with NarrowingCasts() as casts:
        model(torch.ones(2, 3, dtype=torch.double)).sum().backward()
    (forward, backward) = casts.seen()
    assert forward.startswith("float64 -> float32 at ")
    assert "test_audit.py:" in forward
    assert forward.endswith("(forward), in module Outer.blocks.1")
    assert "in the backward pass" in backward
    assert "Outer.blocks.1" in backward


def test_a_clean_torch_model_has_none_and_hooks_are_gone_afterwards():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3)).double()
    with NarrowingCasts() as casts:
        model(torch.randn(4, 3, dtype=torch.double)).sum().backward()
    assert casts.seen() == ()
    torch.ones(2, dtype=torch.double).float()
    assert casts.seen() == ()


def test_jaxs_casts_are_named_by_line():
    def leaky(x):
        return jax.nn.softmax(x.astype(jnp.float32)).astype(x.dtype)

    with jax.enable_x64(True):
        traced = jax.jit(lambda x: jax.jit(leaky)(x)).trace(jnp.ones(3, jnp.float64))
        (casts,) = narrowing_casts(traced.jaxpr, 1)
    assert [c for c in casts if "test_audit.py:" in c and "leaky)" in c], casts


def test_a_planted_leak_is_called_one(tmp_path):
    done = portbench(
        "run", "-s", "faults", "-k", "float32", "--jobs", "1", "--out", str(tmp_path)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 leak" in done.stdout
