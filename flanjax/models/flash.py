"""Flash attention with T5's learned bias by distance, for GPU and TPU.

Nothing of size queries x keys reaches the device's memory: the bias comes from
the table of distances, the mask from segment ids, rows and the prefix, and the
gradient of the table is summed inside the kernels. So a packed batch costs no
more memory than a plain one. Where ids do not decrease along a row, blocks of
logits that hold no common segment are skipped.

It is `attention.attend` on one source whose mask is `segment_mask`, or
`causal_mask`, and `within_window`, and whose bias is `relative_bias`. Queries
of padding, which see nothing, read zeros here and an average there. The softmax
and all sums are float32; attention weights are rounded to the values' type
before they are divided by their sum, not after.

Source: Dao et al. 2022, algorithms 1 and 4; Dao 2023, section 3.1; the bias of
Raffel et al. 2020, section 2.1.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jax.experimental import pallas as pl

from flanjax.models import flash_blocks as blocks
from flanjax.models import flash_gpu, flash_tpu, kernels
from flanjax.models.flash_blocks import FlashSpec, Operands, Tiles
from flanjax.models.flash_tiles import PlatformName, tiles_for

_Kept: TypeAlias = tuple[Operands, jax.Array, jax.Array]

_KERNELS: dict[PlatformName, ModuleType] = {"gpu": flash_gpu, "tpu": flash_tpu}
_MIN_WIDTH = 16
"""Channels that a matrix product on a GPU has at least."""

_NEVER = 2**30
"""The row from which on padding of a prefix is seen: none."""


def flash_attention(
    q_BTHC: jax.Array,
    k_BSKC: jax.Array,
    v_BSKC: jax.Array,
    *,
    query_segments_BT: jax.Array,
    key_segments_BS: jax.Array,
    scale: float,
    table_NH: jax.Array | None = None,
    is_bidirectional: bool = True,
    max_distance: int = 128,
    is_causal: bool = False,
    prefix_BS: jax.Array | None = None,
    window: int = 0,
    cap: float = 0.0,
    platform: PlatformName | None = None,
    tiles: Tiles | None = None,
    interpret: bool = False,
) -> jax.Array:
    """Returns softmax attention, [B, T, H, C], zeros where a query sees no key.

    Head h reads key head h // (H // K); query t stands beside key t. On a mesh, call it under
    `jax.shard_map` with `check_vma=False`, rows and heads sharded.

    Args:
      q_BTHC: Queries, float32 or bfloat16; keys and values are of their type.
      k_BSKC: Keys.
      v_BSKC: Values.
      query_segments_BT: Who belongs together; 0 is padding.
      key_segments_BS: The same of the keys.
      scale: Factor of the logits.
      table_NH: T5's table, a logit by bucket and head; None for none.
      is_bidirectional: Whether the table's buckets tell ahead from behind.
      max_distance: Distances beyond it share the table's last buckets.
      is_causal: Whether keys of later rows are hidden.
      prefix_BS: bool, keys that all of their segment see all the same.
      window: Keys are hidden from this many rows on; 0 for never.
      cap: Logits become cap * tanh(logits / cap), before the bias; 0 leaves them.
      platform: Whose kernels to run; None for the default backend's.
      tiles: Sizes of blocks, powers of two; None for the platform's.
      interpret: Whether to run as plain JAX, on any platform.

    Raises:
      ValueError: If arguments do not go together, or there are no kernels.
    """
    _check_shapes(q_BTHC, k_BSKC, v_BSKC, query_segments_BT, key_segments_BS, table_NH)
    platform, num_queries, width = _checked(platform), q_BTHC.shape[1], q_BTHC.shape[3]
    spec = FlashSpec(
        scale=scale,
        cap=cap,
        is_causal=is_causal,
        window=window,
        buckets=_intervals(table_NH, max_distance, is_bidirectional),
        tiles=tiles or tiles_for(platform, num_queries, k_BSKC.shape[1], width),
        exponential=_KERNELS[platform].exponential(interpret=interpret),
        interpret=interpret,
    )
    operands = Operands(q_BTHC, k_BSKC, v_BSKC, query_segments_BT, key_segments_BS)
    operands = _whole_blocks(spec, operands, prefix_BS, _padded_width(platform, width))
    return _attention(platform, spec, operands, table_NH)[:, :num_queries, :, :width]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _attention(
    platform: PlatformName, spec: FlashSpec, operands: Operands, table_NH: jax.Array | None
) -> jax.Array:
    return _attention_forward(platform, spec, operands, table_NH)[0]


def _attention_forward(
    platform: PlatformName, spec: FlashSpec, operands: Operands, table_NH: jax.Array | None
) -> tuple[jax.Array, _Kept]:
    if table_NH is not None:
        num_queries, num_keys = operands.q.shape[1], operands.k.shape[1]
        bias_HD = blocks.bias_by_distance(
            table_NH * spec.exponential.unit,
            spec.buckets,
            num_queries=num_queries,
            num_keys=num_keys,
        )
        operands = operands._replace(bias=bias_HD)
    out_BTHC, lse_BHT = (
        checkpoint_name(result, kernels.READ)
        for result in _KERNELS[platform].forward(spec, operands)
    )
    return out_BTHC, (operands, out_BTHC, lse_BHT)


def _attention_backward(
    platform: PlatformName, spec: FlashSpec, kept: _Kept, dout_BTHC: jax.Array
) -> tuple[Operands, jax.Array | None]:
    operands, out_BTHC, lse_BHT = kept
    delta_BTH = jnp.sum(out_BTHC.astype(jnp.float32) * dout_BTHC.astype(jnp.float32), axis=-1)
    operands = operands._replace(dout=dout_BTHC, lse=lse_BHT, delta=jnp.swapaxes(delta_BTH, 1, 2))
    of_platform = _KERNELS[platform]
    dk, dv = of_platform.key_grads(spec, operands)
    dq = of_platform.query_grads(spec, operands)
    dtable_NH = of_platform.table_grad(spec, operands) if spec.buckets else None
    return Operands(dq, dk, dv, None, None), dtable_NH


_attention.defvjp(_attention_forward, _attention_backward)


def _intervals(
    table_NH: jax.Array | None, max_distance: int, is_bidirectional: bool
) -> tuple[blocks.Interval, ...]:
    if table_NH is None:
        return ()
    return blocks.bucket_intervals(
        num_buckets=table_NH.shape[0],
        max_distance=max_distance,
        is_bidirectional=is_bidirectional,
    )


def _since(
    key_segments_BS: jax.Array, prefix_BS: jax.Array | None, is_causal: bool
) -> jax.Array | None:
    """Returns the row from which on each key is seen; None for its own."""
    if prefix_BS is None:
        return None
    if not is_causal:
        raise ValueError("prefix_BS must come with is_causal, got False; leave out the prefix.")
    rows_S = jnp.arange(key_segments_BS.shape[1], dtype=jnp.int32)
    return jnp.where(prefix_BS, 0, rows_S)


def _whole_blocks(
    spec: FlashSpec, operands: Operands, prefix_BS: jax.Array | None, width: int
) -> Operands:
    """Returns the operands padded to blocks; padding is of no segment."""
    num_queries, num_keys = operands.q.shape[1], operands.k.shape[1]
    more_queries = -num_queries % max(tile.q for tile in spec.tiles)
    more_keys = -num_keys % max(tile.k for tile in spec.tiles)
    more_channels = width - operands.q.shape[3]

    def pad(x: Any, more_rows: int, value: int = 0) -> Any:
        ends = [(0, 0), (0, more_rows), (0, 0), (0, more_channels)][: x.ndim]
        return jnp.pad(x, ends, constant_values=value)

    key_segments = jnp.where(operands.key_segments > 0, operands.key_segments, -1)
    since = _since(operands.key_segments, prefix_BS, spec.is_causal)
    return Operands(
        pad(operands.q, more_queries),
        pad(operands.k, more_keys),
        pad(operands.v, more_keys),
        pad(operands.query_segments, more_queries).astype(jnp.int32),
        pad(key_segments, more_keys, -1).astype(jnp.int32),
        None if since is None else pad(since, more_keys, _NEVER),
    )


def _padded_width(platform: PlatformName, width: int) -> int:
    """Returns the channels that a head is given: Triton's blocks are powers of two."""
    return max(pl.next_power_of_2(width), _MIN_WIDTH) if platform == "gpu" else width


