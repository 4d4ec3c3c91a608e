"""The atlas: precision, compilers and devices."""
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F

from compare.cases.case import draw
from compare.run.atlas import Bench, Facts, NotHere, gap, host, x64

ROWS = {"x": "n=64 k=256", "weight": draw("k=256 m=64", std=0.1)}


def tf32_emulated(bench: Bench) -> Facts:
    """Inputs with the fractions of TF32 (10 bits) and of bfloat16 (7), on any device."""

    def in_torch(x, weight):
        return x @ weight

    def naive(x, weight):
        short = [jax.lax.reduce_precision(one, 8, 10) for one in (x, weight)]
        return jnp.matmul(*short)

    def right(x, weight):
        return jnp.matmul(x, weight, precision="highest")

    facts = bench.sides(in_torch, naive, right, **ROWS)
    half = bench.value(bfloat16_inputs, **ROWS)
    return facts.note(
        error_of_TF32_inputs=gap(facts.value("naive"), facts.value("torch")),
        error_of_bfloat16_inputs=gap(half, facts.value("torch")),
        torch_matmul_may_use_TF32=torch.backends.cuda.matmul.allow_tf32,
        torch_cuDNN_may_use_TF32=torch.backends.cudnn.allow_tf32,
        jax_default_matmul_precision=str(jax.config.jax_default_matmul_precision),
    )


def bfloat16_inputs(x, weight):
    return jnp.matmul(*(jax.lax.reduce_precision(one, 8, 7) for one in (x, weight)))


def tf32_on_a_gpu(bench: Bench) -> Facts:
    device = gpu()
    x, weight = (jnp.asarray(bench.array(k, v), "float32") for k, v in ROWS.items())
    exact = bench.array("x", ROWS["x"]) @ bench.array("weight", ROWS["weight"])
    x, weight = (jax.device_put(one, device) for one in (x, weight))
    found = {
        "default": jnp.matmul(x, weight),
        "highest": jnp.matmul(x, weight, precision="highest"),
    }
    ours = torch.tensor(host(x)).cuda() @ torch.tensor(host(weight)).cuda()
    return Facts().note(
        JAX_default_error=gap(host(found["default"]), exact),
        JAX_highest_error=gap(host(found["highest"]), exact),
        torch_error=gap(host(ours), exact),
    )


def gpu():
    """JAX's first GPU, where torch has one too; else NotHere."""
    try:
        [device, *_] = jax.devices("gpu")
    except RuntimeError:
        raise NotHere("needs a GPU, and a JAX that sees it") from None
    if not torch.cuda.is_available():
        raise NotHere("needs a torch built for the GPU that JAX sees")
    return device


def x64_off(bench: Bench) -> Facts:
    def in_torch(x):
        return (torch.tensor(2**40) // 2**20).to(torch.int64), x.double() + 2.0**-40 - x

    def naive(x):
        with x64("float32"):
            large = np.array([2**40]).astype(np.int64)
            return (jnp.asarray(large) // 2**20)[0], jnp.asarray(host(x)) + 2.0**-40 - host(x)

    def right(x):
        with x64():
            return jnp.asarray(2**40) // 2**20, jnp.asarray(x, jnp.float64) + 2.0**-40 - x

    facts = bench.sides(in_torch, naive, right, out=("", "n"), x=draw("n=3", "signs"))
    with x64("float32"):
        kinds = [str(jnp.asarray(np.zeros(1, kind)).dtype) for kind in ("int64", "float64")]
        wrapped = int(jnp.asarray(np.array([2**40]))[0])
    return facts.note(int64_and_float64_become=kinds, two_to_the_40_becomes=wrapped)


def compiled_or_not(bench: Bench) -> Facts:
    """log(exp(x)) at x = 100, which overflows in float32, operation by operation and compiled;
    and a bfloat16 sum that a compiler may keep wider."""

    def call(x):
        return jnp.log(jnp.exp(x))

    def chain(x):
        return ((x + jnp.bfloat16(1)) - jnp.bfloat16(1)) * jnp.bfloat16(3) / jnp.bfloat16(3)

    with x64("float32"):
        x = jnp.float32(100.0)
        values = jnp.asarray(bench.array("x", "n=4096"), jnp.bfloat16)
        eager, compiled = call(x), jax.jit(call)(x)
        differ = int((chain(values) != jax.jit(chain)(values)).sum())
        softmax = jax.nn.softmax(values.astype(jnp.float32).reshape(64, 64))
        fused = jax.jit(jax.nn.softmax)(values.astype(jnp.float32).reshape(64, 64))
        bits = int((softmax != fused).sum())
    theirs = torch.log(torch.exp(torch.tensor(100.0)))
    return Facts().note(
        eager_log_exp_100=float(eager),
        compiled_log_exp_100=float(compiled),
        torch_log_exp_100=float(theirs),
        bfloat16_results_that_differ=differ,
        float32_softmax_results_that_differ=bits,
        any_difference=bool(float(eager) != float(compiled) or differ or bits),
    )


def run_to_run(bench: Bench) -> Facts:
    """A scatter-add of 100,000 values into 8 sums, ten times, on the CPU: the same bits?"""
    values = bench.rng("values").normal(size=100_000).astype(np.float32)
    where = bench.rng("where").integers(0, 8, 100_000)
    add = jax.jit(lambda v, i: jnp.zeros(8, jnp.float32).at[i].add(v))
    return repeated(add, values, where, lambda x: x)


def repeated(add, values, where, to_device) -> Facts:
    ours = {host(add(to_device(values), to_device(where))).tobytes() for _ in range(10)}
    v, i = (torch.tensor(one) for one in (values, where))
    theirs = {host(torch.zeros(8).index_add(0, i, v)).tobytes() for _ in range(10)}
    return Facts().note(JAX_results=len(ours), torch_results=len(theirs))


def run_to_run_on_a_gpu(bench: Bench) -> Facts:
    device = gpu()
    values = bench.rng("values").normal(size=1_000_000).astype(np.float32)
    where = bench.rng("where").integers(0, 8, 1_000_000)
    add = jax.jit(lambda v, i: jnp.zeros(8, jnp.float32).at[i].add(v))
    return repeated(add, values, where, lambda x: jax.device_put(x, device))


def batch_size(bench: Bench) -> Facts:
    """The first row of a product, computed among 1 to 64 rows, in float32."""
    x = bench.array("x", "n=64 k=257").astype(np.float32)
    weight = bench.array("weight", "k=257 m=65").astype(np.float32)
    sizes = (1, 2, 3, 5, 8, 17, 33, 64)
    with x64("float32"):
        ours = [host(jnp.asarray(x[:n]) @ jnp.asarray(weight))[0] for n in sizes]
    theirs = [host(F.linear(torch.tensor(x[:n]), torch.tensor(weight.T)))[0] for n in sizes]
    exact = x[0].astype(np.float64) @ weight.astype(np.float64)
    return Facts().note(
        JAX_forms_of_the_first_row=len({one.tobytes() for one in ours}),
        torch_forms_of_the_first_row=len({one.tobytes() for one in theirs}),
        forms=len({one.tobytes() for one in ours}) + len({one.tobytes() for one in theirs}),
        largest_error=max(gap(one, exact) for one in (*ours, *theirs)),
    )
