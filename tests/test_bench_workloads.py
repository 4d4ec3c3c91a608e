"""What is timed, by which arms and knobs, and the operations of it."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from test_bench_fakes import FAKE, PLAN, fake

from compare.measure import figures, rounds, timing
from compare.measure.arms import ARMS, COLUMNS, UnknownArm, arms, refused
from compare.measure.knobs import KNOBS, Manifest, differences
from compare.measure.workloads import workloads


class TestKnobs:
    ALIKE = dict.fromkeys(KNOBS, "alike")

    @pytest.mark.parametrize("knob", KNOBS)
    def test_one_that_differs_is_named_and_refused(self, knob):
        torch, jax = (rounds.Runner(fake(name, side=side)) for name, side in
                      zip(COLUMNS["matched"], ("torch", "jax"), strict=True))  # fmt: skip
        for runner in (torch, jax):
            runner.blocks = [timing.Block(1, 0.01, 0.01, 0.0, 0.0)] * 8
        torch.manifest = Manifest("torch", self.ALIKE)
        jax.manifest = Manifest("jax", {**self.ALIKE, knob: "flipped"})
        course = rounds.Course(FAKE, "float32", [torch, jax])
        column = figures.columns(course, PLAN)["matched"]
        assert column["refused"] == [f"{knob}: torch alike, jax flipped"]
        jax.manifest = Manifest("jax", self.ALIKE)
        assert "ratio" in figures.columns(course, PLAN)["matched"]

    def test_a_manifest_has_every_knob(self):
        with pytest.raises(ValueError, match="threads"):
            Manifest("torch", {k: "x" for k in KNOBS if k != "threads"})

    def test_alike_is_no_difference(self):
        assert not differences(Manifest("torch", self.ALIKE), Manifest("jax", self.ALIKE))


class TestData:
    def test_tf32_is_refused_on_a_cpu_with_words(self):
        assert "no TF32" in refused("tf32", "cpu")
        assert not refused("tf32", "cuda")
        assert not refused("bfloat16", "cpu")

    def test_the_first_arm_is_the_baseline_and_its_second_self_is_there(self):
        assert [arm.name for arm in arms(["jax-jit"], "cpu")] == [
            "torch-eager", "torch-eager again", "jax-jit",
        ]  # fmt: skip

    def test_an_arm_of_another_device_is_refused(self):
        with pytest.raises(UnknownArm, match="torch-cudagraph"):
            arms(["torch-cudagraph"], "cpu")

    def test_names_are_unique(self):
        assert len({arm.name for arm in ARMS}) == len(ARMS)
        for size in ("tiny", "cpu", "gpu"):
            names = [one.name for one in workloads(size)]
            assert len(set(names)) == len(names)

    def test_flops_of_known_models(self):
        counts = {one.name: one.flops / one.samples for one in workloads("gpu")}
        assert counts["resnet50, inference"] == pytest.approx(2 * 4.089e9, rel=1e-3)
        assert counts["resnet18, inference"] == pytest.approx(2 * 1.814e9, rel=1e-3)
        assert counts["bert-base, train"] == pytest.approx(67.0e9, rel=1e-2)


class NoModules(contextlib.nullcontext):
    """All operations as of one place."""

    parents = frozenset({"Global"})


COUNTED = [one for one in workloads("tiny") if one.flops]


@pytest.mark.parametrize("workload", COUNTED, ids=[one.name for one in COUNTED])
def test_flops_are_those_that_torch_counts(workload):
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from compare.measure.job import Job
    from compare.measure.torch_arm import program
    from compare.run import torch_side

    arm = arms(None, "cpu")[0]
    job = Job(workload, arm, "float32", "cpu")
    job = replace(job, leaves=tuple(torch_side.leaves(workload.pair)))
    step = program(job)
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = NoModules()  # torch's own cannot follow autograd.grad
    # Of the fused kernels torch counts some only: the written-out attention is all products.
    with counter, sdpa_kernel(SDPBackend.MATH):
        step()
    assert counter.get_total_flops() == workload.flops


@pytest.mark.parametrize("side", ["torch", "jax"])
def test_the_second_wait_fetches_one_number(side, monkeypatch):
    """A large result's way to the host was taken for work that nobody had waited for."""
    import torch

    from compare.measure import jax_arm, jax_knobs, torch_knobs
    from compare.measure.job import Job
    from compare.measure.torch_arm import make
    from compare.run import torch_side

    for knobs_of in (jax_knobs, torch_knobs):  # this process is not an arm's
        monkeypatch.setattr(knobs_of, "turn", lambda job: None)
    workload = next(one for one in workloads("tiny") if "conv 1x1" in one.name)
    arm = next(one for one in arms(None, "cpu") if one.side == side)
    job = Job(workload, arm, "float32", "cpu")
    job = replace(job, leaves=tuple(torch_side.leaves(workload.pair)))
    one = (make if side == "torch" else jax_arm.make)(job)
    fetched = []
    cpu = torch.Tensor.cpu

    class Watched:
        """NumPy as jax_arm sees it, and no one else: what it takes to the host is counted."""

        def __getattr__(self, name):
            return getattr(np, name)

        def asarray(self, values):
            fetched.append(values.size)
            return np.asarray(values)

    one.step()
    monkeypatch.setattr(jax_arm, "np", Watched())
    monkeypatch.setattr(torch.Tensor, "cpu", lambda x: fetched.append(x.numel()) or cpu(x))
    one.settle()
    assert fetched == [1]
