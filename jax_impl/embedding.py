"""Embeddings of torch.nn: look-ups in a table of rows, alone or reduced bag by bag.

An index outside the table raises IndexError where its value is known, and gives NaN rows (zeros
in `one_hot`) under jit. `sparse` is accepted to mirror torch: gradients are dense here.
Source: https://docs.pytorch.org/docs/stable/nn.html#sparse-layers
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array, lax
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike

from jax_impl.tensor import norm

__all__ = ["embedding", "embedding_bag", "one_hot", "Embedding", "EmbeddingBag"]


def embedding(
    input: ArrayLike,
    weight: ArrayLike,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Array | tuple[Array, Array]:
    """Row input[i] of `weight`, for every i.

    Shapes: input (*), weight (num_embeddings, embedding_dim); output (*, embedding_dim).

    padding_idx: its row gets no gradient. max_norm: rows looked up whose `norm_type`-norm
    exceeds it are first scaled down to it, without gradient, and (output, weight so scaled) is
    returned. scale_grad_by_freq: a row's gradient is divided by its occurrences in `input`.
    Raises IndexError at indices or a padding_idx outside the table, TypeError at indices that
    are not integers, ValueError where weight has not two axes.
    """
    indices, weight = _table(input, weight)
    padding_idx = _within(padding_idx, weight.shape[0])
    if max_norm is None:
        return _rows(indices, weight, padding_idx, scale_grad_by_freq)
    scaled = _renormalised(weight, indices, max_norm, norm_type)
    live = _with_gradient_of(weight, scaled)
    return _rows(indices, live, padding_idx, scale_grad_by_freq), scaled


def embedding_bag(
    input: ArrayLike,
    weight: ArrayLike,
    offsets: ArrayLike | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: ArrayLike | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Array | tuple[Array, Array]:
    """Sum, mean or max over the embedded rows of every bag of indices; an empty bag gives 0.

    Shapes: input (bags, length), or (n) with offsets (bags) that ascend from 0, bag b starting
    at offsets[b]; weight (num_embeddings, embedding_dim), per_sample_weights as input; output
    (bags, embedding_dim). With include_last_offset the offsets end in one more number, n.

    per_sample_weights multiply the rows, in mode 'sum'. Rows of padding_idx are left out, of a
    mean's count too. In mode 'max' the first of equal rows gets the gradient. max_norm,
    norm_type and scale_grad_by_freq are as in `embedding`; with max_norm (output, weight) is
    returned. A row's occurrences are its own, as torch documents; torch 2.13 on CPU takes
    another row's, so scale_grad_by_freq agrees only where those are equal.

    Raises as `embedding` does; ValueError at an unknown mode, shapes or offsets that do not
    fit, or scale_grad_by_freq or sparse in mode 'max'; NotImplementedError at
    per_sample_weights in a mode other than 'sum'.
    """
    indices, weight = _table(input, weight)
    padding_idx = _within(padding_idx, weight.shape[0])
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode must be 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError("scale_grad_by_freq and sparse are not supported in mode 'max'")
    if per_sample_weights is not None:
        per_sample_weights = jnp.asarray(per_sample_weights)
        if per_sample_weights.shape != indices.shape:
            raise ValueError(
                f"per_sample_weights {per_sample_weights.shape} must have "
                f"the shape of input {indices.shape}"
            )
        if mode != "sum":
            raise NotImplementedError(
                f"per_sample_weights is only supported in mode 'sum', got mode {mode!r}"
            )
        per_sample_weights = per_sample_weights.reshape(-1)
    bags = _Bags(indices, offsets, include_last_offset)
    indices = indices.reshape(-1)

    scaled = None
    if max_norm is not None:
        scaled = _renormalised(weight, indices, max_norm, norm_type)
        weight = _with_gradient_of(weight, scaled)
    rows = _rows(indices, weight, None, scale_grad_by_freq)
    rows = rows.astype(jnp.promote_types(rows.dtype, jnp.float32))
    kept = jnp.ones(indices.shape, bool) if padding_idx is None else indices != padding_idx
    if mode == "max":
        outside = (indices < 0) | (indices >= weight.shape[0])
        output = _bag_max(bags, rows, kept, outside)
    else:
        rows = jnp.where(kept[:, None], rows, 0)
        if per_sample_weights is not None:
            rows = rows * per_sample_weights[:, None]
        output = bags.sum(rows)
        if mode == "mean":
            output = output / jnp.maximum(bags.sum(kept.astype(rows.dtype)), 1)[:, None]
    output = output.astype(weight.dtype)
    return output if scaled is None else (output, scaled)


def one_hot(input: ArrayLike, num_classes: int = -1) -> Array:
    """1 at class input[i], 0 at all others, as integers.

    Shapes: input (*), output (*, num_classes). num_classes -1 is 1 + the largest class, which
    needs a concrete input. Raises ValueError at a class outside [0, num_classes) whose value is
    known (under jit it gives zeros), an empty input without num_classes, or num_classes -1
    under jit; TypeError at an input that is not integer.
    """
    classes = _integers(input)
    bounds = _known_bounds(classes)
    if bounds is None:
        if num_classes < (classes.size == 0):
            raise ValueError(
                f"num_classes must be given where input is traced or empty, got {num_classes}"
            )
    else:
        lowest, highest = bounds
        num_classes = highest + 1 if num_classes == -1 else num_classes
        if lowest < 0 or highest >= num_classes:
            raise ValueError(
                f"classes must be in [0, {num_classes}), got {lowest} to {highest}"
            )
    return jax.nn.one_hot(classes, num_classes, dtype=int)


def _integers(input: ArrayLike) -> Array:
    array = jnp.asarray(input)
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError(f"input must hold integers, got {array.dtype}")
    return array


def _known_bounds(array: Array) -> tuple[int, int] | None:
    """The least and the largest number, None where there is none or it is traced."""
    if array.size == 0 or isinstance(array, Tracer):
        return None
    # NumPy's, since under jit jax.numpy would trace even what is known.
    known = np.asarray(array)
    return int(known.min()), int(known.max())


def _table(input: ArrayLike, weight: ArrayLike) -> tuple[Array, Array]:
    """The indices and the table as arrays, checked against each other."""
    indices, weight = _integers(input), jnp.asarray(weight)
    if weight.ndim != 2:
        raise ValueError(
            f"weight must be (num_embeddings, embedding_dim), got shape {weight.shape}"
        )
    lowest, highest = _known_bounds(indices) or (0, -1)
    if lowest < 0 or highest >= weight.shape[0]:
        raise IndexError(
            f"input must be in [0, {weight.shape[0]}), the rows of weight, "
            f"got {lowest} to {highest}"
        )
    return indices, weight


def _within(padding_idx: int | None, num_embeddings: int) -> int | None:
    """padding_idx counted from the front."""
    if padding_idx is None:
        return None
    if not -num_embeddings <= padding_idx < max(num_embeddings, 1):
        raise IndexError(
            f"padding_idx must be within num_embeddings={num_embeddings}, got {padding_idx}"
        )
    return padding_idx % num_embeddings if num_embeddings else padding_idx


def _rows(
    indices: Array, weight: Array, padding_idx: int | None, scale_grad_by_freq: bool
) -> Array:
    rows = weight.at[indices].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False)
    if padding_idx is not None:
        padding = (indices == padding_idx)[..., None]
        rows = jnp.where(padding, lax.stop_gradient(rows), rows)
    if scale_grad_by_freq:
        counts = jnp.zeros(weight.shape[0], jnp.promote_types(weight.dtype, jnp.float32))
        counts = counts.at[indices].add(1, mode="drop", wrap_negative_indices=False)
        rows = _with_scaled_gradient(rows, 1 / jnp.maximum(counts, 1)[indices][..., None])
    return rows


def _renormalised(weight: Array, indices: Array, max_norm: float, norm_type: float) -> Array:
    """`weight`, with the rows looked up scaled down to a norm of max_norm where above it."""
    weight, indices = lax.stop_gradient(weight), indices.reshape(-1)
    rows = weight[indices]
    norms = norm(rows, norm_type, dim=1, keepdim=True)
    rows = jnp.where(norms > max_norm, rows * (max_norm / (norms + 1e-7)), rows)
    return weight.at[indices].set(rows, mode="drop", wrap_negative_indices=False)


@jax.custom_jvp
def _with_gradient_of(source: Array, value: Array) -> Array:
    """`value`, and the derivative of `source`: torch updates a leaf's value in place."""
    return value


