"""GPT-NeoX (Pythia) and GPT-2."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flanjax.interop.hf.family import Family, Piece, positions_of
from flanjax.interop.hf.keys import Keys
from flanjax.interop.hf.llama import ACTIVATION_NAMES, read_activation
from flanjax.interop.hf.rotary import read_rotary, write_rotary
from flanjax.models.configs import (
    AttentionConfig,
    BlockConfig,
    EmbeddingConfig,
    LearnedConfig,
    RotaryConfig,
)
from flanjax.models.decoder import DecoderConfig


def _read_neox(keys: Keys, _: Collection[str]) -> DecoderConfig:
    d_model, num_heads = keys.take("hidden_size", int), keys.take("num_attention_heads", int)
    fraction = keys.take("rotary_pct", float, 0.25)
    theta = keys.take("rotary_emb_base", float, 10_000.0)
    has_bias = keys.take("attention_bias", bool, True)
    return DecoderConfig(
        vocab_size=keys.take("vocab_size", int),
        d_model=d_model,
        d_ff=keys.take("intermediate_size", int),
        num_heads=num_heads,
        num_kv_heads=num_heads,
        d_head=d_model // num_heads,
        num_layers=keys.take("num_hidden_layers", int),
        positions=read_rotary(keys, default_theta=theta, fraction=fraction, is_partial=True),
        block=BlockConfig(
            norm="layer",
            norm_eps=keys.take("layer_norm_eps", float, 1e-5),
            has_norm_bias=True,
            is_parallel=keys.take("use_parallel_residual", bool, True),
            activation=read_activation(keys, "hidden_act", "gelu"),
            is_gated=False,
            has_mlp_bias=True,
            attention=AttentionConfig(has_qkv_bias=has_bias, has_out_bias=has_bias),
        ),
        embedding=EmbeddingConfig(is_tied=keys.take("tie_word_embeddings", bool, False)),
    )


def _write_neox(config: DecoderConfig) -> dict[str, Any]:
    positions = positions_of(config, RotaryConfig)
    rotary = write_rotary(positions)
    return {
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_attention_heads": config.num_heads,
        "num_hidden_layers": config.num_layers,
        "layer_norm_eps": config.block.norm_eps,
        "use_parallel_residual": config.block.is_parallel,
        "hidden_act": ACTIVATION_NAMES[config.block.activation],
        "attention_bias": config.block.attention.has_qkv_bias,
        "tie_word_embeddings": config.embedding.is_tied,
        "rotary_pct": positions.fraction,
        "rotary_emb_base": rotary.pop("rope_theta"),
        **rotary,
    }


def _neox_names(config: DecoderConfig) -> dict[str, str | Piece]:
    """Queries, keys and values of a head lie together: [H, 3, C]."""
    layer = "gpt_neox.layers.{}."
    names: dict[str, str | Piece] = {
        "embed": "gpt_neox.embed_in.weight",
        "head": "embed_out.weight",
        **_norms("norm", "gpt_neox.final_layer_norm"),
        **_norms("layers/attention_norm", layer + "input_layernorm"),
        **_norms("layers/mlp_norm", layer + "post_attention_layernorm"),
        **_linear("layers/attention/o", layer + "attention.dense"),
        **_linear("layers/mlp/up", layer + "mlp.dense_h_to_4h"),
        **_linear("layers/mlp/down", layer + "mlp.dense_4h_to_h"),
    }
    heads, width = config.num_heads, config.d_head
    for index, part in enumerate("qkv"):
        piece = (slice(None), index)
        names[f"layers/attention/{part}"] = Piece(
            layer + "attention.query_key_value.weight",
            (3 * heads * width, config.d_model),
            piece,
            view=(heads, 3, width, config.d_model),
            order=((2,), (0, 1)),
        )
        names[f"layers/attention/{part}_bias"] = Piece(
            layer + "attention.query_key_value.bias",
            (3 * heads * width,),
            piece,
            view=(heads, 3, width),
            order=((0, 1),),
        )
    return names


def _read_gpt2(keys: Keys, _: Collection[str]) -> DecoderConfig:
    d_model, num_heads = keys.take("n_embd", int, 768), keys.take("n_head", int, 12)
    keys.expect("scale_attn_weights", True)
    keys.expect("scale_attn_by_inverse_layer_idx", False)
    keys.expect("reorder_and_upcast_attn", False, True)
    keys.expect("add_cross_attention", False)
    length = keys.take("n_positions", int, 1024)
    return DecoderConfig(
        vocab_size=keys.take("vocab_size", int, 50_257),
        d_model=d_model,
        d_ff=keys.take("n_inner", int, 4 * d_model),
        num_heads=num_heads,
        num_kv_heads=num_heads,
        d_head=d_model // num_heads,
        num_layers=keys.take("n_layer", int, 12),
        positions=LearnedConfig(max_length=length),
        block=BlockConfig(
            norm="layer",
            norm_eps=keys.take("layer_norm_epsilon", float, 1e-5),
            has_norm_bias=True,
            activation=read_activation(keys, "activation_function", "gelu_new"),
            is_gated=False,
            has_mlp_bias=True,
            attention=AttentionConfig(has_qkv_bias=True, has_out_bias=True),
        ),
        embedding=EmbeddingConfig(is_tied=keys.take("tie_word_embeddings", bool, True)),
    )


def _write_gpt2(config: DecoderConfig) -> dict[str, Any]:
    names = {**ACTIVATION_NAMES, "gelu_tanh": "gelu_new"}
    return {
        "vocab_size": config.vocab_size,
        "n_embd": config.d_model,
        "n_inner": config.d_ff,
        "n_head": config.num_heads,
        "n_layer": config.num_layers,
        "n_positions": positions_of(config, LearnedConfig).max_length,
        "layer_norm_epsilon": config.block.norm_eps,
        "activation_function": names[config.block.activation],
        "tie_word_embeddings": config.embedding.is_tied,
    }


def _gpt2_names(config: DecoderConfig) -> dict[str, str | Piece]:
    """Matrices are [in, out]; queries, keys and values share one."""
    layer, width = "transformer.h.{}.", config.d_model
    names: dict[str, str | Piece] = {
        "embed": "transformer.wte.weight",
        "places": "transformer.wpe.weight",
        "head": Piece("lm_head.weight", (config.vocab_size, width), (), order=((1,), (0,))),
        **_norms("norm", "transformer.ln_f"),
        **_norms("layers/attention_norm", layer + "ln_1"),
        **_norms("layers/mlp_norm", layer + "ln_2"),
        **_linear("layers/attention/o", layer + "attn.c_proj"),
        **_linear("layers/mlp/up", layer + "mlp.c_fc"),
        **_linear("layers/mlp/down", layer + "mlp.c_proj"),
    }
    for index, part in enumerate("qkv"):
        columns = slice(index * width, (index + 1) * width)
        names[f"layers/attention/{part}"] = Piece(
            layer + "attn.c_attn.weight", (width, 3 * width), (slice(0, width), columns)
        )
        names[f"layers/attention/{part}_bias"] = Piece(
            layer + "attn.c_attn.bias", (3 * width,), (columns,)
        )
    return names


def _norms(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}/scale": f"{theirs}.weight", f"{ours}/bias": f"{theirs}.bias"}


def _linear(ours: str, theirs: str) -> dict[str, str]:
    return {ours: f"{theirs}.weight", f"{ours}_bias": f"{theirs}.bias"}


GPT_NEOX = Family(
    "gpt_neox",
    "GPTNeoXForCausalLM",
    _read_neox,
    _write_neox,
    _neox_names,
    extra=r"gpt_neox\.layers\.\d+\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)",
    copies={"embed_out.weight": "gpt_neox.embed_in.weight"},
)
GPT2 = Family(
    "gpt2",
    "GPT2LMHeadModel",
    _read_gpt2,
    _write_gpt2,
    _gpt2_names,
    prefix="transformer.",
    is_transposed=False,
    extra=r"(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)",
    copies={"lm_head.weight": "transformer.wte.weight"},
)
