"""Where tokens stand, as rotations and as biases of attention."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from flanjax.models.configs import RotaryConfig


class Rotation(NamedTuple):
    """What rotary positions turn queries and keys by.

    Attributes:
      cos: float32 [B, T, E], E half of the rotated channels.
      sin: float32 [B, T, E].
    """

    cos: jax.Array
    sin: jax.Array


def rotary_rates(config: RotaryConfig, d_head: int, *, is_local: bool = False) -> np.ndarray:
    """Returns the angle that each pair of channels turns by a position, [E].

    Source: Su et al. 2021, section 3.2.2: theta ** (-2 i / width); and for
    scaled ones Llama 3.1's published code, and Ding et al. 2024, equation 1.
    """
    width = config.width(d_head)
    rates: np.ndarray
    exponents = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
    if is_local and config.local_theta is not None:
        return (1.0 / np.float32(config.local_theta) ** exponents).astype(np.float32)
    rates = 1.0 / np.float32(config.theta) ** exponents
    if config.scaling == "linear":
        rates = rates / config.factor
    elif config.scaling == "llama3":
        turns = config.original_length * rates / (2 * np.pi)
        share = (turns - config.low_frequency) / (config.high_frequency - config.low_frequency)
        kept = np.clip(share, 0.0, 1.0)
        rates = (1 - kept) * rates / config.factor + kept * rates
    elif config.scaling == "longrope":
        factors = config.long_factors if config.uses_long else config.short_factors
        rates = rates / np.asarray(factors, np.float32)
    return np.asarray(rates, np.float32)


def rotary_gain(config: RotaryConfig) -> float:
    """Returns the factor of queries and of keys that goes with the scaling.

    Source: Ding et al. 2024, section 3.3; 1 for all but "longrope".
    """
    if config.scaling != "longrope" or config.factor <= 1:
        return 1.0
    return math.sqrt(1 + math.log(config.factor) / math.log(config.original_length))


def rotation(
    config: RotaryConfig, positions_BT: jax.Array, d_head: int, *, is_local: bool = False
) -> Rotation:
    """Returns the rotation of each position."""
    rates_E = rotary_rates(config, d_head, is_local=is_local)
    angles_BTE = positions_BT[..., None].astype(jnp.float32) * rates_E
    gain = rotary_gain(config)
    return Rotation(jnp.cos(angles_BTE) * gain, jnp.sin(angles_BTE) * gain)


def rotate(x_BTHC: jax.Array, by: Rotation) -> jax.Array:
    """Rotates channel pairs (i, i + E) of every head; what follows 2 E stays.

    The pairs are Llama's in transformers' layout, not the neighbours of the
    paper: the same up to an order of channels that the weights absorb.
    """
    cos, sin = by.cos[:, :, None], by.sin[:, :, None]
    half = cos.shape[-1]
    wide = x_BTHC.astype(jnp.float32)
    first, second = wide[..., :half], wide[..., half : 2 * half]
    parts = [first * cos - second * sin, second * cos + first * sin, wide[..., 2 * half :]]
    return jnp.concatenate(parts, axis=-1).astype(x_BTHC.dtype)


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
    num_exact, starts_N = num_buckets // 2, bucket_starts(num_buckets, max_distance)
    far = num_exact + jnp.searchsorted(starts_N[num_exact + 1 :], distance, side="right")
    return (first + jnp.where(distance < num_exact, distance, far)).astype(jnp.int32)


def bucket_starts(num_buckets: int, max_distance: int) -> np.ndarray:
    """Returns the least distance in each bucket of one direction, int32 [N].

    The first half holds one distance each; source as above.
    """
    num_exact = num_buckets // 2
    num_far = num_buckets - num_exact
    edges = num_exact * (max_distance / num_exact) ** (np.arange(1, num_far) / num_far)
    far = np.ceil(np.round(edges, 6)).astype(np.int32)
    return np.concatenate([np.arange(num_exact + 1, dtype=np.int32), far])


def relative_bias(table_NH: jax.Array, buckets_RTS: jax.Array) -> jax.Array:
    """Returns float32 [R, H, T, S], the bias of each head by bucket."""
    return jnp.transpose(table_NH[buckets_RTS], (0, 3, 1, 2)).astype(jnp.float32)
