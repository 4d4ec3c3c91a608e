"""How a workload is run: which side, how it is compiled, by which knobs. Data, no framework."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from compare.measure.environment import jax_cache

PRECISIONS = ("float32", "tf32", "bfloat16")
"""IEEE float32 throughout; float32 whose products may be TF32's; bfloat16."""

UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "tf32": 2.0**-11, "bfloat16": 2.0**-8}
"""Unit roundoff of the products of each precision."""

INDUCTOR = "inductor"
"""Where torch.compile keeps what it made, in the folder of an arm's process."""

BASELINE = "torch-eager"
AGAIN = "torch-eager again"


@dataclass(frozen=True)
class Arm:
    """One way to run a workload.

    make      what prepares it in its process, "package.module:function"
    mode      torch: eager, default, reduce-overhead, max-autotune, or cudagraph (captured by
              hand); jax: jit (jax.jit of a state that was split before), nnx.jit, and plain
              (jit, of plain Flax's own layer)
    tuning    shipped: each framework's defaults; preset: the precision's knobs and no other;
              matched: what both sides can have alike; best: what is known to help
    channels_last   torch's memory format, where the workload has channels
    devices   where it exists
    """

    name: str
    side: str
    make: str
    mode: str
    tuning: str = "preset"
    channels_last: bool = False
    devices: tuple[str, ...] = ("cpu", "cuda", "tpu")


def _torch(name: str, mode: str, **more) -> Arm:
    return Arm(f"torch-{name}", "torch", "compare.measure.torch_arm:make", mode, **more)


def _jax(name: str, mode: str, **more) -> Arm:
    return Arm(name, "jax", "compare.measure.jax_arm:make", mode, **more)


_GPU = ("cuda",)
_BOTH = ("cpu", "cuda")
ARMS = (
    _torch("eager", "eager", devices=_BOTH),
    _torch("eager again", "eager", devices=_BOTH),
    _torch("compile", "default", devices=_BOTH),
    _torch("reduce-overhead", "reduce-overhead", devices=_GPU),
    _torch("max-autotune", "max-autotune", devices=_BOTH),
    _torch("cudagraph", "cudagraph", devices=_GPU),
    _torch("channels-last", "eager", channels_last=True, devices=_BOTH),
    _torch("compile channels-last", "default", channels_last=True, devices=_BOTH),
    _jax("jax-jit", "jit"),
    _jax("jax-nnx.jit", "nnx.jit"),
    _jax("flax-plain", "plain"),
    _torch("shipped", "eager", tuning="shipped", devices=_BOTH),
    _jax("jax-shipped", "nnx.jit", tuning="shipped"),
    _torch("matched", "default", tuning="matched", channels_last=True, devices=_BOTH),
    _jax("jax-matched", "jit", tuning="matched"),
    _torch("best", "max-autotune", tuning="best", channels_last=True, devices=_BOTH),
    _jax("jax-best", "jit", tuning="best"),
)

COLUMNS = {
    "as shipped": ("torch-shipped", "jax-shipped"),
    "matched": ("torch-matched", "jax-matched"),
}
"""Pairs of arms whose ratio is a column; the third, best effort, takes each side's fastest."""
FEW = (BASELINE, AGAIN, "flax-plain", *COLUMNS["as shipped"], *COLUMNS["matched"])
"""What runs where no arm is named, of workloads that are many or large: see Workload.few."""

USUAL = {
    "cpu": (
        *(BASELINE, AGAIN, "torch-compile", "jax-jit", "jax-nnx.jit", "flax-plain"),
        *("torch-shipped", "jax-shipped", "torch-matched", "jax-matched"),
    ),
    "cuda": tuple(arm.name for arm in ARMS if arm.name != "torch-compile channels-last"),
    "tpu": ("jax-jit", "jax-nnx.jit", "flax-plain", "jax-shipped"),
}
"""What runs where no arm is named."""


class UnknownArm(LookupError):
    """A name that no arm has, or that this device does not."""


def arms(names: Sequence[str] | None, device: str, few: bool = False) -> list[Arm]:
    """The named arms, by whole name, the baseline first and its second self beside it.

    Where none is named, the usual ones; of those some if `few`.
    """
    here = {arm.name: arm for arm in ARMS if device in arm.devices}
    for name in names or ():
        if name not in here:
            known = ", ".join(here)
            raise UnknownArm(f"there is no arm {name!r} on {device}; there are {known}")
    usual = [name for name in USUAL[device] if name in FEW or not few]
    wanted = {*(names or usual), BASELINE, AGAIN}
    return [arm for name, arm in here.items() if name in wanted]


def lacks(arm: Arm, workload) -> str:
    """ "" if `workload` can be had by `arm`, else why not."""
    if arm.mode == "plain" and workload.plain is None:
        return "plain Flax has no counterpart at hand"
    asks = arm.channels_last and arm.tuning == "preset"
    if asks and not workload.layout:
        return "no channels to lay out"
    return ""


def refused(precision: str, device: str) -> str:
    """ "" if `device` computes at `precision`, else why not."""
    if precision not in PRECISIONS:
        return f"there is no precision {precision!r}; there are {', '.join(PRECISIONS)}"
    if precision == "tf32" and device != "cuda":
        return f"{device} has no TF32: float32 is IEEE there; ask for float32 or bfloat16"
    return ""


def arithmetic(arm: Arm, precision: str, device: str) -> str:
    """The precision of UNIT that `arm` is judged by: as shipped, float32 is what the frameworks
    make of it (TF32 on a GPU, bfloat16 products on a TPU)."""
    if precision == "float32" and arm.tuning == "shipped":
        return {"cuda": "tf32", "tpu": "bfloat16"}.get(device, precision)
    return precision


def environment(arm: Arm, device: str, threads: int, cache: str) -> dict[str, str]:
    """What the arm's process has in its environment before it imports anything.

    `threads` bounds a CPU's; `cache` is a fresh folder for what compilers keep.
    """
    found = {
        "TORCHINDUCTOR_CACHE_DIR": os.path.join(cache, INDUCTOR),
        "TRITON_CACHE_DIR": os.path.join(cache, "triton"),
        **jax_cache(os.path.join(cache, "xla")),
        "JAX_PLATFORMS": {"cuda": "cuda,cpu"}.get(device, device),
        # Else the first process takes three quarters of a GPU that all arms share.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "HF_HUB_OFFLINE": "1",
    }
    flags = [os.environ.get("XLA_FLAGS", "")]
    if device == "cpu":
        found |= {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        found["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
        found["CUDA_VISIBLE_DEVICES"] = ""
        if threads == 1:
            flags.append("--xla_cpu_multi_thread_eigen=false")
    elif arm.side == "jax" and arm.tuning == "matched":
        flags.append("--xla_gpu_enable_command_buffer=")  # torch's default mode has no graphs
    found["XLA_FLAGS"] = " ".join(flag for flag in flags if flag)
    return found
