"""Gemma 2 and 3, text alone, and T5Gemma."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Any

from flanjax.interop.hf.family import Family, Piece, positions_of
from flanjax.interop.hf.keys import Keys
from flanjax.interop.hf.llama import (
    COPIES,
    layer_types,
    llama_names,
    read_activation,
    read_pattern,
    read_sizes,
    write_sizes,
)
from flanjax.interop.hf.rotary import read_rotary, read_scaling, write_scaling
from flanjax.models.configs import AttentionConfig, BlockConfig, EmbeddingConfig, RotaryConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config

_ACTIVATION = "gelu_pytorch_tanh"
_MLP = ("gate", "up", "down")
_SIZES = {"num_kv_heads": 4, "d_head": 256}
"""What transformers takes where these are absent."""


def _block(
    keys: Keys, *, num_layers: int, pattern: str, cap: float | None, qk_norm: Any = "none"
) -> BlockConfig:
    if cap is None:  # transformers reads it in Gemma 2 alone
        keys.expect("attn_logit_softcapping", None)
    else:
        cap = keys.take("attn_logit_softcapping", float, cap, null=0.0)
    window, pattern = read_pattern(keys, num_layers, pattern, window=4096)
    has_bias = keys.take("attention_bias", bool, False)
    keys.expect("hidden_act", "gelu", _ACTIVATION)
    keys.expect("use_bidirectional_attention", False, None)
    return BlockConfig(
        norm_eps=keys.take("rms_norm_eps", float, 1e-6),
        is_norm_offset=True,
        norm_at="both",
        activation=read_activation(keys, "hidden_activation", _ACTIVATION),
        attention=AttentionConfig(
            scale=keys.take("query_pre_attn_scalar", int, 256) ** -0.5,
            cap=cap or 0.0,
            qk_norm=qk_norm,
            has_qkv_bias=has_bias,
            has_out_bias=has_bias,
            window=window,
            layer_pattern=pattern,
        ),
    )


def _embedding(keys: Keys, *, cap: float) -> EmbeddingConfig:
    return EmbeddingConfig(
        is_tied=keys.take("tie_word_embeddings", bool, True),
        scales_inputs=True,
        cap=keys.take("final_logit_softcapping", float, cap, null=0.0),
    )


def _read_gemma2(keys: Keys, _: Collection[str]) -> DecoderConfig:
    sizes = read_sizes(keys, **_SIZES)
    return DecoderConfig(
        **sizes,
        positions=read_rotary(keys),
        block=_block(keys, num_layers=sizes["num_layers"], pattern="lg", cap=50.0),
        embedding=_embedding(keys, cap=30.0),
    )


def _read_gemma3(keys: Keys, _: Collection[str]) -> DecoderConfig:
    sizes = read_sizes(keys, **_SIZES)
    period = keys.take("sliding_window_pattern", int, None) or keys.take(
        "_sliding_window_pattern", int, 6
    )
    keys.take("_sliding_window_pattern", int, None)
    pattern = "l" * (period - 1) + "g"
    return DecoderConfig(
        **sizes,
        positions=_two_thetas(keys),
        block=_block(
            keys, num_layers=sizes["num_layers"], pattern=pattern, cap=None, qk_norm="head"
        ),
        embedding=_embedding(keys, cap=0.0),
    )


def _two_thetas(keys: Keys) -> RotaryConfig:
    """Returns the positions of layers of two kinds; the local ones are never scaled."""
    local = keys.take("rope_local_base_freq", float, 10_000.0)
    theta = keys.take("rope_theta", float, 1_000_000.0)
    scaling, both = keys.part("rope_scaling"), keys.part("rope_parameters")
    if both is not None:
        scaling = both.part("full_attention")
        of_local = both.part("sliding_attention")
        if of_local is not None:
            of_local.expect("rope_type", "default")
            local = of_local.take("rope_theta", float, local)
            of_local.finish()
        both.finish()
    positions = read_scaling(scaling, theta=theta, length=8192, keys=keys)
    return dataclasses.replace(positions, local_theta=local)


def _write_gemma(config: DecoderConfig) -> dict[str, Any]:
    return {**write_sizes(config), **_shared(config), "layer_types": layer_types(config)}


def _shared(config: Any) -> dict[str, Any]:
    attention = config.block.attention
    return {
        "hidden_activation": _ACTIVATION,
        "query_pre_attn_scalar": round((attention.scale or config.d_head**-0.5) ** -2),
        "attn_logit_softcapping": attention.cap or None,
        "final_logit_softcapping": config.embedding.cap or None,
        "sliding_window": attention.window or None,
        "attention_bias": attention.has_qkv_bias,
    }


def _write_gemma3(config: DecoderConfig) -> dict[str, Any]:
    keys, positions = _write_gemma(config), positions_of(config, RotaryConfig)
    keys |= {
        "rope_local_base_freq": positions.local_theta,
        "rope_scaling": write_scaling(positions),
    }
    return keys


_LAYER = "model.layers.{}."


def _gemma_names(config: DecoderConfig) -> dict[str, str | Piece]:
    return llama_names(config) | {
        "layers/attention_post_norm/scale": _LAYER + "post_attention_layernorm.weight",
        "layers/mlp_norm/scale": _LAYER + "pre_feedforward_layernorm.weight",
        "layers/mlp_post_norm/scale": _LAYER + "post_feedforward_layernorm.weight",
    }


def _read_t5gemma(keys: Keys, _: Collection[str]) -> T5Config:
    encoder, decoder = keys.part("encoder"), keys.part("decoder")
    if encoder is None or decoder is None:
        raise ValueError("a t5gemma config must have encoder and decoder, got one; copy it again.")
    sides = [_read_side(side) for side in (encoder, decoder)]
    decoder.expect("cross_attention_hidden_size", sides[0].d_model, None)
    for side in (encoder, decoder):
        side.expect("dropout_rate", 0, 0.0)
        side.finish()
    ours, other = (
        {name: getattr(side, name) for name in (
            "vocab_size", "d_model", "d_ff", "num_heads", "num_kv_heads", "d_head", "positions",
            "block",
        )}
        for side in (sides[1], sides[0])
    )  # fmt: skip
    if ours != other:
        differ = ", ".join(name for name in ours if ours[name] != other[name])
        raise ValueError(
            f"a t5gemma config must have encoder and decoder alike, got different {differ}; "
            "unequal pairs are not supported."
        )
    is_tied = keys.take("tie_word_embeddings", bool, True)
    keys.expect("vocab_size", ours["vocab_size"])
    keys.expect("dropout_rate", 0, 0.0)
    return T5Config(
        **ours,
        num_encoder_layers=sides[0].num_layers,
        num_decoder_layers=sides[1].num_layers,
        embedding=EmbeddingConfig(
            is_tied=is_tied,
            scales_inputs=True,
            has_encoder_table=True,
            cap=sides[1].embedding.cap,
            start_id=decoder.take("bos_token_id", int, 2),
        ),
        dropout_rate=0.0,
    )


def _read_side(keys: Keys) -> DecoderConfig:
    return _read_gemma2(keys, ())


def _write_t5gemma(config: T5Config) -> dict[str, Any]:
    def side(num_layers: int) -> dict[str, Any]:
        alike = DecoderConfig(
            vocab_size=config.vocab_size,
            d_model=config.d_model,
            d_ff=config.d_ff,
            num_heads=config.num_heads,
            num_kv_heads=config.num_kv_heads or config.num_heads,
            d_head=config.d_head,
            num_layers=num_layers,
            positions=config.positions,
            block=config.block,
            embedding=config.embedding,
        )
        return {"model_type": "t5_gemma_module", **_write_gemma(alike)}

    decoder = side(config.num_decoder_layers)
    decoder |= {
        "is_decoder": True,
        "cross_attention_hidden_size": config.d_model,
        "bos_token_id": config.embedding.start_id,
    }
    return {
        "encoder": side(config.num_encoder_layers),
        "decoder": decoder,
        "tie_word_embeddings": config.embedding.is_tied,
        "vocab_size": config.vocab_size,
        "is_encoder_decoder": True,
        "bos_token_id": config.embedding.start_id,
    }


def _t5gemma_names(config: T5Config) -> dict[str, str | Piece]:
    names: dict[str, str | Piece] = {
        "embed": "model.decoder.embed_tokens.weight",
        "encoder/embed": "model.encoder.embed_tokens.weight",
        "head": "lm_head.out_proj.weight",
    }
    parts = {"attention": "self_attn", "cross_attention": "cross_attn", "mlp": "feedforward"}
    for side in ("encoder", "decoder"):
        layer = f"model.{side}.layers.{{}}."
        names[f"{side}/norm/scale"] = f"model.{side}.norm.weight"
        for ours, theirs in parts.items():
            place = f"{side}/layers/{ours}"
            names[f"{place}_norm/scale"] = f"{layer}pre_{theirs}_layernorm.weight"
            names[f"{place}_post_norm/scale"] = f"{layer}post_{theirs}_layernorm.weight"
            module, leaves = ("mlp", _MLP) if ours == "mlp" else (theirs, tuple("qkvo"))
            names |= {f"{place}/{leaf}": f"{layer}{module}.{leaf}_proj.weight" for leaf in leaves}
            names |= {
                f"{place}/{leaf}_bias": f"{layer}{module}.{leaf}_proj.bias" for leaf in leaves
            }
    return names


GEMMA2 = Family(
    "gemma2", "Gemma2ForCausalLM", _read_gemma2, _write_gemma, _gemma_names, copies=COPIES
)
GEMMA3 = GEMMA2._replace(
    model_type="gemma3_text",
    architecture="Gemma3ForCausalLM",
    read=_read_gemma3,
    write=_write_gemma3,
)
T5GEMMA = Family(
    "t5gemma",
    "T5GemmaForConditionalGeneration",
    _read_t5gemma,
    _write_t5gemma,
    _t5gemma_names,
    copies={"lm_head.out_proj.weight": "model.decoder.embed_tokens.weight"},
    kind=T5Config,
)
