"""What a result depends on besides the code: machine, versions, precision switches, threads."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from enum import StrEnum
from typing import Any

PACKAGES = (
    "portbench",
    "torch",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "scipy",
    "transformers",
)
VARIABLES = (
    "XLA_FLAGS",
    "JAX_PLATFORMS",
    "JAX_ENABLE_X64",
    "OMP_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)


class Device(StrEnum):
    """Where both sides run."""

    cpu = "cpu"
    cuda = "cuda"
    tpu = "tpu"


def versions() -> dict[str, str]:
    """Installed versions, without importing anything."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory in GiB, operating system."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gib": _memory_gib(),
        "system": platform.platform(terse=True),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def frameworks() -> dict[str, Any]:
    """Devices, precision switches and threads of both frameworks; imports them."""
    import torch

    import jax  # isort: skip - torch before jax: the other order can crash

    cuda = torch.cuda.is_available()
    return {
        "torch": {
            "devices": ["cpu", *(torch.cuda.get_device_name(i) for i in range(_count(torch)))],
            "threads": torch.get_num_threads(),
            "matmul_precision": torch.get_float32_matmul_precision(),
            "cuda_matmul_tf32": torch.backends.cuda.matmul.allow_tf32 if cuda else None,
            "cudnn_tf32": torch.backends.cudnn.allow_tf32 if cuda else None,
            "cudnn_benchmark": torch.backends.cudnn.benchmark if cuda else None,
            "default_dtype": str(torch.get_default_dtype()),
        },
        "jax": {
            "devices": [f"{device.platform}: {device.device_kind}" for device in jax.devices()],
            "backend": jax.default_backend(),
            "matmul_precision": str(_read("jax_default_matmul_precision") or "default"),
            "x64": bool(_read("jax_enable_x64")),
            "prng": str(_read("jax_default_prng_impl")),
        },
    }


def jax_cache(folder: str) -> dict[str, str]:
    """Variables by which JAX keeps all that it compiled in `folder`, however quick to make."""
    return {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def available(device: str) -> str:
    """ "" if both sides can run on `device`, else what is missing and what to do."""
    import torch

    import jax  # isort: skip

    if device == "cuda" and not torch.cuda.is_available():
        return (
            "torch sees no CUDA device; install a CUDA build of torch, or use --device cpu "
            "(portbench doctor shows what is here)"
        )
    try:
        jax.devices(device)
    except RuntimeError:
        extra = "cuda13" if device == "cuda" else device
        return (
            f"jax sees no {device} device; install portbench[{extra}] on a machine that has "
            "one, or use --device cpu (portbench doctor shows what is here)"
        )
    return ""


def _read(option: str) -> Any:
    import jax

    return jax.config.values[option]


def _count(torch: Any) -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
