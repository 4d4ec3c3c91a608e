"""What `linear_cross_entropy` takes: shapes that fit, and torch's options for chunks."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

_POLICIES = ("auto", "accurate", "balanced", "compact")
_ACCUMULATORS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True, slots=True)
class LinearCrossEntropyOptions:
    """Cuts the batch into chunks, so that the logits (N, C) never stand in memory at once.

    - `batch_chunk_size`: rows per chunk; None leaves it to `chunking_method`.
    - `chunking_method`: "aspect_ratio" gives a chunk's logits the size of `input`,
      "aspect_ratio:2" half of it, and so on; "auto" is "aspect_ratio:2"; None is one chunk.
    - `allow_retain_graph`, `acc_policy`, `acc_dtype` mirror torch and change nothing: gradients
      are computed anew chunk by chunk, and the loss of half types in float32.

    Raises ValueError for any other value. Source:
    https://docs.pytorch.org/docs/stable/generated/torch.nn.LinearCrossEntropyOptions.html
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: DTypeLike | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"acc_policy must be one of {_POLICIES}, got {self.acc_policy!r}")
        if self.acc_dtype is not None and jnp.dtype(self.acc_dtype).name not in _ACCUMULATORS:
            raise ValueError(f"acc_dtype must be one of {_ACCUMULATORS}, got {self.acc_dtype}")
        size = self.batch_chunk_size
        if size is not None and (not isinstance(size, int) or size < 1):
            raise ValueError(f"batch_chunk_size must be a positive int or None, got {size!r}")
        if self.chunking_method not in (None, "auto"):
            self._divisor(self.chunking_method)

    @staticmethod
    def _divisor(method: str) -> int:
        """N of "aspect_ratio:N", 1 where it is left out."""
        name, colon, factor = method.partition(":")
        factor = factor if colon else "1"
        if name != "aspect_ratio" or not factor.isdigit() or int(factor) < 1:
            raise ValueError(
                "chunking_method must be 'auto', 'aspect_ratio', 'aspect_ratio:N' or None, "
                f"got {method!r}"
            )
        return int(factor)

    def chunk_size(self, rows: int, in_features: int, num_classes: int) -> int:
        """Rows per chunk; raises ValueError where size and method are both set and disagree."""
        size, method = self.batch_chunk_size, self.chunking_method
        if method == "auto":
            method = None if size is not None else "aspect_ratio:2"
        if method is None:
            return max(1, min(rows if size is None else size, rows))
        share = -(-rows // -(-num_classes // in_features))
        power_of_two = 1 << (share - 1).bit_length()
        chosen = min(power_of_two // self._divisor(method), rows)
        if size not in (None, chosen):
            raise ValueError(
                f"batch_chunk_size {size} and chunking_method {method!r}, which gives "
                f"{chosen}, disagree: pass only one of them"
            )
        return max(1, chosen)


def check_linear(input: Array, linear_weight: Array, linear_bias: ArrayLike | None) -> None:
    """Raises ValueError where the shapes do not fit."""
    if input.ndim not in (1, 2) or linear_weight.ndim < 2:
        raise ValueError(
            "input must be (N, in) or (in) and linear_weight (d1, ..., dK, in, C), "
            f"got {input.shape} and {linear_weight.shape}"
        )
    *places, in_features, classes = linear_weight.shape
    if input.shape[-1] != in_features:
        raise ValueError(
            f"input {input.shape} must end in the in_features of linear_weight "
            f"{linear_weight.shape}: {input.shape[-1]} is not {in_features}"
        )
    if linear_bias is not None and jnp.shape(linear_bias) != (*places, classes):
        raise ValueError(
            f"linear_bias must have shape {(*places, classes)}, got {jnp.shape(linear_bias)}"
        )
    if places and input.ndim == 1:
        raise ValueError(f"linear_weight {linear_weight.shape} needs a batched input (N, in)")
