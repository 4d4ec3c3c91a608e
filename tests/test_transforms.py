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

from compare.cases.case import Case
from compare.cases.select import LAYERS, load
from compare.run import jax_side, torch_side
from compare.run.draw import givens

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
    for case in firsts(stem):
        given, _ = drawn(case)
        with jax.enable_x64(True):
            one = jax_side.program(case, given, "float64")
            diff, rest, cotangents = one.arguments
            other = {name: value * 0.75 for name, value in diff.items()}
            both = {name: jnp.stack([diff[name], other[name]]) for name in diff}
            if not both:
                continue
            mapped = jax.jit(jax.vmap(one.call, (0, None, None)))(both, rest, cotangents)
            for index, single in enumerate((diff, other)):
                alone = jax.jit(one.call)(single, rest, cotangents)
                jax.tree.map(
                    lambda a, b, i=index, c=case: np.testing.assert_allclose(
                        np.asarray(a)[i], np.asarray(b), rtol=1e-9, atol=1e-9, err_msg=c.name
                    ),
                    mapped,
                    alone,
                )


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("stem", [stem for stem in LAYERS if stem != "tensor"])
def test_narrow_dtypes_lose_no_more_than_torch(stem, precision):
    problems = []
    unit = {"bfloat16": 2.0**-8, "float16": 2.0**-11}[precision]
    for case in firsts(stem):
        if any(word in case.target for word in NO_NARROW):
            continue
        given, exact = drawn(case)
        theirs = torch_side.run(case, given, precision, SEED)
        if theirs.error:
            continue  # torch has no kernel for it on the CPU
        (ours,) = jax_side.run([case], [given], precision)
        if ours.error:
            problems.append(f"{case.name}: {ours.error}")
            continue
        for name, reference in exact.arrays.items():
            if reference.dtype.kind != "f" or name.startswith("buffer"):
                continue
            here, there = ours.arrays[name], theirs.arrays[name]
            if case.out != () and not name.startswith("grad") and here.dtype.name != precision:
                problems.append(f"{case.name}: {name} is {here.dtype.name}")
            scale = np.abs(reference[np.isfinite(reference)]).max(initial=0.0) or 1.0
            mine, other = (
                np.nanmax(np.abs(x.astype(np.float64) - reference), initial=0.0) / scale
                for x in (here, there)
            )
            if mine > MARGIN * max(other, 4 * unit):
                problems.append(f"{case.name}: {name} off by {mine:.2g}, torch by {other:.2g}")
    assert not problems, "\n".join(problems)


def test_narrow_tensors_are_read_back():
    value = torch.tensor([1.5, -2.25], dtype=torch.bfloat16)
    np.testing.assert_array_equal(torch_side.numpy(value).astype(np.float64), [1.5, -2.25])
