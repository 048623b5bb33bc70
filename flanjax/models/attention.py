"""Who attends to whom, and attention itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from flanjax.base import Key
from flanjax.models import kernels, layers

_MASKED = -1e30
"""The logit of a pair that may not attend: finite, so that a row of padding, which sees nothing,
has a uniform softmax and finite gradients."""


class KeyValues(NamedTuple):
    """Keys and values that queries may attend to.

    Attributes:
      k: [B, S, K, C]. B divides the number of query rows R: consecutive rows
        share one row of keys, which is never repeated in memory.
      v: [B, S, K, C].
      mask: bool [1 or R, T, S], True where a query may attend; None for
        everywhere.
      bias: float32 [1, H, T, S], added to the logits; None for zero.
    """

    k: Any
    v: Any
    mask: Any = None
    bias: Any = None


class PrefixKV(NamedTuple):
    """Learned keys and values that every query sees: [P, K, C] each.

    What a parameter tree holds in an attention's `prefix_kv` slot (prefix
    tuning); in a stack of layers both have a leading layer axis.
    """

    k: Any
    v: Any


def segment_mask(query_segments_BT: jax.Array, key_segments_BS: jax.Array) -> jax.Array:
    """Returns bool [B, T, S]: same segment, and neither is padding.

    Example:
      queries 1 1 2 0, keys 1 2 0
        1 0 0
        1 0 0
        0 1 0
        0 0 0
    """
    queries_BT1, keys_B1S = query_segments_BT[:, :, None], key_segments_BS[:, None, :]
    return (queries_BT1 == keys_B1S) & (keys_B1S > 0)


def causal_mask(segments_BT: jax.Array, prefix_BT: jax.Array | None = None) -> jax.Array:
    """Returns bool [B, T, T]: one's own segment, up to oneself or in its prefix.

    Example: segments 1 1 1 2 2, prefix 1 1 0 0 0
        1 1 0 0 0
        1 1 0 0 0
        1 1 1 0 0
        0 0 0 1 0
        0 0 0 1 1
    """
    rows_T = jnp.arange(segments_BT.shape[1])
    visible = (rows_T[:, None] >= rows_T[None, :])[None]
    if prefix_BT is not None:
        visible = visible | prefix_BT[:, None, :]
    return segment_mask(segments_BT, segments_BT) & visible


def attend(
    q_RTHC: jax.Array,
    sources: Sequence[KeyValues],
    *,
    scale: float,
    dropout_rate: float = 0.0,
    key: Key | None = None,
) -> jax.Array:
    """Returns softmax attention over all sources at once, [R, T, H, C].

    Query heads that share a key head stand side by side: head h reads key
    head h // (H // K). The softmax is computed in float32.

    Args:
      q_RTHC: Queries.
      sources: One softmax runs over the keys of all of them.
      scale: Factor of the logits.
      dropout_rate: Share of attention weights that are dropped.
      key: Turns dropout on.
    """
    logits_RHTS = jnp.concatenate([_logits(q_RTHC, source, scale) for source in sources], axis=-1)
    probs_RHTS = jax.nn.softmax(logits_RHTS, axis=-1)
    probs_RHTS = kernels.dropout(probs_RHTS, dropout_rate, key).astype(q_RTHC.dtype)
    out, start = jnp.zeros((), q_RTHC.dtype), 0
    for source in sources:
        stop = start + source.k.shape[1]
        out = out + _mix(probs_RHTS[..., start:stop], source.v)
        start = stop
    return out


def _logits(q_RTHC: jax.Array, source: KeyValues, scale: float) -> jax.Array:
    num_rows, length, num_heads, width = q_RTHC.shape
    num_key_rows, num_keys, num_kv_heads, _ = source.k.shape
    group = num_heads // num_kv_heads
    q_BTKGC = q_RTHC.reshape(num_key_rows, -1, num_kv_heads, group, width)
    logits = kernels.einsum("btkgc,bskc->bkgts", q_BTKGC, source.k, jnp.float32) * scale
    logits = logits.reshape(num_key_rows, num_heads, -1, length, num_keys)
    logits_RHTS = jnp.moveaxis(logits, 2, 1).reshape(num_rows, num_heads, length, num_keys)
    if source.bias is not None:
        logits_RHTS = logits_RHTS + source.bias
    if source.mask is not None:
        logits_RHTS = jnp.where(source.mask[:, None], logits_RHTS, _MASKED)
    return logits_RHTS


def _mix(probs_RHTS: jax.Array, v_BSKC: jax.Array) -> jax.Array:
    num_rows, num_heads, length, num_keys = probs_RHTS.shape
    num_key_rows, _, num_kv_heads, width = v_BSKC.shape
    group = num_heads // num_kv_heads
    probs = probs_RHTS.reshape(num_key_rows, -1, num_heads, length, num_keys)
    probs_BKGTS = jnp.moveaxis(probs, 1, 2).reshape(num_key_rows, num_kv_heads, group, -1, num_keys)
    out = kernels.einsum("bkgts,bskc->btkgc", probs_BKGTS, v_BSKC, v_BSKC.dtype)
    return out.reshape(num_rows, length, num_heads, width)


class Attention(nnx.Module):
    """The four products of attention, with grouped queries.

    Its `prefix_kv` slot may hold a PrefixKV.
    """

    def __init__(
        self,
        *,
        d_model: int,
        num_heads: int,
        num_kv_heads: int,
        d_head: int,
        scale: float,
        dropout_rate: float,
        q_std: float,
        kv_std: float,
        out_std: float,
        rngs: nnx.Rngs,
    ) -> None:
        d_q, d_kv = num_heads * d_head, num_kv_heads * d_head
        self.q = layers.normal_param(rngs, (d_model, d_q), ("embed", "heads"), std=q_std)
        self.k = layers.normal_param(rngs, (d_model, d_kv), ("embed", "kv_heads"), std=kv_std)
        self.v = layers.normal_param(rngs, (d_model, d_kv), ("embed", "kv_heads"), std=kv_std)
        self.o = layers.normal_param(rngs, (d_q, d_model), ("heads", "embed"), std=out_std)
        self.prefix_kv = layers.slot()
        self.d_head = d_head
        self.scale = scale
        self.dropout_rate = dropout_rate

    def queries(self, x_BTD: jax.Array, key: Key | None = None) -> jax.Array:
        return self._heads(kernels.dot(x_BTD, self.q.get_value(), key))

    def keys_values(self, x_BSD: jax.Array, key: Key | None = None) -> tuple[jax.Array, jax.Array]:
        k_key, v_key = layers.split_key(key, 2)
        k_BSKC = self._heads(kernels.dot(x_BSD, self.k.get_value(), k_key))
        return k_BSKC, self._heads(kernels.dot(x_BSD, self.v.get_value(), v_key))

    def __call__(
        self, q_RTHC: jax.Array, sources: Sequence[KeyValues], key: Key | None = None
    ) -> jax.Array:
        """Returns what the queries read from the sources, [R, T, D]."""
        prob_key, out_key = layers.split_key(key, 2)
        prefix = self.prefix_kv.get_value()
        if prefix is not None:
            k_1PKC, v_1PKC = (entry[None].astype(q_RTHC.dtype) for entry in prefix)
            sources = (KeyValues(k_1PKC, v_1PKC), *sources)
        read_RTHC = attend(
            q_RTHC, sources, scale=self.scale, dropout_rate=self.dropout_rate, key=prob_key
        )
        merged_RTE = read_RTHC.reshape(*read_RTHC.shape[:2], -1)
        return kernels.dot(merged_RTE, self.o.get_value(), out_key)

    def _heads(self, x: jax.Array) -> jax.Array:
        return x.reshape(*x.shape[:2], -1, self.d_head)


def rotary_angles(positions_BT: jax.Array, d_head: int, theta: float) -> jax.Array:
    """Returns float32 [B, T, C / 2]: position * theta ** (-2 i / C).

    Source: Su et al. 2021, section 3.2.2.
    """
    rates = theta ** (-jnp.arange(0, d_head, 2, dtype=jnp.float32) / d_head)
    return positions_BT[..., None].astype(jnp.float32) * rates


def rotate(x_BTHC: jax.Array, angles_BTE: jax.Array) -> jax.Array:
    """Rotates channel pairs (i, i + C / 2) of every head by their angle.

    The pairs are Llama's in transformers' layout, not the neighbours of the
    paper: the same up to an order of channels that the weights absorb.
    """
    sin, cos = (f(angles_BTE)[:, :, None] for f in (jnp.sin, jnp.cos))
    first, second = jnp.split(x_BTHC.astype(jnp.float32), 2, axis=-1)
    rotated = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return rotated.astype(x_BTHC.dtype)


def relative_buckets(
    offset: jax.Array, *, is_bidirectional: bool, num_buckets: int, max_distance: int
) -> jax.Array:
    """Returns T5's bucket of key position - query position, int32.

    Half of the buckets hold one distance each, the other half grow
    logarithmically up to `max_distance`; all beyond share the last. A
    bidirectional stack splits the buckets by sign; a causal one puts what
    lies ahead into bucket 0.

    Source: Raffel et al. 2020, section 2.1, and its published code.
    """
    first = jnp.zeros_like(offset)
    if is_bidirectional:
        num_buckets //= 2
        first = jnp.where(offset > 0, num_buckets, 0)
        distance = jnp.abs(offset)
    else:
        distance = jnp.maximum(-offset, 0)
    num_exact = num_buckets // 2
    num_far = num_buckets - num_exact
    edges = num_exact * (max_distance / num_exact) ** (np.arange(1, num_far) / num_far)
    first_distance = np.ceil(np.round(edges, 6)).astype(np.int32)
    far = num_exact + jnp.searchsorted(first_distance, distance, side="right")
    return (first + jnp.where(distance < num_exact, distance, far)).astype(jnp.int32)


def relative_bias(
    table_NH: jax.Array,
    query_rows_T: jax.Array,
    key_rows_S: jax.Array,
    *,
    is_bidirectional: bool,
    max_distance: int,
) -> jax.Array:
    """Returns float32 [1, H, T, S], the bias of each head by distance.

    Rows, not positions, are compared: within a packed segment both have the
    same distances, and across segments the mask hides them.
    """
    buckets_TS = relative_buckets(
        key_rows_S[None, :] - query_rows_T[:, None],
        is_bidirectional=is_bidirectional,
        num_buckets=table_NH.shape[0],
        max_distance=max_distance,
    )
    return jnp.transpose(table_NH[buckets_TS], (2, 0, 1))[None].astype(jnp.float32)
