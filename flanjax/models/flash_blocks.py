"""What the flash attention kernels of every platform share: one block of logits.

A block is a tile of the logits, queries by keys or keys by queries: all that is
computed here is elementwise, on operands that broadcast against the tile, so
that it holds for both. Nothing here knows how a platform loads its operands.

Letters of axes: B rows, T queries, S keys, H query heads, K key heads, C head
channels, N buckets, D distances, I query blocks, J key blocks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl

from flanjax.models.positions import bucket_starts

_NO_SEGMENT = np.iinfo(np.int32).max
_FAR = 2**30


class Tile(NamedTuple):
    """How a kernel cuts the logits, and how Triton runs it.

    Attributes:
      q: Queries of a block.
      k: Keys of a block.
      num_warps: Warps of 32 threads that share a block (GPU).
      num_stages: Blocks that are loaded ahead, itself included (GPU).
    """

    q: int
    k: int
    num_warps: int = 4
    num_stages: int = 2


class Tiles(NamedTuple):
    """The tile of each kernel.

    Attributes:
      forward: Output and log-sum-exp.
      queries: Gradient of the queries.
      keys: Gradients of keys and values.
      table: Gradient of the table of distances.
    """

    forward: Tile
    queries: Tile
    keys: Tile
    table: Tile


class Exponential(NamedTuple):
    """How a platform raises numbers to powers.

    Attributes:
      unit: Logits, biases and log-sum-exps are kept as so many times what they
        are, which costs nothing: logits are scaled anyway.
      power: exp(x / unit).
    """

    unit: float
    power: Callable[[jax.Array], jax.Array]


class Interval(NamedTuple):
    """The distances, key row - query row, that share a bucket; both ends are in."""

    first: int
    last: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlashSpec:
    """What a kernel is compiled for.

    Attributes:
      scale: Factor of the dot products.
      cap: Logits become cap * tanh(logits / cap); 0 leaves them.
      is_causal: Whether keys after the query are hidden, but for the prefix.
      window: Rows apart from which keys are hidden; 0 for never.
      buckets: The distances of each bucket; empty without a table.
      tiles: The tile of each kernel.
      exponential: How weights are made of logits.
      interpret: Whether to run as plain JAX, on any platform.
    """

    scale: float
    cap: float
    is_causal: bool
    window: int
    buckets: tuple[Interval, ...]
    tiles: Tiles
    exponential: Exponential
    interpret: bool


class Operands(NamedTuple):
    """What the kernels read; a field is None where a kernel has no use for it.

    Inside a kernel the fields are references to the blocks it was given.

    Attributes:
      q: [B, T, H, C].
      k: [B, S, K, C].
      v: [B, S, K, C].
      query_segments: int32 [B, T], 0 for padding.
      key_segments: int32 [B, S], -1 for padding, so that it equals no query's.
      since: int32 [B, S], the row from which on queries see a key: its own, or
        0 in a prefix. None where a key's own row is meant, or nothing is causal.
      bias: float32 [H, D], by distance, in the exponential's unit; entry p is
        that of `column - row = p - rows` in a tile of all rows. None for none.
      dout: [B, T, H, C], gradient of the output.
      lse: float32 [B, H, T], log of the sum of exponentiated logits, in the
        exponential's unit.
      delta: float32 [B, H, T], output times its gradient, summed over channels.
    """

    q: Any
    k: Any
    v: Any
    query_segments: Any
    key_segments: Any
    since: Any = None
    bias: Any = None
    dout: Any = None
    lse: Any = None
    delta: Any = None


class Axis(NamedTuple):
    """How one axis is cut into blocks.

    Attributes:
      size: Entries of a block; None for a single one, whose axis is dropped.
      block: From the position in the grid to the number of the block.
    """

    size: int | None
    block: Callable[..., Any]


def whole(size: int) -> Axis:
    """Returns an axis that is not cut."""
    return Axis(size, lambda *grid: 0)


def block_spec(letters: str, axes: Mapping[str, Axis]) -> pl.BlockSpec:
    """Returns how an array is cut whose axes are these letters; "1" has one entry."""
    cuts = [whole(1) if letter == "1" else axes[letter] for letter in letters]
    return pl.BlockSpec(
        tuple(cut.size for cut in cuts), lambda *grid: tuple(cut.block(*grid) for cut in cuts)
    )


def bucket_intervals(
    *, num_buckets: int, max_distance: int, is_bidirectional: bool
) -> tuple[Interval, ...]:
    """Returns the distances of each bucket, as `relative_buckets` numbers them.

    The outermost are endless; one that holds no distance has its first after
    its last.
    """
    num_behind = num_buckets // 2 if is_bidirectional else num_buckets
    starts = bucket_starts(num_behind, max_distance).tolist()
    ends = [start - 1 for start in starts[1:]] + [_FAR]
    behind = [Interval(-end, -start) for start, end in zip(starts, ends, strict=True)]
    if not is_bidirectional:
        return (Interval(0, _FAR), *behind[1:])
    ahead = [Interval(max(start, 1), end) for start, end in zip(starts, ends, strict=True)]
    return (*behind, *ahead)


def bias_by_distance(
    table_NH: jax.Array, buckets: tuple[Interval, ...], *, num_queries: int, num_keys: int
) -> jax.Array:
    """Returns float32 [H, D], of the distances -num_queries ... num_keys - 1."""
    distances_D = np.arange(-num_queries, num_keys)
    bucket_D = np.zeros_like(distances_D)
    for bucket, (first, last) in enumerate(buckets):
        bucket_D[(distances_D >= first) & (distances_D <= last)] = bucket
    return table_NH.astype(jnp.float32)[bucket_D].T


def constant_beyond(buckets: tuple[Interval, ...]) -> tuple[int, int]:
    """Returns (below, above): distances up to and from which the bias is one number."""
    below = max(bucket.last for bucket in buckets if bucket.first == -_FAR)
    return below, min(bucket.first for bucket in buckets if bucket.last == _FAR)


def distance_range(tile: Tile, i: Any, j: Any) -> tuple[Any, Any]:
    """Returns the least and the greatest distance in block (i, j)."""
    least = j * tile.k - i * tile.q - (tile.q - 1)
    return least, least + tile.q + tile.k - 2


def block_ranges(
    spec: FlashSpec, operands: Operands, tile: Tile
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """Returns which blocks hold a visible pair, as ranges that contain them.

    Between the first and the last may lie blocks with none: masks still decide.

    Returns:
      (first, stop) of the key blocks for each query block, int32 [B, I]; then
      those of the query blocks for each key block, int32 [B, J].
    """
    query_segments_BIQ = operands.query_segments.reshape(operands.q.shape[0], -1, tile.q)
    key_segments_BJK = operands.key_segments.reshape(operands.k.shape[0], -1, tile.k)
    low_BI, high_BI = _segment_ends(query_segments_BIQ)
    low_BJ, high_BJ = _segment_ends(key_segments_BJK)
    active_BIJ = low_BI[:, :, None] <= high_BJ[:, None, :]
    active_BIJ &= low_BJ[:, None, :] <= high_BI[:, :, None]
    query_first_I = np.arange(query_segments_BIQ.shape[1], dtype=np.int32) * tile.q
    key_first_J = np.arange(key_segments_BJK.shape[1], dtype=np.int32) * tile.k
    if spec.is_causal:
        since_BJ = key_first_J[None]
        if operands.since is not None:
            since_BJ = operands.since.reshape(key_segments_BJK.shape).min(-1)
        active_BIJ &= (query_first_I + tile.q - 1)[None, :, None] >= since_BJ[:, None, :]
    if spec.window:
        ahead_IJ = key_first_J[None, :] - (query_first_I + tile.q - 1)[:, None]
        behind_IJ = query_first_I[:, None] - (key_first_J + tile.k - 1)[None, :]
        active_BIJ &= np.maximum(ahead_IJ, behind_IJ)[None] < spec.window
    return _range(active_BIJ), _range(jnp.swapaxes(active_BIJ, 1, 2))


def _segment_ends(segments: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.where(segments > 0, segments, _NO_SEGMENT).min(-1), segments.max(-1)


def _range(active: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns (first, stop) over the last axis, (0, 0) where nothing is active."""
    first = jnp.argmax(active, -1).astype(jnp.int32)
    stop = active.shape[-1] - jnp.argmax(active[..., ::-1], -1).astype(jnp.int32)
    return first, jnp.where(active.any(-1), stop, 0)


