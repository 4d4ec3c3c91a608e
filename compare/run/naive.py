"""Naive ports: what people write first, each wrong in one known way. Never import it to
compute.

The planted faults of compare/cases/faults.py name these; the judge must call each different (or
less careful, or leaking). Arguments have torch's names, arrays have JAX's layout.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax

from jax_impl import conv, lenet, linear, norm, pool, resnet


def conv2d_same(input, weight, bias, stride=1, padding=0):
    """SAME padding for padding = kernel // 2: pads (0, 1) where torch pads (1, 1)."""
    strides = (stride, stride)
    out = lax.conv_general_dilated(
        input, weight, strides, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return out + bias


def conv2d_flipped(input, weight, bias, **options):
    """A true convolution: torch's is a cross-correlation."""
    return conv.conv2d(input, weight[::-1, ::-1], bias, **options)


def conv2d_transposed_axes(input, weight, bias, **options):
    """Kernel height and width swapped on the way."""
    return conv.conv2d(input, weight.swapaxes(0, 1), bias, **options)


def conv_transpose2d_unflipped(input, weight, bias, stride=1):
    """The gradient's kernel, not turned by 180 degrees."""
    out = lax.conv_transpose(input, weight, (stride, stride), "VALID",
                             dimension_numbers=("NHWC", "HWIO", "NHWC"))  # fmt: skip
    return out + bias


def linear_untransposed(input, weight, bias=None):
    """A square weight loads without complaint whichever way it lies."""
    return linear.linear(input, weight.T, bias)


class FlattenedInNhwcOrder(lenet.LeNet):
    """Flattened as the array lies, before a dense layer whose rows are in NCHW order."""

    def __call__(self, x):
        x = self.pool(self.activation(self.conv1(x)))
        x = self.pool(self.activation(self.conv2(x)))
        x = self.activation(self.fc1(x.reshape(x.shape[0], -1)))
        return self.fc3(self.activation(self.fc2(x)))


def max_pool2d_zero(input, kernel_size, stride=None, padding=0):
    """Pads with 0, which wins over negative values."""
    padded = jnp.pad(input, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    return pool.max_pool2d(padded, kernel_size, stride)


def avg_pool2d_same(input, kernel_size, stride=None, **_):
    """SAME instead of ceil_mode: the last window is divided by its full size."""
    window = (kernel_size, kernel_size)
    return nnx.avg_pool(input, window, (stride, stride), "SAME", count_include_pad=True)


class FlaxBatchNorm(nnx.BatchNorm):
    """Flax's own layer with torch's momentum turned round: the running variance is biased."""

    def __init__(self, num_features, momentum=0.1, eps=1e-5, *, rngs):
        super().__init__(num_features, momentum=1 - momentum, epsilon=eps, rngs=rngs)


class AlwaysTraining(norm.BatchNorm2d):
    """Never switched to evaluation."""

    def eval(self, **attributes):
        return self


class NhwcReducedLikeNchw(norm.BatchNorm2d):
    """Statistics over axes (0, 2, 3) of an NHWC array, as in d2l's from-scratch tab."""

    def __call__(self, input: jax.Array) -> jax.Array:
        mean = input.mean((0, 2, 3), keepdims=True)
        variance = jnp.square(input - mean).mean((0, 2, 3), keepdims=True)
        whitened = (input - mean) * lax.rsqrt(variance + self.eps)
        assert self.weight is not None
        assert self.bias is not None
        return whitened * self.weight[...] + self.bias[...]


def layer_norm_fast(input, normalized_shape, weight, bias, eps=1e-5):
    """E[x^2] - E[x]^2: the same function, but cancellation eats the bits of a far mean."""
    axes = tuple(range(-len(normalized_shape), 0))
    mean = input.mean(axes, keepdims=True)
    variance = jnp.square(input).mean(axes, keepdims=True) - jnp.square(mean)
    return (input - mean) * lax.rsqrt(variance + eps) * weight + bias


def layer_norm_unbiased(input, normalized_shape, weight, bias, eps=1e-5):
    """std with n - 1, as torch.std has by default, and eps outside the root."""
    axes = tuple(range(-len(normalized_shape), 0))
    mean = input.mean(axes, keepdims=True)
    return (input - mean) / (input.std(axes, keepdims=True, ddof=1) + eps) * weight + bias


def softmax_float32(input, dim):
    """Rounds through float32 inside, as some attention code does for safety."""
    return jax.nn.softmax(input.astype(jnp.float32), axis=dim).astype(input.dtype)


def relu_maximum(input):
    """max(x, 0) shares the gradient at a tie: 0.5 at 0, where torch has 0."""
    return jnp.maximum(input, 0)


def l1_loss_abs(input, target):
    """jnp.abs has gradient 1 at 0, torch has 0."""
    return jnp.where(input >= target, input - target, target - input).mean()


def hardtanh_clip(input, min_val=-1.0, max_val=1.0):
    """jnp.clip gives 0.5 at the bounds, torch gives 0."""
    return jnp.minimum(jnp.maximum(input, min_val), max_val)


def gelu_tanh(input):
    """jax.nn.gelu's default: the tanh approximation."""
    return jax.nn.gelu(input)


def mse_half(input, target):
    """optax.l2_loss is half the squared error."""
    return optax.l2_loss(input, target).mean()


def smooth_l1_huber(input, target, beta):
    """Huber is beta times smooth L1."""
    return optax.huber_loss(input, target, delta=beta).mean()


def kl_div_rows(input, target):
    """The mean over rows; torch's 'mean' divides by every element."""
    return optax.kl_divergence(input, target).mean()


def bce_unclamped(input, target):
    """No clamp of the logarithm at -100: inf where torch gives 100."""
    return -(target * jnp.log(input) + (1 - target) * jnp.log1p(-input)).mean()


def cross_entropy_all_rows(input, target, ignore_index=-100):
    """Ignored labels give 0, but the mean is over all rows."""
    kept = target != ignore_index
    each = optax.softmax_cross_entropy_with_integer_labels(input, jnp.where(kept, target, 0))
    return jnp.where(kept, each, 0).mean()


def cross_entropy_weight_count(input, target, weight):
    """Class weights, divided by the number of rows and not by the targets' weights."""
    each = optax.softmax_cross_entropy_with_integer_labels(input, target)
    return (each * weight[target]).mean()


def cross_entropy_smooth_first(input, target, weight, label_smoothing):
    """Smooths, then weights each row by its target: torch weights each class."""
    soft = optax.smooth_labels(jax.nn.one_hot(target, input.shape[-1]), label_smoothing)
    each = optax.softmax_cross_entropy(input, soft.astype(input.dtype))
    return (each * weight[target]).sum() / weight[target].sum()


def cross_entropy_wrong_axis(input, target):
    """Softmax over a spatial axis: what an argument axis=1 means in NHWC."""
    log = jax.nn.log_softmax(input, axis=1)
    return -jnp.take_along_axis(log, target[..., None], -1).mean()


def dropout_unscaled(input, p=0.5, *, mask):
    """Survivors are not divided by 1 - p."""
    return jnp.where(mask, input, 0)


def dropout_by_p(input, p=0.5, *, mask):
    """Divided by p, the rate, instead of 1 - p."""
    return jnp.where(mask, input, 0) / p


def dropout_inverted(input, p=0.5, *, mask):
    """The mask is taken for what is dropped."""
    return jnp.where(mask, 0, input) / (1 - p)


def embedding_plain(input, weight, padding_idx=None):
    """nnx.Embed: the padding row takes part in the gradient."""
    return weight[input]


def cosine_similarity_plain(x1, x2):
    """optax's with its default epsilon 0: a zero vector gives NaN."""
    return optax.cosine_similarity(x1, x2)


def resnet18_frozen_buffers(num_classes, *, rngs):
    """The running statistics of training never written back: a functional state dropped."""
    still = partial(norm.BatchNorm2d, momentum=0.0)
    return resnet.resnet18(num_classes, norm_layer=still, rngs=rngs)


def clip_by_global_norm(parameters, max_norm):
    """optax's: max_norm / norm, without the 1e-6 that torch adds to the norm."""
    clipped, _ = optax.clip_by_global_norm(max_norm).update(parameters, optax.EmptyState())
    return optax.tree.norm(parameters), clipped


class FlippedConv2d(conv.Conv2d):
    """A true convolution: torch's is a cross-correlation."""

    def __call__(self, input):
        weight = self.weight[...][::-1, ::-1]
        return conv.conv2d(input, weight, self.bias, self.stride, self.padding)  # pyright: ignore
