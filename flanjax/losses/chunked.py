"""Token losses without all the logits: a chunk at a time, exactly.

The logits of a batch are its largest array: 8,192 tokens of a vocabulary of 128,256 are 4.2 GB
in float32, and the backward pass wants them again. Here a chunk of logits is made, its sums are
added up, and its gradient is taken at once, so nothing of the vocabulary's size is kept but the
output matrix's gradient. Tokens that carry weight come first and chunks without any are passed
over: of a prompt that is only read, a causal model has no logits made at all.

```
  weights   0 0 1 1 0 1 0 0     columns of a row, two to a chunk
  order     2 3 5 0 1 4 6 7
  chunks    [2 3] [5 0]         made
            [1 4] [6 7]         passed over, if no other row has weights there
```
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

from flanjax import parallel
from flanjax.losses.tokens import LossConfig, TokenSums, token_sums

Unembed: TypeAlias = Callable[[Any, jax.Array], jax.Array]
"""(head, hidden_BTD) -> logits_BTV; the head is a tree of all arrays that it reads."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def chunked_sums(
    unembed: Unembed,
    config: LossConfig,
    head: Any,
    hidden_BTD: jax.Array,
    targets_BT: jax.Array,
    weights_BT: jax.Array,
) -> TokenSums:
    """Returns `token_sums` of a batch, of [B, chunk, V] logits at a time.

    The gradient of `loss` is made in the forward pass: the loss is a sum, so what comes back for
    it is one number that all gradients are multiplied by (Wijmans et al. 2024, "Cut Your
    Losses", go further and never write the chunk of logits to memory). The other sums have no
    gradient, and neither have the weights.

    Args:
      unembed: Makes the logits of some tokens.
      config: How a token is scored; its chunk is not 0.
      head: What `unembed` reads.
      hidden_BTD: The model's output.
      targets_BT: int32.
      weights_BT: float32; tokens of no weight add nothing.
    """
    head = _narrowed(head, hidden_BTD)

    def add(sums: TokenSums, chunk: Any) -> tuple[TokenSums, None]:
        added = jax.lax.cond(
            jnp.any(chunk[-1] != 0),
            lambda: jax.tree.map(jnp.add, sums, _sums(unembed, config, head, *chunk)),
            lambda: sums,
        )
        return added, None

    order_BT = _weighted_first(weights_BT)
    chunks = _cut((hidden_BTD, targets_BT, weights_BT), order_BT, config.chunk)
    return jax.lax.scan(add, _no_sums(), chunks)[0]


def split_columns(arrays: Any, chunk: int) -> Any:
    """Cuts [B, T, ...] into [num_chunks, B, chunk, ...], filled up with zeros.

    Chunk n takes every num_chunks-th column from n on, so that each device has its part of every
    chunk, whether the mesh splits rows or columns.
    """

    def split(array: jax.Array) -> jax.Array:
        padded, num_chunks = _filled_up(array, chunk)
        rows, _, *rest = array.shape
        return jnp.moveaxis(padded.reshape(rows, chunk, num_chunks, *rest), 2, 0)

    return jax.tree.map(split, arrays)


def join_columns(chunks: Any, length: int) -> Any:
    """Undoes `split_columns`: [num_chunks, B, chunk, ...] become [B, length, ...]."""

    def join(array: jax.Array) -> jax.Array:
        num_chunks, rows, chunk = array.shape[:3]
        joined = jnp.moveaxis(array, 0, 2).reshape(rows, chunk * num_chunks, *array.shape[3:])
        return joined[:, :length]

    return jax.tree.map(join, chunks)