def _checked(platform: str | None) -> PlatformName:
    platform = platform or jax.default_backend()
    for name in _KERNELS:
        if name == platform:
            return name
    raise ValueError(
        f"flash attention's platform must be gpu or tpu, got {platform!r}; "
        "use attention.attend there, or name one of them and interpret."
    )


def _check_shapes(
    q_BTHC: jax.Array,
    k_BSKC: jax.Array,
    v_BSKC: jax.Array,
    query_segments_BT: jax.Array,
    key_segments_BS: jax.Array,
    table_NH: jax.Array | None,
) -> None:
    num_rows, num_queries, num_heads, width = q_BTHC.shape
    _, num_keys, num_kv_heads, _ = k_BSKC.shape
    shapes = {
        "k_BSKC": (k_BSKC, (num_rows, num_keys, num_kv_heads, width)),
        "v_BSKC": (v_BSKC, (num_rows, num_keys, num_kv_heads, width)),
        "query_segments_BT": (query_segments_BT, (num_rows, num_queries)),
        "key_segments_BS": (key_segments_BS, (num_rows, num_keys)),
    }
    if table_NH is not None:
        shapes["table_NH"] = (table_NH, (table_NH.shape[0], num_heads))
    for name, (x, shape) in shapes.items():
        if x.shape != shape:
            raise ValueError(
                f"{name} must be {list(shape)} beside queries {list(q_BTHC.shape)}, got "
                f"{list(x.shape)}; use attention.attend for rows that share keys."
            )
    if num_heads % num_kv_heads:
        raise ValueError(
            f"query heads must be a multiple of the {num_kv_heads} key heads, got {num_heads}; "
            "repeat the keys."
        )
    if not q_BTHC.dtype == k_BSKC.dtype == v_BSKC.dtype:
        raise ValueError(
            "queries, keys and values must be of one type, got "
            f"{q_BTHC.dtype}, {k_BSKC.dtype} and {v_BSKC.dtype}; cast them."
        )
