"""Tiny models of every family in transformers, with all that each may turn on."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import torch
import transformers

VOCAB = 97
_COMMON = {"vocab_size": VOCAB, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
_DECODER = {
    **_COMMON,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
_GEMMA = {
    **_DECODER,
    "head_dim": 10,
    "query_pre_attn_scalar": 7,
    "sliding_window": 5,
}
_T5 = {
    **_COMMON,
    "d_model": 32,
    "d_kv": 12,
    "d_ff": 48,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "dropout_rate": 0.0,
    "decoder_start_token_id": 0,
}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
_LONG = {
    "rope_type": "longrope",
    "rope_theta": 10_000.0,
    "short_factor": [1.0, 1.1, 1.3],
    "long_factor": [1.0, 2.0, 4.0],
    "partial_rotary_factor": 0.75,
}
_T5GEMMA_SIDE = {**_GEMMA, "head_dim": 8, "num_hidden_layers": 3}

CONFIGS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "t5 1.0": ("T5", {**_T5, "feed_forward_proj": "relu", "tie_word_embeddings": True}),
    "t5 1.1": ("T5", {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "ul2": ("T5", {**_T5, "feed_forward_proj": "gated-silu", "tie_word_embeddings": False}),
    "mt5": ("MT5", {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "t5gemma": (
        "T5Gemma",
        {"encoder": _T5GEMMA_SIDE, "decoder": _T5GEMMA_SIDE, "vocab_size": VOCAB},
    ),
    "llama 2": ("Llama", {**_DECODER, "num_key_value_heads": 4}),
    "llama 3": ("Llama", {**_DECODER, "rope_parameters": _LLAMA3, "tie_word_embeddings": True}),
    "llama with biases": ("Llama", {**_DECODER, "attention_bias": True, "mlp_bias": True}),
    "mistral": ("Mistral", {**_DECODER, "sliding_window": 5, "head_dim": 10}),
    "qwen 2.5": ("Qwen2", _DECODER),
    "qwen 2.5 with windows": (
        "Qwen2",
        {**_DECODER, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 2},
    ),
    "qwen 3": ("Qwen3", {**_DECODER, "head_dim": 10, "tie_word_embeddings": True}),
    "gemma 2": (
        "Gemma2",
        {**_GEMMA, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
    ),
    "gemma 3": (
        "Gemma3Text",
        {
            **_GEMMA,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2,
            "num_hidden_layers": 6,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        },
    ),
    "olmo 2": ("Olmo2", _DECODER),
    "phi 3": ("Phi3", {**_DECODER, "sliding_window": 7}),
    "phi 4 mini": (
        "Phi3",
        {
            **_DECODER,
            "rope_parameters": _LONG,
            "original_max_position_embeddings": 128,
            "max_position_embeddings": 512,
        },
    ),
    "pythia": ("GPTNeoX", {k: v for k, v in _DECODER.items() if "key_value" not in k}),
    "gpt-neox in turns": (
        "GPTNeoX",
        {k: v for k, v in _DECODER.items() if "key_value" not in k}
        | {"use_parallel_residual": False, "hidden_act": "gelu_new", "attention_bias": False},
    ),
    "gpt-2": ("GPT2", {**_COMMON, "n_embd": 32, "n_head": 4, "n_layer": 3, "n_positions": 96}),
}
"""Name -> the stem of the classes, and the arguments of its config."""

_HEADS = {
    "T5": "ForConditionalGeneration",
    "MT5": "ForConditionalGeneration",
    "T5Gemma": "ForConditionalGeneration",
    "GPT2": "LMHeadModel",
    "Gemma3Text": "Gemma3ForCausalLM",
}


def make(name: str, **changes: Any) -> Any:
    """Returns a model of random weights, eager attention, no dropout."""
    stem, arguments = CONFIGS[name]
    arguments = arguments | changes
    config = getattr(transformers, f"{stem}Config")(**arguments)
    head = _HEADS.get(stem, "ForCausalLM")
    architecture = head if head.startswith(stem[:4]) and head != "ForCausalLM" else stem + head
    config._attn_implementation = "eager"
    model = getattr(transformers, architecture)(config).eval()
    if stem in ("T5", "MT5") and not arguments["tie_word_embeddings"]:
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.clone())
        model.set_input_embeddings(model.shared)
    randomize(model)
    return model


def randomize(model: torch.nn.Module) -> None:
    """Gives every parameter, norms and biases included, a value of its own."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = "norm" in name or "ln_" in name
            is_scale = (
                is_norm and name.endswith("weight") and "gemma" not in type(model).__name__.lower()
            )
            parameter.copy_(1 + 0.2 * noise if is_scale else 0.2 * noise)


def save(model: Any, folder: pathlib.Path) -> pathlib.Path:
    """Writes a model as its users get it."""
    model.save_pretrained(folder)
    return folder
