"""The checkpoints that T5X made, and the configs of their models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flanjax.models.configs import (
    AttentionConfig,
    BlockConfig,
    EmbeddingConfig,
    RelativeConfig,
)
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config

SAMPLES = (
    "t5_1_0_legacy",
    "t5_1_1_legacy",
    "t5_1_1_orbax",
    "scalable_t5_legacy",
    "scalable_t5_orbax",
    "decoder_only_orbax",
)


def model_of(facts: Mapping[str, Any]) -> T5Config | DecoderConfig:
    """Returns the config of the model that a sample's config.json describes."""
    relative = facts["relative_position"]
    activation, *gate = facts["mlp_activations"]
    is_tied = facts["logits_via_embedding"]
    shared = {
        "vocab_size": facts["vocab_size"],
        "d_model": facts["emb_dim"],
        "d_ff": facts["mlp_dim"],
        "num_heads": facts["num_heads"],
        "num_kv_heads": facts["num_heads"],
        "d_head": facts["head_dim"],
        "positions": RelativeConfig(
            num_buckets=relative["num_buckets"],
            max_distance=relative["max_distance"],
            is_shared=relative.get("shared_by_layers", True),
        ),
        "block": BlockConfig(
            norm_eps=facts["layer_norm_epsilon"],
            activation={"gelu": "gelu_tanh", "relu": "relu"}[activation],
            is_gated=bool(gate),
            attention=AttentionConfig(scale=1.0),
        ),
        "embedding": EmbeddingConfig(is_tied=is_tied, scales_outputs=is_tied),
        "dropout_rate": facts["dropout_rate"],
    }
    if facts["architecture"] == "decoder-only":
        return DecoderConfig(num_layers=facts["num_decoder_layers"], **shared)
    return T5Config(
        num_encoder_layers=facts["num_encoder_layers"],
        num_decoder_layers=facts["num_decoder_layers"],
        **shared,
    )
