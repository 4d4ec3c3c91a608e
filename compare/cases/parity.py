"""Layer by layer: torch's, what plain Flax, optax and JAX offer for it, and what jax_impl does.

Read from flax 0.12.8, optax 0.2.8 and jax 0.10.2, and tried against torch 2.13.0. Written as
data: the README's table is made of it (`python -m compare.report.parity --write README.md`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One class of a stem.

    plain    what does the same outside of torch; "" where there is nothing
    differs  where that departs from torch's layer; "" where it does not
    here     what jax_impl's class does
    case     the name of a case that shows it
    """

    layer: str
    plain: str
    differs: str
    here: str
    case: str


# What a case's name holds that depends on the number of spatial axes.
_SIZES = {1: 4, 2: 3, 3: 2}
_MIXED = {1: (2, -1), 2: (1, -2, -1, 3), 3: (1, -1, -1, 2, 0, 1)}


def _ranks(ranks: tuple[int, ...], plain: str, differs: str, here: str, case: str) -> list[Row]:
    """A row for each number n of spatial axes; `case` holds {n}, {size} or {mixed} for it."""
    rows = []
    for n in ranks:
        name = case.format(n=n, size=_SIZES[n], mixed=_MIXED[n])
        layer = name[name.index(".") + 1 : name.index("(")]
        rows.append(Row(layer, plain, differs, here, name))
    return rows


_ALL = (1, 2, 3)
_INIT = "init lecun_normal, bias 0"
_POOL_STRIDE = "stride 1 by default"
_MEAN = "no reduction"

_CONV = [
    *_ranks(
        _ALL,
        "`nnx.Conv`",
        f"padding SAME by default; no replicate; circular and reflect at SAME's width; {_INIT}",
        "every option and padding mode",
        "conv.Conv{n}d(in_channels=4, out_channels=6, kernel_size=3, stride=2, padding=1)",
    ),
    *_ranks(
        _ALL,
        "`nnx.ConvTranspose`",
        "no groups or output_padding; kernel not flipped unless transpose_kernel; padding "
        f"d(k-1)-p; {_INIT}",
        "every option, output_size at the call",
        "conv.ConvTranspose{n}d(in_channels=4, out_channels=6, kernel_size=3, stride=2, "
        "padding=1, output_padding=1)",
    ),
]

_FOLD = [
    Row(
        "Unfold",
        "`lax.conv_general_dilated_patches`",
        "keeps the spatial axes apart",
        "torch's order of entries",
        "fold.Unfold(kernel_size=2, dilation=2, padding=1)",
    ),
    Row("Fold", "", "", "overlaps add up", "fold.Fold(output_size=(6, 6), kernel_size=2, "
        "dilation=(1, 2))"),
]  # fmt: skip

_NO_CROP = "pads every axis by pairs; no negative sizes"
_CROPS = "torch's order of sizes; negative ones crop"
_PAD = [
    *_ranks(
        _ALL, "`jnp.pad`", _NO_CROP, _CROPS, "pad.ConstantPad{n}d(value=1.5, padding={mixed})"
    ),
    *_ranks(
        _ALL,
        '`jnp.pad(mode="reflect")`',
        f"{_NO_CROP}; wider than the input, it goes on where torch raises",
        f"{_CROPS}; too wide raises",
        "pad.ReflectionPad{n}d(padding={mixed})",
    ),
    *_ranks(
        _ALL,
        '`jnp.pad(mode="edge")`',
        _NO_CROP,
        _CROPS,
        "pad.ReplicationPad{n}d(padding={mixed})",
    ),
    *_ranks(_ALL, "`jnp.pad`", _NO_CROP, _CROPS, "pad.ZeroPad{n}d(padding={mixed})"),
    *_ranks(
        _ALL,
        '`jnp.pad(mode="wrap")`',
        f"{_NO_CROP}; wider than the input, it goes on where torch raises",
        f"{_CROPS}; too wide raises",
        "pad.CircularPad{n}d(padding={mixed})",
    ),
]

