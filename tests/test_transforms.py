"""jit, grad, vmap and the narrow dtypes, for one case of every mirrored function and class.

The cases themselves run under jit and take gradients; here they are vmapped, and computed in
bfloat16 and float16, where torch's own error is the measure.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from compare.cases.case import Case
from compare.cases.select import LAYERS, load
from compare.run import jax_side, torch_side
from compare.run.draw import givens
from compare.run.record import Record

SEED = 0
MARGIN = 8.0
"""How much larger than torch's an error in a narrow dtype may be: three bits."""

# torch has no narrow kernel for these on the CPU, or keeps them wider itself.
NO_NARROW = ("ctc", "CTC", "pdist", "CrossMapLRN2d", "linear_cross_entropy", "LinearCross")


def firsts(stem: str) -> list[Case]:
    """The first case of each target of a file."""
    found: dict[str, Case] = {}
    for case in load(stem):
        if isinstance(case, Case) and not case.may_be_empty:
            found.setdefault(case.target, case)
    return list(found.values())


def drawn(case: Case):
    given = givens(case, torch_side.leaves(case), SEED)
    record = torch_side.run(case, given, "float64", SEED)
    assert not record.error, record.error
    return given, record


@pytest.mark.parametrize("stem", LAYERS)
def test_vmap_is_a_loop(stem):
    """Over a new leading axis of every floating argument; two examples, the second scaled."""
    with jax.enable_x64(True):
        programs = [jax_side.program(case, drawn(case)[0], "float64") for case in firsts(stem)]
        programs = [one for one in programs if one.arguments[0]]
        scaled = [jax.tree.map(lambda x: x * 0.75, one.arguments[0]) for one in programs]

        def all_ways(given):
            found = []
            for one, (first, rest, cotangents), other in given:
                both = jax.tree.map(lambda *x: jnp.stack(x), first, other)
                mapped = jax.vmap(one, (0, None, None))(both, rest, cotangents)
                alone = [one(diff, rest, cotangents) for diff in (first, other)]
                found.append((mapped, jax.tree.map(lambda *x: jnp.stack(x), *alone)))
            return found

        def call(arguments, others):
            return all_ways(
                [(p.call, a, o) for p, a, o in zip(programs, arguments, others, strict=True)]
            )

        traced = jax.jit(call).trace([one.arguments for one in programs], scaled)
        results = traced.lower().compile(jax_side.QUICK_COMPILE)(
            [one.arguments for one in programs], scaled
        )
    for one, (mapped, alone) in zip(programs, results, strict=True):
        for here, there in zip(jax.tree.leaves(mapped), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(here, there, rtol=1e-9, atol=1e-9, err_msg=one.case.name)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("stem", [stem for stem in LAYERS if stem != "tensor"])
def test_narrow_dtypes_lose_no_more_than_torch(stem, precision):
    cases = [c for c in firsts(stem) if not any(word in c.target for word in NO_NARROW)]
    some = [(case, *drawn(case)) for case in cases]
    both = [(*one, torch_side.run(one[0], one[1], precision, SEED)) for one in some]
    both = [one for one in both if not one[3].error]  # torch has no kernel for it on the CPU
    found = jax_side.run([b[0] for b in both], [b[1] for b in both], precision, quick=True)
    problems = []
    for (case, _, exact, theirs), ours in zip(both, found, strict=True):
        if ours.error:
            problems.append(f"{case.name}: {ours.error}")
        else:
            problems += worse(case, exact, theirs, ours, precision)
    assert not problems, "\n".join(problems)


def worse(case: Case, exact: Record, theirs: Record, ours: Record, precision: str) -> list[str]:
    """Outputs of another dtype than the input's, and arrays further off than torch's."""
    problems, unit = [], {"bfloat16": 2.0**-8, "float16": 2.0**-11}[precision]
    for name, reference in exact.arrays.items():
        if reference.dtype.kind != "f" or name.startswith("buffer"):
            continue
        here, there = ours.arrays[name], theirs.arrays[name]
        if name.startswith("output") and here.dtype.name != precision:
            problems.append(f"{case.name}: {name} is {here.dtype.name}")
        finite = np.isfinite(reference)
        scale = np.abs(reference[finite]).max(initial=0.0) or 1.0
        mine, other = (
            np.abs(x.astype(np.float64) - reference)[finite].max(initial=0.0) / scale
            for x in (here, there)
        )
        if mine > MARGIN * max(other, 4 * unit):
            problems.append(f"{case.name}: {name} off by {mine:.2g}, torch by {other:.2g}")
    return problems


def test_narrow_tensors_are_read_back():
    value = torch.tensor([1.5, -2.25], dtype=torch.bfloat16)
    np.testing.assert_array_equal(torch_side.numpy(value).astype(np.float64), [1.5, -2.25])


def test_sync_batch_norm_is_batch_norm_of_the_joined_batch():
    """Under an axis name: outputs, gradients and running statistics of all shards together."""
    from jax_impl.norm import BatchNorm1d, SyncBatchNorm

    x, ct = (np.random.default_rng(seed).normal(3.0, 2.0, (2, 5, 4, 3)) for seed in (0, 1))

    def applied(layer, x):
        graph, leaves = nnx.split(layer)

        def call(x):
            module = nnx.merge(graph, jax.tree.map(lambda leaf: leaf, leaves))
            y = module(x)
            return y, module.running_var[...]

        return call(x)

    def shards(x):
        layer = SyncBatchNorm(3, process_group="shards", dtype=jnp.float64)
        return jax.vmap(lambda one: applied(layer, one), axis_name="shards")(x)

    def joined(x):
        y, variance = applied(BatchNorm1d(3, dtype=jnp.float64), x.reshape(10, 4, 3))
        return y.reshape(x.shape), variance

    with jax.enable_x64(True):
        (ours, var), back = jax.vjp(shards, x)
        (whole, whole_var), whole_back = jax.vjp(joined, x)
        zeros = (jnp.zeros_like(var), jnp.zeros_like(whole_var))
        np.testing.assert_allclose(ours, whole, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(var, jnp.stack([whole_var] * 2), rtol=1e-12)
        np.testing.assert_allclose(
            back((ct, zeros[0]))[0], whole_back((ct, zeros[1]))[0], rtol=1e-10, atol=1e-10
        )
