"""The knobs that a figure depends on: what each worker read, and where two arms differ.

Each side reports every knob of KNOBS in common words, read from its own switches inside the
worker, and its raw readings beside them. Arms are matched where no word differs: a flag that
means nothing on the device (TF32 on a CPU) reads alike on both sides.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from compare.measure.environment import machine, versions

KNOBS = {
    "precision": "what was asked for: float32, tf32, bfloat16",
    "parameters": "dtype in which parameters are kept and updated",
    "compute": "dtype of activations",
    "bfloat16 policy": "none; whole: all of it; cast: weights at entry; autocast: by operation",
    "bfloat16 reduction": "what partial sums of bfloat16 products may be rounded to",
    "float32 products": "arithmetic of matrix products: ieee, tf32",
    "float32 convolutions": "arithmetic of convolutions: ieee, tf32",
    "attention": "written out, or the fused kernels that may be chosen among",
    "dropout": "none drawn; or the generator that draws it",
    "compiled": "whether a compiler saw the step",
    "compile mode": "none; default: one pass; autotuned: kernels are timed and chosen",
    "graphs": "whether launches are recorded once and replayed: CUDA graphs, command buffers",
    "autotuning": "whether the library's kernels are timed and chosen",
    "layout": "of images in memory: channels first or last; none where there are none",
    "state": "after a step: new, or its old memory reused (in place, donated)",
    "optimizer": "one kernel for all parameters, or one or several for each",
    "allocator": "whether the device's memory is taken at once or as it is needed",
    "host memory": "whether what was freed is kept in the process or given back and faulted in",
    "flags": "switches that change arithmetic or order: determinism, fast math, checks",
    "device": "its name",
    "threads": "that one step may use on the host's processor",
    "processors": "that the process may run on",
    "clocks": "governor and turbo of the processor; on a GPU the limits of its clocks",
    "versions": "of Python and of every package that counts",
}

KEPT = "PORTBENCH_KEEPS_MEMORY"
"""Variable of a worker that told its allocator to give nothing back."""


@dataclass(frozen=True)
class Manifest:
    """`words`: knob -> what it is, for every knob of KNOBS; `raw`: switch -> its reading."""

    side: str
    words: Mapping[str, str]
    raw: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        missing, spare = KNOBS.keys() - self.words.keys(), self.words.keys() - KNOBS.keys()
        if missing or spare:
            raise ValueError(f"{self.side}: knobs missing {missing}, unknown {spare}")


def differences(one: Manifest, other: Manifest) -> list[str]:
    """The knobs whose words differ, each with both: empty where the two are matched."""
    return [
        f"{knob}: {one.side} {one.words[knob]}, {other.side} {other.words[knob]}"
        for knob in KNOBS
        if one.words[knob] != other.words[knob]
    ]


def shared(device: str, precision: str) -> tuple[dict[str, str], dict[str, str]]:
    """The words and raw readings that no framework need be asked for."""
    found = machine()
    words = {
        "precision": precision,
        "host memory": "kept" if os.environ.get(KEPT) == "True" else "as the system does",
        "processors": str(found["cores"]),
        "clocks": _clocks(device),
        "versions": ", ".join(f"{name} {one}" for name, one in versions().items()),
    }
    names = (
        "XLA_FLAGS",
        "JAX_",
        "XLA_",
        "TORCH",
        "PYTORCH_",
        "OMP_",
        "MKL_",
        "NVIDIA_",
        "CUDA",
    )
    raw = {k: v for k, v in sorted(os.environ.items()) if k.startswith(names)}
    hidden = ("_DIR", "TOKEN", "KEY", "PATH")
    return words, {k: v for k, v in raw.items() if not any(part in k for part in hidden)}


def _clocks(device: str) -> str:
    if device == "cuda":
        return _gpu_clocks()
    found = []
    for name in ("scaling_governor", "scaling_max_freq"):
        files = glob.glob(f"/sys/devices/system/cpu/cpu*/cpufreq/{name}")
        found += sorted({_text(file) for file in files})
    turbo = _text("/sys/devices/system/cpu/intel_pstate/no_turbo")
    return ", ".join([*found, *([f"no_turbo {turbo}"] if turbo else [])]) or "not told"


def _gpu_clocks() -> str:
    try:
        import pynvml  # pyright: ignore[reportMissingImports]

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        kinds = {"SM": pynvml.NVML_CLOCK_SM, "memory": pynvml.NVML_CLOCK_MEM}
        limits = [
            f"{name} to {pynvml.nvmlDeviceGetMaxClockInfo(handle, kind)} MHz"
            for name, kind in kinds.items()
        ]
        driver = pynvml.nvmlSystemGetDriverVersion()
    except Exception:  # no library, no driver, or a reading that this card refuses
        return "not told"
    return ", ".join([*limits, f"driver {driver}"])


def _text(path: str) -> str:
    try:
        with open(path) as lines:
            return lines.read().strip()
    except OSError:
        return ""
