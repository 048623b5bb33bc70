"""One residual block for every family, and a cached step through a stack."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from flanjax import parallel
from flanjax.base import Key, Params
from flanjax.models import kernels, layers
from flanjax.models.api import Cache
from flanjax.models.attention import Attention, KeyValues
from flanjax.models.configs import BlockConfig
from flanjax.models.context import Contexts, Source
from flanjax.models.positions import Rotation, rotate

Remember = Callable[[jax.Array, jax.Array], tuple[Sequence[KeyValues], Any]]
"""New keys and values -> what the queries attend to, and what the block returns beside x."""

Cross = Callable[[Attention, Key | None], KeyValues]
"""A block's cross-attention -> what it reads."""


class Block(nnx.Module):
    """Attention, then cross-attention if any, then the MLP, each added to x.

    Each part is normed before, after or both, or attention and MLP read the
    same x, as the config says. Its `adapter` slot may hold a callable
    parameter (a NamedTuple of arrays with `__call__`), applied to the MLP's
    output before the addition.
    """

    def __init__(
        self,
        *,
        config: BlockConfig,
        attention: Attention,
        cross_attention: Attention | None,
        mlp: layers.MLP,
        norm: layers.NormSpec,
        d_model: int,
        dropout_rate: float,
    ) -> None:
        parts = ["attention", *(["cross_attention"] if cross_attention else []), "mlp"]
        for part in parts:
            if config.norm_at != "post" and not (part == "mlp" and config.shares_norm):
                setattr(self, f"{part}_norm", layers.Norm(norm, d_model))
            if config.norm_at != "pre":
                setattr(self, f"{part}_post_norm", layers.Norm(norm, d_model))
        self.attention = attention
        if cross_attention is not None:
            self.cross_attention = cross_attention
        self.mlp = mlp
        self.adapter = layers.slot()
        self.config = config
        self.dropout_rate = dropout_rate

    def __call__(
        self,
        x_RTD: jax.Array,
        remember: Remember,
        *,
        cross: Cross | None = None,
        rotation: Rotation | None = None,
        key: Key | None = None,
    ) -> tuple[jax.Array, Any]:
        """Returns the block's output and what `remember` kept.

        Args:
          x_RTD: The residual stream.
          remember: Gives the sources of self-attention.
          cross: Gives what cross-attention reads, in a block that has one.
          rotation: Of queries and keys, or None.
          key: Turns dropout on.
        """
        q_key, kv_key, self_key, mlp_key, *cross_keys = layers.split_key(key, 8)
        drop_keys = layers.split_key(cross_keys.pop(), 3)
        h_RTD = self._before("attention", x_RTD)
        q_RTHC = self.attention.queries(h_RTD, q_key)
        k_RTKC, v_RTKC = self.attention.keys_values(h_RTD, kv_key)
        if rotation is not None:
            q_RTHC, k_RTKC = rotate(q_RTHC, rotation), rotate(k_RTKC, rotation)
        sources, kept = remember(k_RTKC, v_RTKC)
        read_RTD = self.attention(q_RTHC, sources, self_key)
        first_RTD = x_RTD
        x_RTD = x_RTD + self._after("attention", read_RTD, drop_keys[0])
        if cross is not None:
            h_RTD = self._before("cross_attention", x_RTD)
            q_RTHC = self.cross_attention.queries(h_RTD, cross_keys[0])
            source = cross(self.cross_attention, cross_keys[1])
            read_RTD = self.cross_attention(q_RTHC, (source,), cross_keys[2])
            x_RTD = x_RTD + self._after("cross_attention", read_RTD, drop_keys[1])
        if not self.config.shares_norm:
            h_RTD = self._before("mlp", first_RTD if self.config.is_parallel else x_RTD)
        out_RTD = self.mlp(h_RTD, mlp_key)
        adapter = self.adapter.get_value()
        if adapter is not None:
            out_RTD = adapter(out_RTD)
        return x_RTD + self._after("mlp", out_RTD, drop_keys[2]), kept

    def _before(self, part: str, x: jax.Array) -> jax.Array:
        return x if self.config.norm_at == "post" else getattr(self, f"{part}_norm")(x)

    def _after(self, part: str, x: jax.Array, key: Key | None) -> jax.Array:
        normed = x if self.config.norm_at == "pre" else getattr(self, f"{part}_post_norm")(x)
        return kernels.dropout(normed, self.dropout_rate, key)


