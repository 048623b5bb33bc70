"""Models of a few thousand parameters, and rows of examples for them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from flanjax.data.batch import EncoderInput, SeqBatch
from flanjax.models.configs import EmbeddingConfig, RelativeConfig
from flanjax.models.decoder import DecoderConfig
from flanjax.models.t5 import T5Config

VOCAB = 170
"""Enough for every place of six decoder rows to hold an id of its own."""

T5 = T5Config(
    vocab_size=VOCAB,
    d_model=16,
    d_ff=24,
    num_heads=2,
    d_head=6,
    num_encoder_layers=2,
    num_decoder_layers=3,
    positions=RelativeConfig(num_buckets=8, max_distance=12),
    dropout_rate=0.0,
)
DECODER = DecoderConfig(
    vocab_size=VOCAB,
    d_model=16,
    d_ff=24,
    num_heads=4,
    num_kv_heads=2,
    d_head=6,
    num_layers=3,
)
CONFIGS = {
    "t5": T5,
    "tied t5": dataclasses.replace(
        T5, embedding=EmbeddingConfig(is_tied=True, scales_outputs=True)
    ),
    "decoder": DECODER,
    "untied decoder": dataclasses.replace(DECODER, embedding=EmbeddingConfig()),
}

Pair = tuple[list[int], list[int]]
"""What an encoder (or a row's first part) reads, and what the decoder reads after it."""


def examples(count: int, *, seed: int = 0) -> list[Pair]:
    """Returns pairs of 1 to 5 prompt tokens and 1 to 4 decoder tokens."""
    rng = np.random.default_rng(seed)
    return [
        (
            rng.integers(2, VOCAB, rng.integers(1, 6)).tolist(),
            rng.integers(2, VOCAB, rng.integers(1, 5)).tolist(),
        )
        for _ in range(count)
    ]


def make_batch(
    config: T5Config | DecoderConfig,
    rows: list[list[Pair]],
    *,
    length: int = 14,
    is_prefix: bool = False,
) -> SeqBatch:
    """Packs pairs into rows as the model reads them, padding on the right."""
    if isinstance(config, T5Config):
        tokens, segments, positions, prefix = _lay(
            [[((), t) for _, t in row] for row in rows], length
        )
        encoder = EncoderInput(*_lay([[((), i) for i, _ in row] for row in rows], length + 1)[:3])
    else:
        tokens, segments, positions, prefix = _lay(rows, 2 * length)
        encoder = None
    targets = np.roll(tokens, -1, axis=1)
    weights = (segments > 0).astype(np.float32)
    prefix = prefix & is_prefix
    return SeqBatch(tokens, targets, weights, segments, positions, prefix, encoder)


def prompts(pairs: list[Pair], *, length: int = 6) -> EncoderInput:
    """Returns the pairs' first halves, one a row."""
    return EncoderInput(*_lay([[((), inputs)] for inputs, _ in pairs], length)[:3])


def _lay(rows: list[list[Any]], length: int) -> tuple[np.ndarray, ...]:
    tokens, segments, positions = (np.zeros((len(rows), length), np.int32) for _ in range(3))
    prefix = np.zeros((len(rows), length), bool)
    for row, pairs in enumerate(rows):
        start = 0
        for segment, (first, second) in enumerate(pairs, start=1):
            ids = [*first, *second]
            place = slice(start, start + len(ids))
            assert place.stop <= length
            tokens[row, place], segments[row, place] = ids, segment
            positions[row, place] = range(len(ids))
            prefix[row, start : start + len(first)] = True
            start = place.stop
    return tokens, segments, positions, prefix
