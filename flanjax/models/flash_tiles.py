"""How large the blocks of flash attention are: a table by platform and head width.

Those of GPUs of up to 128 channels, but for the table's, are within 3 % of the
fastest of a sweep on an H200 in bfloat16. The others were chosen by no clock:
on GPUs by what Triton reports, that no register is spilled (compute capability
9.0), on TPUs by the room that v5e has.
`benchmarks/gpu/attention_kernels.py --sweep` times others.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from jax.experimental import pallas as pl

from flanjax.models.flash_blocks import Tile, Tiles

PlatformName: TypeAlias = Literal["gpu", "tpu"]

TILES: dict[PlatformName, dict[int, Tiles]] = {
    "gpu": {
        64: Tiles(
            forward=Tile(64, 64, 4, 2),
            queries=Tile(64, 64, 4, 2),
            keys=Tile(64, 64, 4, 3),
            table=Tile(64, 64, 4, 3),
        ),
        128: Tiles(
            forward=Tile(64, 64, 4, 3),
            queries=Tile(64, 64, 4, 2),
            keys=Tile(32, 64, 4, 3),
            table=Tile(64, 64, 4, 1),
        ),
        256: Tiles(
            forward=Tile(64, 64, 8, 2),
            queries=Tile(64, 32, 8, 2),
            keys=Tile(32, 64, 8, 2),
            table=Tile(64, 64, 4, 1),
        ),
    },
    "tpu": {
        256: Tiles(
            forward=Tile(512, 512),
            queries=Tile(512, 512),
            keys=Tile(512, 512),
            table=Tile(512, 512),
        ),
    },
}
"""By the widest head that they serve, in channels."""

_MIN_ROWS = {"gpu": 16, "tpu": 128}
"""Rows of the smallest block: of a matrix product, and of a register's lanes."""


def tiles_for(platform: PlatformName, num_queries: int, num_keys: int, width: int) -> Tiles:
    """Returns the tiles of heads this wide, no longer than the lengths need.

    Raises:
      ValueError: If heads are wider than any that the table serves.
    """
    served = [widest for widest in sorted(TILES[platform]) if width <= widest]
    if not served:
        raise ValueError(
            f"heads must have at most {max(TILES[platform])} channels, got {width}; pass tiles."
        )

    def rows(most: int, length: int) -> int:
        return min(most, max(pl.next_power_of_2(length), _MIN_ROWS[platform]))

    return Tiles(
        *(
            tile._replace(q=rows(tile.q, num_queries), k=rows(tile.k, num_keys))
            for tile in TILES[platform][served[0]]
        )
    )