_MAX = (
    "`nnx.max_pool`",
    f"{_POOL_STRIDE}; no dilation, ceil_mode, return_indices",
    "every option",
)
_INDICES = "kernel_size=3, return_indices=True, stride=2, padding=1, ceil_mode=True"
_UNPOOL = ("", "", "indices of any window, output_size")
_POOL = [
    *_ranks((1,), *_MAX, "pool.MaxPool1d(kernel_size=3, stride=2, return_indices=True)"),
    *_ranks((2,), *_MAX, f"pool.MaxPool2d({_INDICES})"),
    *_ranks((3,), *_MAX, "pool.MaxPool3d(kernel_size=3, stride=2, return_indices=True)"),
    *_ranks((1,), *_UNPOOL, "pool.MaxUnpool1d(kernel_size=2, stride=2)"),
    *_ranks(
        (2,),
        *_UNPOOL,
        "pool.MaxUnpool2d(kernel_size=3, stride=2, padding=1, output_size=(6, 4))",
    ),
    *_ranks((3,), *_UNPOOL, "pool.MaxUnpool3d(kernel_size=2, stride=2)"),
    *_ranks(
        _ALL,
        "`nnx.avg_pool`",
        f"{_POOL_STRIDE}; no ceil_mode, divisor_override",
        "every option",
        "pool.AvgPool{n}d(kernel_size=2, stride=3, padding=1, ceil_mode=True)",
    ),
    *_ranks(
        _ALL,
        "",
        "",
        "any norm_type, ceil_mode",
        "pool.LPPool{n}d(norm_type=3, kernel_size=3, stride=2)",
    ),
]

_ADAPTIVE_POOL = [
    *_ranks(
        _ALL,
        "`jnp.mean`",
        "output size 1 only",
        "any output size, None keeps an axis",
        "adaptive_pool.AdaptiveAvgPool{n}d(output_size={size})",
    ),
    *_ranks(
        _ALL,
        "`jnp.max`",
        "output size 1 only; a tie shares the gradient",
        "any output size, return_indices",
        "adaptive_pool.AdaptiveMaxPool{n}d(output_size=2, return_indices=True)",
    ),
    *_ranks(
        (2, 3), "", "", "samples given in a slot, or drawn",
        "adaptive_pool.FractionalMaxPool{n}d(kernel_size=2, output_size=3)",
    ),
]  # fmt: skip

_ONE_PASS = "variance E[x²]-E[x]² unless use_fast_variance=False"
_BATCH = (
    f"momentum is 1 - torch's, 0.99 by default; running variance biased; {_ONE_PASS}; "
    "one value a channel passes"
)
_NORM = [
    *_ranks(
        _ALL,
        "`nnx.BatchNorm`",
        _BATCH,
        "torch's statistics in two passes; momentum None",
        "norm.BatchNorm{n}d(num_features=3, momentum=None)",
    ),
    Row(
        "SyncBatchNorm",
        "`nnx.BatchNorm(axis_name=...)`",
        _BATCH,
        "process_group is the name of an axis of vmap or shard_map",
        "norm.SyncBatchNorm(num_features=3)",
    ),
    *_ranks(
        _ALL,
        "`nnx.InstanceNorm`",
        f"eps 1e-6; affine by default; no running statistics; {_ONE_PASS}",
        "every option, two passes",
        "norm.InstanceNorm{n}d(num_features=3, track_running_stats=True, affine=True)",
    ),
]

_NORMALIZATION = [
    Row(
        "LayerNorm",
        "`nnx.LayerNorm`",
        f"eps 1e-6; weight over one axis; {_ONE_PASS}",
        "any normalized_shape, two passes",
        "normalization.LayerNorm(mean 1e4)",
    ),
    Row(
        "GroupNorm",
        "`nnx.GroupNorm`",
        f"32 groups by default; eps 1e-6; {_ONE_PASS}",
        "every option, two passes",
        "normalization.GroupNorm(mean 1e4)",
    ),
    Row(
        "RMSNorm",
        "`nnx.RMSNorm`",
        "eps 1e-6, torch's is the dtype's; weight over one axis",
        "any normalized_shape",
        "normalization.RMSNorm(normalized_shape=(4, 8), eps=1e-05)",
    ),
    Row(
        "LocalResponseNorm", "", "", "every option",
        "normalization.LocalResponseNorm(size=2, alpha=0.1, k=2.0)",
    ),
    Row(
        "CrossMapLRN2d", "", "", "torch's own sums, windows and gradient",
        "normalization.CrossMapLRN2d(size=5, alpha=0.1, beta=0.5, k=2)",
    ),
]  # fmt: skip

