"""Who sees whom in a stack, and from where: what its layers share."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from flanjax.models.attention import within_window
from flanjax.models.configs import RelativeConfig, RotaryConfig
from flanjax.models.positions import Rotation, relative_bias, relative_buckets, rotation
from flanjax.models.row_attention import Sight


class Source(NamedTuple):
    """Keys that self-attention reads.

    Attributes:
      mask: bool [1 or R, T, S], True where a query may attend.
      rows: int32 [1 or R, S], where each key stands; the difference to a
        query's row is their distance.
      sight: The mask of whole rows in vectors; None for other sources.
    """

    mask: jax.Array
    rows: jax.Array
    sight: Sight | None = None


class Context(NamedTuple):
    """What the self-attention of a layer needs beside queries, keys and values.

    Attributes:
      masks: Of each source, bool [1 or R, T, S].
      biases: Of each source, float32 [1 or R, H, T, S], or None; with a table
        in each layer the buckets, int32 [1 or R, T, S].
      rotation: Of the queries and of the keys that are made with them.
    """

    masks: tuple[jax.Array, ...]
    biases: tuple[jax.Array | None, ...]
    rotation: Rotation | None


class Contexts(NamedTuple):
    """The contexts of a stack whose layers are of one kind or of two.

    Attributes:
      whole: Of the layers that see everything, or of all layers.
      local: Of the layers that see a window, where the others do not.
      is_local: bool [L], which is which; None where all are alike.
      sight: Of whole rows, which are the only source; None for others.
    """

    whole: Context
    local: Context | None = None
    is_local: np.ndarray | None = None
    sight: Sight | None = None

    def of(self, is_local: Any) -> Context:
        """Returns the context of a layer, from its entry of `is_local`."""
        if self.local is None:
            return self.whole
        if isinstance(is_local, np.bool_):
            return self.local if is_local else self.whole
        return jax.tree.map(
            lambda whole, local: jnp.where(is_local, local, whole), self.whole, self.local
        )


def make_contexts(
    config: Any,
    num_layers: int,
    sources: Sequence[Source],
    *,
    query_rows: jax.Array,
    query_positions: jax.Array,
    bias_table: jax.Array | None = None,
    is_bidirectional: bool = False,
) -> Contexts:
    """Returns the contexts of a stack.

    Args:
      config: A T5Config or DecoderConfig.
      num_layers: Layers of the stack.
      sources: What its self-attention reads.
      query_rows: int32 [1 or R, T], on the scale of the sources' rows.
      query_positions: int32 [R, T], counted from each example's start.
      bias_table: [buckets, H], with relative positions.
      is_bidirectional: Whether the stack looks ahead.
    """
    biases = tuple(
        _bias(config.positions, bias_table, query_rows, source.rows, is_bidirectional)
        for source in sources
    )

    attention = config.block.attention
    # transformers counts the token itself in a causal window, and not in one of both directions.
    reach = attention.window + is_bidirectional

    def context(*, is_local: bool) -> Context:
        masks = tuple(_mask(reach if is_local else 0, query_rows, s) for s in sources)
        turn = None
        if isinstance(config.positions, RotaryConfig):
            turn = rotation(config.positions, query_positions, config.d_head, is_local=is_local)
        return Context(masks, biases, turn)

    is_local = attention.local_layers(num_layers)
    sight = _sight(config.positions, sources, bias_table, reach if any(is_local) else 0)
    if any(is_local) and not all(is_local):
        contexts = (context(is_local=False), context(is_local=True))
        return Contexts(*contexts, np.asarray(is_local), sight)
    return Contexts(context(is_local=all(is_local)), sight=sight)


def _sight(
    positions: Any, sources: Sequence[Source], table: jax.Array | None, reach: int
) -> Sight | None:
    """Completes the sight of whole rows by what a stack's layers share."""
    sight = sources[0].sight
    if sight is None:
        return None
    distance = positions.max_distance if isinstance(positions, RelativeConfig) else 0
    return dataclasses.replace(sight, reach=reach, table=table, max_distance=distance)


def _mask(reach: int, query_rows: jax.Array, source: Source) -> jax.Array:
    if not reach:
        return source.mask
    return source.mask & within_window(query_rows, source.rows, reach)


def _bias(
    positions: Any,
    table: jax.Array | None,
    query_rows: jax.Array,
    key_rows: jax.Array,
    is_bidirectional: bool,
) -> jax.Array | None:
    """Returns a source's bias, or its buckets where each layer has a table.

    One table serves every layer of a stack, so its bias is made once. Rows, not
    positions, are compared: within a packed segment both have the same
    distances, and across segments the mask hides them.
    """
    if not isinstance(positions, RelativeConfig):
        return None
    buckets = relative_buckets(
        key_rows[:, None, :] - query_rows[:, :, None],
        is_bidirectional=is_bidirectional,
        num_buckets=positions.num_buckets,
        max_distance=positions.max_distance,
    )
    return buckets if table is None else relative_bias(table, buckets)
