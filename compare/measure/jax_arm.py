"""JAX's arms: a workload becomes a compiled step, its state donated from one to the next."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import nnx

from compare.measure import jax_knobs
from compare.measure.jax_step import Step, layer, model, training
from compare.measure.job import Arrays, Job
from compare.measure.timing import Prepared

Kinds = Mapping[str, Callable[[Job], Step]]
"""By mode what makes a step of it."""
KINDS: Kinds = {"forward": layer, "gradient": layer, "inference": model, "train": training}


def make(job: Job, kinds: Kinds = KINDS) -> Prepared:
    """`job`, compiled and run once."""
    jax_knobs.turn(job)
    made = kinds[job.workload.mode](job)
    run = Run(made, job)
    run.touched()
    return Prepared(
        step=run.step,
        sync=run.sync,
        settle=run.touched,
        agreement=run.agreement,
        manifest=lambda: jax_knobs.read(job, made.words),
        facts=run.facts,
        warm=run.again,
        feed=lambda: jax.block_until_ready(jax.device_put(made.host)),
        memory=run.memory,
        trace=run.trace,
        finite=lambda: bool(np.isfinite(np.asarray(run.shown(), np.float32)).all()),
    )


@jax.jit
def _first(values: jax.Array) -> jax.Array:
    return values[(0,) * values.ndim]


class Run:
    """A Step in its process: compiled, holding what it carries.

    by_object   whether nnx.jit has a module to take; as shipped what is none is jitted as it is
    """

    def __init__(self, made: Step, job: Job) -> None:
        self.made, self.job = made, job
        bare = made.module is None and job.arm.tuning == "shipped"
        self.by_object = job.arm.mode == "nnx.jit" and not bare
        self.given = jax.block_until_ready(jax.device_put(made.host))
        self.carry, self.last = made.start(), None
        self.facts: dict[str, Any] = {}
        if self.by_object:
            # Only a training's module is anew at each step; a layer's is given again.
            donates = job.arm.tuning != "shipped" and job.workload.mode == "train"
            began = time.perf_counter()
            self.call, self.carry = made.by_object(donates)
            self.step()
            self.sync()
            self.facts["first_call"] = time.perf_counter() - began
            return
        self.call = self._compile()
        began = time.perf_counter()
        self.step()
        self.sync()
        self.facts["first_step"] = time.perf_counter() - began
        self.facts["first_call"] = sum(
            self.facts[k] for k in ("trace", "compile", "first_step")
        )

    def _compile(self) -> Callable[..., Any]:
        began = time.perf_counter()
        lowered = self._lowered()
        lowered_at = time.perf_counter()
        compiled = lowered.compile()
        self.facts |= {"trace": lowered_at - began, "compile": time.perf_counter() - lowered_at}
        planned = compiled.memory_analysis()
        for name in ("argument", "output", "temp", "alias"):
            size = getattr(planned, f"{name}_size_in_bytes", None)
            if size is not None:
                self.facts[f"planned {name} bytes"] = size
        return compiled

    def _lowered(self) -> Any:
        donated = (0,) if self.job.arm.tuning != "shipped" else ()
        return jax.jit(self.made.call, donate_argnums=donated).lower(self.carry, self.given)

    def step(self) -> None:
        self.carry, self.last = self.call(self.carry, self.given)

    def sync(self) -> None:
        jax.block_until_ready((self._held(), self.last))

    def _held(self) -> Any:
        """What is carried, as arrays: an object's state where it is one."""
        if not self.by_object:
            return self.carry
        return jax.tree.leaves(nnx.state(self.carry[0])), self.carry[1]

    def shown(self) -> np.ndarray:
        """The smallest of the last results, on the host."""
        return np.asarray(self._smallest())

    def touched(self) -> None:
        """One number of it brought to the host: nothing before it is left undone.

        A whole array's way there would be taken for work that nobody waited for.
        """
        np.asarray(_first(self._smallest()))

    def _smallest(self) -> jax.Array:
        return min(jax.tree.leaves(self.last), key=np.size)

    def agreement(self) -> Arrays:
        """One step from the givens; where it draws masks, by given ones in a second program."""
        made = self.made
        if self.by_object:
            call, carry = made.by_object(False)
            carry, last = call(carry, self.given) if not made.masks else (carry, None)
            if last is not None:
                return made.read(made.from_object(carry), last, self.given)
        call = self.call if not self.by_object else jax.jit(made.call)
        if made.masks:
            call = jax.jit(lambda carry, given: made.call(carry, given, made.masks))
        carry, last = call(made.start(), self.given)
        return made.read(carry, last, self.given)

    def again(self) -> float | None:
        """Traced and compiled anew, with what the persistent cache holds."""
        jax.clear_caches()
        began = time.perf_counter()
        if self.by_object:
            self.step()
            self.sync()
        else:
            self._lowered().compile()
        return time.perf_counter() - began

    def memory(self) -> dict[str, float]:
        stats = jax.devices()[0].memory_stats() or {}
        names = {"peak_bytes_in_use": "device_peak", "bytes_limit": "device_limit"}
        return {ours: float(stats[name]) for name, ours in names.items() if name in stats}

    def trace(self, folder: str) -> None:
        name = self.job.arm.name.replace(" ", "-")
        with jax.profiler.trace(os.path.join(folder, name)):
            for _ in range(3):
                self.step()
            self.sync()
