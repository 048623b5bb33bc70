"""Flash attention with T5's learned bias by distance, for GPU and TPU.

Nothing of size queries x keys reaches the device's memory: the bias comes from
the table of distances, the mask from segment ids, rows and the prefix, and the
gradient of the table is summed inside the kernels. So a packed batch costs no
more memory than a plain one.

Source: Dao et al. 2022, algorithms 1 and 4; bias of Raffel et al. 2020,
section 2.1.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from flanjax.models import flash_blocks as blocks
from flanjax.models import flash_gpu, flash_tpu
from flanjax.models.flash_blocks import FlashSpec, Operands, Tile, Tiles


class Platform(NamedTuple):
    """What a platform does its own way.

    Attributes:
      kernels: Its module of kernels.
      tiles: Blocks that serve most sizes.
      min_rows: Rows of the smallest block.
      widths: A head's channels are padded to a power of two from here; 0 to
        leave them.
    """

    kernels: ModuleType
    tiles: Tiles
    min_rows: int
    min_width: int


PLATFORMS = {
    "gpu": Platform(
        flash_gpu,
        Tiles(
            forward=Tile(128, 64, 4, 3),
            queries=Tile(64, 64, 4, 3),
            keys=Tile(64, 64, 4, 3),
            table=Tile(64, 64, 4, 3),
        ),
        min_rows=16,
        min_width=16,
    ),
    "tpu": Platform(
        flash_tpu,
        Tiles(
            forward=Tile(512, 512),
            queries=Tile(512, 512),
            keys=Tile(512, 512),
            table=Tile(512, 512),
        ),
        min_rows=128,
        min_width=0,
    ),
}


def flash_attention(
    q_BTHC: jax.Array,
    k_BSKC: jax.Array,
    v_BSKC: jax.Array,
    *,
    query_segments_BT: jax.Array,
    key_segments_BS: jax.Array,
    scale: float,
    table_NH: jax.Array | None = None,
    max_distance: int = 128,
    is_bidirectional: bool = True,
    is_causal: bool = False,
    prefix_BS: jax.Array | None = None,
    window: int = 0,
    cap: float = 0.0,
    platform: str | None = None,
    tiles: Tiles | None = None,
    interpret: bool = False,
) -> jax.Array:
    platform_ = PLATFORMS[platform or jax.default_backend()]
    buckets = ()
    if table_NH is not None:
        buckets = blocks.bucket_intervals(
            num_buckets=table_NH.shape[0],
            max_distance=max_distance,
            is_bidirectional=is_bidirectional,
        )
    num_queries, num_keys = q_BTHC.shape[1], k_BSKC.shape[1]
    tiles = Tiles(*(_shrunk(tile, num_queries, num_keys, platform_.min_rows) for tile in tiles or platform_.tiles))
    spec = FlashSpec(
        scale=scale,
        cap=cap,
        is_causal=is_causal,
        window=window,
        buckets=buckets,
        tiles=tiles,
        interpret=interpret,
    )
    queries = _multiple(num_queries, [tile.q for tile in tiles])
    keys = _multiple(num_keys, [tile.k for tile in tiles])
    width = max(pl.next_power_of_2(q_BTHC.shape[-1]), 16)
    since_BS = None
    if prefix_BS is not None:
        rows_S = jnp.arange(num_keys, dtype=jnp.int32)
        since_BS = _pad(jnp.where(prefix_BS, 0, rows_S), 1, keys, 2**30)
    key_segments_BS = jnp.where(key_segments_BS > 0, key_segments_BS, -1)
    args = Operands(
        _pad(_pad(q_BTHC, 1, queries), 3, width),
        _pad(_pad(k_BSKC, 1, keys), 3, width),
        _pad(_pad(v_BSKC, 1, keys), 3, width),
        _pad(query_segments_BT.astype(jnp.int32), 1, queries),
        _pad(key_segments_BS.astype(jnp.int32), 1, keys, -1),
        since_BS,
    )
    out = _attention(platform_.kernels, spec, args, table_NH)
    return out[:, :num_queries, :, : q_BTHC.shape[-1]]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _attention(kernels: Any, spec: FlashSpec, operands: Operands, table_NH: Any) -> jax.Array:
    return _attention_forward(kernels, spec, operands, table_NH)[0]


def _attention_forward(
    kernels: Any, spec: FlashSpec, operands: Operands, table_NH: Any
) -> tuple[jax.Array, Any]:
    if table_NH is not None:
        operands = operands._replace(
            bias=blocks.bias_by_distance(
                table_NH,
                spec.buckets,
                num_queries=operands.q.shape[1],
                num_keys=operands.k.shape[1],
            )
        )
    out, lse = kernels.forward(spec, operands)
    return out, (operands, out, lse)


def _attention_backward(kernels: Any, spec: FlashSpec, kept: Any, dout: jax.Array) -> tuple[Any, Any]:
    operands, out, lse = kept
    delta = jnp.einsum("bthc,bthc->bht", out.astype(jnp.float32), dout.astype(jnp.float32))
    operands = operands._replace(dout=dout, lse=lse, delta=delta)
    dq = kernels.query_grads(spec, operands)
    dk, dv = kernels.key_grads(spec, operands)
    dtable = kernels.table_grad(spec, operands) if spec.buckets else None
    return Operands(dq, dk, dv, None, None), dtable


_attention.defvjp(_attention_forward, _attention_backward)


def _shrunk(tile: Tile, num_queries: int, num_keys: int, least: int) -> Tile:
    q = min(tile.q, max(pl.next_power_of_2(num_queries), least))
    return tile._replace(q=q, k=min(tile.k, max(pl.next_power_of_2(num_keys), least)))


def _multiple(length: int, sizes: list[int]) -> int:
    return pl.cdiv(length, max(sizes)) * max(sizes)


def _pad(x: jax.Array, axis: int, length: int, value: int = 0) -> jax.Array:
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, length - x.shape[axis])
    return jnp.pad(x, widths, constant_values=value)
