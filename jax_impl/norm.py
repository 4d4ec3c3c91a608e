"""Batch and instance normalisation, with running statistics: torch's formulas, channels last.

Shapes: N batch, C channels, * any number of axes: torch's (N, C, *) is (N, *, C) here.
float16 and bfloat16 input is computed in float32 and may meet float32 leaves, as in torch.

Source: https://docs.pytorch.org/docs/stable/nn.html#normalization-layers
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax
from jax.typing import ArrayLike, DTypeLike

from jax_impl._moments import (
    filled,
    fitting_leaves,
    floating,
    moments,
    scaled,
    value,
    wide,
)

__all__ = [
    "batch_norm",
    "instance_norm",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "SyncBatchNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
]

Stats = tuple[Array, Array | None, Array | None]

_LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def batch_norm(
    input: ArrayLike,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    training: bool = False,
    momentum: float | Array = 0.1,
    eps: float = 1e-5,
) -> Stats:
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel.

    Shapes: input (N, *, C), the leaves (C). Returns (y, running_mean, running_var).

    Training takes the mean and the biased variance of the batch, and moves the running ones:

        running = (1 - momentum) running + momentum statistic,  by the unbiased variance

    Otherwise the running statistics normalise. An empty batch leaves them as they are.
    Raises ValueError for one value per channel in training, for an eps that is not positive
    in training or negative, and for leaves that are missing or misshapen.
    """
    leaves = _fitting(input, running_mean, running_var, weight, bias, training)
    return _batch_norm(*leaves, training, momentum, eps)


def instance_norm(
    input: ArrayLike,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    use_input_stats: bool = True,
    momentum: float | Array = 0.1,
    eps: float = 1e-5,
) -> Stats:
    """`batch_norm` of every instance apart: mean and variance run over * of (N, *, C).

    Returns (y, running_mean, running_var). With `use_input_stats` the running statistics,
    where given, move towards the mean over N of the instances' own; without, they normalise.
    Raises ValueError for one spatial element per channel with `use_input_stats`, and for
    leaves that are missing or misshapen.
    """
    leaves = _fitting(input, running_mean, running_var, weight, bias, use_input_stats)
    shape = leaves[0].shape
    count = math.prod(shape[1:-1])
    if use_input_stats and count == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {shape}"
        )
    axes = range(1, len(shape) - 1)
    return _normalized(*leaves, use_input_stats, momentum, eps, axes, count)


def _fitting(
    input: ArrayLike,
    running_mean: ArrayLike | None,
    running_var: ArrayLike | None,
    weight: ArrayLike | None,
    bias: ArrayLike | None,
    from_input: bool,
) -> tuple[Array, Array | None, Array | None, Array | None, Array | None]:
    """The input and its leaves as arrays that fit each other."""
    if (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must be given both or neither")
    if running_mean is None and not from_input:
        raise ValueError(
            "running_mean and running_var must be given where the input's own are not used"
        )
    array = floating(input, least_rank=2)
    names = {"running_mean": running_mean, "running_var": running_var}
    names |= {"weight": weight, "bias": bias}
    mean, var, scale, shift = fitting_leaves(array.dtype, array.shape[-1:], **names)
    return array, mean, var, scale, shift


def _batch_norm(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    training: bool,
    momentum: float | Array,
    eps: float,
    axis_name: str | None = None,
) -> Stats:
    """`batch_norm` of arrays that fit, over the devices of `axis_name` too."""
    shape = input.shape
    devices = 1 if axis_name is None else lax.psum(1, axis_name)
    count = math.prod(shape[:-1]) * devices
    if training and count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {shape}"
        )
    if training and eps <= 0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    axes = range(len(shape) - 1)
    leaves = (running_mean, running_var, weight, bias)
    return _normalized(input, *leaves, training, momentum, eps, axes, count, axis_name)


