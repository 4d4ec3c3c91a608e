"""Each knob turned for real: its word changes, so that a matched pair is refused and named.

The switches of a GPU can be turned and read where there is none; only its name is made up.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch

import jax  # isort: skip - torch before jax
from test_bench_fakes import fake

from compare.measure import figures, jax_knobs, knobs, rounds, timing, torch_knobs
from compare.measure.arms import ARMS, COLUMNS
from compare.measure.job import Job
from compare.measure.knobs import KEPT, KNOBS, differences
from compare.measure.workloads import workloads

WORKLOADS = {one.name: one for one in workloads("tiny")}
BY_NAME = {arm.name: arm for arm in ARMS}
READ = {"torch": torch_knobs.read, "jax": jax_knobs.read}


def job(side, workload="bert-tiny, train", device="cpu", arm="", precision="float32"):
    return Job(WORKLOADS[workload], BY_NAME[arm or f"{side}-matched"], precision, device)


def flag(text):
    return lambda patch: patch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} {text}")


def config(name, value):
    def turn(patch):
        before = jax.config.values[name]
        jax.config.update(name, value)
        patch.callback(lambda: jax.config.update(name, before))

    return turn


def switch(owner, name, value):
    """torch's own modules of switches do not let pytest undo."""

    def turn(patch):
        before = getattr(owner, name)
        setattr(owner, name, value)
        patch.callback(lambda: setattr(owner, name, before))

    return turn


def call(turn, value, back):
    """A switch that is a function."""

    def both(patch):
        turn(value)
        patch.callback(lambda: turn(back))

    return both


def affinity(patch):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one processor: none can be taken away")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    patch.callback(lambda: os.sched_setaffinity(0, before))


def name_of(device):
    return lambda patch: patch.setattr(torch.cuda, "get_device_name", lambda: device)