def _filled_up(array: jax.Array, chunk: int) -> tuple[jax.Array, int]:
    """Returns [B, T, ...] filled up with zeros, and how many chunks it makes."""
    num_chunks = -(-array.shape[1] // chunk)
    padding = [(0, 0), (0, num_chunks * chunk - array.shape[1])] + [(0, 0)] * (array.ndim - 2)
    return jnp.pad(array, padding), num_chunks


def _weighted_first(weights_BT: jax.Array) -> jax.Array | None:
    """Returns each row's columns, those of weight first; None if devices share rows.

    There a row's order would send most of it from one device to another.
    """
    if parallel.splits_columns():
        return None
    return jnp.argsort(weights_BT == 0, axis=1, stable=True)


def _cut(arrays: Any, order_BT: jax.Array | None, chunk: int) -> Any:
    """Cuts columns in an order, to the shapes of `split_columns`; None is its own."""
    if order_BT is None:
        return split_columns(arrays, chunk)

    def cut(array: jax.Array) -> jax.Array:
        padded, num_chunks = _filled_up(_taken(array, order_BT), chunk)
        rows, _, *rest = array.shape
        return jnp.moveaxis(padded.reshape(rows, num_chunks, chunk, *rest), 1, 0)

    return jax.tree.map(cut, arrays)


def _put_back(chunks: jax.Array, order_BT: jax.Array | None, length: int) -> jax.Array:
    """Undoes `_cut`."""
    if order_BT is None:
        joined: jax.Array = join_columns(chunks, length)
        return joined
    num_chunks, rows, chunk, *rest = chunks.shape
    ordered = jnp.moveaxis(chunks, 0, 1).reshape(rows, num_chunks * chunk, *rest)[:, :length]
    return _taken(ordered, jnp.argsort(order_BT, axis=1))


def _taken(array: jax.Array, order_BT: jax.Array) -> jax.Array:
    places = order_BT.reshape(*order_BT.shape, *[1] * (array.ndim - 2))
    return jnp.take_along_axis(array, places, axis=1)


def _sums(
    unembed: Unembed, config: LossConfig, head: Any, hidden: Any, targets: Any, weights: Any
) -> TokenSums:
    return token_sums(unembed(head, hidden), targets, weights, config)


def _no_sums() -> TokenSums:
    return TokenSums(*(jnp.zeros((), jnp.float32) for _ in TokenSums._fields))


def _forward(
    unembed: Unembed, config: LossConfig, head: Any, hidden: Any, targets: Any, weights: Any
) -> tuple[TokenSums, Any]:
    """Adds up the sums, and the gradients of what has one: a frozen head has not."""
    is_trained = any(leaf.perturbed for leaf in jax.tree.leaves(head, is_leaf=_is_primal))
    head, hidden, targets, weights = jax.tree.map(
        lambda leaf: leaf.value, (head, hidden, targets, weights), is_leaf=_is_primal
    )
    whole, head = head, _narrowed(head, hidden)

    def loss(head: Any, hidden: Any, targets: Any, weights: Any) -> tuple[jax.Array, TokenSums]:
        sums = _sums(unembed, config, head, hidden, targets, weights)
        return sums.loss, sums

    grad_of = jax.grad(loss, argnums=(1, 0) if is_trained else (1,), has_aux=True)

    def add(carry: Any, chunk: Any) -> tuple[Any, jax.Array]:
        sums, of_head = carry
        (of_hidden, *more), part = grad_of(head, *chunk)
        of_head = jax.tree.map(jnp.add, of_head, more)
        return (jax.tree.map(jnp.add, sums, part), of_head), of_hidden

    def add_weighted(carry: Any, chunk: Any) -> tuple[Any, jax.Array]:
        def pass_over() -> tuple[Any, jax.Array]:
            return carry, jnp.zeros_like(chunk[0])

        added: tuple[Any, jax.Array] = jax.lax.cond(
            jnp.any(chunk[-1] != 0), lambda: add(carry, chunk), pass_over
        )
        return added

    empty = [jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float32), head)] * is_trained
    order_BT = _weighted_first(weights)
    chunks = _cut((hidden, targets, weights), order_BT, config.chunk)
    (sums, of_head), of_hidden = jax.lax.scan(add_weighted, (_no_sums(), empty), chunks)
    of_head = jax.tree.map(lambda g, leaf: g.astype(leaf.dtype), of_head, [whole] * is_trained)
    return sums, (of_head, _put_back(of_hidden, order_BT, hidden.shape[1]))


def _backward(
    unembed: Unembed, config: LossConfig, kept: Any, grad: TokenSums
) -> tuple[Any, jax.Array, None, None]:
    of_head, of_hidden = kept
    if isinstance(grad.loss, jax.custom_derivatives.SymbolicZero):
        grad = grad._replace(loss=jnp.zeros((), jnp.float32))
    scaled = jax.tree.map(lambda g: (g * grad.loss).astype(g.dtype), (of_head, of_hidden))
    return (scaled[0][0] if of_head else None), scaled[1], None, None


def _narrowed(head: Any, hidden: jax.Array) -> Any:
    """Rounds the head to the compute type once, not in every chunk."""
    return jax.tree.map(lambda leaf: leaf.astype(hidden.dtype), head)


def _is_primal(leaf: Any) -> bool:
    return hasattr(leaf, "perturbed")


chunked_sums.defvjp(_forward, _backward, symbolic_zeros=True)
