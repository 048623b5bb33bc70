"""How GPU kernels of flash attention are given their blocks.

The bias is a gather: a block of logits has few distinct distances, which lie in
a cache line or two, and the load runs beside the matrix products.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from flanjax.models import flash_blocks as blocks
from flanjax.models.flash_blocks import Axis, FlashSpec, Operands, Tile, whole

_LETTERS = Operands(
    q="BTHC",
    k="BSKC",
    v="BSKC",
    query_segments="BT",
    key_segments="BS",
    since="BS",
    bias="HD",
    dout="BTHC",
    lse="BHT",
    delta="BHT",
)


def bias(
    spec: FlashSpec,
    ref: Any,
    head: tuple[Any, ...],
    num_queries: int,
    tile: Tile,
    i: Any,
    j: Any,
    distances: jax.Array,
) -> Any:
    """Returns the bias of a block: a gather near the diagonal, else one number.

    The gather stands in a branch also so that Triton does not pipeline it: each
    stage would hold a block of float32 in shared memory.
    """
    if ref is None:
        return None
    least, most = blocks.distance_range(tile, i, j)
    below, above = blocks.constant_beyond(spec.buckets)
    return lax.cond(
        (most <= below) | (least >= above),
        lambda: jnp.full(distances.shape, ref[*head, least + num_queries]),
        lambda: ref[*head, distances + num_queries],
    )


def axes_of(operands: Operands) -> dict[str, Axis]:
    """Returns every axis uncut."""
    num_queries, num_heads, width = operands.q.shape[1:]
    num_keys, num_kv_heads = operands.k.shape[1:3]
    sizes = {"T": num_queries, "H": num_heads, "C": width, "S": num_keys, "K": num_kv_heads}
    return {letter: whole(size) for letter, size in sizes.items()} | {
        "D": whole(num_queries + num_keys)
    }


def by_query_block(operands: Operands, tile: Tile) -> dict[str, Axis]:
    """Returns the axes of a grid (query blocks, rows, query heads)."""
    _, num_queries, num_heads, _ = operands.q.shape
    group = num_heads // operands.k.shape[2]
    return {
        "B": Axis(None, lambda i, b, h: b),
        "T": Axis(tile.q, lambda i, b, h: i),
        "I": whole(num_queries // tile.q),
        "H": Axis(None, lambda i, b, h: h),
        "K": Axis(None, lambda i, b, h: h // group),
    }


def specs(operands: Operands, axes: dict[str, Axis]) -> Operands:
    return Operands(
        *(
            None if operand is None else blocks.block_spec(letters, axes)
            for letters, operand in zip(_LETTERS, operands, strict=True)
        )
    )


def like(x: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype)


def call(
    kernel: Any,
    name: str,
    grid: tuple[int, ...],
    operands: Any,
    in_specs: Any,
    out_shape: Any,
    out_specs: Any,
    tile: Tile,
    interpret: bool,
) -> Any:
    return pl.pallas_call(
        kernel,
        grid=grid,
        in_specs=in_specs,
        out_specs=out_specs,
        out_shape=out_shape,
        compiler_params=triton.CompilerParams(num_warps=tile.num_warps, num_stages=tile.num_stages),
        interpret=interpret,
        name=name,
    )(*operands)
