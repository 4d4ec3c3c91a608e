"""Planted faults: known porting mistakes, each of which the judge must call by its verdict.

The torch side is right, the JAX side has one mistake: other arguments, or a function of
compare/run/naive.py. A fault that comes out `same` is a hole in the judge.
"""

from __future__ import annotations

from dataclasses import replace

from compare.cases.case import Case, draw, labels

_IMAGE = draw("n=2 c=3 h=8 w=7", mean=1.5)
_KERNEL = {"weight": draw("o=4 i=3 h=3 w=3"), "bias": draw("o=4")}
_BN = Case("norm.BatchNorm2d", {"input": _IMAGE}, init={"num_features": 3}, name="base")
_ROWS = {"input": draw("n=6 c=5"), "target": labels("n=6", 5)}
_WEIGHT = {"weight": draw("c=5", "uniform", low=0.25, high=2.0, grad=False)}
_PAIR = {"input": draw("n=4 w=5"), "target": draw("n=4 w=5")}

# The name of the known cause (judge/cause.py) that the JAX side has, by the fault's name.
_CAUSES = {
    "momentum the other way round": "momentum",
    "momentum of Flax's default": "momentum",
    "running variance biased": "running variance biased",
    "BatchNorm eps of Keras": "eps",
    "BatchNorm left in training": "mode",
    "NHWC reduced over NCHW's axes": "buffers not updated and reduced axes",
    "LayerNorm eps of Flax": "eps",
    "LayerNorm eps of BERT": "eps",
    "LayerNorm by unbiased std": "unbiased variance and eps outside the root",
    "fast variance on a far mean": "fast variance",
    "GroupNorm eps of Flax": "eps",
    "GroupNorm with other groups": "groups",
    "InstanceNorm eps of Flax": "eps",
    "padding SAME by default": "padding SAME",
    "padding SAME at stride 2": "padding SAME",
    "kernel flipped": "kernel flipped",
    "kernel height and width swapped": "kernel axes swapped",
    "dilation forgotten": "dilation",
    "transposed convolution unflipped": "transposed kernel unflipped",
    "square weight untransposed": "weight transposed",
    "flattened in NHWC order": "flatten order",
    "max-pool stride 1 by default": "stride",
    "max-pool padded with zeros": "zero padding",
    "SAME for ceil_mode": "SAME for ceil_mode",
    "count_include_pad off": "count include pad",
    "GELU by tanh": "GELU form",
    "gradient of ReLU at 0": "gradient at a tie",
    "gradient of clip at the bound": "gradient at a tie",
    "gradient of abs at 0": "gradient at a tie",
    "softmax through float32": "narrowing cast",
    "half the squared error": "half the loss",
    "Huber for smooth L1": "Huber for smooth L1",
    "KL divergence per row": "KL batchmean",
    "cross entropy without a clamp": "log unclamped",
    "ignored labels counted in the mean": "ignored labels",
    "class weights over the count": "class weights",
    "smoothed before weighted": "label smoothing",
    "softmax over a spatial axis": "softmax axis",
    "dropout not scaled": "dropout not scaled",
    "dropout scaled by p": "p and keep swapped",
    "dropout mask inverted": "mask inverted",
    "padding row trained": "padding row",
    "cosine similarity of a zero vector": "eps",
}


def _fault(
    name: str, case: Case, naive: str = "", expect: str = "different", **changes
) -> Case:
    """`case` with a mistake on the JAX side: a naive function, or other arguments."""
    target = f"compare.run.naive:{naive}" if naive else ""
    told = {"name": f"fault: {name}", "expect": expect, "cause": _CAUSES[name]}
    return replace(case, jax=target, **told, **changes)


def _function(target: str, inputs: dict, *, out: str | None = None, **options) -> Case:
    outs = () if out is None else (out,)
    return Case(target, inputs, options=options, out=outs, name="base")


def _norm(target: str, **init) -> Case:
    return Case(target, {"input": draw("n=3 c=4 l=6")}, init=init, name="base")


