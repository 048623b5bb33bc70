"""A Llama-style causal language model."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The size of a causal model (defaults: Llama 3.2 1B).

    Attributes:
      vocab_size: Rows of the embedding.
      d_model: Width of the residual stream.
      d_ff: Width of the gated MLP.
      num_heads: Query heads.
      num_kv_heads: Key/value heads; a divisor of num_heads.
      d_head: Channels of a head.
      num_layers: Blocks.
      rope_theta: Base of the rotary frequencies.
      norm_eps: Added to mean squares in RMSNorm.
      is_tied: Whether the output matrix is the embedding.
      prefix_lm: Whether prompts are read in both directions.
      dropout_rate: Dropout on embeddings, attention, MLP and residuals.
      dtype: Compute type; parameters are float32.
      scan_layers: Whether layers run in one compiled loop; the layout of
        parameters is the same either way.
      remat: "none" keeps activations; "full" recomputes each layer.
    """

    vocab_size: int = 128_256
    d_model: int = 2048
    d_ff: int = 8192
    num_heads: int = 32
    num_kv_heads: int = 8
    d_head: int = 64
    num_layers: int = 16
    rope_theta: float = 500_000.0
    norm_eps: float = 1e-5
    is_tied: bool = True
    prefix_lm: bool = False
    dropout_rate: float = 0.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    scan_layers: bool = True
    remat: Literal["none", "full"] = "none"
