"""Who attends to whom, and attention itself."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from flanjax import parallel
from flanjax.base import Key
from flanjax.models import kernels, layers, row_attention
from flanjax.models.configs import AttentionConfig
from flanjax.models.positions import relative_bias

_MASKED = -1e30
"""The logit of a pair that may not attend: finite, so that a row of padding, which sees nothing,
has a uniform softmax and finite gradients."""

_FEW_QUERIES = 4
"""Queries of one key head that a CPU multiplies one after another."""


class KeyValues(NamedTuple):
    """Keys and values that queries may attend to.

    Attributes:
      k: [B, S, K, C]. B divides the number of query rows R: consecutive rows
        share one row of keys, which is never repeated in memory.
      v: [B, S, K, C].
      mask: bool [1 or R, T, S], True where a query may attend; None for
        everywhere.
      bias: float32 [1 or R, H, T, S], added to the logits; None for zero.
      sight: The same and more, for whole rows; None for other sources.
    """

    k: Any
    v: Any
    mask: Any = None
    bias: Any = None
    sight: row_attention.Sight | None = None


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


def within_window(query_rows_RT: jax.Array, key_rows_RS: jax.Array, window: int) -> jax.Array:
    """Returns bool [R, T, S]: fewer than `window` rows apart.

    Example: queries 0 1 2 3, keys 0 1 2 3, window 2
        1 1 0 0
        1 1 1 0
        0 1 1 1
        0 0 1 1
    """
    return jnp.abs(query_rows_RT[:, :, None] - key_rows_RS[:, None, :]) < window


def attend(
    q_RTHC: jax.Array,
    sources: Sequence[KeyValues],
    *,
    scale: float,
    cap: float = 0.0,
    dropout_rate: float = 0.0,
    key: Key | None = None,
) -> jax.Array:
    """Returns softmax attention over all sources at once, [R, T, H, C].

    Query heads that share a key head stand side by side: head h reads key
    head h // (H // K). The softmax is computed in float32, and what it is
    divided by is divided by last, where there is least of it. Products have
    their batch axes first: XLA:CPU would copy pairs of tokens to get there.

    Args:
      q_RTHC: Queries.
      sources: One softmax runs over the keys of all of them.
      scale: Factor of the logits.
      cap: Logits become cap * tanh(logits / cap); 0 leaves them.
      dropout_rate: Share of attention weights that are dropped.
      key: Turns dropout on.
    """
    logits = [_logits(q_RTHC, source, scale, cap) for source in sources]
    highest = functools.reduce(jnp.maximum, [jnp.max(each, -1, keepdims=True) for each in logits])
    highest = jax.lax.stop_gradient(highest)
    out, total = jnp.zeros((), jnp.float32), jnp.zeros((), jnp.float32)
    keys = layers.split_key(key, len(sources))
    for source, logits_RHTS, drop_key in zip(sources, logits, keys, strict=True):
        weights_RHTS = jnp.exp(logits_RHTS - highest)
        total = total + jnp.sum(weights_RHTS, axis=-1, keepdims=True)
        weights_RHTS = kernels.dropout(weights_RHTS, dropout_rate, drop_key)
        out = out + _mix(weights_RHTS.astype(q_RTHC.dtype), source.v)
    return jnp.swapaxes((out / total).astype(q_RTHC.dtype), 1, 2)


def _logits(q_RTHC: jax.Array, source: KeyValues, scale: float, cap: float) -> jax.Array:
    num_rows, length, num_heads, width = q_RTHC.shape
    num_key_rows, num_keys, num_kv_heads, _ = source.k.shape
    group = num_heads // num_kv_heads
    q = q_RTHC.reshape(num_key_rows, -1, length, num_kv_heads, group, width)
    logits = _product(q.transpose(0, 3, 4, 1, 2, 5), source.k.swapaxes(1, 2), "c", "s") * scale
    logits_RHTS = jnp.moveaxis(logits, 3, 1).reshape(num_rows, num_heads, length, num_keys)
    logits_RHTS = kernels.soft_cap(logits_RHTS, cap)
    if source.bias is not None:
        logits_RHTS = logits_RHTS + source.bias
    if source.mask is not None:
        logits_RHTS = jnp.where(source.mask[:, None], logits_RHTS, _MASKED)
    return logits_RHTS


def _mix(weights_RHTS: jax.Array, v_BSKC: jax.Array) -> jax.Array:
    """Returns the values, added up by weights: float32 [R, H, T, C]."""
    num_rows, num_heads, length, num_keys = weights_RHTS.shape
    num_key_rows, _, num_kv_heads, width = v_BSKC.shape
    group = num_heads // num_kv_heads
    weights = weights_RHTS.reshape(num_key_rows, -1, num_kv_heads, group, length, num_keys)
    out = _product(jnp.moveaxis(weights, 1, 3), v_BSKC.swapaxes(1, 2), "s", "c")
    return jnp.moveaxis(out, 3, 1).reshape(num_rows, num_heads, length, width)


def _gathered(keys_BSKC: jax.Array) -> jax.Array:
    """Keys or values of whole rows: every query of a row reads them."""
    return parallel.constrain(keys_BSKC, "batch", None, "kv_heads", None)


def _product(x_BKGNTX: jax.Array, keys_BKSC: jax.Array, added: str, kept: str) -> jax.Array:
    """Returns the product with keys or values of each key head, float32.

    Args:
      x_BKGNTX: G query heads of each key head, N rows of each row of keys.
      keys_BKSC: What they read.
      added: "c" or "s", X: the axis that both have and the result has not.
      kept: The other, the result's last.
    """
    shape = x_BKGNTX.shape
    num_queries = math.prod(shape[2:5])
    is_spread = num_queries <= _FEW_QUERIES and parallel.platform() == "cpu"
    product = kernels.spread_einsum if is_spread else kernels.einsum
    letters, x = "gnt", x_BKGNTX
    if not parallel.splits_columns():  # else T would have to move, to be merged
        letters, x = "q", x.reshape(*shape[:2], num_queries, shape[-1])
    out = product(f"bk{letters}{added},bksc->bk{letters}{kept}", x, keys_BKSC, jnp.float32)
    return out.reshape(*shape[:5], -1)


class Attention(nnx.Module):
    """The four products of attention, with grouped queries.

    `num_buckets` is not 0 where the layer has a table of distances of its own.

    Its `prefix_kv` slot may hold a PrefixKV.
    """

    def __init__(
        self,
        *,
        config: AttentionConfig,
        d_model: int,
        num_heads: int,
        num_kv_heads: int,
        d_head: int,
        norm: layers.NormSpec,
        num_buckets: int,
        dropout_rate: float,
        backend: str,
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
        if config.has_qkv_bias:
            self.q_bias = layers.zeros_param(d_q, "heads")
            self.k_bias = layers.zeros_param(d_kv, "kv_heads")
            self.v_bias = layers.zeros_param(d_kv, "kv_heads")
        if config.has_out_bias:
            self.o_bias = layers.zeros_param(d_model, "norm")
        if config.qk_norm != "none":
            is_per_head = config.qk_norm == "head"
            self.q_norm = layers.Norm(norm, d_head if is_per_head else d_q)
            self.k_norm = layers.Norm(norm, d_head if is_per_head else d_kv)
        if num_buckets:
            shape, std = (num_buckets, num_heads), d_model**-0.5
            self.relative_bias = layers.normal_param(rngs, shape, ("buckets", "heads"), std=std)
        self.has_own_table = bool(num_buckets)
        self.prefix_kv = layers.slot()
        self.config = config
        self.d_head = d_head
        self.scale = d_head**-0.5 if config.scale is None else config.scale
        self.dropout_rate = dropout_rate
        self.backend = backend

    def queries(self, x_BTD: jax.Array, key: Key | None = None) -> jax.Array:
        """Returns queries [B, T, H, C], without their positions."""
        q_BTHC = self._normed(self._product(x_BTD, "q", key), "q")
        return parallel.constrain(q_BTHC, "batch", "length", "heads", None)

    def keys_values(self, x_BSD: jax.Array, key: Key | None = None) -> tuple[jax.Array, jax.Array]:
        """Returns keys and values [B, S, K, C], without their positions."""
        k_key, v_key = layers.split_key(key, 2)
        k_BSKC = self._normed(self._product(x_BSD, "k", k_key), "k")
        v_BSKC = self._heads(self._product(x_BSD, "v", v_key))
        return _gathered(k_BSKC), _gathered(v_BSKC)

    def bias(self, shared: jax.Array | None) -> jax.Array | None:
        """Returns a source's bias, from a context's entry."""
        if not self.has_own_table or shared is None:
            return shared
        return relative_bias(self.relative_bias.get_value(), shared)

    def table(self, shared: jax.Array | None) -> jax.Array | None:
        """Returns the table of distances: the layer's own, or that of all."""
        own: jax.Array | None = self.relative_bias.get_value() if self.has_own_table else shared
        return own

    def __call__(
        self, q_RTHC: jax.Array, sources: Sequence[KeyValues], key: Key | None = None
    ) -> jax.Array:
        """Returns what the queries read from the sources, [R, T, D]."""
        prob_key, out_key = layers.split_key(key, 2)
        prefix = self.prefix_kv.get_value()
        if prefix is not None:
            k_1PKC, v_1PKC = (entry[None].astype(q_RTHC.dtype) for entry in prefix)
            sources = (KeyValues(k_1PKC, v_1PKC), *sources)
        read_RTHC = self._attend(q_RTHC, sources, prob_key)
        merged_RTE = read_RTHC.reshape(*read_RTHC.shape[:2], -1)
        return self._product(merged_RTE, "o", out_key)

    def _attend(
        self, q_RTHC: jax.Array, sources: Sequence[KeyValues], key: Key | None
    ) -> jax.Array:
        """Takes a kernel for whole rows where there is one, else the plain path."""
        scale, cap = self.scale, self.config.cap
        k, v, _, _, sight = sources[-1]
        if len(sources) == 1 and sight is not None and not (self.dropout_rate and key is not None):
            backend = row_attention.choose(self.backend, sight, q_RTHC, k.shape[2], cap)
            if backend != "xla":
                return row_attention.attend_rows(backend, q_RTHC, k, v, sight, scale=scale, cap=cap)
        return attend(
            q_RTHC, sources, scale=scale, cap=cap, dropout_rate=self.dropout_rate, key=key
        )

    def _product(self, x: jax.Array, name: str, key: Key | None) -> jax.Array:
        return layers.affine(self, name, x, key)

    def _normed(self, x: jax.Array, name: str) -> jax.Array:
        """Splits into heads, and normalises before or after as the family does."""
        if self.config.qk_norm == "none":
            return self._heads(x)
        norm = getattr(self, f"{name}_norm")
        return norm(self._heads(x)) if self.config.qk_norm == "head" else self._heads(norm(x))

    def _heads(self, x: jax.Array) -> jax.Array:
        return x.reshape(*x.shape[:2], -1, self.d_head)
