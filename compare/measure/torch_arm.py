"""torch's arms: a workload becomes a step, by eager code, torch.compile or a CUDA graph."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import torch

from compare.cases.case import Case
from compare.measure import torch_knobs
from compare.measure.arms import UNIT
from compare.measure.job import Job, Reference, farthest, scales, thinned
from compare.measure.timing import Prepared
from compare.measure.torch_step import KINDS, Kinds, Program
from compare.run import torch_side


def make(job: Job, kinds: Kinds = KINDS) -> Prepared:
    """`job`, compiled and run once."""
    torch_knobs.turn(job)
    step = program(job, kinds=kinds)
    wait = torch.cuda.synchronize if job.device == "cuda" else _nothing
    wait()
    began = time.perf_counter()
    step.capture() if job.arm.mode == "cudagraph" else step()
    wait()
    facts = {"first_call": time.perf_counter() - began}
    return Prepared(
        step=step.call,
        sync=wait,
        settle=lambda: step.touched(),
        agreement=step.agreement,
        manifest=lambda: torch_knobs.read(job, step.words),
        facts=facts,
        warm=lambda: _again(step, wait) if job.arm.mode not in ("eager", "cudagraph") else None,
        feed=lambda: (step.examples(job.device), wait()),
        memory=lambda: _memory(job.device),
        trace=lambda folder: _trace(step, wait, folder, job),
        finite=lambda: bool(np.isfinite(step.shown()).all()),
    )


def probe(device: str) -> None:
    """Makes torch.compile try the machine's compiler and headers."""
    torch.compile(lambda x: x + 1)(torch.ones(64, device=device))


TWINS = 3


def program(job: Job, off: float = 0.0, twin: int = 0, kinds: Kinds = KINDS) -> Program:
    """The step of `job`, built and filled with givens that are `off` by that much."""
    return kinds[job.workload.mode](job, off, twin)


def reference(job: Job, precisions: tuple[str, ...], kinds: Kinds = KINDS) -> Reference:
    """Eager runs: float64, its twins for each precision, and each precision itself."""
    if not job.leaves:
        job = replace(job, leaves=tuple(torch_side.leaves(cast(Case, job.workload.pair))))
    exact = replace(job, precision="float64")
    whole = program(exact, kinds=kinds).agreement()
    expected, largest = thinned(whole), scales(whole)
    del whole
    twins, own = {}, {}
    for precision in precisions:
        several = [
            thinned(program(exact, UNIT[precision], twin, kinds).agreement())
            for twin in range(TWINS)
        ]
        twins[precision] = farthest(expected, several)
        same = replace(job, precision=precision)
        torch_knobs.turn(same)
        own[precision] = thinned(program(same, kinds=kinds).agreement())
    return Reference(job.leaves, expected, twins, own, largest)


def _nothing() -> None:
    """A CPU's torch returns when all is done."""


def _again(step: Program, wait: Callable[[], None]) -> float:
    torch.compiler.reset()
    began = time.perf_counter()
    step()
    wait()
    return time.perf_counter() - began


def _memory(device: str) -> dict[str, float]:
    if device != "cuda":
        return {}
    return {
        "device_peak": float(torch.cuda.max_memory_allocated()),
        "device_reserved": float(torch.cuda.max_memory_reserved()),
    }


def _trace(step: Program, wait: Callable[[], None], folder: str, job: Job) -> None:
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU]
    kinds += [ProfilerActivity.CUDA] if job.device == "cuda" else []
    with profile(activities=kinds) as seen:
        for _ in range(3):
            step()
        wait()
    os.makedirs(folder, exist_ok=True)
    seen.export_chrome_trace(os.path.join(folder, f"{job.arm.name}.json".replace(" ", "-")))
