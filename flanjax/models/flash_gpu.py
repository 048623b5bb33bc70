"""Flash attention as Pallas kernels that lower through Triton (Ampere and later).

One program owns a block of rows and loops over the blocks it meets, so that
sums stay in registers.

The gradient of the table has a kernel of its own, in which a program owns a
block of logits and loops over the rows that visit it: sums over distances are slow here
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
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from flanjax.models import flash_blocks as blocks
from flanjax.models import flash_gpu_loads as loads
from flanjax.models import flash_softmax as softmaxes
from flanjax.models.flash_blocks import Axis, Exponential, FlashSpec, Operands, Tile, whole
from flanjax.models.flash_softmax import Softmax

_LOG2_E = math.log2(math.e)
_MIN_PROGRAMS = 512
"""Programs that keep every multiprocessor busy: H200 has 132, and each takes a few."""


def exponential(*, interpret: bool) -> Exponential:
    """Returns powers of two, which the hardware has an instruction for."""
    return Exponential(_LOG2_E, jnp.exp2 if interpret else _power_of_two)


def _power_of_two(x: jax.Array) -> jax.Array:
    """Returns 2**x within 2 ulp; what is denormal is 0 (PTX ISA, ex2)."""
    (power,) = triton.elementwise_inline_asm(
        "ex2.approx.ftz.f32 $0, $1;",
        args=[x],
        constraints="=f,f",
        pack=1,
        result_shape_dtypes=[jax.ShapeDtypeStruct(x.shape, x.dtype)],
    )
    return power


def forward(spec: FlashSpec, operands: Operands) -> tuple[jax.Array, jax.Array]:
    """Returns the output [B, T, H, C] and the log-sum-exp, float32 [B, H, T]."""
    tile, axes = spec.tiles.forward, loads.axes_of(operands)
    num_rows, num_queries, num_heads, _ = operands.q.shape
    ranges, _ = blocks.block_ranges(spec, operands, tile)
    axes |= loads.by_query_block(operands, tile)
    lse = jax.ShapeDtypeStruct((num_rows, num_heads, num_queries), jnp.float32)
    return loads.call(
        functools.partial(_forward_kernel, spec, num_queries),
        "flash_forward",
        (num_queries // tile.q, num_rows, num_heads),
        (*ranges, operands),
        (blocks.block_spec("BI", axes), blocks.block_spec("BI", axes), loads.specs(operands, axes)),
        (loads.like(operands.q), lse),
        (blocks.block_spec("BTHC", axes), blocks.block_spec("BHT", axes)),
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
        bias = loads.bias(spec, refs.bias, (), num_queries, tile, i, j, key_rows - query_rows)
        return softmaxes.add_keys(spec, so_far, dots, bias, seen, refs.v[at, :])

    softmax = softmaxes.empty_softmax(*q.shape, has_columns=False)
    softmax = lax.fori_loop(first_ref[i], stop_ref[i], add, softmax)
    out, lse = softmaxes.finish(spec, softmax)
    out_ref[...] = out.astype(out_ref.dtype)
    lse_ref[...] = lse


def query_grads(spec: FlashSpec, operands: Operands) -> jax.Array:
    """Returns the gradient of the queries, [B, T, H, C]."""
    tile = spec.tiles.queries
    num_rows, num_queries, num_heads, _ = operands.q.shape
    ranges, _ = blocks.block_ranges(spec, operands, tile)
    axes = loads.axes_of(operands) | loads.by_query_block(operands, tile)
    return loads.call(
        functools.partial(_query_grads_kernel, spec, num_queries),
        "flash_query_grads",
        (num_queries // tile.q, num_rows, num_heads),
        (*ranges, operands),
        (blocks.block_spec("BI", axes), blocks.block_spec("BI", axes), loads.specs(operands, axes)),
        loads.like(operands.q),
        blocks.block_spec("BTHC", axes),
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
        bias = loads.bias(spec, refs.bias, (), num_queries, tile, i, j, key_rows - query_rows)
        dots, dweights = blocks.product(q, k, 1, 1), blocks.product(dout, refs.v[at, :], 1, 1)
        grads = softmaxes.block_grads(spec, dots, bias, seen, dweights, lse, delta)
        return dq + blocks.product(grads.ddots.astype(k.dtype), k, 1, 0)

    dq = jnp.zeros(q.shape, jnp.float32)
    dq = lax.fori_loop(first_ref[i], stop_ref[i], add, dq) * spec.scale
    dq_ref[...] = dq.astype(dq_ref.dtype)


def key_grads(spec: FlashSpec, operands: Operands) -> tuple[jax.Array, jax.Array]:
    """Returns the gradients of keys and values, [B, S, K, C] each.

    Blocks of logits lie keys by queries, so that no product needs a transpose
    of what was just computed.
    """
    tile = spec.tiles.keys
    num_rows, num_queries, num_heads, _ = operands.q.shape
    num_keys, num_kv_heads = operands.k.shape[1:3]
    _, ranges = blocks.block_ranges(spec, operands, tile)
    axes = loads.axes_of(operands) | {
        "B": Axis(None, lambda j, b, h: b),
        "S": Axis(tile.k, lambda j, b, h: j),
        "J": whole(num_keys // tile.k),
        "K": Axis(None, lambda j, b, h: h),
        "H": Axis(num_heads // num_kv_heads, lambda j, b, h: h),
    }
    return loads.call(
        functools.partial(_key_grads_kernel, spec, num_queries),
        "flash_key_grads",
        (num_keys // tile.k, num_rows, num_kv_heads),
        (*ranges, operands),
        (blocks.block_spec("BJ", axes), blocks.block_spec("BJ", axes), loads.specs(operands, axes)),
        (loads.like(operands.k), loads.like(operands.v)),
        (blocks.block_spec("BSKC", axes), blocks.block_spec("BSKC", axes)),
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
        bias = loads.bias(spec, refs.bias, (head,), num_queries, tile, i, j, key_rows - query_rows)
        dots, dweights = blocks.product(k, q, 1, 1), blocks.product(v, dout, 1, 1)
        lse, delta = refs.lse[head, at][None, :], refs.delta[head, at][None, :]
        grads = softmaxes.block_grads(spec, dots, bias, seen, dweights, lse, delta)
        dk, dv = sums
        return (
            dk + blocks.product(grads.ddots.astype(q.dtype), q, 1, 0),
            dv + blocks.product(grads.weights.astype(dout.dtype), dout, 1, 0),
        )

    def add_head(head: Any, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        return lax.fori_loop(first_ref[j], stop_ref[j], functools.partial(add, head), sums)

    zeros = jnp.zeros(k.shape, jnp.float32)
    dk, dv = lax.fori_loop(0, refs.q.shape[1], add_head, (zeros, zeros))
    dk_ref[...] = (dk * spec.scale).astype(dk_ref.dtype)
    dv_ref[...] = dv.astype(dv_ref.dtype)


def table_grad(spec: FlashSpec, operands: Operands) -> jax.Array:
    """Returns the gradient of the table of distances, float32 [N, H]."""
    tile = spec.tiles.table
    num_rows, num_queries, num_heads, _ = operands.q.shape
    num_keys, num_kv_heads = operands.k.shape[1:3]
    grid = (num_queries // tile.q, num_keys // tile.k, num_heads)
    num_parts = _batch_parts(num_rows, math.prod(grid))
    width = pl.next_power_of_2(len(spec.buckets))
    axes = loads.axes_of(operands) | {
        "B": whole(num_rows),
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
    sums_IJHPW = loads.call(
        functools.partial(_table_grad_kernel, spec, num_queries, num_parts),
        "flash_table_grad",
        (*grid, num_parts),
        (jnp.asarray(spec.buckets), *_active_rows(spec, operands, tile), operands),
        (
            blocks.block_spec("N2", axes),
            blocks.block_spec("IJB", axes),
            blocks.block_spec("IJ", axes),
            loads.specs(operands, axes),
        ),
        jax.ShapeDtypeStruct((*grid, num_parts, width), jnp.float32),
        blocks.block_spec("IJHPW", axes),
        tile,
        spec.interpret,
    )
    return sums_IJHPW.sum((0, 1, 3)).T[: len(spec.buckets)]


def _batch_parts(num_rows: int, num_programs: int) -> int:
    """Returns into how many parts the batch falls, so that no processor idles."""
    return min(num_rows, -(-_MIN_PROGRAMS // num_programs))


def _active_rows(spec: FlashSpec, operands: Operands, tile: Tile) -> tuple[jax.Array, jax.Array]:
    """Returns the rows that visit each block: int32 [I, J, B], and how many, [I, J].

    They come first. A loop over them has no branch, and only so are loads begun ahead.
    """
    (first_BI, stop_BI), _ = blocks.block_ranges(spec, operands, tile)
    columns_J = np.arange(operands.k.shape[1] // tile.k)
    active_BIJ = (first_BI[:, :, None] <= columns_J) & (columns_J < stop_BI[:, :, None])
    active_IJB = jnp.transpose(active_BIJ, (1, 2, 0))
    return (
        jnp.argsort(~active_IJB, axis=-1, stable=True).astype(jnp.int32),
        active_IJB.sum(-1, dtype=jnp.int32),
    )


def _table_grad_kernel(
    spec: FlashSpec,
    num_queries: int,
    num_parts: int,
    buckets_ref: Any,
    order_ref: Any,
    count_ref: Any,
    refs: Operands,
    out_ref: Any,
) -> None:
    i, j, tile = pl.program_id(0), pl.program_id(1), spec.tiles.table
    query_rows, key_rows = blocks.rows(i, tile.q, 0), blocks.rows(j, tile.k, 1)
    bias = loads.bias(spec, refs.bias, (), num_queries, tile, i, j, key_rows - query_rows)

    def add(n: Any, dbias: jax.Array) -> jax.Array:
        b = order_ref[n]
        since = None if refs.since is None else refs.since[b, :][None, :]
        seen = blocks.visible(
            spec,
            query_rows,
            key_rows,
            refs.query_segments[b, :][:, None],
            refs.key_segments[b, :][None, :],
            since,
        )
        dots = blocks.product(refs.q[b, :, :], refs.k[b, :, :], 1, 1)
        dweights = blocks.product(refs.dout[b, :, :], refs.v[b, :, :], 1, 1)
        lse, delta = refs.lse[b, :][:, None], refs.delta[b, :][:, None]
        return dbias + softmaxes.block_grads(spec, dots, bias, seen, dweights, lse, delta).dlogits

    part, count = pl.program_id(3), count_ref[...]
    first, stop = part * count // num_parts, (part + 1) * count // num_parts
    dbias = jnp.zeros((tile.q, tile.k), jnp.float32)
    dbias = lax.fori_loop(first, stop, add, dbias)
    ends = blocks.distance_range(tile, i, j)
    sums = blocks.sum_by_bucket(buckets_ref, key_rows - query_rows, ends, dbias, out_ref.shape[0])
    out_ref[...] = sums[0]
