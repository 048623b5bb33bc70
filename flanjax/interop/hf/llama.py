"""Llama 2 and 3, Mistral, Qwen 2.5 and 3, OLMo 2, Phi-3 and 4."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flanjax.interop.hf.family import Family, Piece, positions_of
from flanjax.interop.hf.keys import Keys
from flanjax.interop.hf.rotary import read_rotary, write_rotary
from flanjax.models.configs import AttentionConfig, BlockConfig, EmbeddingConfig, RotaryConfig
from flanjax.models.decoder import DecoderConfig

ACTIVATIONS: Mapping[str, str] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
"""transformers' name of an activation -> ours."""

ACTIVATION_NAMES = {
    "silu": "silu",
    "gelu": "gelu",
    "gelu_tanh": "gelu_pytorch_tanh",
    "relu": "relu",
}


def read_activation(keys: Keys, name: str, default: str) -> Any:
    """Returns our name of an activation."""
    given = keys.take(name, str, default)
    if given not in ACTIVATIONS:
        raise ValueError(
            f"{name} must be one of {', '.join(ACTIVATIONS)}, got {given!r}; "
            "this model needs what flanjax does not have."
        )
    return ACTIVATIONS[given]


def read_sizes(
    keys: Keys, *, num_kv_heads: int | None = None, d_head: int | None = None
) -> dict[str, Any]:
    """Returns the fields of a DecoderConfig that are sizes.

    Args:
      keys: The config.
      num_kv_heads: What transformers takes where it is absent; None for as many as heads.
      d_head: Likewise; None for an equal share of the width.
    """
    d_model = keys.take("hidden_size", int)
    num_heads = keys.take("num_attention_heads", int)
    share = d_model // num_heads
    return {
        "vocab_size": keys.take("vocab_size", int),
        "d_model": d_model,
        "d_ff": keys.take("intermediate_size", int),
        "num_heads": num_heads,
        "num_kv_heads": keys.take(
            "num_key_value_heads", int, num_kv_heads or num_heads, null=num_heads
        ),
        "d_head": keys.take("head_dim", int, d_head or share, null=share),
        "num_layers": keys.take("num_hidden_layers", int),
    }


def write_sizes(config: DecoderConfig) -> dict[str, Any]:
    """Returns the keys that `read_sizes` reads, and what goes with them."""
    return {
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.d_head,
        "num_hidden_layers": config.num_layers,
        "tie_word_embeddings": config.embedding.is_tied,
        "hidden_act": ACTIVATION_NAMES[config.block.activation],
        "rms_norm_eps": config.block.norm_eps,
        **write_rotary(positions_of(config, RotaryConfig)),
    }


def read_pattern(keys: Keys, num_layers: int, default: str, *, window: int) -> tuple[int, str]:
    """Returns the window of local layers and which layers they are.

    Args:
      keys: The config.
      num_layers: Layers there are.
      default: Which are local, repeated, where the config does not say.
      window: What transformers takes where it is absent; null is none.
    """
    window = keys.take("sliding_window", int, window, null=0)
    kinds = keys.take("layer_types", list, None)
    if kinds is not None:
        _check_kinds(kinds, keys.take("num_hidden_layers", int))
    if not window:
        return 0, "g"
    if kinds is None:
        pattern = (default * num_layers)[:num_layers]
    else:
        pattern = "".join("l" if kind == "sliding_attention" else "g" for kind in kinds)
    return (window, shortest(pattern)) if "l" in pattern else (0, "g")


def _check_kinds(kinds: list[Any], num_layers: int) -> None:
    known = ("sliding_attention", "full_attention")
    if len(kinds) != num_layers or any(kind not in known for kind in kinds):
        raise ValueError(
            f"layer_types must be {' or '.join(known)} for each of {num_layers} layers, got "
            f"{kinds!r:.80}; this model needs what flanjax does not have."
        )


def shortest(pattern: str) -> str:
    """Returns the shortest pattern whose repetition begins with this one."""
    for size in range(1, len(pattern) + 1):
        if (pattern[:size] * len(pattern))[: len(pattern)] == pattern:
            return pattern[:size]
    return pattern


def layer_types(config: DecoderConfig) -> list[str]:
    """Returns transformers' name of each layer's kind."""
    names = {True: "sliding_attention", False: "full_attention"}
    return [names[kind] for kind in config.block.attention.local_layers(config.num_layers)]


