"""Attentions of public models, on batches as they are trained, and what computes them.

Cases are packed, four examples a row and some padding, or hold one example a
row. The bias is T5's, from its table, and the table's gradient is part of the backward pass.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from flanjax.models import attention
from flanjax.models.flash import flash_attention
from flanjax.models.flash_blocks import Tiles
from flanjax.models.positions import relative_bias, relative_buckets

_NUM_BUCKETS = 32


class Case(NamedTuple):
    """An attention of a public model, on a batch as it is trained."""

    num_rows: int
    num_queries: int
    num_keys: int
    num_heads: int
    num_kv_heads: int
    width: int
    has_table: bool = False
    is_causal: bool = False
    num_examples: int = 4


CASES = {
    "T5-large encoder 512": Case(64, 512, 512, 16, 16, 64, has_table=True),
    "T5-large decoder 128": Case(64, 128, 128, 16, 16, 64, has_table=True, is_causal=True),
    "T5-large cross 128 x 512": Case(64, 128, 512, 16, 16, 64),
    "Llama-1B 2048": Case(8, 2048, 2048, 32, 8, 64, is_causal=True),
    "Llama-3B 2048": Case(4, 2048, 2048, 24, 8, 128, is_causal=True),
    "T5-large encoder 512, an example a row": Case(
        64, 512, 512, 16, 16, 64, has_table=True, num_examples=1
    ),
    "Llama-1B 2048, an example a row": Case(
        8, 2048, 2048, 32, 8, 64, is_causal=True, num_examples=1
    ),
}


def small(case: Case) -> Case:
    """Returns a case that an interpreter can run."""
    return case._replace(
        num_rows=2,
        num_queries=case.num_queries // 16,
        num_keys=case.num_keys // 16,
        num_heads=4,
        num_kv_heads=4 * case.num_kv_heads // case.num_heads,
        width=16,
    )


class Arrays(NamedTuple):
    """What has gradients."""

    q: jax.Array
    k: jax.Array
    v: jax.Array
    table: jax.Array


class Inputs(NamedTuple):
    """What a backend is given."""

    arrays: Arrays
    query_segments: jax.Array
    key_segments: jax.Array
    dout: jax.Array


Backend: TypeAlias = Callable[[Case, Arrays, jax.Array, jax.Array], jax.Array]


def packed_segments(case: Case, length: int, rng: np.random.Generator) -> np.ndarray:
    """Returns int32 rows of examples, each followed by the next, then padding."""
    num = case.num_examples
    shares = rng.dirichlet([4.0] * num, case.num_rows) * rng.uniform(0.85, 1.0, (case.num_rows, 1))
    ends = np.cumsum(shares, 1) * length
    rows = np.arange(length)
    segments = 1 + (rows[None, :, None] >= ends[:, None, :]).sum(-1)
    return np.where(segments > num, 0, segments).astype(np.int32)


def make_inputs(case: Case, dtype: Any) -> Inputs:
    """Returns normal values, as large as those of a trained model's heads."""
    keys = jax.random.split(jax.random.key(0), 5)
    q_shape = (case.num_rows, case.num_queries, case.num_heads, case.width)
    kv_shape = (case.num_rows, case.num_keys, case.num_kv_heads, case.width)
    q, dout = (jax.random.normal(key, q_shape, dtype) for key in keys[:2])
    k, v = (jax.random.normal(key, kv_shape, dtype) for key in keys[2:4])
    table = jax.random.normal(keys[4], (_NUM_BUCKETS, case.num_heads))
    rng = np.random.default_rng(0)
    query_segments = packed_segments(case, case.num_queries, rng)
    key_segments = query_segments
    if case.num_keys != case.num_queries:
        key_segments = packed_segments(case, case.num_keys, rng)
    is_real = jnp.asarray(query_segments > 0)[:, :, None, None]
    return Inputs(
        Arrays(q, k, v, table),
        jnp.asarray(query_segments),
        jnp.asarray(key_segments),
        jnp.where(is_real, dout, 0),
    )


def scale_of(case: Case) -> float:
    """Returns the factor of logits; T5 has none, but has smaller queries."""
    return float(case.width**-0.5)


