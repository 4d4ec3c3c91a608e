"""JAX's dropout that keeps everything: masks are True everywhere. See torch_kept.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp

from jax_impl import dropout


@contextmanager
def keeping() -> Iterator[None]:
    """Within, jax.random.bernoulli is True everywhere: what Flax and Equinox draw masks by; and
    so is that of jax_impl.dropout."""

    def bernoulli(key: Any, p: Any = 0.5, shape: Any = None, *_: Any, **__: Any) -> Any:
        return jnp.ones(jnp.shape(p) if shape is None else shape, bool)

    with (
        mock.patch.object(jax.random, "bernoulli", bernoulli),
        mock.patch.object(dropout, "bernoulli", bernoulli),
    ):
        yield