def _decoder(
    keys: Keys,
    *,
    attention: AttentionConfig,
    eps: float = 1e-6,
    is_partial: bool = False,
    num_kv_heads: int | None = None,
    d_head: int | None = None,
    **block: Any,
) -> DecoderConfig:
    """Returns a config of what these families share."""
    keys.expect("attention_dropout", 0, 0.0)
    return DecoderConfig(
        **read_sizes(keys, num_kv_heads=num_kv_heads, d_head=d_head),
        positions=read_rotary(keys, is_partial=is_partial),
        block=BlockConfig(
            norm_eps=keys.take("rms_norm_eps", float, eps),
            activation=read_activation(keys, "hidden_act", "silu"),
            attention=attention,
            **block,
        ),
        embedding=EmbeddingConfig(is_tied=keys.take("tie_word_embeddings", bool, False)),
    )


def _read_llama(keys: Keys, _: Collection[str]) -> DecoderConfig:
    keys.expect("pretraining_tp", 1)
    has_bias = keys.take("attention_bias", bool, False)
    attention = AttentionConfig(has_qkv_bias=has_bias, has_out_bias=has_bias)
    has_mlp_bias = keys.take("mlp_bias", bool, False)
    return _decoder(keys, attention=attention, has_mlp_bias=has_mlp_bias)


def _write_llama(config: DecoderConfig) -> dict[str, Any]:
    return {
        **write_sizes(config),
        "attention_bias": config.block.attention.has_qkv_bias,
        "mlp_bias": config.block.has_mlp_bias,
    }


def _read_mistral(keys: Keys, _: Collection[str]) -> DecoderConfig:
    window, pattern = read_pattern(keys, 1, "l", window=4096)
    attention = AttentionConfig(window=window, layer_pattern=pattern)
    return _decoder(keys, attention=attention, num_kv_heads=8)


def _write_mistral(config: DecoderConfig) -> dict[str, Any]:
    return {**write_sizes(config), "sliding_window": config.block.attention.window or None}


def _read_qwen(keys: Keys, *, d_head: int | None = None, **attention: Any) -> DecoderConfig:
    keys.expect("use_mrope", False)
    num_layers = keys.take("num_hidden_layers", int)
    is_windowed = keys.take("use_sliding_window", bool, False)
    first = min(keys.take("max_window_layers", int, 28), num_layers)
    default = "g" * first + "l" * (num_layers - first) if is_windowed else "g"
    window, pattern = read_pattern(keys, num_layers, default, window=4096)
    if not is_windowed:
        window, pattern = 0, "g"
    attend = AttentionConfig(window=window, layer_pattern=pattern, **attention)
    return _decoder(keys, attention=attend, num_kv_heads=32, d_head=d_head)


def _read_qwen2(keys: Keys, _: Collection[str]) -> DecoderConfig:
    return _read_qwen(keys, has_qkv_bias=True)


def _read_qwen3(keys: Keys, _: Collection[str]) -> DecoderConfig:
    has_bias = keys.take("attention_bias", bool, False)
    return _read_qwen(
        keys, d_head=128, qk_norm="head", has_qkv_bias=has_bias, has_out_bias=has_bias
    )


def _write_qwen(config: DecoderConfig) -> dict[str, Any]:
    attention = config.block.attention
    keys = {**write_sizes(config), "use_sliding_window": bool(attention.window)}
    if attention.window:
        keys |= {"sliding_window": attention.window, "layer_types": layer_types(config)}
    if attention.qk_norm == "head":
        keys["attention_bias"] = attention.has_qkv_bias
    return keys


def _read_olmo2(keys: Keys, _: Collection[str]) -> DecoderConfig:
    has_bias = keys.take("attention_bias", bool, False)
    attention = AttentionConfig(qk_norm="all", has_qkv_bias=has_bias, has_out_bias=has_bias)
    return _decoder(keys, attention=attention, eps=1e-5, norm_at="post")


def _write_olmo2(config: DecoderConfig) -> dict[str, Any]:
    return {**write_sizes(config), "attention_bias": config.block.attention.has_qkv_bias}