@_with_gradient_of.defjvp
def _with_gradient_of_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    return primals[1], tangents[0]


@jax.custom_jvp
def _with_scaled_gradient(value: Array, scale: Array) -> Array:
    """`value`, and its derivative times `scale`."""
    return value


@_with_scaled_gradient.defjvp
def _with_scaled_gradient_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    return primals[0], (tangents[0] * primals[1]).astype(tangents[0].dtype)


class _Bags:
    """Reductions over bags of consecutive items: all of one length, or starting at offsets."""

    def __init__(
        self, indices: Array, offsets: ArrayLike | None, include_last_offset: bool
    ) -> None:
        if indices.ndim == 2:
            if offsets is not None:
                raise ValueError("offsets must be None where input has two axes")
            self.count, self.length = indices.shape
            self.bag = jnp.repeat(jnp.arange(self.count), self.length)
            return
        if indices.ndim != 1:
            raise ValueError(f"input must have one or two axes, got shape {indices.shape}")
        starts = jnp.asarray([[]] if offsets is None else offsets)
        if starts.ndim != 1:
            raise ValueError("offsets must have one axis where input has one")
        if starts.size and not isinstance(starts, Tracer):
            first, last = np.asarray(starts)[[0, -1]].tolist()
            if first != 0 or last > indices.size:
                raise ValueError(
                    f"offsets must start at 0 and end by the input's length {indices.size}, "
                    f"got {first} and {last}"
                )
        if include_last_offset:
            if not starts.size:
                raise ValueError("offsets must hold one number at least, its last")
            starts = starts[:-1]
        self.count, self.length = starts.size, None
        begun = jnp.zeros(indices.size, int).at[starts].add(1, mode="drop")
        self.bag = jnp.cumsum(begun) - 1

    def sum(self, items: Array) -> Array:
        """(n, *) to (bags, *)."""
        if self.length is not None:
            return items.reshape(self.count, self.length, *items.shape[1:]).sum(1)
        zeros = jnp.zeros((self.count, *items.shape[1:]), items.dtype)
        return zeros.at[self.bag].add(items, indices_are_sorted=True)

    def max(self, items: Array, lowest: float) -> Array:
        """(n, *) to (bags, *); `lowest` where a bag is empty."""
        if self.length is not None:
            items = items.reshape(self.count, self.length, *items.shape[1:])
            return items.max(1, initial=lowest)
        floor = jnp.full((self.count, *items.shape[1:]), lowest, items.dtype)
        return floor.at[self.bag].max(items, indices_are_sorted=True)


