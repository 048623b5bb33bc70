"""Where an answer ends: at an end id, or after a sequence of ids."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_ANY, _NONE = -1, -2  # no ids: fits every id; stands before the first written token


class Ends(NamedTuple):
    """What ends an answer.

    Attributes:
      eos_id: The vocabulary's end id.
      stops: Sequences of ids, of any lengths; an answer ends with the last id
        of the first that it has written whole.
    """

    eos_id: int
    stops: tuple[tuple[int, ...], ...] = ()

    def reached(self, tokens_NT: jax.Array, num_written: jax.Array) -> jax.Array:
        """Returns bool [..., N], rows that end with their last written token.

        Args:
          tokens_NT: int32 [..., N, T], what has been written, and anything
            after it.
          num_written: int32 [], tokens of each row that have been; not 0.
        """
        last_N = jax.lax.dynamic_index_in_dim(tokens_NT, num_written - 1, -1, keepdims=False)
        is_end_N = last_N == self.eos_id
        if not self.stops:
            return is_end_N
        width = max(map(len, self.stops))
        stops_MW = np.array([[_ANY] * (width - len(ids)) + list(ids) for ids in self.stops])
        places_W = num_written - width + jnp.arange(width)
        recent_NW = jnp.take(tokens_NT, jnp.maximum(places_W, 0), axis=-1)
        recent_N1W = jnp.where(places_W >= 0, recent_NW, _NONE)[..., None, :]
        is_stop_NM = jnp.all((stops_MW == _ANY) | (stops_MW == recent_N1W), axis=-1)
        return is_end_N | jnp.any(is_stop_NM, axis=-1)


def make_ends(eos_id: int, stops: tuple[tuple[int, ...], ...] = ()) -> Ends:
    """Returns what ends an answer.

    Raises:
      ValueError: A sequence has no ids, or one that is none.
    """
    for ids in stops:
        if not ids or min(ids) < 0:
            raise ValueError(
                f"a stop sequence must have ids from 0 up, got {tuple(ids)}; leave it out."
            )
    return Ends(eos_id, tuple(tuple(map(int, ids)) for ids in stops))