def _read_phi3(keys: Keys, _: Collection[str]) -> DecoderConfig:
    for name in ("attention_bias", "mlp_bias", "lm_head_bias"):
        keys.expect(name, False)
    for name in ("full_attn_mod", "interpolate_factor"):  # of code that came with Phi-4-mini
        keys.expect(name, 1)
    window, pattern = read_pattern(keys, 1, "l", window=0)
    attention = AttentionConfig(window=window, layer_pattern=pattern)
    return _decoder(keys, attention=attention, eps=1e-5, is_partial=True)


def _write_phi3(config: DecoderConfig) -> dict[str, Any]:
    fraction = positions_of(config, RotaryConfig).fraction
    return _write_mistral(config) | ({} if fraction == 1 else {"partial_rotary_factor": fraction})


_LAYER = "model.layers.{}."


def llama_names(config: DecoderConfig) -> dict[str, str | Piece]:
    """Returns the names that Llama gave and others kept."""
    names: dict[str, str | Piece] = {
        "embed": "model.embed_tokens.weight",
        "norm/scale": "model.norm.weight",
        "head": "lm_head.weight",
        "layers/attention_norm/scale": _LAYER + "input_layernorm.weight",
        "layers/mlp_norm/scale": _LAYER + "post_attention_layernorm.weight",
    }
    for part in "qkvo":
        names[f"layers/attention/{part}"] = f"{_LAYER}self_attn.{part}_proj.weight"
        names[f"layers/attention/{part}_bias"] = f"{_LAYER}self_attn.{part}_proj.bias"
    for part in "qk":
        names[f"layers/attention/{part}_norm/scale"] = f"{_LAYER}self_attn.{part}_norm.weight"
    for part in ("gate", "up", "down"):
        names[f"layers/mlp/{part}"] = f"{_LAYER}mlp.{part}_proj.weight"
        names[f"layers/mlp/{part}_bias"] = f"{_LAYER}mlp.{part}_proj.bias"
    return names


def _olmo2_names(config: DecoderConfig) -> dict[str, str | Piece]:
    return llama_names(config) | {
        "layers/attention_post_norm/scale": _LAYER + "post_attention_layernorm.weight",
        "layers/mlp_post_norm/scale": _LAYER + "post_feedforward_layernorm.weight",
    }


def _phi3_names(config: DecoderConfig) -> dict[str, str | Piece]:
    """Queries, keys and values share a matrix, and so do gate and up."""
    names = llama_names(config)
    ends = [0]
    for num_heads in (config.num_heads, config.num_kv_heads, config.num_kv_heads):
        ends.append(ends[-1] + num_heads * config.d_head)
    for part, first, last in zip("qkv", ends[:-1], ends[1:], strict=True):
        names[f"layers/attention/{part}"] = Piece(
            _LAYER + "self_attn.qkv_proj.weight",
            (ends[-1], config.d_model),
            (slice(first, last), slice(0, config.d_model)),
            order=((1,), (0,)),
        )
    for index, part in enumerate(("gate", "up")):
        names[f"layers/mlp/{part}"] = Piece(
            _LAYER + "mlp.gate_up_proj.weight",
            (2 * config.d_ff, config.d_model),
            (slice(index * config.d_ff, (index + 1) * config.d_ff), slice(0, config.d_model)),
            order=((1,), (0,)),
        )
    return names


_BUFFERS = r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq"

COPIES = {"lm_head.weight": "model.embed_tokens.weight"}
"""What a tied model's file may hold twice."""

LLAMA = Family(
    "llama",
    "LlamaForCausalLM",
    _read_llama,
    _write_llama,
    llama_names,
    extra=_BUFFERS,
    copies=COPIES,
)
MISTRAL = LLAMA._replace(
    model_type="mistral",
    architecture="MistralForCausalLM",
    read=_read_mistral,
    write=_write_mistral,
)
QWEN2 = LLAMA._replace(
    model_type="qwen2", architecture="Qwen2ForCausalLM", read=_read_qwen2, write=_write_qwen
)
QWEN3 = QWEN2._replace(model_type="qwen3", architecture="Qwen3ForCausalLM", read=_read_qwen3)
OLMO2 = LLAMA._replace(
    model_type="olmo2",
    architecture="Olmo2ForCausalLM",
    read=_read_olmo2,
    write=_write_olmo2,
    names=_olmo2_names,
)
PHI3 = LLAMA._replace(
    model_type="phi3",
    architecture="Phi3ForCausalLM",
    read=_read_phi3,
    write=_write_phi3,
    names=_phi3_names,
)
