"""Weights in bfloat16, rounded up or down by chance.

A weight w + u between two bfloat16 neighbours becomes the upper one with the probability of its
distance from the lower, so it is right on average, and an update that is a small part of the gap
moves one weight in many by a whole gap instead of none. Source: Gupta et al. 2015, section 3.1;
Zamirai et al. 2020, section 4.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp

from flanjax.base import Key, Params
from flanjax.models import layers
from flanjax.models.api import Model

WeightDtype: TypeAlias = Literal["float32", "bfloat16"]
_STREAM = 0x726F756E
"""Sets the bits of rounding apart from those of dropout."""


def stored_in(model: Model, dtype: WeightDtype) -> Model:
    """Returns a model whose parameters are kept in a type.

    Norms and biases stay float32, as `layers.cast_weights` has it.
    """
    if dtype == "float32":
        return model
    return model._replace(init=lambda key: layers.cast_weights(model.init(key), dtype))


def widened(params: Params) -> Params:
    """Returns parameters as gradients and optimizers read them, bfloat16 as float32."""
    return jax.tree.map(lambda p: p.astype(jnp.float32) if p.dtype == jnp.bfloat16 else p, params)


def apply_updates(params: Params, updates: Params, key: Key) -> Params:
    """Returns parameters plus updates, each in the parameter's own type.

    Bfloat16 is rounded by chance; the bits depend on the key and on the place
    in the tree and array alone, not on how arrays are laid over devices.
    """
    leaves, structure = jax.tree.flatten(params)
    stream = jax.random.fold_in(key, _STREAM)

    def added(number: int, param: jax.Array, update: jax.Array) -> jax.Array:
        if param.dtype != jnp.bfloat16:
            return (param + update).astype(param.dtype)
        whole = param.astype(jnp.float32) + update
        return stochastic_round(whole, jax.random.fold_in(stream, number))

    pairs = zip(leaves, jax.tree.leaves(updates), strict=True)
    moved = [added(number, *pair) for number, pair in enumerate(pairs)]
    return jax.tree.unflatten(structure, moved)


def stochastic_round(x: jax.Array, key: Key) -> jax.Array:
    """Returns float32 as bfloat16, each value one of its two neighbours.

    The expectation is the value itself, and what bfloat16 can hold stays.
    Infinities and NaN stay what they are; beyond the largest bfloat16 the upper
    neighbour is infinity.
    """
    bits = jax.random.bits(key, x.shape, jnp.uint16).astype(jnp.uint32)
    # A bfloat16 is the upper half of a float32: what the lower half carries over is by chance.
    carried = (jax.lax.bitcast_convert_type(x, jnp.uint32) + bits) >> 16
    rounded = jax.lax.bitcast_convert_type(carried.astype(jnp.uint16), jnp.bfloat16)
    return jnp.where(jnp.isfinite(x), rounded, x.astype(jnp.bfloat16))
