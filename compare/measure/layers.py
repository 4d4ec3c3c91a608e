"""The price of a layer: ours against plain Flax, optax or JAX, where they have the same one.

    python -m compare.measure.layers --out results

Compiled time of the forward pass, and of the forward pass with every gradient, on one thread of
the CPU. Both sides hold the same parameters and must agree before they are timed. A ratio over
LIMIT must have its reason in the table; without one the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from compare.measure import environment
from compare.measure.layer_rows import ROWS, Layer, Row
from compare.measure.paired import Paired, paired
from compare.measure.worker import GLIBC
from compare.run.draw import array, generator

LIMIT = 1.05
ENVIRONMENT = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "JAX_PLATFORMS": "cpu"}
MODES = ("forward", "gradient")
_SECONDS = 0.8  # of CPU, for one row's mode
# What Flax calls a parameter -> what torch and jax_impl call it.
_NAMES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}
_NAMES["negative_slope"] = "weight"


def measure(row: Row) -> dict[str, Paired]:
    """Both modes of a row. Raises ArithmeticError where the two sides do not agree."""
    inputs = [_input(row, index) for index in range(len(row.inputs))]
    theirs = row.plain()
    mine = row.ours()
    if isinstance(theirs, nnx.Module):
        _share(theirs, mine)
    found = {}
    for mode in MODES:
        calls = [_compiled(layer, row, inputs, mode) for layer in (mine, theirs)]
        if not row.random:
            _agree(row, *(_shown(call(), mode) for call in calls))
        found[mode] = paired(*calls, seconds=_SECONDS)
    return found


def _input(row: Row, index: int) -> jax.Array:
    values = array(row.inputs[index], generator(0, row.name, str(index)))
    return jnp.asarray(values, jnp.int32 if values.dtype.kind in "iu" else jnp.float32)


def _share(theirs: nnx.Module, mine: Any) -> None:
    """Gives our layer the parameters of Flax's: by torch's name, in our layout."""
    for name, parameter in vars(theirs).items():
        if not isinstance(parameter, nnx.Param):
            continue
        own = getattr(mine, _NAMES[name])
        value = parameter[...]
        if value.ndim == own[...].ndim and value.shape != own[...].shape:
            value = value.swapaxes(-1, -2)  # a transposed kernel: (..., out, in)
        own[...] = value.reshape(own[...].shape)


def _compiled(layer: Layer, row: Row, inputs: list[jax.Array], mode: str) -> Callable[[], Any]:
    """A call of the compiled layer that returns when all is computed.

    Leaves are passed one by one: walking a module's tree would be timed too.
    """
    graph, parameters, rest = nnx.split(
        layer if isinstance(layer, nnx.Module) else nnx.Module(), nnx.Param, ...
    )
    trained, structure = jax.tree.flatten(parameters)
    kept, other_structure = jax.tree.flatten(rest)
    moving = [
        index
        for index, given in enumerate(row.inputs)
        if given.grad and given.kind != "integers"
    ]

    def forward(trained: list, moved: list, kept: list, inputs: list) -> tuple:
        whole = list(inputs)
        for index, value in zip(moving, moved, strict=True):
            whole[index] = value
        if not isinstance(layer, nnx.Module):
            return layer(*whole), ()
        module = nnx.merge(
            graph,
            jax.tree.unflatten(structure, trained),
            jax.tree.unflatten(other_structure, kept),
        )
        return module(*whole), jax.tree.leaves(nnx.state(module, nnx.BatchStat))

    def gradient(trained: list, moved: list, kept: list, inputs: list, cotangent: Any) -> Any:
        def of(trained: list, moved: list) -> tuple:
            return forward(trained, moved, kept, inputs)

        output, pull, buffers = jax.vjp(of, trained, moved, has_aux=True)
        return output, pull(cotangent), buffers

    arguments: list[Any] = [trained, [inputs[index] for index in moving], kept, inputs]
    if mode == "gradient":
        shape = jax.eval_shape(forward, *arguments)[0].shape
        arguments.append(jax.random.normal(jax.random.key(0), shape))
    compiled = jax.jit(forward if mode == "forward" else gradient).lower(*arguments).compile()
    return lambda: jax.block_until_ready(compiled(*arguments))


def _shown(result: tuple, mode: str) -> list[jax.Array]:
    """The output, and in the gradient's mode the gradients of the inputs."""
    return [result[0]] if mode == "forward" else [result[0], *result[1][1]]