def product(a: jax.Array, b: jax.Array, a_axis: int, b_axis: int) -> jax.Array:
    """Returns the float32 product of two matrices over one axis of each.

    float32 operands are multiplied as such, not as TF32 or bfloat16.
    """
    precision = lax.Precision.HIGHEST if a.dtype == jnp.float32 else None
    return lax.dot_general(
        a,
        b,
        (((a_axis,), (b_axis,)), ((), ())),
        precision=precision,
        preferred_element_type=jnp.float32,
    )


def rows(block: Any, size: int, axis: int) -> jax.Array:
    """Returns int32 rows of a block, [size, 1] or [1, size]: `axis` runs."""
    shape = (size, 1) if axis == 0 else (1, size)
    return block * size + lax.broadcasted_iota(jnp.int32, shape, axis)


def visible(
    spec: FlashSpec,
    query_rows: jax.Array,
    key_rows: jax.Array,
    query_segments: jax.Array,
    key_segments: jax.Array,
    since: jax.Array | None,
) -> jax.Array:
    """Returns the mask of a block; queries and keys broadcast to it."""
    seen = query_segments == key_segments
    if spec.is_causal:
        seen &= query_rows >= (key_rows if since is None else since)
    if spec.window:
        seen &= jnp.abs(query_rows - key_rows) < spec.window
    return seen


def sum_by_bucket(
    buckets_ref: Any,
    distances: jax.Array,
    ends: tuple[Any, Any],
    dlogits: jax.Array,
    width: int,
) -> jax.Array:
    """Returns float32 [1, width]: a block's sum over the distances of each bucket.

    Masked sums, one for each bucket that the block meets: no platform has a
    fast scatter. The caller sums over the batch first.

    Args:
      buckets_ref: int32 [N, 2], the intervals.
      distances: int32, of the block's shape.
      ends: The least and the greatest of them.
      dlogits: What is summed.
      width: At least N.
    """
    least, most = ends
    lanes = lax.broadcasted_iota(jnp.int32, (1, width), 1)

    def add(bucket: Any, sums: jax.Array) -> jax.Array:
        first, last = buckets_ref[bucket, 0], buckets_ref[bucket, 1]

        def put(sums: jax.Array) -> jax.Array:
            is_inside = (distances >= first) & (distances <= last)
            return jnp.where(lanes == bucket, jnp.where(is_inside, dlogits, 0.0).sum(), sums)

        return lax.cond((first <= most) & (last >= least), put, lambda sums: sums, sums)

    zeros = jnp.zeros((1, width), jnp.float32)
    return lax.fori_loop(0, buckets_ref.shape[0], add, zeros)