def _bag_max(bags: _Bags, rows: Array, kept: Array, outside: Array) -> Array:
    """Column by column, the first of a bag's largest kept rows.

    As torch compares, NaN stays where it comes first in its bag and is passed over elsewhere.
    """
    size, columns = rows.shape
    if size == 0:
        return jnp.zeros((bags.count, columns), rows.dtype)
    position = jnp.arange(size)
    first = -bags.max(jnp.where(kept, -position, -size), -size)
    standing = ((position == first[bags.bag]) | outside)[:, None] | ~jnp.isnan(rows)
    values = lax.stop_gradient(jnp.where(kept[:, None] & standing, rows, -jnp.inf))
    largest = bags.max(values, -jnp.inf)[bags.bag]
    candidate = kept[:, None] & ((values == largest) | jnp.isnan(values))
    chosen = -bags.max(jnp.where(candidate, -position[:, None], -size), -size)
    return rows.at[chosen, jnp.arange(columns)].get(mode="fill", fill_value=0)


def _initial_table(
    shape: tuple[int, int],
    padding_idx: int | None,
    given: ArrayLike | None,
    device: jax.Device | None,
    dtype: DTypeLike | None,
    rngs: nnx.Rngs | None,
) -> Array:
    """`given`, or rows drawn from N(0, 1) with zeros at padding_idx."""
    if min(shape) < 0:
        raise ValueError(f"num_embeddings and embedding_dim must not be negative, got {shape}")
    if given is not None:
        table = jnp.asarray(given)
        if table.shape != shape:
            raise ValueError(
                f"_weight must be (num_embeddings, embedding_dim) = {shape}, got {table.shape}"
            )
        return table
    if rngs is None:
        raise ValueError("rngs must be given to draw weight, where _weight is not")
    table = jax.random.normal(rngs.params(), shape, dtype or jnp.float32)
    if padding_idx is not None:
        table = table.at[padding_idx].set(0)
    return jax.device_put(table, device)


