"""How TPU kernels of flash attention are given their blocks.

The bias is a window of the biases by distance, written into every row of a
block and rolled one lane further in each: TPUs rotate rows by a stride, and
have no gather.

Per-row numbers lie along lanes, [1, T], in memory; a column is a transpose in
registers.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu

from flanjax.models import flash_blocks as blocks
from flanjax.models import flash_softmax as softmaxes
from flanjax.models.flash_blocks import Axis, FlashSpec, Operands, Tile, whole

_LETTERS = Operands(
    q="BHTC",
    k="BKSC",
    v="BKSC",
    query_segments="B1T",
    key_segments="B1S",
    since="B1S",
    bias="H1D",
    dout="BHTC",
    lse="BH1T",
    delta="BH1T",
)


def lay_out(operands: Operands) -> Operands:
    """Returns the operands with the axes that blocks cut where TPUs want them: last."""

    def moved(x: Any) -> Any:
        return None if x is None else jnp.swapaxes(x, 1, 2)

    def widened(x: Any) -> Any:
        return None if x is None else x[..., None, :]

    return Operands(
        q=moved(operands.q),
        k=moved(operands.k),
        v=moved(operands.v),
        query_segments=widened(operands.query_segments),
        key_segments=widened(operands.key_segments),
        since=widened(operands.since),
        bias=widened(operands.bias),
        dout=moved(operands.dout),
        lse=widened(operands.lse),
        delta=widened(operands.delta),
    )


def axes_of(operands: Operands) -> dict[str, Axis]:
    return {
        "C": whole(operands.q.shape[3]),
        "D": whole(operands.q.shape[1] + operands.k.shape[1]),
    }


def by_query_block(operands: Operands, tile: Tile) -> dict[str, Axis]:
    """Returns the axes of a grid (rows, query heads, query blocks, key blocks)."""
    group = operands.q.shape[2] // operands.k.shape[2]

    def key_block(b: Any, h: Any, i: Any, step: Any, first_BI: Any, stop_BI: Any) -> Any:
        return block_of_step(step, first_BI[b, i], stop_BI[b, i])

    return {
        "B": Axis(None, lambda b, h, i, step, *ranges: b),
        "H": Axis(None, lambda b, h, i, step, *ranges: h),
        "K": Axis(None, lambda b, h, i, step, *ranges: h // group),
        "T": Axis(tile.q, lambda b, h, i, step, *ranges: i),
        "S": Axis(tile.k, key_block),
    }


def block_of_step(step: Any, first: Any, stop: Any) -> Any:
    """Returns the block to load: the last one again where the range has ended."""
    return jnp.maximum(jnp.minimum(first + step, stop - 1), 0)


def call(
    kernel: Any,
    name: str,
    grid: tuple[int, ...],
    scalars: tuple[jax.Array, ...],
    operands: Operands,
    axes: dict[str, Axis],
    out_shape: Any,
    out_specs: Any,
    scratch: Any,
    interpret: bool,
) -> Any:
    specs = Operands(
        *(
            None if operand is None else blocks.block_spec(letters, axes)
            for letters, operand in zip(_LETTERS, operands, strict=True)
        )
    )
    return pl.pallas_call(
        kernel,
        grid_spec=tpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=len(scalars),
            grid=grid,
            in_specs=[specs],
            out_specs=out_specs,
            scratch_shapes=[scratch],
        ),
        out_shape=out_shape,
        interpret=interpret,
        name=name,
    )(*scalars, operands)


def block_grads(
    spec: FlashSpec, refs: Operands, i: Any, j: Any, tile: Tile, num_queries: int
) -> softmaxes.BlockGrads:
    """Returns the gradients of a block that lies queries by keys."""
    return softmaxes.block_grads(
        spec,
        blocks.product(refs.q[...], refs.k[...], 1, 1),
        toeplitz(refs.bias, i, j, tile.q, tile.k, num_queries),
        visible(spec, refs, i, j, tile),
        blocks.product(refs.dout[...], refs.v[...], 1, 1),
        turned(refs.lse[...]),
        turned(refs.delta[...]),
    )


def visible(spec: FlashSpec, refs: Operands, i: Any, j: Any, tile: Tile) -> jax.Array:
    return blocks.visible(
        spec,
        blocks.rows(i, tile.q, 0),
        blocks.rows(j, tile.k, 1),
        turned(refs.query_segments[...]),
        refs.key_segments[...],
        None if refs.since is None else refs.since[...],
    )


def turned(x: jax.Array) -> jax.Array:
    """Returns a row as a column, or a column as a row."""
    return x.reshape(x.shape[::-1])


def toeplitz(ref: Any, i: Any, j: Any, num_rows: int, num_columns: int, all_rows: int) -> Any:
    """Returns a block of biases: entry (r, c) is that of column - row.

    Example: rows 0 1 2 and columns 0 1 of a window that starts at distance -3
      window a b c d e        d e
             -3 ... 1    ->   c d
                              b c
    """
    if ref is None:
        return None
    size = num_rows + num_columns
    start = j * num_columns - (i + 1) * num_rows + all_rows
    window = ref[:, pl.ds(pl.multiple_of(start, math.gcd(num_rows, num_columns)), size)]
    wide = jnp.broadcast_to(window, (num_rows, size))
    return tpu.roll(wide, num_columns, 1, stride=1, stride_axis=0)[:, :num_columns]


def reverse(bias_H1D: jax.Array | None) -> jax.Array | None:
    """Returns the biases by row - column, for a block that lies keys by queries."""
    if bias_H1D is None:
        return None
    # The first entry is of no pair of rows, before and after.
    return jnp.concatenate([bias_H1D[..., :1], bias_H1D[..., :0:-1]], axis=-1)