_conv = _function("conv.conv2d", {"input": _IMAGE, **_KERNEL})
_conv_padded = _function(
    "conv.conv2d", {"input": draw("n=2 c=3 h=8 w=8"), **_KERNEL}, stride=2, padding=1
)
_layer_norm = _function(
    "normalization.layer_norm",
    {"input": draw("n=4 w=16"), "weight": draw("w=16"), "bias": draw("w=16")},
    normalized_shape=(16,),
)
_far = replace(_layer_norm, inputs={**_layer_norm.inputs, "input": draw("n=4 w=16", mean=1e3)})
_MASK = {"mask": draw("n=4 w=6", "bits", keep=0.75)}
_dropout = Case(
    "dropout.dropout", {"input": draw("n=4 w=6")}, options={"p": 0.25}, masks=_MASK, name="base"
)


CASES = [
    _fault("momentum the other way round", _BN, jax_init={"momentum": 0.9}),
    _fault("momentum of Flax's default", _BN, jax_init={"momentum": 0.01}),
    _fault("running variance biased", _BN, "FlaxBatchNorm"),
    _fault("BatchNorm eps of Keras", _BN, jax_init={"eps": 1e-3}),
    _fault("BatchNorm left in training", replace(_BN, train=False), "AlwaysTraining"),
    _fault("NHWC reduced over NCHW's axes", _BN, "NhwcReducedLikeNchw"),
    _fault("LayerNorm eps of Flax", _layer_norm, jax_options={"eps": 1e-6}),
    _fault("LayerNorm eps of BERT", _layer_norm, jax_options={"eps": 1e-12}),
    _fault("LayerNorm by unbiased std", _layer_norm, "layer_norm_unbiased"),
    _fault("fast variance on a far mean", _far, "layer_norm_fast", "less-careful"),
    _fault(
        "GroupNorm eps of Flax",
        _norm("normalization.GroupNorm", num_groups=2, num_channels=4),
        jax_init={"eps": 1e-6},
    ),
    _fault(
        "GroupNorm with other groups",
        _norm("normalization.GroupNorm", num_groups=2, num_channels=4),
        jax_init={"num_groups": 4},
    ),
    _fault(
        "InstanceNorm eps of Flax",
        _norm("norm.InstanceNorm1d", num_features=4),
        jax_init={"eps": 1e-6},
    ),
    _fault("padding SAME by default", _conv, "conv2d_same"),
    _fault("padding SAME at stride 2", _conv_padded, "conv2d_same"),
    _fault("kernel flipped", _conv, "conv2d_flipped"),
    _fault("kernel height and width swapped", _conv, "conv2d_transposed_axes"),
    _fault(
        "dilation forgotten",
        replace(_conv, options={"dilation": 2}),
        jax_options={"dilation": 1},
    ),
    _fault(
        "transposed convolution unflipped",
        _function(
            "conv.conv_transpose2d",
            {"input": _IMAGE, "weight": draw("i=3 o=4 h=3 w=3"), "bias": draw("o=4")},
            stride=2,
        ),
        "conv_transpose2d_unflipped",
    ),
    _fault(
        "square weight untransposed",
        _function("linear.linear", {"input": draw("n=5 i=4"), "weight": draw("o=4 i=4")}),
        "linear_untransposed",
    ),
    _fault(
        "flattened in NHWC order",
        Case(
            "lenet.LeNet", {"x": draw("n=2 c=1 h=28 w=28")}, init={}, out=("n k",), name="base"
        ),
        "FlattenedInNhwcOrder",
    ),
    _fault(
        "max-pool stride 1 by default",
        _function("pool.max_pool2d", {"input": _IMAGE}, kernel_size=2),
        jax_options={"stride": 1},
    ),
    _fault(
        "max-pool padded with zeros",
        _function(
            "pool.max_pool2d",
            {"input": draw("n=2 c=3 h=8 w=7", mean=-3.0)},
            kernel_size=3,
            stride=2,
            padding=1,
        ),
        "max_pool2d_zero",
    ),
    _fault(
        "SAME for ceil_mode",
        _function(
            "pool.avg_pool2d",
            {"input": draw("n=2 c=3 h=7 w=7")},
            kernel_size=2,
            stride=2,
            ceil_mode=True,
        ),
        "avg_pool2d_same",
    ),
    _fault(
        "count_include_pad off",
        _function("pool.avg_pool2d", {"input": _IMAGE}, kernel_size=3, padding=1),
        jax_options={"count_include_pad": False},
    ),
    _fault(
        "GELU by tanh", _function("activation.gelu", {"input": draw("n=4 w=9")}), "gelu_tanh"
    ),
    _fault(
        "gradient of ReLU at 0",
        _function(
            "activation.relu", {"input": draw("n=4", "given", values=[-1.0, 0.0, 2.0, 3.0])}
        ),
        "relu_maximum",
    ),
    _fault(
        "gradient of clip at the bound",
        _function(
            "activation.hardtanh", {"input": draw("n=4", "given", values=[-1.0, 0.5, 1.0, 3.0])}
        ),
        "hardtanh_clip",
    ),
    _fault(
        "gradient of abs at 0",
        _function(
            "loss.l1_loss",
            {
                "input": draw("n=3", "given", values=[1.0, 2.0, 3.0]),
                "target": draw("n=3", "given", values=[1.0, 0.0, 5.0]),
            },
            out="",
        ),
        "l1_loss_abs",
    ),
    _fault(
        "softmax through float32",
        _function("activation.softmax", {"input": draw("n=4 w=9")}, dim=-1),
        "softmax_float32",
        "leak",
    ),
    _fault("half the squared error", _function("loss.mse_loss", _PAIR, out=""), "mse_half"),
    _fault(
        "Huber for smooth L1",
        _function("loss_robust.smooth_l1_loss", _PAIR, out="", beta=0.5),
        "smooth_l1_huber",
    ),
    _fault(
        "KL divergence per row",
        _function(
            "loss_likelihood.kl_div",
            {
                "input": draw("n=4 c=5", "log_simplex"),
                "target": draw("n=4 c=5", "simplex", grad=False),
            },
            out="",
        ),
        "kl_div_rows",
    ),
    _fault(
        "cross entropy without a clamp",
        _function(
            "loss_binary.binary_cross_entropy",
            {
                "input": draw("n=3", "given", values=[0.0, 0.5, 0.75]),
                "target": draw("n=3", "given", grad=False, values=[1.0, 1.0, 0.0]),
            },
            out="",
        ),
        "bce_unclamped",
    ),
    _fault(
        "ignored labels counted in the mean",
        _function(
            "loss.cross_entropy",
            {
                "input": draw("n=6 c=5"),
                "target": draw("n=6", "given", grad=False, values=[0, 4, -100, 2, -100, 1]),
            },
            out="",
        ),
        "cross_entropy_all_rows",
    ),
    _fault(
        "class weights over the count",
        _function("loss.cross_entropy", {**_ROWS, **_WEIGHT}, out=""),
        "cross_entropy_weight_count",
    ),
    _fault(
        "smoothed before weighted",
        _function("loss.cross_entropy", {**_ROWS, **_WEIGHT}, out="", label_smoothing=0.2),
        "cross_entropy_smooth_first",
    ),
    _fault(
        "softmax over a spatial axis",
        _function(
            "loss.cross_entropy",
            {"input": draw("n=2 c=4 d=4"), "target": labels("n=2 d=4", 4)},
            out="",
        ),
        "cross_entropy_wrong_axis",
    ),
    _fault("dropout not scaled", _dropout, "dropout_unscaled"),
    _fault("dropout scaled by p", _dropout, "dropout_by_p"),
    _fault("dropout mask inverted", _dropout, "dropout_inverted"),
    _fault(
        "padding row trained",
        _function(
            "embedding.embedding",
            {
                "input": draw("n=5", "given", grad=False, values=[0, 2, 1, 2, 3]),
                "weight": draw("v=4 w=3"),
            },
            out="n w",
            padding_idx=2,
        ),
        "embedding_plain",
    ),
    _fault(
        "cosine similarity of a zero vector",
        _function(
            "distance.cosine_similarity",
            {
                "x1": draw("n=2 w=3", "given", values=[0, 0, 0, 1.0, 2, 3]),
                "x2": draw("n=2 w=3"),
            },
            out="n",
        ),
        "cosine_similarity_plain",
    ),
]