_SLOT = "a slot for the mask, or drawn"
_NO_SLOT = "no default rate; no mask can be given"
_DROPOUT = [
    Row("Dropout", "`nnx.Dropout`", _NO_SLOT, _SLOT, "dropout.Dropout(p=0.2)"),
    *_ranks(
        _ALL,
        "`nnx.Dropout(broadcast_dims=...)`",
        f"{_NO_SLOT}; the axes are yours to name",
        _SLOT,
        "dropout.Dropout{n}d(p=0.25)",
    ),
    Row("AlphaDropout", "", "", _SLOT, "dropout.AlphaDropout(p=0.2)"),
    Row("FeatureAlphaDropout", "", "", _SLOT, "dropout.FeatureAlphaDropout(p=0.2)"),
]

_REDUCES = "every reduction"
_LOSS = [
    Row("L1Loss", "", "", f"{_REDUCES}; gradient 0 at 0", "loss.L1Loss()"),
    Row("MSELoss", "`optax.squared_error`", f"{_MEAN}; `optax.l2_loss` is half", _REDUCES,
        "loss.MSELoss()"),
    Row("NLLLoss", "", "", "weight, ignore_index, any rank", "loss.NLLLoss(weight)"),
    Row(
        "CrossEntropyLoss",
        "`optax.softmax_cross_entropy`, `..._with_integer_labels`",
        f"{_MEAN}, weight, ignore_index (label -100 gives NaN, -1 the last class); smoothing "
        "by `optax.smooth_labels`",
        "every option; labels or probabilities",
        "loss.CrossEntropyLoss(weight, label_smoothing=0.1)",
    ),
    Row("LinearCrossEntropyLoss", "", "", "the linear map and the loss, in chunks",
        "loss.LinearCrossEntropyLoss(in_features=4, num_classes=5, bias=True)"),
    Row("LinearCrossEntropyOptions", "", "", "settings: how that loss cuts its batch",
        "loss.LinearCrossEntropyLoss(in_features=4, num_classes=5)"),
]  # fmt: skip

_LOSS_BINARY = [
    Row("BCELoss", "", "", "logarithms clamped at -100", "loss_binary.BCELoss(weight)"),
    Row("BCEWithLogitsLoss", "`optax.sigmoid_binary_cross_entropy`",
        f"{_MEAN}, weight, pos_weight", "both weights",
        "loss_binary.BCEWithLogitsLoss(pos_weight)"),
]  # fmt: skip

_LOSS_CTC = [
    Row(
        "CTCLoss",
        "`optax.ctc_loss`",
        "takes logits, batch first, and padding masks; log 0 is -1e5: no inf, no zero_infinity",
        "padded or concatenated targets, every option",
        "loss_ctc.CTCLoss(no alignment, zero_infinity=True)",
    ),
]

_LOSS_EMBEDDING = [
    Row("HingeEmbeddingLoss", "", "`optax.hinge_loss` is another function", _REDUCES,
        "loss_embedding.HingeEmbeddingLoss(margin=0.5)"),
    Row("CosineEmbeddingLoss", "`optax.cosine_distance`",
        "target 1 only; a zero vector gives NaN", "both targets, margin",
        "loss_embedding.CosineEmbeddingLoss(margin=0.25)"),
    Row(
        "TripletMarginLoss",
        "`optax.losses.triplet_margin_loss`",
        f"eps under the root, not on the difference; odd p takes no absolute value; {_MEAN}, "
        "swap",
        "any p, swap",
        "loss_embedding.TripletMarginLoss(p=3.0, eps=0.001)",
    ),
    Row("TripletMarginWithDistanceLoss", "", "", "any distance, swap",
        "loss_embedding.TripletMarginWithDistanceLoss(swap=True, margin=3.0)"),
]  # fmt: skip

_LOSS_LIKELIHOOD = [
    Row("PoissonNLLLoss", "", "", "log_input, full, eps",
        "loss_likelihood.PoissonNLLLoss(log_input=False, full=True, eps=0.001)"),
    Row("GaussianNLLLoss", "", "", "full; variance clamped at eps, its gradient kept",
        "loss_likelihood.GaussianNLLLoss(variance below eps)"),
    Row("KLDivLoss", "`optax.kl_divergence`, `..._with_log_targets`",
        "sums each row: mean of rows is batchmean; gradient NaN at target 0",
        "every reduction, log_target", "loss_likelihood.KLDivLoss(log_target=True)"),
]  # fmt: skip

