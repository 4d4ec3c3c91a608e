"""Connectionist temporal classification, the loss of torch.nn for unaligned sequences."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from jax_impl._loss import (
    Loss,
    check_labels,
    chosen_reduction,
    in_float32,
    integers,
    is_concrete,
    reduced,
)

__all__ = ["ctc_loss", "CTCLoss"]

_NEVER = -jnp.inf


@in_float32
def ctc_loss(
    log_probs: ArrayLike,
    targets: ArrayLike,
    input_lengths: ArrayLike | Sequence[int],
    target_lengths: ArrayLike | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Array:
    """-log of the probability that `log_probs` spells `targets`, summed over all alignments.

    An alignment names one class a frame; it spells what is left when repeats are merged and
    blanks dropped. Where none is possible the loss is inf, its gradient NaN; `zero_infinity`
    makes both 0. The mean is that of loss / max(target length, 1). The gradient is torch's: of
    the logits whose log_softmax `log_probs` is, exp(log_probs) - posterior, and 0 past a
    sequence's length; a class of log-probability -inf has NaN.

    Shapes: log_probs (T, N, C), targets (N, S) or all labels on end (sum of target_lengths),
    lengths (N); or (T, C), (S), () and (). Output (N) or (), a scalar where it is reduced.
    Raises ValueError for other shapes, lengths that do not fit and a blank outside [0, C),
    IndexError for a label outside [0, C), TypeError for labels or lengths that are no integers.
    Under jit, where values are unknown, such a label or length gives NaN.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html and
    Graves et al. 2006, equations 5 to 16 (https://www.cs.toronto.edu/~graves/icml_2006.pdf).
    """
    reduction = chosen_reduction(None, None, reduction)
    log_probs, targets = jnp.asarray(log_probs), integers(targets, "targets")
    batched = log_probs.ndim == 3
    if log_probs.ndim not in (2, 3):
        raise ValueError(f"log_probs must be (T, N, C) or (T, C), got {log_probs.shape}")
    log_probs = log_probs if batched else log_probs[:, None]
    frames, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise ValueError(f"blank must be a class in [0, {classes}), got {blank}")
    input_lengths = _lengths("input_lengths", input_lengths, batch, frames)
    if targets.ndim not in (1, 2):
        raise ValueError(
            f"targets must be (N, S) or (sum of target_lengths), got {targets.shape}"
        )
    target_lengths = _lengths("target_lengths", target_lengths, batch, targets.shape[-1])
    targets = _padded(targets, target_lengths)
    counts = jnp.arange(targets.shape[1]) < target_lengths[:, None]
    valid = check_labels(targets, 0, classes, counts) | ~counts
    states = jnp.full((batch, 2 * targets.shape[1] + 1), blank).at[:, 1::2].set(targets)
    loss = _negative_log_likelihood(
        log_probs, states, input_lengths, target_lengths, zero_infinity
    )
    if zero_infinity:
        loss = jnp.where(loss == jnp.inf, 0, loss)
    fits = _within(input_lengths, frames) & _within(target_lengths, targets.shape[1])
    loss = loss * jnp.where(fits & valid.all(axis=1), 1, jnp.nan)
    if reduction == "mean":
        loss = loss / jnp.maximum(target_lengths, 1)
    return reduced(loss if batched else loss[0], reduction)


def _lengths(name: str, lengths: ArrayLike | Sequence[int], batch: int, most: int) -> Array:
    lengths = integers(lengths, name).reshape(-1)
    if lengths.size != batch:
        raise ValueError(
            f"{name} must hold one length a sequence ({batch}), got {lengths.size}"
        )
    if is_concrete(lengths) and not _within(lengths, most).all():
        raise ValueError(f"{name} must lie in [0, {most}], got {lengths}")
    return lengths


def _within(lengths: Array, most: int) -> Array:
    return (lengths >= 0) & (lengths <= most)


def _padded(targets: Array, lengths: Array) -> Array:
    """The labels as (N, S), S the longest that is known to be needed."""
    batch, concrete = lengths.size, is_concrete(lengths)
    longest = int(lengths.max()) if concrete and batch else targets.shape[-1]
    if targets.ndim == 2:
        if targets.shape[0] != batch:
            raise ValueError(f"targets must be ({batch}, S), got {targets.shape}")
        return targets[:, :longest]
    if concrete and targets.size != lengths.sum():
        raise ValueError(f"targets must hold {lengths.sum()} labels on end, got {targets.size}")
    if longest == 0:
        return jnp.zeros((batch, 0), targets.dtype)
    first = jnp.cumsum(lengths) - lengths
    return targets.at[first[:, None] + jnp.arange(longest)].get(mode="clip")


def _forward(
    log_probs: Array, states: Array, lengths: Array, target_lengths: Array, zero_infinity: bool
) -> tuple[Array, tuple]:
    emissions = _emissions(log_probs, states)
    start = jnp.arange(states.shape[1]) <= jnp.minimum(target_lengths, 1)[:, None]
    last, alphas = _walk(emissions, states, start, jnp.zeros_like(lengths), lengths)
    final = jnp.where(_final(states, target_lengths), last, _NEVER)
    loss = -jax.nn.logsumexp(final, axis=1)
    nothing = jnp.where(target_lengths == 0, 0, jnp.inf).astype(loss.dtype)
    loss = jnp.where(lengths == 0, nothing, loss)
    return loss, (log_probs, states, lengths, target_lengths, alphas, loss)


def _backward(zero_infinity: bool, kept: tuple, cotangent: Array) -> tuple:
    log_probs, states, lengths, target_lengths, alphas, loss = kept
    emissions = _emissions(log_probs, states)
    end = jnp.flip(_final(states, target_lengths), 1)
    _, betas = _walk(
        jnp.flip(emissions, 2), jnp.flip(states, 1), end, lengths - 1, lengths, reverse=True
    )
    occupied = jnp.exp(alphas + jnp.flip(betas, 2) + loss[:, None] - emissions)
    sequences = jnp.arange(states.shape[0])[:, None]
    posterior = jnp.zeros_like(log_probs).at[:, sequences, states].add(occupied)
    gradient = jnp.exp(log_probs) - posterior
    possible = (loss < jnp.inf)[:, None]
    gradient = jnp.where(possible & (log_probs != _NEVER), gradient, jnp.nan)
    gradient = gradient * cotangent[:, None]
    if zero_infinity:
        gradient = jnp.where((loss == jnp.inf)[:, None], 0, gradient)
    inside = jnp.arange(log_probs.shape[0])[:, None] < lengths
    return jnp.where(inside[..., None], gradient, 0), None, None, None


def _loss(
    log_probs: Array, states: Array, lengths: Array, target_lengths: Array, zero_infinity: bool
) -> Array:
    """The loss of each sequence, whose `states` (N, 2 S + 1) are its labels between blanks."""
    return _forward(log_probs, states, lengths, target_lengths, zero_infinity)[0]


_negative_log_likelihood = jax.custom_vjp(_loss, nondiff_argnums=(4,))
_negative_log_likelihood.defvjp(_forward, _backward)


def _emissions(log_probs: Array, states: Array) -> Array:
    """log_probs of each state's class: (T, N, 2 S + 1)."""
    return jnp.take_along_axis(log_probs, states[None], axis=2, mode="clip")


def _final(states: Array, target_lengths: Array) -> Array:
    """The states that may end a sequence: its last blank, and its last label if it has one."""
    place = jnp.arange(states.shape[1]) - 2 * target_lengths[:, None]
    return (place == 0) | ((place == -1) & (target_lengths[:, None] > 0))


def _walk(
    emissions: Array,
    states: Array,
    start: Array,
    first: Array,
    lengths: Array,
    reverse: bool = False,
) -> tuple[Array, Array]:
    """log of the sum over all ways to each state at each frame, and that at the last frame.

    A way begins in a state of `start` at frame `first`; it stays, goes on to the next state, or
    skips one between two that differ. Frames from `lengths` on change nothing.
    """
    many = states.shape[1]
    skips = jnp.pad(states[:, 2:] != states[:, :-2], ((0, 0), (2, 0)))[:, :many]

    def step(before: Array, frame: tuple[Array, Array]) -> tuple[Array, Array]:
        time, emission = frame
        one, two = (
            jnp.pad(before, ((0, 0), (by, 0)), constant_values=_NEVER)[:, :many]
            for by in (1, 2)
        )
        ways = jnp.stack([before, one, jnp.where(skips, two, _NEVER)])
        begun = jnp.where(start, 0, _NEVER)
        here = jnp.where((time == first)[:, None], begun, jax.nn.logsumexp(ways, axis=0))
        after = jnp.where((time < lengths)[:, None], here + emission, before)
        return after, after

    nowhere = jnp.full(states.shape, _NEVER, emissions.dtype)
    frames = jnp.arange(emissions.shape[0])
    return lax.scan(step, nowhere, (frames, emissions), reverse=reverse)


class CTCLoss(Loss):
    """`ctc_loss` as a layer."""

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def __call__(
        self,
        log_probs: ArrayLike,
        targets: ArrayLike,
        input_lengths: ArrayLike | Sequence[int],
        target_lengths: ArrayLike | Sequence[int],
    ) -> Array:
        return ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
