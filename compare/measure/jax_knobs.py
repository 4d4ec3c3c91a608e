"""JAX's knobs: turned as an arm asks, and read back from JAX's own switches."""

from __future__ import annotations

import os
from collections.abc import Mapping

import jax

from compare.measure.environment import machine
from compare.measure.job import Job
from compare.measure.knobs import Manifest, shared

_PRODUCTS = {
    "highest": "ieee",
    "float32": "ieee",
    "high": "tf32",
    "tensorfloat32": "tf32",
    "default": "tf32",
    "None": "tf32",
    "bfloat16": "bfloat16",
    "fastest": "tf32",
}
"""What a matmul precision means for float32 on a GPU that has TF32; a CPU has IEEE alone."""

_SWITCHES = (
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_enable_x64",
    "jax_debug_nans",
    "jax_disable_jit",
    "jax_threefry_partitionable",
    "jax_disable_most_optimizations",
    "jax_numpy_dtype_promotion",
)


PARTLY = "cast"
"""bfloat16 upon float32 parameters: they are cast at entry."""


def turn(job: Job) -> None:
    """Sets what the arm asks for; as shipped nothing is touched but for float64."""
    if job.precision == "float64":
        jax.config.update("jax_enable_x64", True)
    if job.arm.tuning == "shipped":
        return
    asked = "tensorfloat32" if job.precision == "tf32" else "highest"
    jax.config.update("jax_default_matmul_precision", asked)
    if job.arm.tuning == "best":
        jax.config.update("jax_default_prng_impl", "rbg")


def read(job: Job, own: Mapping[str, str] | None = None) -> Manifest:
    """What JAX's switches say now, and what the step itself knows (`own`)."""
    words, raw = shared(job.device, job.precision)
    workload, mode = job.workload, job.workload.mode
    whole, gpu = job.policy(PARTLY) == "whole", job.device == "cuda"
    readings = {name: _switch(name) for name in _SWITCHES}
    products = _PRODUCTS.get(readings["jax_default_matmul_precision"], "unknown")
    products = products if gpu else {"bfloat16": "bfloat16"}.get(products, "ieee")
    flags = os.environ.get("XLA_FLAGS", "")
    pair = workload.pair
    donates = job.arm.tuning != "shipped"
    device = jax.devices()[0]
    words |= {
        "parameters": "bfloat16" if whole else "float32",
        "compute": "bfloat16" if job.policy(PARTLY) != "none" else "float32",
        "bfloat16 policy": job.policy(PARTLY),
        "bfloat16 reduction": "float32",
        "float32 products": products,
        "float32 convolutions": products,
        "attention": "written out" if "bert" in pair.target else "none",
        "dropout": readings["jax_default_prng_impl"] if job.draws else "none",
        "compiled": "no" if readings["jax_disable_jit"] == "True" else "yes",
        "compile mode": "default",
        "graphs": "on" if gpu and "enable_command_buffer=" not in flags else "off",
        "autotuning": "off" if not gpu or "autotune_level=0" in flags else "on",
        "layout": "channels last" if workload.layout else "none",
        "state": ("reused" if donates else "new") if mode == "train" else "none",
        "optimizer": "one kernel" if mode == "train" else "none",
        "allocator": _allocator() if gpu else "as needed",
        "flags": _unusual(readings, flags),
        "device": machine()["processor"] if job.device == "cpu" else device.device_kind,
        "threads": _threads(job, flags),
    }
    readings |= {"backend": jax.default_backend(), "device": str(device.device_kind)}
    return Manifest("jax", {**words, **(own or {})}, {**raw, **readings})


def _threads(job: Job, flags: str) -> str:
    if job.device != "cpu":
        return "the device's"
    return str(job.threads if "multi_thread_eigen=false" in flags else machine()["cores"])


def _switch(name: str) -> str:
    return str(jax.config.values.get(name, "not there"))


def _allocator() -> str:
    kept = os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "true").lower()
    return "as needed" if kept in ("false", "0") else "at once"


def _unusual(readings: dict[str, str], flags: str) -> str:
    signs = ("fast_math", "deterministic", "disable_most_optimizations", "optimization_level")
    found = [one for one in flags.split() if any(sign in one for sign in signs)]
    names = ("jax_debug_nans", "jax_enable_x64", "jax_disable_most_optimizations")
    found += [name for name in names if readings[name] == "True"]
    return ", ".join(found) or "none"
