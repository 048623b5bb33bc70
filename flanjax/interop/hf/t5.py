"""T5 1.0 and 1.1, LM-adapted T5, Flan-T5, T0, mT5, ByT5, UL2 and Flan-UL2."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from flanjax.interop.hf.family import Family, Piece, positions_of
from flanjax.interop.hf.keys import Keys
from flanjax.models.configs import AttentionConfig, BlockConfig, EmbeddingConfig, RelativeConfig
from flanjax.models.t5 import T5Config

_ACTIVATIONS = {
    "relu": ("relu", False),
    "gated-gelu": ("gelu_tanh", True),
    "gated-silu": ("silu", True),
    "gelu": ("gelu", False),
    "silu": ("silu", False),
    "gelu_new": ("gelu_tanh", False),
    "gated-relu": ("relu", True),
}
"""feed_forward_proj -> activation, and whether the MLP is gated; gated-gelu is T5's tanh one."""


def _read_t5(keys: Keys, names: Collection[str]) -> T5Config:
    feed_forward = keys.take("feed_forward_proj", str, "relu")
    if feed_forward not in _ACTIVATIONS:
        raise ValueError(
            f"feed_forward_proj must be one of {', '.join(_ACTIVATIONS)}, got {feed_forward!r}; "
            "this model needs what flanjax does not have."
        )
    activation, is_gated = _ACTIVATIONS[feed_forward]
    keys.expect("dense_act_fn", "relu", "gelu", "silu", "gelu_new", None)
    keys.expect("is_gated_act", is_gated)
    num_layers = keys.take("num_layers", int)
    is_tied = keys.take("tie_word_embeddings", bool, True)
    scales_outputs = keys.take("scale_decoder_outputs", bool, is_tied)
    # transformers 5 writes every T5 as tied, and an output matrix beside it where it is not.
    is_tied = is_tied and (scales_outputs or "lm_head.weight" not in names)
    keys.expect("decoder_start_token_id", 0)
    return T5Config(
        vocab_size=keys.take("vocab_size", int),
        d_model=keys.take("d_model", int),
        d_ff=keys.take("d_ff", int),
        num_heads=keys.take("num_heads", int),
        d_head=keys.take("d_kv", int),
        num_encoder_layers=num_layers,
        num_decoder_layers=keys.take("num_decoder_layers", int, num_layers),
        positions=RelativeConfig(
            num_buckets=keys.take("relative_attention_num_buckets", int, 32),
            max_distance=keys.take("relative_attention_max_distance", int, 128),
        ),
        block=BlockConfig(
            norm_eps=keys.take("layer_norm_epsilon", float, 1e-6),
            activation=activation,  # type: ignore[arg-type]
            is_gated=is_gated,
            attention=AttentionConfig(scale=1.0),
        ),
        embedding=EmbeddingConfig(is_tied=is_tied, scales_outputs=scales_outputs),
        dropout_rate=keys.take("dropout_rate", float, 0.1),
    )


def _write_t5(config: T5Config) -> dict[str, Any]:
    positions = positions_of(config, RelativeConfig)
    kinds = {kind: name for name, kind in _ACTIVATIONS.items()}
    kind = (config.block.activation, config.block.is_gated)
    if kind not in kinds:
        raise ValueError(
            f"activation must be one of {', '.join(kinds.values())} in this family, got "
            f"gated {config.block.activation}; export it as another family."
        )
    return {
        "vocab_size": config.vocab_size,
        "d_model": config.d_model,
        "d_ff": config.d_ff,
        "num_heads": config.num_heads,
        "d_kv": config.d_head,
        "num_layers": config.num_encoder_layers,
        "num_decoder_layers": config.num_decoder_layers,
        "relative_attention_num_buckets": positions.num_buckets,
        "relative_attention_max_distance": positions.max_distance,
        "layer_norm_epsilon": config.block.norm_eps,
        "feed_forward_proj": kinds[kind],
        "tie_word_embeddings": config.embedding.is_tied,
        "dropout_rate": config.dropout_rate,
        "is_encoder_decoder": True,
        "decoder_start_token_id": 0,
        "pad_token_id": 0,
        "eos_token_id": 1,
    }


def _t5_names(config: T5Config) -> dict[str, str | Piece]:
    names: dict[str, str | Piece] = {"embed": "shared.weight", "head": "lm_head.weight"}
    gate, up = ("wi_0", "wi_1") if config.block.is_gated else ("", "wi")
    parts = {"encoder": ("attention", "mlp"), "decoder": ("attention", "cross_attention", "mlp")}
    modules = {
        "attention": "SelfAttention",
        "cross_attention": "EncDecAttention",
        "mlp": "DenseReluDense",
    }
    for side, own in parts.items():
        names[f"{side}/norm/scale"] = f"{side}.final_layer_norm.weight"
        names[f"{side}/relative_bias"] = (
            f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        )
        for index, part in enumerate(own):
            layer = f"{side}.block.{{}}.layer.{index}."
            place = f"{side}/layers/{part}"
            names[f"{place}_norm/scale"] = layer + "layer_norm.weight"
            if part == "mlp":
                matrices = {"gate": gate, "up": up, "down": "wo"}
            else:
                matrices = {name: name for name in "qkvo"}
            for name, theirs in matrices.items():
                names[f"{place}/{name}"] = f"{layer}{modules[part]}.{theirs}.weight"
    return names


_UNUSED = r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight"
"""What the files of T5 1.0 hold and no network reads: cross attention knows no distance."""

T5 = Family(
    "t5",
    "T5ForConditionalGeneration",
    _read_t5,
    _write_t5,
    _t5_names,
    copies={
        "encoder.embed_tokens.weight": "shared.weight",
        "decoder.embed_tokens.weight": "shared.weight",
        "lm_head.weight": "shared.weight",
    },
    extra=_UNUSED,
    kind=T5Config,
)


def _read_mt5(keys: Keys, names: Collection[str]) -> T5Config:
    """mT5 never scales its outputs, and its configs say tied where they are not."""
    config = _read_t5(keys, names)
    embedding = EmbeddingConfig(is_tied="lm_head.weight" not in names)
    return dataclasses.replace(config, embedding=embedding)


MT5 = T5._replace(model_type="mt5", architecture="MT5ForConditionalGeneration", read=_read_mt5)
