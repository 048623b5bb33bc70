"""What flash attention makes of a block of logits: softmax and gradients.

Every platform does the same. All that is computed here is elementwise or along one axis of the
block, on operands that broadcast against it. Letters of shapes: Q queries and C head channels of a
block.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from flanjax.models import kernels
from flanjax.models.flash_blocks import FlashSpec, product

_MASKED = -1e30
"""The logit of a pair that may not attend: finite, so that no difference is undefined."""


class Softmax(NamedTuple):
    """A softmax over the keys seen so far, not yet divided.

    The latter two are vectors on a GPU, where Triton would have every thread hold as many copies of
    a loop's column as the block has columns, and columns on a TPU.

    Attributes:
      out: float32 [Q, C], values weighted by exp(logits - top).
      top: float32 [Q] or [Q, 1], the largest logit.
      total: float32 [Q] or [Q, 1], the sum of the weights.
    """

    out: jax.Array
    top: jax.Array
    total: jax.Array


def empty_softmax(num_queries: int, width: int, *, has_columns: bool) -> Softmax:
    """Returns the softmax over no keys."""
    shape = (num_queries, 1) if has_columns else (num_queries,)
    return Softmax(
        jnp.zeros((num_queries, width), jnp.float32),
        jnp.full(shape, _MASKED, jnp.float32),
        jnp.zeros(shape, jnp.float32),
    )


def add_keys(
    spec: FlashSpec,
    so_far: Softmax,
    dots: jax.Array,
    bias: jax.Array | None,
    seen: jax.Array,
    v: jax.Array,
) -> Softmax:
    """Returns the softmax with the keys of one more block.

    What is masked has no weight beside any logit; a row that has seen nothing
    yet is held against 0, where it has none either.

    Source: Dao et al. 2022, algorithm 1; undivided until the end, Dao 2023.
    """
    power = spec.exponential.power
    logits = jnp.where(seen, _logits(spec, dots, bias), _MASKED)
    keepdims = so_far.top.ndim == 2
    top = jnp.maximum(so_far.top, logits.max(1, keepdims=keepdims))
    weights = power(logits - _column(jnp.where(top == _MASKED, 0.0, top)))
    shrink = power(so_far.top - top)
    return Softmax(
        so_far.out * _column(shrink) + product(weights.astype(v.dtype), v, 1, 0),
        top,
        so_far.total * shrink + weights.sum(1, keepdims=keepdims),
    )


def _column(x: jax.Array) -> jax.Array:
    return x if x.ndim == 2 else x[:, None]


def finish(spec: FlashSpec, softmax: Softmax) -> tuple[jax.Array, jax.Array]:
    """Returns output [Q, C] and log-sum-exp [Q] or [Q, 1], 0 where no key was seen."""
    is_empty = softmax.total == 0.0
    total = jnp.where(is_empty, 1.0, softmax.total)
    lse = softmax.top + spec.exponential.unit * jnp.log(total)
    return softmax.out / _column(total), jnp.where(is_empty, 0.0, lse)


def _logits(spec: FlashSpec, dots: jax.Array, bias: jax.Array | None) -> jax.Array:
    """Returns a block's logits in the exponential's unit."""
    unit = spec.exponential.unit
    if spec.cap:
        logits = kernels.soft_cap(dots * spec.scale, spec.cap) * unit
    else:
        logits = dots * (spec.scale * unit)
    return logits if bias is None else logits + bias


class BlockGrads(NamedTuple):
    """What the backward pass makes of a block, all float32 of its shape.

    Attributes:
      weights: The attention weights.
      dlogits: Gradient of what the softmax reads, hence of the bias.
      ddots: Gradient of the dot products over the scale, by which the sums
        that it goes into are multiplied in the end.
    """

    weights: jax.Array
    dlogits: jax.Array
    ddots: jax.Array


def block_grads(
    spec: FlashSpec,
    dots: jax.Array,
    bias: jax.Array | None,
    seen: jax.Array,
    dweights: jax.Array,
    lse: jax.Array,
    delta: jax.Array,
) -> BlockGrads:
    """Returns a block's gradients; `lse` and `delta` broadcast along the keys.

    Source: Dao et al. 2022, algorithm 4.
    """
    logits = _logits(spec, dots, bias)
    weights = jnp.where(seen, spec.exponential.power(logits - lse), 0.0)
    dlogits = weights * (dweights - delta)
    if not spec.cap:
        return BlockGrads(weights, dlogits, dlogits)
    steepness = 1.0 - jnp.square(jnp.tanh(dots * (spec.scale / spec.cap)))
    return BlockGrads(weights, dlogits, dlogits * steepness)
