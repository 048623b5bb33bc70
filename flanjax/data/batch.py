"""The arrays a model sees."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

PAD_ID = 0
"""Fills room that no example takes."""


class EncoderInput(NamedTuple):
    """Prompt tokens for an encoder, or for a decoder's prefill.

    Several examples may share a row: those of one segment see one another,
    and nothing else. Segment 0 is padding.

    Attributes:
      tokens: int32 [B, S].
      segments: int32 [B, S], 1, 2, ... in row order, 0 for padding.
      positions: int32 [B, S], counted from 0 within each segment.
    """

    tokens: Any
    segments: Any
    positions: Any


class SeqBatch(NamedTuple):
    """A batch of rows, each holding one or more packed examples.

    Attributes:
      tokens: int32 [B, T], what the decoder reads.
      targets: int32 [B, T], what it should write; 0 where nothing.
      weights: float32 [B, T], the loss weight of each target.
      segments: int32 [B, T], as in EncoderInput.
      positions: int32 [B, T], as in EncoderInput.
      prefix: bool [B, T], tokens that all of their segment may see (the
        prompt of a prefix LM); False everywhere for a causal model.
      encoder: The prompts of an encoder-decoder, else None. Segment i of the
        encoder belongs to segment i of the decoder.
    """

    tokens: Any
    targets: Any
    weights: Any
    segments: Any
    positions: Any
    prefix: Any
    encoder: EncoderInput | None = None


class Example(NamedTuple):
    """One tokenized example before it is placed in a row.

    Attributes:
      inputs: Prompt ids, without any marker.
      targets: Target ids, the end-of-sequence id included.
      loss_on_inputs: True where prompt tokens are trained on too (causal LM).
      prefix: True where the prompt is seen in both directions (prefix LM).
    """

    inputs: np.ndarray
    targets: np.ndarray
    loss_on_inputs: bool = False
    prefix: bool = False