_LOSS_MARGIN = [
    Row("MarginRankingLoss", "", "", "margin", "loss_margin.MarginRankingLoss(margin=0.5)"),
    Row("SoftMarginLoss", "`optax.sigmoid_binary_cross_entropy`",
        f"labels 0 and 1 for -1 and 1; {_MEAN}", _REDUCES, "loss_margin.SoftMarginLoss()"),
    Row("MultiLabelMarginLoss", "", "", _REDUCES, "loss_margin.MultiLabelMarginLoss()"),
    Row("MultiLabelSoftMarginLoss", "`optax.sigmoid_binary_cross_entropy`",
        f"{_MEAN}, not even over classes; no weight", "weight",
        "loss_margin.MultiLabelSoftMarginLoss(weight)"),
    Row("MultiMarginLoss", "", "`optax.multiclass_hinge_loss` takes the worst class, torch the "
        "mean", "p, margin, weight", "loss_margin.MultiMarginLoss(weight)"),
]  # fmt: skip

_LOSS_ROBUST = [
    Row("SmoothL1Loss", "`optax.huber_loss(delta=beta) / beta`", f"{_MEAN}; no beta 0",
        "beta 0 is L1", "loss_robust.SmoothL1Loss(beta=0.0)"),
    Row("HuberLoss", "`optax.huber_loss`", _MEAN, _REDUCES,
        "loss_robust.HuberLoss(delta=0.25)"),
]  # fmt: skip

_SAME = "torch's"


def _activation(layer: str, plain: str = "", differs: str = "", here: str = _SAME) -> Row:
    return Row(layer, plain, differs, here, f"activation.{layer}()")


_ACTIVATION = [
    Row("Threshold", "", "", _SAME, "activation.Threshold(threshold=0.5, value=-1.0)"),
    _activation("ReLU", "`nnx.relu`", "gradient 0 at NaN"),
    _activation("RReLU", here="a slot for the slopes, or drawn"),
    Row("Hardtanh", "`nnx.hard_tanh`", "bounds -1 and 1 only; gradient 1 at them, torch 0",
        "any bounds", "activation.Hardtanh(min_val=-0.5, max_val=2.0)"),
    _activation("ReLU6", "`nnx.relu6`"),
    _activation("Sigmoid", "`nnx.sigmoid`"),
    _activation("Hardsigmoid", "`nnx.hard_sigmoid`"),
    _activation("Tanh", "`nnx.tanh`"),
    _activation("SiLU", "`nnx.silu`"),
    _activation("Mish", "`jax.nn.mish`"),
    _activation("Hardswish", "`nnx.hard_swish`"),
    _activation("ELU", "`nnx.elu`"),
    _activation("CELU", "`nnx.celu`"),
    _activation("SELU", "`nnx.selu`"),
    _activation("GLU", "`nnx.glu`"),
    _activation("GELU", "`nnx.gelu`", "tanh approximation by default", "exact by default"),
    _activation("Hardshrink"),
    _activation("LeakyReLU", "`nnx.leaky_relu`", "gradient 1 at 0, torch the slope"),
    _activation("LogSigmoid", "`nnx.log_sigmoid`"),
    Row("Softplus", "`nnx.softplus`", "no beta; no threshold above which it is x", "both",
        "activation.Softplus(beta=2.0, threshold=5.0)"),
    _activation("Softshrink"),
    Row("PReLU", "`nnx.PReLU`", "one slope, 0.01 at first; gradient 1 at 0, torch the slope",
        "a slope per channel, 0.25", "activation.PReLU(num_parameters=4)"),
    _activation("Softsign", "`nnx.soft_sign`"),
    _activation("Tanhshrink"),
    Row("Softmin", "", "", _SAME, "activation.Softmin(dim=1)"),
    Row("Softmax", "`nnx.softmax`", "axis -1 by default", "torch's rule for dim None",
        "activation.Softmax(dim=1)"),
    _activation("Softmax2d", "`nnx.softmax`"),
    Row("LogSoftmax", "`nnx.log_softmax`", "axis -1 by default", "torch's rule for dim None",
        "activation.LogSoftmax(dim=1)"),
]  # fmt: skip