def _agree(row: Row, mine: list[jax.Array], theirs: list[jax.Array]) -> None:
    for own, other in zip(mine, theirs, strict=True):
        gap = float(jnp.abs(own - other).max() / jnp.abs(other).max())
        if own.shape != other.shape or not gap < 1e-4:
            raise ArithmeticError(f"{row.name}: ours and plain differ by {gap:.1e} of the top")


def over(row: Row, found: dict[str, Paired]) -> list[str]:
    """The modes whose ratio is over LIMIT, beyond what noise explains."""
    return [mode for mode in MODES if found[mode].ratio > LIMIT and found[mode].low > LIMIT]


def markdown(results: list[tuple[Row, dict[str, Paired]]], facts: dict[str, Any]) -> str:
    packages = ("jax", "jaxlib", "flax", "optax")
    versions = ", ".join(f"{name} {facts['versions'][name]}" for name in packages)
    lines = [
        "# Our layers against plain Flax, optax and JAX",
        "",
        f"One thread of {facts['machine']['processor']}; {versions}; float32. CPU time of a "
        "compiled call, ours over plain: Huber's location of paired ratios, its 95 % interval. "
        "Below 1 ours is faster. Milliseconds are of the plain side.",
        "",
        "| layer | forward | 95 % | plain, ms | with gradients | 95 % | plain, ms | why over "
        f"{LIMIT} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row, found in results:
        cells = [
            cell
            for mode in MODES
            for cell in (
                _ratio(found[mode].ratio),
                f"{_ratio(found[mode].low)} - {_ratio(found[mode].high)}",
                f"{1000 * found[mode].theirs:.3g}",
            )
        ]
        why = (row.reason or "unexplained") if over(row, found) else ""
        lines.append(f"| {' | '.join([row.name, *cells, why])} |")
    return "\n".join(lines) + "\n"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def one_thread() -> None:
    """Binds this process to one thread and one core; must come before JAX makes an array.

    The C library hears that freed memory is to be kept (worker.keep_memory says why) at a
    process's start alone, where it has threads: so this one begins anew.
    """
    kept = {name: str(value) for name, _, value in GLIBC}
    if not kept.items() <= os.environ.items():
        os.environ.update(kept)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    os.environ.update(ENVIRONMENT)
    jax.config.update("jax_platforms", "cpu")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m compare.measure.layers",
        description="Time our layers against plain Flax, optax and JAX, on one CPU thread.",
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("-k", default="", metavar="TEXT", help="only rows whose name has TEXT")
    options = parser.parse_args()
    rows = [row for row in ROWS if options.k.lower() in row.name.lower()]
    if not rows:
        parser.error(f"no row has {options.k!r} in its name")
    one_thread()
    facts = {"versions": environment.versions(), "machine": environment.machine()}
    results = []
    for row in rows:
        results.append((row, measure(row)))
        shown = "  ".join(f"{mode} {_ratio(results[-1][1][mode].ratio)}" for mode in MODES)
        print(f"{row.name:<42}{shown}", flush=True)
        jax.clear_caches()
    options.out.mkdir(parents=True, exist_ok=True)
    figures = [
        {"layer": row.name, **{m: asdict(found[m]) for m in MODES}, "reason": row.reason}
        for row, found in results
    ]
    text = json.dumps({**facts, "limit": LIMIT, "layers": figures}, indent=1)
    (options.out / "layers-cpu.json").write_text(text + "\n")
    (options.out / "layers-cpu.md").write_text(markdown(results, facts))
    bare = [row.name for row, found in results if over(row, found) and not row.reason]
    if bare:
        print(f"over {LIMIT} without a reason: {', '.join(bare)}", file=sys.stderr)
    return int(bool(bare))


if __name__ == "__main__":
    sys.exit(main())