def mask_of(case: Case, query_segments: jax.Array, key_segments: jax.Array) -> jax.Array:
    """Returns bool [B, T, S]."""
    queries, keys = query_segments[:, :, None], key_segments[:, None, :]
    mask = (queries == keys) & (keys > 0)
    if case.is_causal:
        mask &= jnp.tri(case.num_queries, case.num_keys, dtype=bool)
    return mask


def bias_of(case: Case, table: jax.Array) -> jax.Array | None:
    """Returns float32 [1, H, T, S], or None."""
    if not case.has_table:
        return None
    distances = jnp.arange(case.num_keys)[None] - jnp.arange(case.num_queries)[:, None]
    buckets = relative_buckets(
        distances[None],
        is_bidirectional=not case.is_causal,
        num_buckets=_NUM_BUCKETS,
        max_distance=128,
    )
    return relative_bias(table, buckets)


def exact(case: Case, arrays: Arrays, queries: jax.Array, keys: jax.Array) -> jax.Array:
    """Returns attention in float32 throughout, whatever it costs."""
    q, k, v, table = (x.astype(jnp.float32) for x in arrays)
    group = case.num_heads // case.num_kv_heads
    k, v = (jnp.repeat(x, group, axis=2) for x in (k, v))
    product = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    logits = product("bthc,bshc->bhts", q, k) * scale_of(case)
    if (bias := bias_of(case, table)) is not None:
        logits = logits + bias
    logits = jnp.where(mask_of(case, queries, keys)[:, None], logits, -1e30)
    return product("bhts,bshc->bthc", jax.nn.softmax(logits), v)


def plain(case: Case, arrays: Arrays, queries: jax.Array, keys: jax.Array) -> jax.Array:
    """Returns what models run where there is no kernel."""
    source = attention.KeyValues(
        arrays.k, arrays.v, mask_of(case, queries, keys), bias_of(case, arrays.table)
    )
    return attention.attend(arrays.q, [source], scale=scale_of(case))


def cudnn(case: Case, arrays: Arrays, queries: jax.Array, keys: jax.Array) -> jax.Array:
    """Returns cuDNN's, which adds the mask to the bias, [B, H, T, S]."""
    bias = bias_of(case, arrays.table)
    return jax.nn.dot_product_attention(
        *arrays[:3],
        bias=None if bias is None else bias.astype(arrays.q.dtype),
        mask=mask_of(case, queries, keys)[:, None],
        scale=scale_of(case),
        implementation="cudnn",
    )


def tokamax(
    implementation: str, case: Case, arrays: Arrays, queries: jax.Array, keys: jax.Array
) -> jax.Array:
    """Returns tokamax's; a mask and a bias are arrays there too."""
    import tokamax as library

    return library.dot_product_attention(
        *arrays[:3],
        bias=bias_of(case, arrays.table),
        mask=mask_of(case, queries, keys)[:, None],
        scale=scale_of(case),
        implementation=implementation,
    )


def flash(
    case: Case,
    arrays: Arrays,
    queries: jax.Array,
    keys: jax.Array,
    *,
    tiles: Tiles | None = None,
) -> jax.Array:
    """Returns flanjax's own, interpreted where there is no accelerator."""
    is_interpreted = jax.default_backend() == "cpu"
    return flash_attention(
        *arrays[:3],
        query_segments_BT=queries,
        key_segments_BS=keys,
        scale=scale_of(case),
        table_NH=arrays.table if case.has_table else None,
        is_bidirectional=not case.is_causal,
        is_causal=case.is_causal,
        platform="gpu" if is_interpreted else None,
        tiles=tiles,
        interpret=is_interpreted,
    )


BACKENDS: dict[str, Backend] = {
    "plain": plain,
    "cudnn": cudnn,
    "tokamax mosaic": functools.partial(tokamax, "mosaic"),
    "tokamax triton": functools.partial(tokamax, "triton"),
    "flash": flash,
}


def why_absent(name: str) -> str:
    """Returns why a backend cannot run on this machine; "" where it can."""
    if name.startswith("tokamax") and importlib.util.find_spec("tokamax") is None:
        return "tokamax is not installed here"
    is_cpu = jax.default_backend() == "cpu"
    return "needs a GPU" if is_cpu and name not in ("plain", "flash") else ""