def _normalized(
    input: Array,
    running_mean: Array | None,
    running_var: Array | None,
    weight: Array | None,
    bias: Array | None,
    from_input: bool,
    momentum: float | Array,
    eps: float,
    axes: Sequence[int],
    count: int,
    axis_name: str | None = None,
) -> Stats:
    """Either norm: by the input's statistics over `axes`, of `count` values, or the running."""
    if input.size == 0:
        return input, running_mean, running_var
    x = input.astype(wide(input.dtype))
    if running_mean is None or running_var is None or from_input:
        centered, mean, variance = moments(x, axes, axis_name)
        running_mean = _moved(running_mean, mean, momentum)
        running_var = _moved(running_var, variance * (count / (count - 1)), momentum)
        if eps == 0:  # torch makes a constant channel 0 here, not 0 / 0
            variance = jnp.where(variance == 0, jnp.inf, variance)
    else:
        centered, variance = x - running_mean.astype(x.dtype), running_var.astype(x.dtype)
    output = scaled(centered, variance, weight, bias, eps)
    return output.astype(input.dtype), running_mean, running_var


def _moved(running: Array | None, statistic: Array, momentum: float | Array) -> Array | None:
    """The running statistic after a step; a buffer, so no gradient passes."""
    if running is None:
        return None
    target = statistic.reshape(-1, running.size).mean(0)
    new = (1 - momentum) * running.astype(target.dtype) + momentum * target
    return lax.stop_gradient(new).astype(running.dtype)


class _NormBase(nnx.Module):
    """The leaves of these layers, each (num_features) or None.

    `weight` (ones) and `bias` (zeros) are parameters where `affine`; `running_mean`,
    `running_var` and the integer `num_batches_tracked` are buffers where
    `track_running_stats`. `use_running_average` is False in training, True in evaluation.
    """

    spatial_dims: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.use_running_average = False
        affine_bias, tracks = affine and bias, track_running_stats
        self.weight = filled(nnx.Param, 1, num_features, device, dtype, affine)
        self.bias = filled(nnx.Param, 0, num_features, device, dtype, affine_bias)
        self.running_mean = filled(nnx.BatchStat, 0, num_features, device, dtype, tracks)
        self.running_var = filled(nnx.BatchStat, 1, num_features, device, dtype, tracks)
        self.num_batches_tracked = filled(nnx.BatchStat, 0, (), device, int, tracks)

    def reset_running_stats(self) -> None:
        """Put the running statistics back to mean 0, variance 1 and no batch seen."""
        statistics = (self.running_mean, self.running_var, self.num_batches_tracked)
        for statistic, fill in zip(statistics, (0, 1, 0), strict=True):
            if statistic is not None:
                statistic[...] = jnp.full_like(statistic[...], fill)

    def set_view(self, use_running_average: bool | None = None) -> None:
        """What `nnx.view` calls."""
        if use_running_average is not None:
            self.use_running_average = use_running_average

    def _check_rank(self, input: Array, *ranks: int) -> None:
        if input.ndim not in ranks:
            allowed = " or ".join(f"{rank}D" for rank in ranks)
            raise ValueError(f"expected {allowed} input (got {input.ndim}D input)")

    def _store(self, running_mean: Array | None, running_var: Array | None) -> None:
        if self.running_mean is not None and running_mean is not None:
            self.running_mean[...] = running_mean
        if self.running_var is not None and running_var is not None:
            self.running_var[...] = running_var