_LINEAR = [
    Row("Identity", "`nnx.identity`", "", "takes any arguments", "linear.Identity()"),
    Row("Linear", "`nnx.Linear`", _INIT, "torch's init",
        "linear.Linear(in_features=4, out_features=3)"),
    Row("Bilinear", "", "", _SAME,
        "linear.Bilinear(in1_features=3, in2_features=5, out_features=2)"),
]  # fmt: skip

_EMBEDDING = [
    Row(
        "Embedding",
        "`nnx.Embed`",
        "no padding_idx, max_norm, scale_grad_by_freq; index out of range gives NaN, -1 the "
        "last row; init std 1/√features",
        "every option; a bad index raises",
        "embedding.Embedding(num_embeddings=5, embedding_dim=3, padding_idx=2)",
    ),
    Row(
        "EmbeddingBag", "", "", "sum, mean, max; offsets, weights, padding_idx",
        "embedding.EmbeddingBag(num_embeddings=5, embedding_dim=3, mode='mean', padding_idx=2)",
    ),
]  # fmt: skip

_SHAPE = [
    Row("Flatten", "`jnp.reshape`", "takes the whole shape", "start_dim, end_dim",
        "shape.Flatten(start_dim=-3, end_dim=-2)"),
    Row("Unflatten", "`jnp.reshape`", "takes the whole shape", "one axis",
        "shape.Unflatten(dim=-1, unflattened_size=(-1, 6))"),
    Row("PixelShuffle", "", "", _SAME, "shape.PixelShuffle(upscale_factor=2)"),
    Row("PixelUnshuffle", "", "", _SAME, "shape.PixelUnshuffle(downscale_factor=2)"),
    Row("ChannelShuffle", "", "", _SAME, "shape.ChannelShuffle(groups=2)"),
]  # fmt: skip

_RESIZE = [
    Row(
        "Upsample",
        "`jax.image.resize`",
        "smooths when it shrinks unless antialias=False; no align_corners; its nearest is "
        "torch's nearest-exact, its cubic is cubic-pytorch",
        "every mode, align_corners, scale_factor",
        "resize.Upsample(2-D, mode='bicubic', scale_factor=1.7, align_corners=True)",
    ),
    Row(
        "UpsamplingNearest2d", "`jax.image.resize`", "nearest-exact: equal at whole factors",
        "torch's rounding", "resize.UpsamplingNearest2d(scale_factor=2)",
    ),
    Row(
        "UpsamplingBilinear2d", "", "`jax.image.resize` has no align_corners",
        "align_corners", "resize.UpsamplingBilinear2d(size=(11, 9))",
    ),
]  # fmt: skip

_DISTANCE = [
    Row("CosineSimilarity", "`optax.cosine_similarity`",
        "axis -1 and epsilon 0 (a zero vector gives NaN); epsilon bounds the squared norm",
        "axis 1, eps bounds the norm", "distance.CosineSimilarity(zero vector)"),
    Row("PairwiseDistance", "", "", "gradient 0 where rows are equal",
        "distance.PairwiseDistance(p=3.0, eps=0.001)"),
]  # fmt: skip

PARITY: dict[str, list[Row]] = {
    "conv": _CONV,
    "fold": _FOLD,
    "pad": _PAD,
    "pool": _POOL,
    "adaptive_pool": _ADAPTIVE_POOL,
    "norm": _NORM,
    "normalization": _NORMALIZATION,
    "dropout": _DROPOUT,
    "loss": _LOSS,
    "loss_binary": _LOSS_BINARY,
    "loss_ctc": _LOSS_CTC,
    "loss_embedding": _LOSS_EMBEDDING,
    "loss_likelihood": _LOSS_LIKELIHOOD,
    "loss_margin": _LOSS_MARGIN,
    "loss_robust": _LOSS_ROBUST,
    "activation": _ACTIVATION,
    "linear": _LINEAR,
    "embedding": _EMBEDDING,
    "shape": _SHAPE,
    "resize": _RESIZE,
    "distance": _DISTANCE,
}
