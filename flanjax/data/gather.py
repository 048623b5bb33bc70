"""Rows of a plan to the arrays a model sees, with a few gathers for all of them.

Every array is laid out in runs: the examples of a row one after another, then
the padding of the row, then the next row. What is the same within a run is
repeated; what is not, is read at an address. The plain way that gives the
same arrays is `pack.pack`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flanjax.data.arena import Arena
from flanjax.data.batch import PAD_ID, EncoderInput, SeqBatch
from flanjax.data.cache import Placed
from flanjax.data.pack import Layout

_BLOCK = 1 << 17
"""Tokens laid out at a time, so that the steps between meet in the processor's cache."""


def gather(placed: Placed, start: int, stop: int, layout: Layout, arena: Arena) -> SeqBatch:
    """Returns rows `start` to `stop` of a window.

    Args:
      placed: The window's rows and where their tokens lie.
      start: The first row.
      stop: The row after the last.
      layout: How rows are laid out.
      arena: The tokens.
    """
    step = max(_BLOCK // max(layout.capacities), 1)
    blocks = [
        _gather_block(placed, first, min(first + step, stop), layout, arena)
        for first in range(start, stop, step)
    ]
    return stacked(blocks)


def stacked(batches: Sequence[SeqBatch]) -> SeqBatch:
    """Returns the rows of some batches as one batch."""
    if len(batches) == 1:
        return batches[0]
    tokens, targets, weights, segments, positions, prefix = (
        np.concatenate(arrays) for arrays in zip(*(batch[:-1] for batch in batches), strict=True)
    )
    encoders = [batch.encoder for batch in batches if batch.encoder is not None]
    encoder = EncoderInput(*map(np.concatenate, zip(*encoders, strict=True))) if encoders else None
    return SeqBatch(tokens, targets, weights, segments, positions, prefix, encoder)


def _gather_block(placed: Placed, start: int, stop: int, layout: Layout, arena: Arena) -> SeqBatch:
    offsets = placed.rows.offsets[start : stop + 1]
    here = slice(offsets[0], offsets[-1])
    counts = np.diff(offsets)
    inputs, targets = placed.inputs[here], placed.targets[here]
    addresses = placed.addresses[here]
    if layout.input_length is None:
        return _causal(inputs, targets, addresses, counts, layout, arena)
    encoder = _segments(_runs(inputs, counts, layout.input_length), addresses, arena)
    batch = _decoder(targets, addresses + inputs, counts, layout, arena)
    rows = (len(counts), layout.input_length)
    return batch._replace(encoder=EncoderInput(*(array.reshape(rows) for array in encoder)))


class _Runs(NamedTuple):
    """Examples and paddings in the order of the flattened rows.

    Attributes:
      sizes: int64 [m], tokens of each run.
      begins: int64 [m], where each run starts among the flattened rows.
      segments: int32 [m], 1, 2, ... in each row, 0 for padding.
      is_example: bool [m].
    """

    sizes: np.ndarray
    begins: np.ndarray
    segments: np.ndarray
    is_example: np.ndarray

    def spread(self, values: np.ndarray, padding: int = 0) -> np.ndarray:
        """Returns one value for each run from one for each example."""
        spread = np.full(len(self.sizes), padding, values.dtype)
        spread[self.is_example] = values
        return spread


def _runs(sizes: np.ndarray, counts: np.ndarray, length: int) -> _Runs:
    """Returns the runs of rows.

    Args:
      sizes: int64 [n], tokens of each example.
      counts: int64 [rows], examples of each row, at least 1.
      length: Tokens of a row.
    """
    first = np.cumsum(counts) - counts
    used = np.add.reduceat(sizes, first)
    if used.max() > length:
        raise ValueError(
            f"a packed row must fit {length} tokens, got {used.max()}; plan with costs()."
        )
    padding_at = np.cumsum(counts) + np.arange(len(counts))
    is_example = np.ones(len(sizes) + len(counts), bool)
    is_example[padding_at] = False
    all_sizes = np.empty(len(is_example), np.int64)
    all_sizes[is_example] = sizes
    all_sizes[padding_at] = length - used
    segments = np.zeros(len(is_example), np.int32)
    segments[is_example] = np.arange(1, len(sizes) + 1) - np.repeat(first, counts)
    return _Runs(all_sizes, np.cumsum(all_sizes) - all_sizes, segments, is_example)


def _segments(runs: _Runs, sources: np.ndarray, arena: Arena) -> EncoderInput:
    """Returns tokens, segments and positions of rows, flattened.

    Args:
      runs: The runs of the rows.
      sources: int64 [n], the address of each example's first token.
      arena: The tokens.
    """
    segments = np.repeat(runs.segments, runs.sizes)
    addresses = np.repeat(runs.spread(sources) - runs.begins, runs.sizes)
    addresses += np.arange(segments.size)
    positions = np.arange(segments.size, dtype=np.int32)
    positions -= np.repeat(runs.begins.astype(np.int32), runs.sizes)
    is_padding = ~runs.is_example & (runs.sizes > 0)
    paddings = zip(runs.begins[is_padding].tolist(), runs.sizes[is_padding].tolist(), strict=True)
    for begin, size in paddings:
        addresses[begin : begin + size] = 0
        positions[begin : begin + size] = 0
    taken = np.empty(segments.size, arena.tokens.dtype)
    arena.take(addresses, taken)
    return EncoderInput(taken.astype(np.int32), segments, positions)


def _decoder(
    sizes: np.ndarray, sources: np.ndarray, counts: np.ndarray, layout: Layout, arena: Arena
) -> SeqBatch:
    """Returns the rows of a decoder that reads its targets one token late."""
    runs = _runs(sizes, counts, layout.target_length)
    targets, segments, positions = _segments(runs, sources, arena)
    tokens = np.empty_like(targets)
    tokens[1:] = targets[:-1]
    tokens[runs.begins[runs.is_example]] = layout.start_id
    tokens[runs.begins[~runs.is_example & (runs.sizes > 0)]] = PAD_ID
    weights = (segments > 0).astype(np.float32)
    prefix = np.zeros(segments.size, np.bool_)
    return _in_rows(SeqBatch(tokens, targets, weights, segments, positions, prefix), len(counts))


def _causal(
    inputs: np.ndarray,
    targets: np.ndarray,
    addresses: np.ndarray,
    counts: np.ndarray,
    layout: Layout,
    arena: Arena,
) -> SeqBatch:
    """Returns rows of prompt, end, target, each target read one token early."""
    sizes = inputs + targets - 1
    runs = _runs(sizes, counts, layout.target_length)
    tokens, segments, positions = _segments(runs, addresses, arena)
    written = np.empty_like(tokens)
    written[:-1] = tokens[1:]
    ends = runs.begins + runs.sizes
    last = np.empty(len(sizes), arena.tokens.dtype)
    arena.take(addresses + sizes, last)
    written[ends[runs.is_example] - 1] = last
    written[ends[~runs.is_example & (runs.sizes > 0)] - 1] = PAD_ID
    prompts = runs.spread(inputs - 1)  # the separator is the last token before the target
    halves = np.stack([prompts, runs.sizes - prompts], axis=1).reshape(-1)
    weights = _repeated_halves(np.float32(layout.loss_on_inputs), np.float32(1), runs, halves)
    prefix = np.zeros(segments.size, np.bool_)
    if layout.prefix:
        prefix = _repeated_halves(np.True_, np.False_, runs, halves)
    return _in_rows(SeqBatch(tokens, written, weights, segments, positions, prefix), len(counts))


def _in_rows(flat: SeqBatch, num_rows: int) -> SeqBatch:
    tokens, targets, weights, segments, positions, prefix = (
        array.reshape(num_rows, -1) for array in flat[:-1]
    )
    return SeqBatch(tokens, targets, weights, segments, positions, prefix)


def _repeated_halves(
    prompt: np.generic, target: np.generic, runs: _Runs, halves: np.ndarray
) -> np.ndarray:
    """Returns a value for prompt tokens, one for target tokens, 0 for padding."""
    values = np.zeros((len(runs.sizes), 2), prompt.dtype)
    values[runs.is_example] = (prompt, target)
    return np.repeat(values.reshape(-1), halves)
