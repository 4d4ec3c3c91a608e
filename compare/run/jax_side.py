"""JAX's half of the harness: build, fill, call, pull back; some 20 cases share one compile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from compare.cases.case import Case, Given
from compare.run import state, target
from compare.run.audit import narrowing_casts
from compare.run.draw import Givens
from compare.run.jax_leaves import Leaves, cast, values
from compare.run.port.side import Ported
from compare.run.record import Record, failed

# Semantics are judged on code that is cheap to compile; care on code as users compile it.
QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}


@dataclass(frozen=True)
class Program:
    """A case as a pure function of its arrays, and how to read what comes out.

    call(diff, rest, cotangents) -> {"outputs", "grads", "buffers"}, all in JAX's layout.
    """

    case: Case
    call: Callable[[dict, dict, list], dict]
    arguments: tuple[dict, dict, list]
    patterns: dict[str, str]


def run(
    cases: Sequence[Case],
    givens: Sequence[Givens],
    precision: str,
    device: str = "cpu",
    quick: bool | None = None,
) -> list[Record]:
    """Records of `cases` at `precision`, from one compile; a case that fails is set apart.

    `quick` compiles cheaply, which float64 does of itself: then nothing is said of care.
    """
    quick = precision == "float64" if quick is None else quick
    with settings(precision, device):
        programs, records = [], {}
        for case, given in zip(cases, givens, strict=True):
            try:
                programs.append(program(case, given, precision))
            except Exception as error:
                records[case.name] = failed("jax", precision, error)
        try:
            records |= execute(programs, precision, quick)
        except Exception:
            for one in programs:
                try:
                    records |= execute([one], precision, quick)
                except Exception as error:
                    records[one.case.name] = failed("jax", precision, error)
    return [records[case.name] for case in cases]


@contextmanager
def settings(precision: str, device: str) -> Iterator[None]:
    """JAX's own switches for the width of numbers and for where they live."""
    with jax.enable_x64(precision == "float64"), jax.default_device(jax.devices(device)[0]):
        yield


def execute(programs: Sequence[Program], precision: str, quick: bool) -> dict[str, Record]:
    """Compiles `programs` together, runs them, and reads their arrays.

    Programs that differ in nothing but numbers share one compile: the first of each kind is
    compiled, and called again with the arrays of the others.
    """
    if not programs:
        return {}
    kinds = alike(programs)
    firsts = [kind[0] for kind in kinds]

    def together(arguments: list[tuple]) -> list[dict]:
        # One inner jit a case, so that the audit can tell the cases apart in the jaxpr.
        calls = [jax.jit(one.call) for one in firsts]
        return [call(*given) for call, given in zip(calls, arguments, strict=True)]

    traced = jax.jit(together).trace([one.arguments for one in firsts])
    options = QUICK_COMPILE if quick and jax.default_backend() == "cpu" else None
    compiled = traced.lower().compile(compiler_options=options)
    casts = narrowing_casts(traced.jaxpr, len(firsts))
    records = {}
    for turn in range(max(map(len, kinds))):
        taken = [kind[min(turn, len(kind) - 1)] for kind in kinds]
        results = jax.device_get(compiled([one.arguments for one in taken]))
        for one, result, seen in zip(taken, results, casts, strict=True):
            records[one.case.name] = Record("jax", precision, read(one, result), seen)
    return records


def alike(programs: Sequence[Program]) -> list[list[Program]]:
    """`programs` in groups that trace to the same: they differ in numbers alone."""
    groups: dict[tuple[str, ...], list[Program]] = {}
    for one in programs:
        case, (diff, rest, cotangents) = one.case, one.arguments
        # An array among the arguments of a call is drawn by the case's name (target.arguments)
        # and stands in the program as a constant.
        called = [*(case.init or {}).values(), *case.options.values()]
        name = case.name if any(isinstance(value, Given) for value in called) else "-"
        plain = replace(case, name=name, inputs={}, mutates=())
        leaves = [(k, x.shape, str(x.dtype)) for k, x in [*diff.items(), *rest.items()]]
        told = (tuple(diff), case.mutates, [np.shape(x) for x in cotangents])
        groups.setdefault((repr(plain), repr(leaves), repr(told)), []).append(one)
    return list(groups.values())


def read(one: Program, result: dict) -> dict[str, np.ndarray]:
    """The arrays of one result, named and laid out as torch's are."""
    arrays = {}
    for index, out in enumerate(result["outputs"]):
        names = output_names(one.case, index, np.ndim(out))
        arrays[f"output/{index}"] = state.to_torch(out, state.channels_last(names))
    for kind in ("grad", "buffer"):
        for name, value in result[f"{kind}s"].items():
            pattern = one.patterns.get(name, "->")
            arrays[f"{kind}/{name}"] = state.to_torch(np.asarray(value), pattern)
    return arrays


