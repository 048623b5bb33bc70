"""T5 1.1: an encoder-decoder with relative position biases."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class T5Config:
    """The size of a T5 1.1 model (defaults: T5 1.1 small).

    Attributes:
      vocab_size: Rows of the embedding.
      d_model: Width of the residual stream.
      d_ff: Width of the gated MLP.
      num_heads: Attention heads.
      d_head: Channels of a head.
      num_encoder_layers: Encoder blocks.
      num_decoder_layers: Decoder blocks.
      num_buckets: Buckets of relative position.
      max_distance: Positions farther apart share the last bucket.
      is_tied: Whether the output matrix is the embedding (T5 1.0).
      dropout_rate: Dropout on embeddings, attention, MLP and residuals.
      dtype: Compute type; parameters are float32.
      scan_layers: Whether layers run in one compiled loop; the layout of
        parameters is the same either way.
      remat: "none" keeps activations; "full" recomputes each layer.
    """

    vocab_size: int = 32_128
    d_model: int = 512
    d_ff: int = 1024
    num_heads: int = 6
    d_head: int = 64
    num_encoder_layers: int = 8
    num_decoder_layers: int = 8
    num_buckets: int = 32
    max_distance: int = 128
    is_tied: bool = False
    dropout_rate: float = 0.1
    dtype: Literal["float32", "bfloat16"] = "float32"
    scan_layers: bool = True
    remat: Literal["none", "full"] = "none"
