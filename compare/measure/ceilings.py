"""What a device reaches at best, measured in the same run: a matrix product and a copy.

Of a square product 2 n^3 operations, of a copy the bytes read and those written; the best of a
few. On a CPU of one thread by CPU time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

SIDE = {"cpu": 768, "cuda": 8192, "tpu": 8192}
COPIED = {"cpu": 1 << 24, "cuda": 1 << 27, "tpu": 1 << 27}
"""Numbers of float32: several times what any cache holds."""
REPEATS = 7


def torch_ceilings(precision: str, device: str) -> dict[str, float]:
    """{"matmul": operations a second, "copy": bytes a second}, at the knobs as they stand."""
    import torch

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    n = SIDE[device]
    one, other = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    source = torch.randn(COPIED[device], device=device)
    goal = torch.empty_like(source)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    return _found(
        lambda: torch.mm(one, other), lambda: goal.copy_(source), lambda _: wait(), device
    )


def jax_ceilings(precision: str, device: str) -> dict[str, float]:
    """The same by JAX; its copy adds 1, as a bare copy would be left out."""
    import jax
    import jax.numpy as jnp

    dtype = jnp.bfloat16 if precision == "bfloat16" else jnp.float32
    n = SIDE[device]
    one, other = (jax.random.normal(jax.random.key(i), (n, n)).astype(dtype) for i in (0, 1))
    source = jnp.ones(COPIED[device], jnp.float32)
    product, copied = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1)
    return _found(
        lambda: product(one, other), lambda: copied(source), jax.block_until_ready, device
    )


def _found(
    product: Callable[[], Any],
    copied: Callable[[], Any],
    wait: Callable[[Any], Any],
    device: str,
) -> dict[str, float]:
    clock = time.process_time if device == "cpu" else time.perf_counter
    return {
        "matmul": 2 * SIDE[device] ** 3 / _best(product, wait, clock),
        "copy": 8 * COPIED[device] / _best(copied, wait, clock),
    }


def _best(
    call: Callable[[], Any], wait: Callable[[Any], Any], clock: Callable[[], float]
) -> float:
    wait(call())
    found = []
    for _ in range(REPEATS):
        began = clock()
        wait(call())
        found.append(clock() - began)
    return max(min(found), 1e-9)
