"""Which blocks flash attention visits, of what size, and where buckets lie."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from flanjax.models import flash_blocks, positions
from flanjax.models.flash_blocks import FlashSpec, Operands, Tile, Tiles
from flanjax.models.flash_tiles import tiles_for

TILE = Tile(4, 8)


def visible_pairs(spec: FlashSpec, operands: Operands) -> np.ndarray:
    """Returns bool [B, T, S], pair by pair."""
    num_rows, num_queries = operands.query_segments.shape
    seen_BTS = np.zeros((num_rows, num_queries, operands.key_segments.shape[1]), bool)
    for row, query, key in np.ndindex(seen_BTS.shape):
        since = key if operands.since is None else operands.since[row, key]
        seen_BTS[row, query, key] = (
            operands.query_segments[row, query] == operands.key_segments[row, key]
            and (query >= since or not spec.is_causal)
            and (abs(query - key) < spec.window or not spec.window)
        )
    return seen_BTS


def make_spec(*, is_causal: bool, window: int) -> FlashSpec:
    return FlashSpec(
        scale=1.0,
        cap=0.0,
        is_causal=is_causal,
        window=window,
        buckets=(),
        tiles=Tiles(TILE, TILE, TILE, TILE),
        exponential=flash_blocks.Exponential(1.0, jnp.exp),
        interpret=True,
    )


@pytest.mark.parametrize("seed", range(8))
def test_ranges_of_blocks_hold_every_visible_pair(seed):
    rng = np.random.default_rng(seed)
    sort = np.sort if seed % 2 else np.asarray
    query_segments, key_segments = (sort(rng.integers(0, 4, (3, n))) for n in (16, 24))
    since = rng.integers(0, 24, (3, 24)) if seed % 3 == 0 else None
    key_segments = np.where(key_segments > 0, key_segments, -1)
    empty_q, empty_k = np.zeros((3, 16)), np.zeros((3, 24))
    operands = Operands(empty_q, empty_k, empty_k, query_segments, key_segments, since)
    spec = make_spec(is_causal=seed < 5, window=5 if seed in (2, 6) else 0)
    visible_BIJ = visible_pairs(spec, operands).reshape(3, 4, 4, 3, 8).any((2, 4))
    for (first, stop), visible in zip(
        flash_blocks.block_ranges(spec, operands, TILE),
        (visible_BIJ, visible_BIJ.swapaxes(1, 2)),
        strict=True,
    ):
        blocks = np.arange(visible.shape[2])
        is_inside = (first[..., None] <= blocks) & (blocks < stop[..., None])
        assert visible.any()
        assert not (visible & ~is_inside).any()


def test_blocks_of_other_examples_and_of_later_rows_are_skipped():
    segments = np.array([[1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0]], np.int32)
    x = np.zeros((1, 16))
    operands = Operands(x, x, None, segments, np.where(segments > 0, segments, -1))
    spec = make_spec(is_causal=True, window=0)
    keys, queries = flash_blocks.block_ranges(spec, operands, Tile(4, 4))
    # Query block 1 sees itself, 2 sees 1 and 2, and padding sees nothing.
    np.testing.assert_array_equal(keys, [[[0, 1, 1, 0]], [[1, 2, 3, 0]]])
    np.testing.assert_array_equal(queries, [[[0, 1, 2, 0]], [[1, 3, 3, 0]]])


@pytest.mark.parametrize("is_bidirectional", [True, False])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (8, 12), (4, 3)])
def test_buckets_are_intervals_of_distances(num_buckets, max_distance, is_bidirectional):
    kind = {"num_buckets": num_buckets, "is_bidirectional": is_bidirectional}
    distances_D = np.arange(-300, 300)
    bucket_D = positions.relative_buckets(distances_D, max_distance=max_distance, **kind)
    intervals = flash_blocks.bucket_intervals(max_distance=max_distance, **kind)
    assert len(intervals) == num_buckets
    for bucket, (first, last) in enumerate(intervals):
        expected_D = (distances_D >= first) & (distances_D <= last)
        np.testing.assert_array_equal(bucket_D == bucket, expected_D)


def test_blocks_are_no_longer_than_their_rows():
    for kernel, tile in tiles_for("gpu", 17, 40, 64)._asdict().items():
        assert (tile.q, tile.k) == (32, 64), kernel
    assert tiles_for("tpu", 17, 300, 64).keys == Tile(128, 512)


def test_heads_wider_than_any_tile_was_made_for_are_refused():
    with pytest.raises(ValueError, match="at most 256 channels, got 257"):
        tiles_for("gpu", 512, 512, 257)