def _pretrained_shape(embeddings: ArrayLike) -> tuple[int, int]:
    shape = jnp.shape(embeddings)
    if len(shape) != 2:
        raise ValueError(f"embeddings must have two axes, got shape {shape}")
    return shape


class Embedding(nnx.Module):
    """`embedding` as a layer; `weight` (num_embeddings, embedding_dim) is drawn from N(0, 1).

    The row padding_idx starts at 0. With max_norm a call stores the rows it scaled. A frozen
    table is a plain nnx.Variable, which no filter for nnx.Param meets.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: ArrayLike | None = None,
        _freeze: bool = False,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs | None = None,
    ) -> None:
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = _within(padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        shape = (num_embeddings, embedding_dim)
        table = _initial_table(shape, self.padding_idx, _weight, device, dtype, rngs)
        self.weight = nnx.Variable(table) if _freeze else nnx.Param(table)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: ArrayLike,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer whose table is `embeddings` (num_embeddings, embedding_dim)."""
        return cls(
            *_pretrained_shape(embeddings),
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def __call__(self, input: ArrayLike) -> Array:
        options = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)
        result = embedding(input, self.weight[...], *options, self.sparse)
        return _stored(self.weight, result)


class EmbeddingBag(nnx.Module):
    """`embedding_bag` as a layer; `weight` is as in `Embedding`."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: ArrayLike | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        rngs: nnx.Rngs | None = None,
    ) -> None:
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        self.padding_idx = _within(padding_idx, num_embeddings)
        shape = (num_embeddings, embedding_dim)
        table = _initial_table(shape, self.padding_idx, _weight, device, dtype, rngs)
        self.weight: nnx.Variable[Array] = nnx.Param(table)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: ArrayLike,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A layer whose table is `embeddings` (num_embeddings, embedding_dim)."""
        bag = cls(
            *_pretrained_shape(embeddings),
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            embeddings,
            include_last_offset,
            padding_idx,
        )
        if freeze:
            bag.weight = nnx.Variable(bag.weight[...])
        return bag

    def __call__(
        self,
        input: ArrayLike,
        offsets: ArrayLike | None = None,
        per_sample_weights: ArrayLike | None = None,
    ) -> Array:
        result = embedding_bag(
            input,
            self.weight[...],
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )
        return _stored(self.weight, result)


def _stored(weight: nnx.Variable[Array], result: Array | tuple[Array, Array]) -> Array:
    """The output, once the table that max_norm scaled is kept."""
    if not isinstance(result, tuple):
        return result
    output, weight[...] = result
    return output