def run_stack(
    stack: layers.Stack,
    layer_params: Params,
    x_BTD: jax.Array,
    contexts: Contexts,
    *,
    cross: Cross | None = None,
    key: Key | None = None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Runs whole rows through a stack.

    Returns:
      The last block's output, and the keys and values of every layer,
      [L, B, T, K, C] each. They cost nothing where nobody reads them.
    """

    def body(block: Block, x: jax.Array, layer: Any) -> tuple[jax.Array, Any]:
        is_local, layer_key = layer
        context = contexts.of(is_local)
        x = parallel.constrain(x, "batch", "length", "embed")

        def remember(k: jax.Array, v: jax.Array) -> tuple[Sequence[KeyValues], Any]:
            mask, bias = context.masks[0], block.attention.bias(context.biases[0])
            sight = contexts.sight
            if sight is not None:
                table = block.attention.table(sight.table)
                sight = dataclasses.replace(
                    sight, mask=mask, bias=bias, table=table, is_local=is_local
                )
            return (KeyValues(k, v, mask, bias, sight),), (k, v)

        return block(x, remember, cross=cross, rotation=context.rotation, key=layer_key)

    layer_keys = None if key is None else jax.random.split(key, stack.num_layers)
    return stack.run(body, x_BTD, layer_params, (contexts.is_local, layer_keys))


def empty_cache(k: jax.Array, v: jax.Array, mask_BS: jax.Array, start_B: jax.Array) -> Cache:
    """Returns the cache of a prompt that nothing follows yet."""
    none = k[:, :, :0]
    return Cache(k, v, mask_BS, none, none, start_B, jnp.zeros((), jnp.int32))


def new_rows(cache: Cache, tokens_RT: jax.Array) -> jax.Array:
    """Returns the rows of the cache that new tokens fill, int32 [T].

    Raises:
      ValueError: The cache has no room for these rows and tokens.
    """
    room, num_slots = cache.room
    num_rows, num_new = tokens_RT.shape
    if num_rows != room or num_new > num_slots:
        raise ValueError(
            f"tokens must fit the cache's {room} rows of {num_slots}, got {num_rows} rows of "
            f"{num_new}; make room with decode.reserve."
        )
    return cache.length + jnp.arange(num_new, dtype=jnp.int32)


def own_source(cache: Cache, num_new: int, start_R1: jax.Array | int = 0) -> Source:
    """Returns the continuations' own keys as their new tokens see them.

    Args:
      cache: With room for the new tokens.
      num_new: T, the tokens that come.
      start_R1: The row of the first continuation token.
    """
    slots_1U = jnp.arange(cache.room[1])[None]
    rows_T1 = (cache.length + jnp.arange(num_new))[:, None]
    return Source((slots_1U <= rows_T1)[None], start_R1 + slots_1U)


def prompt_source(cache: Cache, num_rows: int) -> Source:
    """Returns the prompts' keys as the continuations see them."""
    num_per_prompt = num_rows // cache.prompt_mask.shape[0]
    mask_RS = jnp.repeat(cache.prompt_mask, num_per_prompt, axis=0)
    return Source(mask_RS[:, None], jnp.cumsum(mask_RS, axis=1) - 1)


def extend_stack(
    stack: layers.Stack,
    layer_params: Params,
    cache: Cache,
    x_RTD: jax.Array,
    contexts: Contexts,
    *,
    is_cross: bool,
) -> tuple[jax.Array, Cache]:
    """Runs new tokens through a stack, reading and growing the cache.

    Args:
      stack: The blocks.
      layer_params: Their parameters; a tuple of one tree a layer, and then
        the cache's arrays are tuples too.
      cache: With room for the new tokens.
      x_RTD: Embeddings of the new tokens.
      contexts: Their sources are the prompt, unless `is_cross`, and then the
        continuation; one softmax runs over both.
      is_cross: Whether the prompt is read by cross-attention.
    """
    num_new = x_RTD.shape[1]
    step = _CachedStep(
        contexts, prompt_source(cache, x_RTD.shape[0]).mask, cache.length, is_cross=is_cross
    )
    if isinstance(layer_params, tuple):
        x_RTD, kept = stack.run_each(
            step.with_own, x_RTD, layer_params, _each(cache, contexts, stack.num_layers)
        )
        k, v = zip(*kept, strict=True)
    else:
        xs = (jnp.arange(stack.num_layers), contexts.is_local, cache.prompt_k, cache.prompt_v)
        (x_RTD, k, v), _ = stack.run(step.with_all, (x_RTD, cache.k, cache.v), layer_params, xs)
    return x_RTD, cache._replace(k=k, v=v, length=cache.length + num_new)


def turn_heads(k_RTKC: jax.Array) -> jax.Array:
    """Returns keys or values as [R, K, T, C], and those as [R, T, K, C]."""
    return jnp.swapaxes(k_RTKC, -3, -2)


def _each(cache: Cache, contexts: Contexts, num_layers: int) -> list[Any]:
    is_local = [None] * num_layers if contexts.is_local is None else contexts.is_local
    return list(zip(is_local, cache.prompt_k, cache.prompt_v, cache.k, cache.v, strict=True))


@dataclasses.dataclass(frozen=True)
class _CachedStep:
    """What a block does with new tokens, whichever way the cache is kept.

    Attributes:
      contexts: Of the stack.
      prompt_mask: bool [R, 1, S], True at real prompt tokens.
      length: int32 [], continuation tokens written so far.
      is_cross: Whether the prompt is read by cross-attention.
    """

    contexts: Contexts
    prompt_mask: jax.Array
    length: jax.Array
    _: dataclasses.KW_ONLY
    is_cross: bool

    def with_all(self, block: Block, carry: Any, layer: Any) -> tuple[Any, None]:
        """Writes into the arrays of all layers, which go from block to block."""
        x, all_k, all_v = carry
        index, is_local, prompt_k, prompt_v = layer
        place = (index, 0, self.length, 0, 0)

        def store(k: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array, Any]:
            new_k = jax.lax.dynamic_update_slice(all_k, k[None], place)
            new_v = jax.lax.dynamic_update_slice(all_v, v[None], place)
            return new_k[index], new_v[index], (new_k, new_v)

        x, kept = self._run(block, x, store, is_local, (prompt_k, prompt_v))
        return (x, *kept), None

    def with_own(self, block: Block, x: jax.Array, layer: Any) -> tuple[jax.Array, Any]:
        """Writes into the block's own arrays, in which heads come first."""
        is_local, prompt_k, prompt_v, own_k, own_v = layer
        place = (0, 0, self.length, 0)

        def store(k: jax.Array, v: jax.Array) -> tuple[jax.Array, jax.Array, Any]:
            new_k = jax.lax.dynamic_update_slice(own_k, turn_heads(k), place)
            new_v = jax.lax.dynamic_update_slice(own_v, turn_heads(v), place)
            return turn_heads(new_k), turn_heads(new_v), (new_k, new_v)

        return self._run(block, x, store, is_local, (turn_heads(prompt_k), turn_heads(prompt_v)))

    def _run(
        self,
        block: Block,
        x: jax.Array,
        store: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array, Any]],
        is_local: Any,
        prompt: tuple[jax.Array, jax.Array],
    ) -> tuple[jax.Array, Any]:
        context = self.contexts.of(is_local)

        def remember(k: jax.Array, v: jax.Array) -> tuple[Sequence[KeyValues], Any]:
            own_k, own_v, kept = store(k, v)
            pairs = [prompt, (own_k, own_v)]
            reads = [
                KeyValues(*pair, mask, block.attention.bias(bias))
                for pair, mask, bias in zip(
                    pairs[self.is_cross :], context.masks, context.biases, strict=True
                )
            ]
            return reads, kept

        source = KeyValues(*prompt, self.prompt_mask)
        cross = (lambda attention, key: source) if self.is_cross else None
        return block(x, remember, cross=cross, rotation=context.rotation)