CUDA = {"device": "cuda"}
BFLOAT16 = {"precision": "bfloat16"}
SHARED = {
    "precision": ({}, BFLOAT16),
    "parameters": ({}, BFLOAT16),
    "compute": ({}, BFLOAT16),
    "host memory": ({}, lambda patch: patch.setenv(KEPT, "True")),
    "processors": ({}, affinity),
    "clocks": ({}, switch(knobs, "_clocks", lambda device: "performance")),
    "versions": ({}, switch(knobs, "versions", lambda: {"python": "2"})),
}
TURNS = {
    "torch": SHARED | {
        "bfloat16 policy": ({**BFLOAT16, "arm": "torch-compile"}, {"arm": "torch-matched"}),
        "bfloat16 reduction": (
            CUDA | BFLOAT16,
            switch(torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction", False),
        ),
        "float32 products": (CUDA, call(torch.set_float32_matmul_precision, "high", "highest")),
        "float32 convolutions": (CUDA, switch(torch.backends.cudnn, "allow_tf32", False)),
        "attention": ({}, call(torch.backends.cuda.enable_flash_sdp, False, True)),
        "dropout": ({}, CUDA),
        "compiled": ({}, switch(torch._dynamo.config, "disable", True)),
        "compile mode": ({"arm": "torch-compile"}, {"arm": "torch-max-autotune"}),
        "graphs": (
            {**CUDA, "workload": "resnet18, inference", "arm": "torch-eager"},
            {"arm": "torch-cudagraph"},
        ),
        "autotuning": (CUDA, switch(torch.backends.cudnn, "benchmark", True)),
        "layout": (
            {"workload": "resnet18, train", "arm": "torch-compile"},
            {"arm": "torch-compile channels-last"},
        ),
        "state": ({}, {"workload": "bert-tiny, inference"}),
        "optimizer": ({}, {"arm": "torch-compile"}),
        "flags": ({}, call(torch.use_deterministic_algorithms, True, False)),
        "device": (CUDA, name_of("another GPU")),
        "threads": ({}, call(torch.set_num_threads, 2, 1)),
    },
    "jax": SHARED | {
        "bfloat16 policy": ({**BFLOAT16, "arm": "jax-jit"}, {"arm": "jax-matched"}),
        "float32 products": (CUDA, config("jax_default_matmul_precision", "highest")),
        "float32 convolutions": (CUDA, config("jax_default_matmul_precision", "highest")),
        "dropout": ({}, config("jax_default_prng_impl", "rbg")),
        "compiled": ({}, config("jax_disable_jit", True)),
        "graphs": (CUDA, flag("--xla_gpu_enable_command_buffer=")),
        "autotuning": (CUDA, flag("--xla_gpu_autotune_level=0")),
        "state": ({}, {"arm": "jax-shipped"}),
        "allocator": (
            CUDA,
            lambda patch: patch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false"),
        ),
        "flags": ({}, flag("--xla_cpu_enable_fast_math=true")),
        "device": ({}, CUDA),
        "threads": ({}, flag("--xla_cpu_multi_thread_eigen=false")),
    },
}  # fmt: skip
FIXED = {
    "torch": {"allocator"},  # a GPU's memory is taken as it is needed
    "jax": {"bfloat16 reduction", "attention", "compile mode", "layout", "optimizer"},
}
"""What a side has in one way only: it differs where the other side is turned."""


class Patch(pytest.MonkeyPatch):
    """Undoes calls too, whatever the order."""

    def __init__(self):
        super().__init__()
        self.after = []

    def callback(self, undo):
        self.after.append(undo)

    def undo(self):
        super().undo()
        for undo in self.after:
            undo()


@pytest.fixture
def patch():
    found = Patch()
    found.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    # PyTorch's own test utilities, which other tests import, lock some switches.
    with getattr(torch.backends, "__allow_nonbracketed_mutation")():
        yield found
        found.undo()


@pytest.mark.parametrize(
    ("side", "knob"), [(side, knob) for side, turns in TURNS.items() for knob in turns]
)
def test_a_turned_knob_is_read_and_refused(side, knob, patch):
    given, turn = TURNS[side][knob]
    before = READ[side](job(side, **given))
    if callable(turn):
        turn(patch)
        after = READ[side](job(side, **given))
    else:
        after = READ[side](job(side, **{**given, **turn}))
    named = [text.partition(":")[0] for text in differences(before, after)]
    assert knob in named
    # A pair that is alike but for what was turned.
    pair = [rounds.Runner(fake(name)) for name in COLUMNS["matched"]]
    for runner, manifest in zip(pair, (before, after), strict=True):
        runner.blocks = [timing.Block(1, 0.01, 0.01, 0.0, 0.0)] * 8
        runner.manifest = replace(manifest, words={**before.words, knob: manifest.words[knob]})
    (only,) = figures.column_of(pair[0], pair[1], rounds.Plan(), matched=True)["refused"]
    assert only.startswith(f"{knob}: ")


@pytest.mark.parametrize("side", TURNS)
def test_every_knob_is_turned(side):
    assert TURNS[side].keys() | FIXED[side] == KNOBS.keys()
    assert not TURNS[side].keys() & FIXED[side]


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_torch_can_read_what_was_set(precision, patch):
    """Its compiler reads the older switches, which raise after some of the newer."""
    products, convolutions = (
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
    )
    patch.callback(lambda: torch.set_float32_matmul_precision(products))
    patch.callback(lambda: setattr(torch.backends.cudnn, "allow_tf32", convolutions))
    for name in ("flash", "mem_efficient", "cudnn"):
        turn = getattr(torch.backends.cuda, f"enable_{name}_sdp")
        patch.callback(lambda turn=turn: turn(True))
    switch(torch.backends.cudnn, "benchmark", False)(patch)
    reduced = "allow_bf16_reduced_precision_reduction"
    switch(torch.backends.cuda.matmul, reduced, True)(patch)
    asked = job("torch", device="cuda", precision=precision)
    torch_knobs.turn(asked)
    fast = precision == "tf32"
    assert torch.backends.cuda.matmul.allow_tf32 is fast
    assert torch.backends.cudnn.allow_tf32 is fast
    words = torch_knobs.read(asked).words
    expected = "tf32" if fast else "ieee"
    assert (words["float32 products"], words["float32 convolutions"]) == (expected, expected)
