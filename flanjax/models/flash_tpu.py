"""Flash attention as Pallas kernels that lower through Mosaic (TPU).

The innermost axis of the grid runs over the blocks that a block of rows meets,
in sequence, and sums lie in scratch memory. Where a row's range is shorter than
the grid, the last block is named again, so nothing is loaded, and skipped.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu

from flanjax.models import flash_blocks as blocks
from flanjax.models import flash_softmax as softmaxes
from flanjax.models import flash_tpu_loads as loads
from flanjax.models.flash_blocks import Axis, Exponential, FlashSpec, Operands, whole
from flanjax.models.flash_softmax import Softmax


def exponential(*, interpret: bool) -> Exponential:
    """Returns natural powers: powers of two are made of them on a TPU."""
    del interpret
    return Exponential(1.0, jnp.exp)


def forward(spec: FlashSpec, operands: Operands) -> tuple[jax.Array, jax.Array]:
    """Returns the output [B, T, H, C] and the log-sum-exp, float32 [B, H, T]."""
    tile, laid_out = spec.tiles.forward, loads.lay_out(operands)
    num_rows, num_heads, num_queries, width = laid_out.q.shape
    num_key_blocks = operands.k.shape[1] // tile.k
    ranges, _ = blocks.block_ranges(spec, operands, tile)
    axes = loads.axes_of(operands) | loads.by_query_block(operands, tile)
    lse_shape = jax.ShapeDtypeStruct((num_rows, num_heads, 1, num_queries), jnp.float32)
    column = tpu.VMEM((tile.q, 1), jnp.float32)
    out_BHTC, lse_BH1T = loads.call(
        functools.partial(_forward_kernel, spec, num_queries),
        "flash_forward",
        (num_rows, num_heads, num_queries // tile.q, num_key_blocks),
        ranges,
        laid_out,
        axes,
        (jax.ShapeDtypeStruct(laid_out.q.shape, laid_out.q.dtype), lse_shape),
        (blocks.block_spec("BHTC", axes), blocks.block_spec("BH1T", axes)),
        Softmax(tpu.VMEM((tile.q, width), jnp.float32), column, column),
        spec.interpret,
    )
    return jnp.swapaxes(out_BHTC, 1, 2), lse_BH1T[:, :, 0]


def _forward_kernel(
    spec: FlashSpec,
    num_queries: int,
    first_ref: Any,
    stop_ref: Any,
    refs: Operands,
    out_ref: Any,
    lse_ref: Any,
    so_far: Softmax,
) -> None:
    b, i, step, tile = pl.program_id(0), pl.program_id(2), pl.program_id(3), spec.tiles.forward
    j = first_ref[b, i] + step

    @pl.when(step == 0)
    def _start() -> None:
        empty = softmaxes.empty_softmax(*so_far.out.shape, has_columns=True)
        for ref, value in zip(so_far, empty, strict=True):
            ref[...] = value

    @pl.when(j < stop_ref[b, i])
    def _add() -> None:
        seen = loads.visible(spec, refs, i, j, tile)
        bias = loads.toeplitz(refs.bias, i, j, tile.q, tile.k, num_queries)
        dots = blocks.product(refs.q[...], refs.k[...], 1, 1)
        softmax = Softmax(*(ref[...] for ref in so_far))
        softmax = softmaxes.add_keys(spec, softmax, dots, bias, seen, refs.v[...])
        for ref, value in zip(so_far, softmax, strict=True):
            ref[...] = value

    @pl.when(step == pl.num_programs(3) - 1)
    def _finish() -> None:
        out, lse = softmaxes.finish(spec, Softmax(*(ref[...] for ref in so_far)))
        out_ref[...] = out.astype(out_ref.dtype)
        lse_ref[...] = loads.turned(lse)


def query_grads(spec: FlashSpec, operands: Operands) -> jax.Array:
    """Returns the gradient of the queries, [B, T, H, C]."""
    tile, laid_out = spec.tiles.queries, loads.lay_out(operands)
    num_rows, num_heads, num_queries, width = laid_out.q.shape
    num_key_blocks = operands.k.shape[1] // tile.k
    ranges, _ = blocks.block_ranges(spec, operands, tile)
    axes = loads.axes_of(operands) | loads.by_query_block(operands, tile)
    dq_BHTC = loads.call(
        functools.partial(_query_grads_kernel, spec, num_queries),
        "flash_query_grads",
        (num_rows, num_heads, num_queries // tile.q, num_key_blocks),
        ranges,
        laid_out,
        axes,
        jax.ShapeDtypeStruct(laid_out.q.shape, laid_out.q.dtype),
        blocks.block_spec("BHTC", axes),
        (tpu.VMEM((tile.q, width), jnp.float32),),
        spec.interpret,
    )
    return jnp.swapaxes(dq_BHTC, 1, 2)


def _query_grads_kernel(
    spec: FlashSpec,
    num_queries: int,
    first_ref: Any,
    stop_ref: Any,
    refs: Operands,
    dq_ref: Any,
    sums: tuple[Any],
) -> None:
    b, i, step, tile = pl.program_id(0), pl.program_id(2), pl.program_id(3), spec.tiles.queries
    j, (sum_ref,) = first_ref[b, i] + step, sums

    @pl.when(step == 0)
    def _start() -> None:
        sum_ref[...] = jnp.zeros_like(sum_ref)

    @pl.when(j < stop_ref[b, i])
    def _add() -> None:
        ddots = loads.block_grads(spec, refs, i, j, tile, num_queries).ddots
        k = refs.k[...]
        sum_ref[...] += blocks.product(ddots.astype(k.dtype), k, 1, 0)

    @pl.when(step == pl.num_programs(3) - 1)
    def _finish() -> None:
        dq_ref[...] = (sum_ref[...] * spec.scale).astype(dq_ref.dtype)


def key_grads(spec: FlashSpec, operands: Operands) -> tuple[jax.Array, jax.Array]:
    """Returns the gradients of keys and values, [B, S, K, C] each.

    Blocks of logits lie keys by queries, so that no product needs a transpose
    of what was just computed; so do the biases by distance.
    """
    tile, laid_out = spec.tiles.keys, loads.lay_out(operands)
    num_rows, num_kv_heads, num_keys, width = laid_out.k.shape
    num_query_blocks = operands.q.shape[1] // tile.q
    group = operands.q.shape[2] // num_kv_heads
    _, (first_BJ, stop_BJ) = blocks.block_ranges(spec, operands, tile)

    def query_block(b: Any, h: Any, j: Any, step: Any, first_BJ: Any, stop_BJ: Any) -> Any:
        return loads.block_of_step(lax.rem(step, num_query_blocks), first_BJ[b, j], stop_BJ[b, j])

    axes = loads.axes_of(operands) | {
        "B": Axis(None, lambda b, h, j, step, *ranges: b),
        "T": Axis(tile.q, query_block),
        "S": Axis(tile.k, lambda b, h, j, step, *ranges: j),
        "K": Axis(None, lambda b, h, j, step, *ranges: h),
        "H": Axis(None, lambda b, h, j, step, *ranges: h * group + lax.div(step, num_query_blocks)),
    }
    like_k = jax.ShapeDtypeStruct(laid_out.k.shape, laid_out.k.dtype)
    grads_BKSC = loads.call(
        functools.partial(_key_grads_kernel, spec, num_query_blocks, num_keys),
        "flash_key_grads",
        (num_rows, num_kv_heads, num_keys // tile.k, group * num_query_blocks),
        (first_BJ, stop_BJ),
        laid_out._replace(bias=loads.reverse(laid_out.bias)),
        axes,
        (like_k, like_k),
        (blocks.block_spec("BKSC", axes), blocks.block_spec("BKSC", axes)),
        (tpu.VMEM((tile.k, width), jnp.float32),) * 2,
        spec.interpret,
    )
    dk, dv = (jnp.swapaxes(grad, 1, 2) for grad in grads_BKSC)
    return dk, dv


def _key_grads_kernel(
    spec: FlashSpec,
    num_query_blocks: int,
    num_keys: int,
    first_ref: Any,
    stop_ref: Any,
    refs: Operands,
    dk_ref: Any,
    dv_ref: Any,
    sums: tuple[Any, Any],
) -> None:
    b, j, step, tile = pl.program_id(0), pl.program_id(2), pl.program_id(3), spec.tiles.keys
    i = first_ref[b, j] + lax.rem(step, num_query_blocks)

    @pl.when(step == 0)
    def _start() -> None:
        for ref in sums:
            ref[...] = jnp.zeros_like(ref)

    @pl.when(i < stop_ref[b, j])
    def _add() -> None:
        q, dout = refs.q[...], refs.dout[...]
        since = None if refs.since is None else loads.turned(refs.since[...])
        seen = blocks.visible(
            spec,
            blocks.rows(i, tile.q, 1),
            blocks.rows(j, tile.k, 0),
            refs.query_segments[...],
            loads.turned(refs.key_segments[...]),
            since,
        )
        bias = loads.toeplitz(refs.bias, j, i, tile.k, tile.q, num_keys)
        dots = blocks.product(refs.k[...], q, 1, 1)
        dweights = blocks.product(refs.v[...], dout, 1, 1)
        grads = softmaxes.block_grads(
            spec, dots, bias, seen, dweights, refs.lse[...], refs.delta[...]
        )
        dk_sum, dv_sum = sums
        dk_sum[...] += blocks.product(grads.ddots.astype(q.dtype), q, 1, 0)
        dv_sum[...] += blocks.product(grads.weights.astype(dout.dtype), dout, 1, 0)

    @pl.when(step == pl.num_programs(3) - 1)
    def _finish() -> None:
        dk_sum, dv_sum = sums
        dk_ref[...] = (dk_sum[...] * spec.scale).astype(dk_ref.dtype)
        dv_ref[...] = dv_sum[...].astype(dv_ref.dtype)


def table_grad(spec: FlashSpec, operands: Operands) -> jax.Array:
    """Returns the gradient of the table of distances, float32 [N, H].

    The batch is the innermost axis: a block's gradient is summed over it before
    it is summed by bucket.
    """
    tile, laid_out = spec.tiles.table, loads.lay_out(operands)
    num_rows, num_heads, num_queries, _ = laid_out.q.shape
    num_keys, num_kv_heads = operands.k.shape[1:3]
    group = num_heads // num_kv_heads
    ranges, _ = blocks.block_ranges(spec, operands, tile)
    width = math.ceil(len(spec.buckets) / 128) * 128
    axes = loads.axes_of(operands) | {
        "B": Axis(None, lambda h, i, j, b, *scalars: b),
        "T": Axis(tile.q, lambda h, i, j, b, *scalars: i),
        "S": Axis(tile.k, lambda h, i, j, b, *scalars: j),
        "H": Axis(None, lambda h, i, j, b, *scalars: h),
        "K": Axis(None, lambda h, i, j, b, *scalars: h // group),
        "W": whole(width),
    }
    sums_H1W = loads.call(
        functools.partial(_table_grad_kernel, spec, num_queries),
        "flash_table_grad",
        (num_heads, num_queries // tile.q, num_keys // tile.k, num_rows),
        (jnp.asarray(spec.buckets, jnp.int32), *ranges),
        laid_out,
        axes,
        jax.ShapeDtypeStruct((num_heads, 1, width), jnp.float32),
        blocks.block_spec("H1W", axes),
        (tpu.VMEM((tile.q, tile.k), jnp.float32),),
        spec.interpret,
    )
    return sums_H1W[:, 0, : len(spec.buckets)].T


def _table_grad_kernel(
    spec: FlashSpec,
    num_queries: int,
    buckets_ref: Any,
    first_ref: Any,
    stop_ref: Any,
    refs: Operands,
    out_ref: Any,
    sums: tuple[Any],
) -> None:
    i, j, b = (pl.program_id(axis) for axis in (1, 2, 3))
    tile, (sum_ref,) = spec.tiles.table, sums

    @pl.when((i == 0) & (j == 0) & (b == 0))
    def _start_head() -> None:
        out_ref[...] = jnp.zeros_like(out_ref)

    @pl.when(b == 0)
    def _start() -> None:
        sum_ref[...] = jnp.zeros_like(sum_ref)

    @pl.when((first_ref[b, i] <= j) & (j < stop_ref[b, i]))
    def _add() -> None:
        sum_ref[...] += loads.block_grads(spec, refs, i, j, tile, num_queries).dlogits

    @pl.when(b == pl.num_programs(3) - 1)
    def _finish() -> None:
        distances = blocks.rows(j, tile.k, 1) - blocks.rows(i, tile.q, 0)
        ends = blocks.distance_range(tile, i, j)
        out_ref[...] += blocks.sum_by_bucket(
            buckets_ref, distances, ends, sum_ref[...], out_ref.shape[1]
        )
