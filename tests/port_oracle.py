"""Which leaf is which in the ports of tests/ports, as a hand would say it.

JAX's owner of a leaf, a pattern, leads to torch's owner and the part of its leaf; what kind of
leaf it is, is left out: a kernel goes to a weight, a bias to a bias.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from compare.run.port.table import Row

CONV_PAIRS = ("inc", "down1.maxpool_conv.1", "down2.maxpool_conv.1", "up1.conv", "up2.conv")
ORACLE: dict[str, dict[str, str]] = {
    "resnet_nnx": {
        "stem": "conv1", "stem_norm": "bn1", "head": "fc",
        **{f"stages.{i}.blocks.{j}.{kind}_{k}": f"layer{i + 1}.{j}.{ours}{1 + (k == 'b')}"
           for i in (0, 1) for j in (0, 1) for k in "ab"
           for kind, ours in (("conv", "conv"), ("norm", "bn"))},
        "stages.1.blocks.0.shortcut": "layer2.0.downsample.0",
        "stages.1.blocks.0.shortcut_norm": "layer2.0.downsample.1",
    },
    "cnn_nnx": {"conv1": "features.0", "conv2": "features.3", "norm": "classifier.0",
                "hidden": "classifier.1", "out": "classifier.3"},
    "d2l_residual_linen": {r"layers_(\d).(\w+)": r"\1.\2"},
    "d2l_batchnorm_linen": {"Conv_0": "0", "Dense_0": "5", "Dense_1": "8",
                            "JaxBatchNorm_0": "1", "JaxBatchNorm_1": "6"},
    "d2l_lenet_linen": {"Conv_0": "net.0", "Conv_1": "net.4", "Dense_0": "net.9",
                        "Dense_1": "net.12", "BatchNorm_0": "net.1", "BatchNorm_1": "net.5",
                        "BatchNorm_2": "net.10"},
    "bert_linen": {
        "embedder.norm": "embeddings.LayerNorm", "pooler": "pooler.dense",
        "embedder.type": "embeddings.token_type_embeddings",
        r"embedder.(\w+)": r"embeddings.\1_embeddings",
        r"encoder_(\d).self_attention.out": r"encoder.layer.\1.attention.output.dense",
        r"encoder_(\d).self_attention.(\w+)": r"encoder.layer.\1.attention.self.\2",
        r"encoder_(\d).attention_norm": r"encoder.layer.\1.attention.output.LayerNorm",
        r"encoder_(\d).mlp_norm": r"encoder.layer.\1.output.LayerNorm",
        r"encoder_(\d).mlp_in": r"encoder.layer.\1.intermediate.dense",
        r"encoder_(\d).mlp_out": r"encoder.layer.\1.output.dense",
    },
    "bert_nnx": {
        "tok": "embeddings.word_embeddings", "pos": "embeddings.position_embeddings",
        "seg": "embeddings.token_type_embeddings", "ln": "embeddings.LayerNorm",
        "pool": "pooler.dense", r"blocks.(\d).attn.q": r"encoder.layer.\1.attention.self.query",
        r"blocks.(\d).attn.k": r"encoder.layer.\1.attention.self.key",
        r"blocks.(\d).attn.v": r"encoder.layer.\1.attention.self.value",
        r"blocks.(\d).attn.o": r"encoder.layer.\1.attention.output.dense",
        r"blocks.(\d).ln1": r"encoder.layer.\1.attention.output.LayerNorm",
        r"blocks.(\d).ln2": r"encoder.layer.\1.output.LayerNorm",
        r"blocks.(\d).fc1": r"encoder.layer.\1.intermediate.dense",
        r"blocks.(\d).fc2": r"encoder.layer.\1.output.dense",
    },
    "mlp_equinox": {"hidden.0": "0", "hidden.1": "3", "norms.0": "1", "norms.1": "4",
                    "readout": "6"},
    "gpt_function": {
        "embed": "transformer.wte", "positions": "transformer.wpe", "ln_f": "transformer.ln_f",
        r"blocks.(\d).ln(\d)": r"transformer.h.\1.ln_\2",
        r"blocks.(\d).attn.qkv": r"transformer.h.\1.attn.c_attn",
        r"blocks.(\d).attn.out": r"transformer.h.\1.attn.c_proj",
        r"blocks.(\d).mlp.up": r"transformer.h.\1.mlp.c_fc",
        r"blocks.(\d).mlp.down": r"transformer.h.\1.mlp.c_proj",
    },
    "mha_nnx": {
        "inputs": "embed", "logits": "fc", "block.up": "encoder.linear1",
        "block.down": "encoder.linear2", "block.attention_norm": "encoder.norm1",
        "block.mlp_norm": "encoder.norm2", "block.attention.out": "encoder.self_attn.out_proj",
        "block.attention.query": "encoder.self_attn.in_proj[0:24]",
        "block.attention.key": "encoder.self_attn.in_proj[24:48]",
        "block.attention.value": "encoder.self_attn.in_proj[48:72]",
    },
    "autoencoder_nnx": {"down1": "encoder.0", "down2": "encoder.2", "up1": "decoder.0",
                        "up2": "decoder.2"},
    "unet_linen": {
        **{f"ConvPair_{i}.{kind}_{j}": f"{name}.double_conv.{3 * j + (kind != 'Conv')}"
           for i, name in enumerate(CONV_PAIRS) for j in (0, 1)
           for kind in ("Conv", "GroupNorm")},
        "logits": "outc",
    },
    "llama_function": {
        "embedding": "tok_embeddings", "unembedding": "output", "final_norm": "norm",
        r"layers.(\d).([qkvo])": r"layers.\1.attention.w\2",
        r"layers.(\d).input_norm": r"layers.\1.attention_norm",
        r"layers.(\d).mlp_norm": r"layers.\1.ffn_norm",
        r"layers.(\d).gate": r"layers.\1.feed_forward.w1",
        r"layers.(\d).down": r"layers.\1.feed_forward.w2",
        r"layers.(\d).up": r"layers.\1.feed_forward.w3",
    },
    "lstm_linen": {"logits": "fc"} | {
        f"OptimizedLSTMCell_0.{kind}{gate}": f"lstm.{kind}h_l0[{8 * i}:{8 * i + 8}]"
        for kind in "ih" for i, gate in enumerate("ifgo")
    },
    "gru_nnx": {"table": "embedding", "cell.from_input": "gru.ih_l0",
                "cell.from_state": "gru.hh_l0", "head": "classifier"},
    "vit_nnx": {
        "class_token": "cls_token", "positional": "pos_embed", "patches": "patch_embed.proj",
        "final_norm": "norm", "classify": "head",
        r"layers.(\d).pre_attention": r"blocks.\1.norm1",
        r"layers.(\d).qkv": r"blocks.\1.attn.qkv",
        r"layers.(\d).project": r"blocks.\1.attn.proj",
        r"layers.(\d).pre_mlp": r"blocks.\1.norm2",
        r"layers.(\d).expand": r"blocks.\1.mlp.fc1",
        r"layers.(\d).contract": r"blocks.\1.mlp.fc2",
    },
    "vq_nnx": {"codes": "quantizer.codebook", "conv_in": "encoder.0", "to_code": "encoder.2",
               "from_code": "decoder.0", "conv_out": "decoder.2"},
    "convnext_equinox": {
        "stem": "downsample", "final_norm": "norm", "classify": "head",
        r"layers.(\d).layer_scale": r"stages.\1", r"layers.(\d).layer_norm": r"stages.\1.norm",
        r"layers.(\d).expand": r"stages.\1.pwconv1",
        r"layers.(\d).contract": r"stages.\1.pwconv2",
        r"layers.(\d).depthwise": r"stages.\1.dwconv",
    },
}  # fmt: skip

KINDS = {"kernel", "weight", "w", "g", "scale", "embedding", "vectors", "gamma", "bias", "b",
         "beta", "mean", "var", "running_mean", "running_var", "moving_mean",
         "moving_var"}  # fmt: skip


def misplaced(name: str, rows: Iterable[Row]) -> list[str]:
    """Rows of the port `name` that are not what the oracle says."""
    wrong = []
    for row in rows:
        if not row.paired:
            continue
        got = home(row.torch, row.torch_part)
        if row.how.startswith("adds to"):
            got = got.replace("ih_l0", "hh_l0")  # the other bias of the same gate
        if got != expected(name, row.jax) or kind(row.torch) != kind(row.jax):
            wrong.append(f"{row.torch}{row.torch_part} is {row.jax}{row.jax_part}")
    return wrong


def expected(name: str, path: str) -> str:
    """The owner of torch's leaf that the JAX leaf at `path` is."""
    for pattern, target in ORACLE[name].items():
        if found := re.fullmatch(pattern, home(path)):
            return found.expand(target)
    raise AssertionError(f"the oracle does not know {name} {path}")


def home(path: str, part: str = "") -> str:
    """The owner of a leaf, with what a recurrent or fused layer calls it, and the part."""
    path = re.sub(r"(weight|bias)_([ih]h_l\d+)|in_proj_(weight|bias)",
                  lambda found: found[2] or "in_proj", path)  # fmt: skip
    owner, _, leaf = path.removeprefix("batch_stats.").rpartition(".")
    return (owner if owner and leaf in KINDS else path) + part


def kind(path: str) -> list[bool]:
    """Whether a leaf is a bias, a mean, a variance, by its name."""
    leaf = path.rpartition(".")[2]
    return [bool(re.search(word, leaf)) for word in ("bias|^b$|beta", "mean", "var")]
