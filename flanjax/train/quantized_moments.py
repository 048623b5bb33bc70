"""An optimizer's moments in eight bits, block by block.

```
  moment  float32 [..., N]       0.02  -0.5   1.0  |  3e-4   0.0  -6e-4     two blocks of three
  scales  float32 [..., N / 3]   1.0               |  6e-4                  the largest magnitude
  codes   int8    [..., N]         35   -92  -128  |    92     0   -127     of moment / scale
```

Source: Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", section 2. A code has
a sign, some zeros, a one and a fraction: each zero is a power of ten, and the fraction numbers the
equal parts of [0.1, 1], whose midpoints are the values. Second moments have no sign and a bit more
of fraction. 0 and 1 have a code of their own. Two deviations: blocks lie along the last axis and
divide it, so that they are sharded as their parameter is; and a second moment that is not zero is
never rounded to zero, which would make its parameter's update huge.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from flanjax.base import Params, path_name

MIN_SIZE = 4096
"""Arrays of fewer elements stay float32 (section 2.3 of the source: they cost nothing)."""
_BLOCKS = range(256, 31, -1)
_SHARDS = 16
_DECADES = 7
_SIGNED = {"mu": True, "trace": True, "nu": False}
"""What optax calls a moment -> whether it may be negative."""
_ONE = {True: -128, False: 1}
"""The code of 1, which the pattern of zeros, one and fraction leaves free."""


class Blocks(NamedTuple):
    """An array in eight bits.

    Attributes:
      codes: int8 where signed, else uint8, of the array's shape [..., N].
      scales: float32 [..., N / block]; None for an array that is left as it
        is, and then `codes` is the array.
    """

    codes: Any
    scales: Any


class QuantizedState(NamedTuple):
    """The state of an optimizer whose moments are in eight bits.

    Attributes:
      rest: Its own state, with None in place of moments.
      moments: "mu" -> codes and "mu_scales" -> scales, two trees like the
        parameters, and so on.
    """

    rest: Any
    moments: dict[str, Params]


def quantized(tx: optax.GradientTransformation, stacked: Collection[str]) -> Any:
    """Returns `tx` with its moments kept in eight bits between updates.

    An update reads them as float32 and uses its new moments before they are
    rounded.

    Args:
      tx: What keeps `mu`, `nu` or `trace` in float32.
      stacked: Paths of the parameters that have a first axis of layers; what
        is small is decided by layer.
    """

    def pack(state: Any) -> QuantizedState:
        kept = {name: value for name, value in state._asdict().items() if name in _SIGNED}
        moments = {}
        for name, tree in kept.items():
            blocks = jax.tree_util.tree_map_with_path(
                lambda path, x, name=name: _pack(x, path_name(path) in stacked, _SIGNED[name]), tree
            )
            moments[name], moments[f"{name}_scales"] = (
                jax.tree.map(lambda pair, i=i: pair[i], blocks, is_leaf=_is_blocks) for i in (0, 1)
            )
        return QuantizedState(state._replace(**dict.fromkeys(kept)), moments)

    def unpack(state: QuantizedState) -> Any:
        names = [name for name in _SIGNED if name in state.moments]
        trees = (jax.tree.map(_unpack, *_trees(state, name)) for name in names)
        return state.rest._replace(**dict(zip(names, trees, strict=True)))

    def update(updates: Params, state: Any, params: Params | None = None) -> tuple[Params, Any]:
        updates, new = tx.update(updates, unpack(state), params)
        return updates, pack(new)

    return optax.GradientTransformation(lambda params: pack(tx.init(params)), update)


def _is_blocks(node: Any) -> bool:
    return isinstance(node, Blocks)


def _trees(state: QuantizedState, name: str) -> tuple[Params, Params]:
    return state.moments[name], state.moments[f"{name}_scales"]


def _pack(x: jax.Array, is_stacked: bool, is_signed: bool) -> Blocks:
    if math.prod(x.shape[is_stacked:]) < MIN_SIZE:
        return Blocks(x, None)
    return quantize(x, is_signed=is_signed)


def _unpack(codes: jax.Array, scales: jax.Array | None) -> jax.Array:
    return codes if scales is None else dequantize(Blocks(codes, scales))


def block_length(size: int) -> int:
    """Returns the length of the blocks of an axis, which divides its size.

    It is the longest of 32 to 256 that divides a sixteenth of the axis, so that
    no block lies on two of up to 16 shards; else that divides the axis; else
    the whole axis is a block.
    """
    for whole in (size / _SHARDS, size):
        for length in _BLOCKS:
            if whole % length == 0:
                return length
    return size


def quantize(x: jax.Array, *, is_signed: bool) -> Blocks:
    """Returns an array in eight bits: the nearest value of each block's 256.

    The smallest value is 5.5e-7 of the largest of the block. What is less than half of that is
    rounded to zero where it has a sign, and else up to it.
    """
    blocks = x.reshape(*x.shape[:-1], -1, block_length(x.shape[-1]))
    scales = jnp.max(jnp.abs(blocks), axis=-1)
    parts = blocks / jnp.where(scales > 0, scales, 1)[..., None]
    return Blocks(encode(parts, is_signed=is_signed).reshape(x.shape), scales)


def dequantize(blocks: Blocks) -> jax.Array:
    """Returns the array, float32."""
    codes, scales = blocks
    values = decode(codes).reshape(*scales.shape, -1) * scales[..., None]
    return values.reshape(codes.shape)


def _value(decade: int, part: int, bits: int) -> float:
    """Returns the midpoint of a part of a decade, of 2 ** bits parts in the first."""
    return float(10.0**-decade * (0.1 + 0.9 * (part + 0.5) / 2 ** (bits - decade)))


def _last(decade: int, bits: int) -> float:
    return _value(decade, 2 ** (bits - decade) - 1, bits)


def encode(x: jax.Array, *, is_signed: bool) -> jax.Array:
    """Returns the codes of the nearest values to numbers in [-1, 1].

    It is arithmetic alone, without a table to look up, which is slow on a TPU.
    """
    bits = 6 if is_signed else 7
    size = jnp.abs(x)
    decade = jnp.zeros(x.shape, jnp.int32)
    power = jnp.ones(x.shape, jnp.float32)
    for lower in range(1, _DECADES):
        border = (_last(lower, bits) + _value(lower - 1, 0, bits)) / 2
        decade = jnp.where(size < border, lower, decade)
        power = jnp.where(size < border, 10.0**lower, power)
    num_parts = 1 << (bits - decade)
    part = jnp.floor((size * power - 0.1) / 0.9 * num_parts).astype(jnp.int32)
    code = num_parts + jnp.clip(part, 0, num_parts - 1)
    smallest = _value(_DECADES - 1, 0, bits)
    code = jnp.where(size < smallest / 2 if is_signed else size == 0, 0, code)
    if is_signed:
        code = jnp.where(x < 0, -code, code)
    code = jnp.where(x > (_last(0, bits) + 1) / 2, _ONE[is_signed], code)
    return code.astype(jnp.int8 if is_signed else jnp.uint8)


def decode(codes: jax.Array) -> jax.Array:
    """Returns the values of int8 or uint8 codes, float32 in [-1, 1]."""
    is_signed = codes.dtype == jnp.int8
    bits = 6 if is_signed else 7
    code = codes.astype(jnp.int32)
    size = jnp.maximum(jnp.abs(code), 1)
    log = 31 - jax.lax.clz(size)
    power = jnp.ones(codes.shape, jnp.float32)
    for decade in range(1, _DECADES):
        power = jnp.where(log <= bits - decade, 10.0**-decade, power)
    num_parts = 1 << log
    value = power * (0.1 + 0.9 * (size - num_parts + 0.5) / num_parts)
    value = jnp.where(code == 0, 0.0, jnp.sign(code) * value)
    return jnp.where(code == _ONE[is_signed], 1.0, value)