def output_names(case: Case, index: int, rank: int) -> str:
    """Axis names of output `index`: the case's, or the first input's where the rank agrees."""
    if case.out:
        return case.out[min(index, len(case.out) - 1)]
    first = next(iter(case.inputs.values())).names if case.inputs else ""
    return first if len(first.split()) == rank else ""


def program(case: Case, given: Givens, precision: str) -> Program:
    """`case` as a pure function of arrays, with those arrays, at `precision`."""
    dtype = jnp.dtype(precision)
    patterns = input_patterns(case)
    inputs = {k: cast(state.to_jax(v, patterns[k]), dtype) for k, v in given.inputs.items()}
    diff = {
        name: value
        for name, value in inputs.items()
        if case.inputs[name].grad
        and given.inputs[name].dtype.kind in "fc"  # not value's: NumPy has no kind for bfloat16
        and name not in case.mutates
    }
    rest = {name: value for name, value in inputs.items() if name not in diff}
    ported = given.built.get("jax")
    if isinstance(ported, Ported):
        forward = ported.forward(case, given, dtype, diff, rest)
    elif case.is_class:
        forward = module_forward(case, given, dtype, diff, rest, patterns)
    else:
        rest |= {k: state.to_jax(v, patterns[k]) for k, v in given.masks.items()}
        forward = function_forward(case)
    cotangents = [
        cast(state.to_jax(c, state.channels_last(output_names(case, i, np.ndim(c)))), dtype)
        for i, c in enumerate(given.cotangents)
    ]
    return Program(case, pulled_back(forward), (diff, rest, cotangents), patterns)


def input_patterns(case: Case) -> dict[str, str]:
    """How each argument and mask is laid out: weights by the leaf table, the rest by `c`."""
    owner = "" if case.is_class else case.target.rpartition(".")[2]
    arrays = {**case.inputs, **case.masks}
    return {name: state.layout(owner, name, given.names) for name, given in arrays.items()}


def function_forward(case: Case) -> Callable:
    """forward(diff, rest) -> (outputs, buffers); what torch mutates comes after the outputs."""
    call = target.resolve(case, "jax")
    _, options = target.arguments(case, "jax")

    def forward(diff: dict, rest: dict) -> tuple[list, dict]:
        given = {**diff, **rest}
        outputs = target.flatten(call(**given, **options))
        changed = dict(
            zip(case.mutates, outputs[len(outputs) - len(case.mutates) :], strict=True)
        )
        return outputs[: len(outputs) - len(changed)], changed

    return forward


def module_forward(
    case: Case, given: Givens, dtype: Any, diff: dict, rest: dict, patterns: dict
) -> Callable:
    """The same for a module; adds its leaves and masks to `diff`, `rest` and `patterns`."""
    leaves = Leaves(case, given)
    torch_path = leaves.torch_path
    _, options = target.arguments(case, "jax")
    for name, held in leaves.carried.items():
        path = torch_path[name]
        patterns[path] = leaves.patterns[path]
        holder = diff if leaves.is_parameter(name) else rest
        holder[path] = cast(held, dtype)
    rest |= {name: state.to_jax(mask, patterns[name]) for name, mask in given.masks.items()}

    def forward(diff: dict, rest: dict) -> tuple[list, dict]:
        given_now = {**diff, **rest}
        masks = {name: given_now[name] for name in given.masks}
        module = leaves.merged({k: given_now[torch_path[k]] for k in leaves.carried} | masks)
        args, named = target.called(case, given_now)
        outputs = target.flatten(module(*args, **named, **options))
        after = values(nnx.state(module))
        buffers = {
            torch_path[k]: after[k] for k in leaves.carried if not leaves.is_parameter(k)
        }
        return outputs, buffers

    return forward


def pulled_back(forward: Callable) -> Callable[[dict, dict, list], dict]:
    """Outputs, buffers, and d<cotangent, output>/d diff of the floating outputs, in one."""

    def call(diff: dict, rest: dict, cotangents: list) -> dict:
        def floating(diff: dict) -> tuple[list, tuple[list, dict]]:
            outputs, buffers = forward(diff, rest)
            outputs = [jnp.asarray(out) for out in outputs]
            return [out for out in outputs if is_floating(out)], (outputs, buffers)

        found, back, (outputs, buffers) = jax.vjp(floating, diff, has_aux=True)
        pulled = [ct for out, ct in zip(outputs, cotangents, strict=False) if is_floating(out)]
        grads = {}
        if found and diff and [x.shape for x in found] == [np.shape(ct) for ct in pulled]:
            # Of a complex array JAX pulls back the conjugate of what torch does.
            pairs = zip(found, pulled, strict=True)
            given = [jnp.conj(jnp.asarray(ct, x.dtype)) for x, ct in pairs]
            grads = {name: jnp.conj(value) for name, value in back(given)[0].items()}
        return {"outputs": outputs, "grads": grads, "buffers": buffers}

    return call


def is_floating(value: Any) -> bool:
    return jnp.issubdtype(value.dtype, jnp.inexact)
