"""Flash attention as Pallas kernels that lower through Triton (Ampere and later).

One program owns a block of rows and loops over the blocks it meets, so that
sums stay in registers. The bias is a gather: a block of logits has few distinct
distances, which lie in a cache line or two, and the load runs beside the matrix
products.

The gradient of the table has a kernel of its own, in which a program owns a
block of logits and loops over the batch: sums over distances are slow here
(no scatter but atomic additions, many to one address), so the batch is summed
first. That costs two more matrix products a block, and only where there is a
table.

jax 0.11.2 warns, once a kernel is lowered, that this way through Triton is
deprecated; what it names instead, Mosaic GPU, runs on Hopper and later.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from flanjax.models import flash_blocks as blocks
from flanjax.models.flash_blocks import Axis, FlashSpec, Operands, Softmax, Tile, whole

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
_MIN_PROGRAMS = 512
"""Programs that keep every multiprocessor busy: H200 has 132, and each takes a few."""


def forward(spec: FlashSpec, operands: Operands) -> tuple[jax.Array, jax.Array]:
    """Returns the output [B, T, H, C] and the log-sum-exp, float32 [B, H, T]."""
    tile, axes = spec.tiles.forward, _axes(operands)
    num_rows, num_queries, num_heads, _ = operands.q.shape
    ranges, _ = blocks.block_ranges(spec, operands, tile)
    axes |= _by_query_block(operands, tile)
    lse = jax.ShapeDtypeStruct((num_rows, num_heads, num_queries), jnp.float32)
    return _call(
        functools.partial(_forward_kernel, spec, num_queries),
        "flash_forward",
        (num_queries // tile.q, num_rows, num_heads),
        (*ranges, operands),
        (_spec("BI", axes), _spec("BI", axes), _specs(operands, axes)),
        (_like(operands.q), lse),
        (_spec("BTHC", axes), _spec("BHT", axes)),
        tile,
        spec.interpret,
    )


def _forward_kernel(
    spec: FlashSpec,
    num_queries: int,
    first_ref: Any,
    stop_ref: Any,
    refs: Operands,
    out_ref: Any,
    lse_ref: Any,
) -> None:
    i, tile = pl.program_id(0), spec.tiles.forward
    q, query_segments = refs.q[...], refs.query_segments[...][:, None]
    query_rows = blocks.rows(i, tile.q, 0)

    def add(j: Any, so_far: Softmax) -> Softmax:
        at = pl.ds(j * tile.k, tile.k)
        key_rows = blocks.rows(j, tile.k, 1)
        dots = blocks.product(q, refs.k[at, :], 1, 1)
        since = None if refs.since is None else refs.since[at][None, :]
        seen = blocks.visible(
            spec, query_rows, key_rows, query_segments, refs.key_segments[at][None, :], since
        )
        bias = _bias(spec, refs.bias, (), num_queries, tile, i, j, key_rows - query_rows)
        return blocks.add_keys(spec, so_far, dots, bias, seen, refs.v[at, :])

    softmax = blocks.empty_softmax(*q.shape)
    softmax = lax.fori_loop(first_ref[i], stop_ref[i], add, softmax)
    out, lse = blocks.finish(softmax)
    out_ref[...] = out.astype(out_ref.dtype)
    lse_ref[...] = lse[:, 0]


def query_grads(spec: FlashSpec, operands: Operands) -> jax.Array:
    """Returns the gradient of the queries, [B, T, H, C]."""
    tile = spec.tiles.queries
    num_rows, num_queries, num_heads, _ = operands.q.shape
    ranges, _ = blocks.block_ranges(spec, operands, tile)
    axes = _axes(operands) | _by_query_block(operands, tile)
    return _call(
        functools.partial(_query_grads_kernel, spec, num_queries),
        "flash_query_grads",
        (num_queries // tile.q, num_rows, num_heads),
        (*ranges, operands),
        (_spec("BI", axes), _spec("BI", axes), _specs(operands, axes)),
        _like(operands.q),
        _spec("BTHC", axes),
        tile,
        spec.interpret,
    )


def _query_grads_kernel(
    spec: FlashSpec, num_queries: int, first_ref: Any, stop_ref: Any, refs: Operands, dq_ref: Any
) -> None:
    i, tile = pl.program_id(0), spec.tiles.queries
    q, dout, query_segments = refs.q[...], refs.dout[...], refs.query_segments[...][:, None]
    lse, delta = refs.lse[...][:, None], refs.delta[...][:, None]
    query_rows = blocks.rows(i, tile.q, 0)

    def add(j: Any, dq: jax.Array) -> jax.Array:
        at = pl.ds(j * tile.k, tile.k)
        k, key_rows = refs.k[at, :], blocks.rows(j, tile.k, 1)
        since = None if refs.since is None else refs.since[at][None, :]
        seen = blocks.visible(
            spec, query_rows, key_rows, query_segments, refs.key_segments[at][None, :], since
        )
        bias = _bias(spec, refs.bias, (), num_queries, tile, i, j, key_rows - query_rows)
        dots, dweights = blocks.product(q, k, 1, 1), blocks.product(dout, refs.v[at, :], 1, 1)
        grads = blocks.block_grads(spec, dots, bias, seen, dweights, lse, delta)
        return dq + blocks.product(grads.ddots.astype(k.dtype), k, 1, 0)

    dq = jnp.zeros(q.shape, jnp.float32)
    dq_ref[...] = lax.fori_loop(first_ref[i], stop_ref[i], add, dq).astype(dq_ref.dtype)


def key_grads(spec: FlashSpec, operands: Operands) -> tuple[jax.Array, jax.Array]:
    """Returns the gradients of keys and values, [B, S, K, C] each.

    Blocks of logits lie keys by queries, so that no product needs a transpose
    of what was just computed.
    """
    tile = spec.tiles.keys
    num_rows, num_queries, num_heads, _ = operands.q.shape
    num_keys, num_kv_heads = operands.k.shape[1:3]
    _, ranges = blocks.block_ranges(spec, operands, tile)
    axes = _axes(operands) | {
        "B": Axis(None, lambda j, b, h: b),
        "S": Axis(tile.k, lambda j, b, h: j),
        "J": whole(num_keys // tile.k),
        "K": Axis(None, lambda j, b, h: h),
        "H": Axis(num_heads // num_kv_heads, lambda j, b, h: h),
    }
    return _call(
        functools.partial(_key_grads_kernel, spec, num_queries),
        "flash_key_grads",
        (num_keys // tile.k, num_rows, num_kv_heads),
        (*ranges, operands),
        (_spec("BJ", axes), _spec("BJ", axes), _specs(operands, axes)),
        (_like(operands.k), _like(operands.v)),
        (_spec("BSKC", axes), _spec("BSKC", axes)),
        tile,
        spec.interpret,
    )


def _key_grads_kernel(
    spec: FlashSpec,
    num_queries: int,
    first_ref: Any,
    stop_ref: Any,
    refs: Operands,
    dk_ref: Any,
    dv_ref: Any,
) -> None:
    j, tile = pl.program_id(0), spec.tiles.keys
    k, v, key_segments = refs.k[...], refs.v[...], refs.key_segments[...][:, None]
    key_rows = blocks.rows(j, tile.k, 0)
    since = None if refs.since is None else refs.since[...][:, None]

    def add(head: Any, i: Any, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        at, query_rows = pl.ds(i * tile.q, tile.q), blocks.rows(i, tile.q, 1)
        q, dout = refs.q[at, head, :], refs.dout[at, head, :]
        seen = blocks.visible(
            spec, query_rows, key_rows, refs.query_segments[at][None, :], key_segments, since
        )
        bias = _bias(spec, refs.bias, (head,), num_queries, tile, i, j, key_rows - query_rows)
        dots, dweights = blocks.product(k, q, 1, 1), blocks.product(v, dout, 1, 1)
        lse, delta = refs.lse[head, at][None, :], refs.delta[head, at][None, :]
        grads = blocks.block_grads(spec, dots, bias, seen, dweights, lse, delta)
        dk, dv = sums
        return (
            dk + blocks.product(grads.ddots.astype(q.dtype), q, 1, 0),
            dv + blocks.product(grads.weights.astype(dout.dtype), dout, 1, 0),
        )

    def add_head(head: Any, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        return lax.fori_loop(first_ref[j], stop_ref[j], functools.partial(add, head), sums)

    zeros = jnp.zeros(k.shape, jnp.float32)
    dk, dv = lax.fori_loop(0, refs.q.shape[1], add_head, (zeros, zeros))
    dk_ref[...] = dk.astype(dk_ref.dtype)
    dv_ref[...] = dv.astype(dv_ref.dtype)


def table_grad(spec: FlashSpec, operands: Operands) -> jax.Array:
    """Returns the gradient of the table of distances, float32 [N, H]."""
    tile = spec.tiles.table
    num_rows, num_queries, num_heads, _ = operands.q.shape
    num_keys, num_kv_heads = operands.k.shape[1:3]
    grid = (num_queries // tile.q, num_keys // tile.k, num_heads)
    num_parts = _batch_parts(num_rows, math.prod(grid))
    width = pl.next_power_of_2(len(spec.buckets))
    axes = _axes(operands) | {
        "B": Axis(num_rows // num_parts, lambda i, j, h, part: part),
        "T": Axis(tile.q, lambda i, j, h, part: i),
        "S": Axis(tile.k, lambda i, j, h, part: j),
        "I": Axis(None, lambda i, j, h, part: i),
        "J": Axis(None, lambda i, j, h, part: j),
        "H": Axis(None, lambda i, j, h, part: h),
        "K": Axis(None, lambda i, j, h, part: h // (num_heads // num_kv_heads)),
        "P": Axis(None, lambda i, j, h, part: part),
        "N": whole(len(spec.buckets)),
        "2": whole(2),
        "W": whole(width),
    }
    (first_BI, stop_BI), _ = blocks.block_ranges(spec, operands, tile)
    sums_IJHPW = _call(
        functools.partial(_table_grad_kernel, spec, num_queries),
        "flash_table_grad",
        (*grid, num_parts),
        (jnp.asarray(spec.buckets), first_BI, stop_BI, operands),
        (_spec("N2", axes), _spec("BI", axes), _spec("BI", axes), _specs(operands, axes)),
        jax.ShapeDtypeStruct((*grid, num_parts, width), jnp.float32),
        _spec("IJHPW", axes),
        tile,
        spec.interpret,
    )
    return sums_IJHPW.sum((0, 1, 3)).T[: len(spec.buckets)]


def _batch_parts(num_rows: int, num_programs: int) -> int:
    """Returns into how many equal parts the batch falls, so that no processor idles."""
    parts = [part for part in range(1, num_rows + 1) if num_rows % part == 0]
    return next((part for part in parts if part * num_programs >= _MIN_PROGRAMS), num_rows)


def _table_grad_kernel(
    spec: FlashSpec,
    num_queries: int,
    buckets_ref: Any,
    first_ref: Any,
    stop_ref: Any,
    refs: Operands,
    out_ref: Any,
) -> None:
    i, j, tile = pl.program_id(0), pl.program_id(1), spec.tiles.table
    query_rows, key_rows = blocks.rows(i, tile.q, 0), blocks.rows(j, tile.k, 1)
    bias = _bias(spec, refs.bias, (), num_queries, tile, i, j, key_rows - query_rows)

    def add(b: Any, dbias: jax.Array) -> jax.Array:
        since = None if refs.since is None else refs.since[b, :][None, :]
        seen = blocks.visible(
            spec,
            query_rows,
            key_rows,
            refs.query_segments[b, :][:, None],
            refs.key_segments[b, :][None, :],
            since,
        )
        dots = blocks.product(refs.q[b], refs.k[b], 1, 1)
        dweights = blocks.product(refs.dout[b], refs.v[b], 1, 1)
        lse, delta = refs.lse[b, :][:, None], refs.delta[b, :][:, None]
        return dbias + blocks.block_grads(spec, dots, bias, seen, dweights, lse, delta).dlogits

    def add_if_any(b: Any, dbias: jax.Array) -> jax.Array:
        is_active = (first_ref[b] <= j) & (j < stop_ref[b])
        return lax.cond(is_active, functools.partial(add, b), lambda dbias: dbias, dbias)

    dbias = jnp.zeros((tile.q, tile.k), jnp.float32)
    dbias = lax.fori_loop(0, refs.q.shape[0], add_if_any, dbias)
    ends = blocks.distance_range(tile, i, j)
    sums = blocks.sum_by_bucket(buckets_ref, key_rows - query_rows, ends, dbias, out_ref.shape[0])
    out_ref[...] = sums[0]


def _bias(
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
        return 0.0
    least, most = blocks.distance_range(tile, i, j)
    below, above = blocks.constant_beyond(spec.buckets)
    return lax.cond(
        (most <= below) | (least >= above),
        lambda: jnp.full(distances.shape, ref[*head, least + num_queries]),
        lambda: ref[*head, distances + num_queries],
    )


def _axes(operands: Operands) -> dict[str, Axis]:
    """Returns every axis uncut."""
    num_queries, num_heads, width = operands.q.shape[1:]
    num_keys, num_kv_heads = operands.k.shape[1:3]
    sizes = {"T": num_queries, "H": num_heads, "C": width, "S": num_keys, "K": num_kv_heads}
    return {letter: whole(size) for letter, size in sizes.items()} | {
        "D": whole(num_queries + num_keys)
    }


def _by_query_block(operands: Operands, tile: Tile) -> dict[str, Axis]:
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


def _spec(letters: str, axes: dict[str, Axis]) -> pl.BlockSpec:
    return blocks.block_spec(letters, axes)


def _specs(operands: Operands, axes: dict[str, Axis]) -> Operands:
    return Operands(
        *(
            None if operand is None else blocks.block_spec(letters, axes)
            for letters, operand in zip(_LETTERS, operands, strict=True)
        )
    )


def _like(x: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype)


def _call(
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
