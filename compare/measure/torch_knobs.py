"""torch's knobs: turned as an arm asks, and read back from torch's own switches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from compare.cases.training import Call, Training
from compare.measure.environment import machine
from compare.measure.job import Job
from compare.measure.knobs import Manifest, shared

BACKENDS: Any = torch.backends  # whose newer switches its stubs lack
FUSED = ("flash", "mem_efficient", "cudnn")
"""The kernels of scaled_dot_product_attention beside the written-out one."""


PARTLY = "autocast"
"""bfloat16 upon float32 parameters: by operation."""


def turn(job: Job) -> None:
    """Sets what the arm asks for; as shipped nothing but the number of threads is touched."""
    if job.device == "cpu":
        torch.set_num_threads(job.threads)
    if job.arm.tuning == "shipped":
        return
    # By the older names: torch refuses to read those, as its compiler does, after the newer.
    tf32 = job.precision == "tf32"
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    BACKENDS.cudnn.allow_tf32 = tf32
    # XLA times convolutions and products and chooses, unless told not to.
    BACKENDS.cudnn.benchmark = job.arm.tuning in ("matched", "best")
    if job.arm.tuning == "matched":
        BACKENDS.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        # JAX's attention is written out.
        for kernel in FUSED:
            getattr(BACKENDS.cuda, f"enable_{kernel}_sdp")(False)


def updated(training: Training, job: Job) -> Training:
    """The training by the optimizer's fused kernel, where the arm asks for what JAX has."""
    arguments = dict(training.update.arguments)
    if training.by_hand:
        return training
    if job.arm.tuning in ("matched", "best"):
        arguments["fused"] = True
    if job.arm.mode == "cudagraph" and "Adam" in training.update.target:
        rate = torch.tensor(arguments["lr"], device=job.device)
        arguments |= {"capturable": True, "lr": rate}
    return replace(training, update=Call(training.update.target, arguments))


def read(job: Job, own: Mapping[str, str] | None = None) -> Manifest:
    """What torch's switches say now, and what the step itself knows (`own`)."""
    words, raw = shared(job.device, job.precision)
    here = _readings()
    words |= _precision_words(job) | _compiler_words(job)
    workload, trains = job.workload, job.workload.mode == "train"
    kernels = [name for name in (*FUSED, "math") if here[f"sdp {name}"] == "True"]
    attends = "bert" in workload.pair.target
    laid = "channels last" if job.arm.channels_last else "channels first"
    unusual = [
        name
        for name in ("deterministic", "cudnn deterministic", "anomaly")
        if here[name] == "True"
    ]
    words |= {
        "attention": _attention(kernels) if attends else "none",
        "dropout": _generator(job.device) if job.draws else "none",
        "layout": laid if workload.layout else "none",
        "state": "reused" if trains else "none",
        "optimizer": _optimizer(job) if trains else "none",
        "allocator": "as needed",
        "flags": ", ".join(unusual) or "none",
        "device": machine()["processor"]
        if job.device == "cpu"
        else torch.cuda.get_device_name(),
        "threads": str(torch.get_num_threads()) if job.device == "cpu" else "the device's",
    }
    return Manifest("torch", {**words, **(own or {})}, {**raw, **here})


def _precision_words(job: Job) -> dict[str, str]:
    whole, gpu = job.policy(PARTLY) == "whole", job.device == "cuda"
    matmul = BACKENDS.cuda.matmul
    reduced = matmul.allow_bf16_reduced_precision_reduction
    narrow = job.precision == "bfloat16" and gpu and reduced
    tf32 = {"tf32": "tf32"}
    return {
        "parameters": "bfloat16" if whole else "float32",
        "compute": "bfloat16" if job.policy(PARTLY) != "none" else "float32",
        "bfloat16 policy": job.policy(PARTLY),
        "bfloat16 reduction": "bfloat16" if narrow else "float32",
        "float32 products": tf32.get(_effective(matmul), "ieee") if gpu else "ieee",
        "float32 convolutions": tf32.get(_effective(BACKENDS.cudnn.conv), "ieee")
        if gpu
        else "ieee",
    }


def _effective(switch: Any) -> str:
    """A switch's own setting; "none" leaves it to the one above."""
    own = switch.fp32_precision
    return BACKENDS.fp32_precision if own == "none" else own


def _compiler_words(job: Job) -> dict[str, str]:
    mode = job.arm.mode
    off = torch._dynamo.config.disable if mode not in ("eager", "cudagraph") else False
    compiles = mode not in ("eager", "cudagraph") and not off
    graphs = mode == "cudagraph" or (compiles and mode in ("reduce-overhead", "max-autotune"))
    gpu = job.device == "cuda"
    return {
        "compiled": "yes" if compiles else "no",
        "compile mode": ("autotuned" if mode == "max-autotune" else "default")
        if compiles
        else "none",
        "graphs": "on" if graphs and gpu else "off",
        "autotuning": "on" if gpu and BACKENDS.cudnn.benchmark else "off",
    }


def _attention(kernels: list[str]) -> str:
    return "written out" if kernels == ["math"] else f"one of {', '.join(kernels)}"


def _generator(device: str) -> str:
    return "philox" if device == "cuda" else "mt19937"


def _optimizer(job: Job) -> str:
    training = job.workload.pair
    if not isinstance(training, Training):
        return "not ours"  # its step says which (`own`)
    if training.by_hand:
        return "several kernels for each"
    if updated(training, job).update.arguments.get("fused"):
        return "one kernel"
    return "several kernels for all" if job.device == "cuda" else "several kernels for each"


def _readings() -> dict[str, str]:
    """torch's own switches, by name."""
    cuda, cudnn = BACKENDS.cuda, BACKENDS.cudnn
    found: dict[str, Any] = {
        "fp32_precision": BACKENDS.fp32_precision,
        "cuda.matmul.fp32_precision": cuda.matmul.fp32_precision,
        "cudnn.conv.fp32_precision": cudnn.conv.fp32_precision,
        "mkldnn.matmul.fp32_precision": BACKENDS.mkldnn.matmul.fp32_precision,
        "bf16 reduced": cuda.matmul.allow_bf16_reduced_precision_reduction,
        "fp16 reduced": cuda.matmul.allow_fp16_reduced_precision_reduction,
        "cudnn.benchmark": cudnn.benchmark,
        "cudnn deterministic": cudnn.deterministic,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "anomaly": torch.is_anomaly_enabled(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "interop threads": torch.get_num_interop_threads(),
        "build": torch.__version__,
        "cuda": torch.version.cuda,
    }
    for kernel in FUSED:
        found[f"sdp {kernel}"] = getattr(cuda, f"{kernel}_sdp_enabled")()
    found["sdp math"] = cuda.math_sdp_enabled()
    return {name: str(value) for name, value in found.items()}
