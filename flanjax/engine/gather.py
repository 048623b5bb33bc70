"""Rows of a plan to the arrays a model sees, with a few gathers for all of them.

A side of a window (its prompts, or its targets) is laid out once in runs: the
examples of a row one after another, then the padding of the row, then the next
row. A batch is then a piece of the runs: what is the same within a run is
repeated, and tokens are read at addresses that count up from the run's own.
The plain way that gives the same arrays is `pack.pack`.

```
 rows      a a a b b . | c c c c . .        sizes    3 2 1 4 2
 segments  1 1 1 2 2 0   1 1 1 1 0 0        segments 1 2 0 1 0
```
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flanjax.data.batch import PAD_ID, EncoderInput, SeqBatch
from flanjax.engine.arena import NUM_ZEROS, Arena
from flanjax.engine.cache import Placed
from flanjax.engine.pack import Layout

_BLOCK = 1 << 17
"""Tokens gathered at a time: few enough for the processor's caches."""


class Runs(NamedTuple):
    """One side of a window's rows, flattened: examples and paddings in order.

    Attributes:
      length: Tokens of a row.
      offsets: int64 [rows + 1], the first run of each row.
      sizes: int64 [m], tokens of each run.
      begins: int64 [m], where each run starts among the flattened rows.
      segments: int32 [m], 1, 2, ... in each row, 0 for padding.
      is_example: bool [m].
      shifts: int64 [m], what a place must be raised by to be its address;
        places of padding are taken to zeros.
    """

    length: int
    offsets: np.ndarray
    sizes: np.ndarray
    begins: np.ndarray
    segments: np.ndarray
    is_example: np.ndarray
    shifts: np.ndarray

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Returns one value for each run from one for each example, 0 for padding."""
        spread = np.zeros(len(self.sizes), values.dtype)
        spread[self.is_example] = values
        return spread

    def piece(self, start: int, stop: int) -> Runs:
        """Returns the runs of rows `start` to `stop`, their places counted anew."""
        here = slice(self.offsets[start], self.offsets[stop])
        base = start * self.length
        return Runs(
            self.length,
            self.offsets[start : stop + 1] - self.offsets[start],
            self.sizes[here],
            self.begins[here] - base,
            self.segments[here],
            self.is_example[here],
            self.shifts[here] + base,
        )


class Laid(NamedTuple):
    """A window laid out, ready to be gathered.

    Attributes:
      placed: Its rows and where their tokens lie.
      layout: How rows are laid out.
      arena: The tokens.
      encoder: The prompts of an encoder-decoder, else None.
      decoder: The targets, or whole causal sequences.
      prompts: int64 [m], prompt tokens of each run of a causal row.
      last_targets: int32 [m], the last target of each run of a causal row.
    """

    placed: Placed
    layout: Layout
    arena: Arena
    encoder: Runs | None
    decoder: Runs
    prompts: np.ndarray
    last_targets: np.ndarray


def lay_out(placed: Placed, layout: Layout, arena: Arena) -> Laid:
    """Lays out the rows of a window.

    Raises:
      ValueError: A row does not fit its length.
    """
    counts = np.diff(placed.rows.offsets)
    inputs, targets, addresses = placed.inputs, placed.targets, placed.addresses
    nothing = np.zeros(0, np.int64)
    if layout.input_length is not None:
        encoder = _runs(inputs, addresses, counts, layout.input_length)
        decoder = _runs(targets, addresses + inputs, counts, layout.target_length)
        return Laid(placed, layout, arena, encoder, decoder, nothing, nothing)
    sizes = inputs + targets - 1  # the last target is read by nobody
    decoder = _runs(sizes, addresses, counts, layout.target_length)
    last = np.empty(len(sizes), arena.tokens.dtype)
    arena.take(addresses + sizes, last)
    # A prompt's end is read and predicts the first target; without a prompt, targets follow from
    # one another alone.
    prompts = decoder.spread(np.maximum(inputs - 1, 0))
    return Laid(
        placed, layout, arena, None, decoder, prompts, decoder.spread(last.astype(np.int32))
    )


def _runs(sizes: np.ndarray, sources: np.ndarray, counts: np.ndarray, length: int) -> Runs:
    """Returns the runs of rows.

    Args:
      sizes: int64 [n], tokens of each example.
      sources: int64 [n], the address of each example's first token.
      counts: int64 [rows], examples of each row, at least 1.
      length: Tokens of a row.
    """
    first = np.cumsum(counts) - counts
    used = np.add.reduceat(sizes, first)
    if used.max() > length or length > NUM_ZEROS:
        raise ValueError(
            f"a packed row must fit {min(length, NUM_ZEROS)} tokens, got "
            f"{max(used.max(), length) if length > NUM_ZEROS else used.max()}; plan with costs()."
        )
    offsets = np.concatenate([[0], np.cumsum(counts + 1)])
    is_example = np.ones(offsets[-1], bool)
    is_example[offsets[1:] - 1] = False
    all_sizes = np.empty(len(is_example), np.int64)
    all_sizes[is_example], all_sizes[~is_example] = sizes, length - used
    begins = np.cumsum(all_sizes) - all_sizes
    segments = np.zeros(len(is_example), np.int32)
    segments[is_example] = np.arange(1, len(sizes) + 1) - np.repeat(first, counts)
    shifts = -begins
    shifts[is_example] += sources
    return Runs(length, offsets, all_sizes, begins, segments, is_example, shifts)


def gather(laid: Laid, start: int, stop: int) -> SeqBatch:
    """Returns rows `start` to `stop` of a window."""
    step = max(_BLOCK // max(laid.layout.capacities), 1)
    blocks = [
        _gather_block(laid, first, min(first + step, stop)) for first in range(start, stop, step)
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


def _gather_block(laid: Laid, start: int, stop: int) -> SeqBatch:
    runs = laid.decoder.piece(start, stop)
    if laid.encoder is None:
        here = slice(laid.decoder.offsets[start], laid.decoder.offsets[stop])
        return _causal(laid, runs, laid.prompts[here], laid.last_targets[here])
    encoder = _segments(laid.encoder.piece(start, stop), laid.arena)
    return _decoder(laid, runs)._replace(encoder=encoder)


def _segments(runs: Runs, arena: Arena) -> EncoderInput:
    """Returns tokens, segments and positions of rows."""
    segments = np.repeat(runs.segments, runs.sizes)
    addresses = np.repeat(runs.shifts, runs.sizes)
    addresses += _counted(segments.size, np.int64)
    begins = np.repeat(runs.begins.astype(np.int32), runs.sizes)
    positions = np.subtract(_counted(segments.size, np.int32), begins, out=begins)
    taken = np.empty(segments.size, arena.tokens.dtype)
    arena.take(addresses, taken)
    rows = EncoderInput(
        *(array.reshape(-1, runs.length) for array in (taken.astype(np.int32), segments, positions))
    )
    most_padding = int(runs.sizes[runs.offsets[1:] - 1].max())
    ends = slice(runs.length - most_padding, None)
    rows.positions[:, ends] *= rows.segments[:, ends] > 0
    return rows


@functools.lru_cache(maxsize=8)
def _counted(size: int, dtype: type[np.signedinteger]) -> np.ndarray:
    """Returns 0, 1, 2, ..., which many batches share."""
    numbers = np.arange(size, dtype=dtype)
    numbers.flags.writeable = False
    return numbers


def _decoder(laid: Laid, runs: Runs) -> SeqBatch:
    """Returns rows of targets, each read one token late."""
    targets, segments, positions = _segments(runs, laid.arena)
    tokens = np.empty(targets.size, np.int32)
    tokens[1:] = targets.reshape(-1)[:-1]
    tokens[runs.begins[runs.is_example]] = laid.layout.start_id
    tokens[runs.begins[~runs.is_example & (runs.sizes > 0)]] = PAD_ID
    weights = (segments > 0).astype(np.float32)
    prefix = np.zeros(targets.shape, np.bool_)
    return SeqBatch(tokens.reshape(targets.shape), targets, weights, segments, positions, prefix)


def _causal(laid: Laid, runs: Runs, prompts: np.ndarray, last_targets: np.ndarray) -> SeqBatch:
    """Returns rows of prompt, end, target, each target read one token early."""
    tokens, segments, positions = _segments(runs, laid.arena)
    targets = np.empty(tokens.size, np.int32)
    targets[:-1] = tokens.reshape(-1)[1:]
    is_there = runs.sizes > 0
    targets[(runs.begins + runs.sizes)[is_there] - 1] = last_targets[is_there]
    halves = np.stack([prompts, runs.sizes - prompts], axis=1).reshape(-1)
    weights = _of_halves(np.float32(laid.layout.loss_on_inputs), np.float32(1), runs, halves)
    if laid.layout.prefix:
        prefix = _of_halves(np.True_, np.False_, runs, halves).reshape(tokens.shape)
    else:
        prefix = np.zeros(tokens.shape, np.bool_)
    return SeqBatch(
        tokens,
        targets.reshape(tokens.shape),
        weights.reshape(tokens.shape),
        segments,
        positions,
        prefix,
    )


def _of_halves(
    prompt: np.generic, target: np.generic, runs: Runs, halves: np.ndarray
) -> np.ndarray:
    """Returns a value for prompt tokens, one for target tokens, 0 for padding."""
    values = np.zeros((len(runs.sizes), 2), prompt.dtype)
    values[runs.is_example] = (prompt, target)
    return np.repeat(values.reshape(-1), halves)