class _BatchNorm(_NormBase):
    """`batch_norm` as a layer, by the batch's statistics in training.

    In evaluation by the running ones, or by the batch's again where none are kept
    (`track_running_stats` False). `momentum` None averages all batches seen, by
    `num_batches_tracked`. Raises ValueError where the input has another number of axes.
    """

    def _axis_name(self) -> str | None:
        return None

    def _check_input(self, input: Array) -> None:
        ranks = (2, 3) if self.spatial_dims == 1 else (self.spatial_dims + 2,)
        self._check_rank(input, *ranks)

    def __call__(self, input: ArrayLike) -> Array:
        array = jnp.asarray(input)
        self._check_input(array)
        training = not self.use_running_average
        tracked = self.track_running_stats or not training
        running_mean = value(self.running_mean) if tracked else None
        running_var = value(self.running_var) if tracked else None
        from_batch = training or (running_mean is None and running_var is None)
        weight, bias = value(self.weight), value(self.bias)
        output, running_mean, running_var = _batch_norm(
            *_fitting(array, running_mean, running_var, weight, bias, from_batch),
            from_batch,
            self._step(array.dtype) if training and tracked else 0.0,
            self.eps,
            self._axis_name() if training else None,
        )
        if training:
            self._store(running_mean, running_var)
        return output

    def _step(self, dtype: DTypeLike) -> float | Array:
        """Count the batch, and say how far it moves the running statistics."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked[...] += 1
            if self.momentum is None:
                return 1 / self.num_batches_tracked[...].astype(wide(dtype))
        return 0.0 if self.momentum is None else self.momentum


class BatchNorm1d(_BatchNorm):
    """`batch_norm` of (N, C) or (N, L, C) as a layer."""

    spatial_dims = 1


class BatchNorm2d(_BatchNorm):
    """`batch_norm` of (N, H, W, C) as a layer."""

    spatial_dims = 2


class BatchNorm3d(_BatchNorm):
    """`batch_norm` of (N, D, H, W, C) as a layer."""

    spatial_dims = 3


class SyncBatchNorm(_BatchNorm):
    """`batch_norm` of (N, *, C) as a layer, its statistics taken over devices too.

    `process_group` names the axis of jax.pmap, jax.vmap or jax.shard_map over which the
    statistics are averaged in training; with None they are those of the local batch.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: str | None = None,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _axis_name(self) -> str | None:
        return self.process_group

    def _check_input(self, input: Array) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")
        if input.shape[-1] == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(
        cls, module: nnx.Module, process_group: str | None = None
    ) -> nnx.Module:
        """`module` with each batch normalisation in it replaced by a SyncBatchNorm.

        The new layers hold the old ones' variables. A batch normalisation given by itself is
        returned replaced; any other module is changed in place and returned.
        """
        if isinstance(module, _BatchNorm):
            replaced = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            replaced.use_running_average = module.use_running_average
            for name in _LEAVES:
                setattr(replaced, name, getattr(module, name))
            return replaced
        for name, child in list(nnx.iter_children(module)):
            if isinstance(child, nnx.Module):
                setattr(module, str(name), cls.convert_sync_batchnorm(child, process_group))
        return module


class _InstanceNorm(_NormBase):
    """`instance_norm` as a layer, by the input's statistics.

    In evaluation by the running ones where they are kept (`track_running_stats`). The batch
    axis may be absent. Raises ValueError for another number of axes, and with `affine` for
    another number of channels than `num_features`, of which it warns without.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: jax.Device | None = None,
        dtype: DTypeLike | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def __call__(self, input: ArrayLike) -> Array:
        array = jnp.asarray(input)
        self._check_rank(array, self.spatial_dims + 1, self.spatial_dims + 2)
        if array.shape[-1] != self.num_features:
            said = f"{self.num_features} (num_features), got input shape {array.shape}"
            if self.affine:
                raise ValueError(f"expected the input's last axis to be {said}")
            warnings.warn(
                f"the input's last axis is not {said}; num_features is not used where "
                "affine=False",
                stacklevel=2,
            )
        batched = array.ndim == self.spatial_dims + 2
        training = not self.use_running_average
        output, running_mean, running_var = instance_norm(
            array if batched else array[None],
            value(self.running_mean),
            value(self.running_var),
            value(self.weight),
            value(self.bias),
            training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        if training:
            self._store(running_mean, running_var)
        return output if batched else output[0]


class InstanceNorm1d(_InstanceNorm):
    """`instance_norm` of (N, L, C) or (L, C) as a layer."""

    spatial_dims = 1


class InstanceNorm2d(_InstanceNorm):
    """`instance_norm` of (N, H, W, C) or (H, W, C) as a layer."""

    spatial_dims = 2


class InstanceNorm3d(_InstanceNorm):
    """`instance_norm` of (N, D, H, W, C) or (D, H, W, C) as a layer."""

    spatial_dims = 3
