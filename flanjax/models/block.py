"""One residual block for every family, and a cached step through a stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from flanjax.base import Key, Params
from flanjax.models import kernels, layers
from flanjax.models.api import Cache
from flanjax.models.attention import Attention, KeyValues, rotate

Remember = Callable[[jax.Array, jax.Array], tuple[Sequence[KeyValues], Any]]
"""New keys and values -> what the queries attend to, and what the block returns beside x."""

Cross = Callable[[Attention, Key | None], KeyValues]
"""A block's cross-attention -> what it reads."""


class Block(nnx.Module):
    """x + attention(norm(x)), then cross-attention if any, then the MLP.

    Its `adapter` slot may hold a callable parameter (a NamedTuple of arrays
    with `__call__`), applied to the MLP's output before the addition.
    """

    def __init__(
        self,
        *,
        attention: Attention,
        cross_attention: Attention | None,
        mlp: layers.GatedMLP,
        d_model: int,
        norm_eps: float,
        dropout_rate: float,
    ) -> None:
        self.attention_norm = layers.norm_param(d_model)
        self.attention = attention
        if cross_attention is not None:
            self.cross_attention_norm = layers.norm_param(d_model)
            self.cross_attention = cross_attention
        self.mlp_norm = layers.norm_param(d_model)
        self.mlp = mlp
        self.adapter = layers.slot()
        self.norm_eps = norm_eps
        self.dropout_rate = dropout_rate

    def __call__(
        self,
        x_RTD: jax.Array,
        remember: Remember,
        *,
        cross: Cross | None = None,
        angles_RTE: jax.Array | None = None,
        key: Key | None = None,
    ) -> tuple[jax.Array, Any]:
        """Returns the block's output and what `remember` kept.

        Args:
          x_RTD: The residual stream.
          remember: Gives the sources of self-attention.
          cross: Gives what cross-attention reads, in a block that has one.
          angles_RTE: Rotary angles of queries and keys, or None.
          key: Turns dropout on.
        """
        q_key, kv_key, self_key, mlp_key, *cross_keys = layers.split_key(key, 8)
        drop_keys = layers.split_key(cross_keys.pop(), 3)
        h_RTD = self._norm(x_RTD, self.attention_norm)
        q_RTHC = self.attention.queries(h_RTD, q_key)
        k_RTKC, v_RTKC = self.attention.keys_values(h_RTD, kv_key)
        if angles_RTE is not None:
            q_RTHC, k_RTKC = rotate(q_RTHC, angles_RTE), rotate(k_RTKC, angles_RTE)
        sources, kept = remember(k_RTKC, v_RTKC)
        read_RTD = self.attention(q_RTHC, sources, self_key)
        x_RTD = x_RTD + kernels.dropout(read_RTD, self.dropout_rate, drop_keys[0])
        if cross is not None:
            h_RTD = self._norm(x_RTD, self.cross_attention_norm)
            q_RTHC = self.cross_attention.queries(h_RTD, cross_keys[0])
            source = cross(self.cross_attention, cross_keys[1])
            read_RTD = self.cross_attention(q_RTHC, (source,), cross_keys[2])
            x_RTD = x_RTD + kernels.dropout(read_RTD, self.dropout_rate, drop_keys[1])
        out_RTD = self.mlp(self._norm(x_RTD, self.mlp_norm), mlp_key)
        adapter = self.adapter.get_value()
        if adapter is not None:
            out_RTD = adapter(out_RTD)
        return x_RTD + kernels.dropout(out_RTD, self.dropout_rate, drop_keys[2]), kept

    def _norm(self, x: jax.Array, scale: nnx.Param[Any]) -> jax.Array:
        return kernels.rms_norm(x, scale.get_value(), self.norm_eps)


def run_stack(
    stack: layers.Stack,
    layer_params: Params,
    x_BTD: jax.Array,
    mask_BTT: jax.Array,
    *,
    bias_1HTT: jax.Array | None = None,
    angles_BTE: jax.Array | None = None,
    cross: Cross | None = None,
    key: Key | None = None,
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Runs whole rows through a stack.

    Returns:
      The last block's output, and the keys and values of every layer,
      [L, B, T, K, C] each. They cost nothing where nobody reads them.
    """

    def remember(k: jax.Array, v: jax.Array) -> tuple[Sequence[KeyValues], Any]:
        return (KeyValues(k, v, mask_BTT, bias_1HTT),), (k, v)

    def body(block: Block, x: jax.Array, layer_key: Key | None) -> tuple[jax.Array, Any]:
        return block(x, remember, cross=cross, angles_RTE=angles_BTE, key=layer_key)

    layer_keys = None if key is None else jax.random.split(key, stack.num_layers)
    return stack.run(body, x_BTD, layer_params, layer_keys)


def empty_cache(k: jax.Array, v: jax.Array, mask_BS: jax.Array, start_B: jax.Array) -> Cache:
    """Returns the cache of a prompt that nothing follows yet."""
    none = k[:, :, :0]
    return Cache(k, v, mask_BS, none, none, start_B, jnp.zeros((), jnp.int32))


def new_rows(cache: Cache, tokens_RT: jax.Array) -> jax.Array:
    """Returns the rows of the cache that new tokens fill, int32 [T].

    Raises:
      ValueError: The cache has no room for these rows and tokens.
    """
    room, num_slots = cache.k.shape[1:3]
    num_rows, num_new = tokens_RT.shape
    if num_rows != room or num_new > num_slots:
        raise ValueError(
            f"tokens must fit the cache's {room} rows of {num_slots}, got {num_rows} rows of "
            f"{num_new}; make room with decode.reserve."
        )
    return cache.length + jnp.arange(num_new, dtype=jnp.int32)


def extend_stack(
    stack: layers.Stack,
    layer_params: Params,
    cache: Cache,
    x_RTD: jax.Array,
    *,
    is_cross: bool,
    bias_1HTU: jax.Array | None = None,
    angles_RTE: jax.Array | None = None,
) -> tuple[jax.Array, Cache]:
    """Runs new tokens through a stack, reading and growing the cache.

    Args:
      stack: The blocks.
      layer_params: Their parameters.
      cache: With room for the new tokens.
      x_RTD: Embeddings of the new tokens.
      is_cross: Whether the prompt is read by cross-attention; else by
        self-attention, in one softmax with the continuation.
      bias_1HTU: Bias of the continuation's logits.
      angles_RTE: Rotary angles of the new tokens.
    """
    (num_rows, num_new), num_slots = x_RTD.shape[:2], cache.k.shape[2]
    rows_T = cache.length + jnp.arange(num_new)
    own_mask_1TU = (jnp.arange(num_slots) <= rows_T[:, None])[None]
    num_per_prompt = num_rows // cache.prompt_mask.shape[0]
    prompt_mask_R1S = jnp.repeat(cache.prompt_mask, num_per_prompt, axis=0)[:, None]

    def body(block: Block, carry: Any, layer: Any) -> tuple[Any, None]:
        x, all_k, all_v = carry
        index, prompt_k, prompt_v = layer
        prompt = KeyValues(prompt_k, prompt_v, prompt_mask_R1S)

        def remember(k: jax.Array, v: jax.Array) -> tuple[Sequence[KeyValues], Any]:
            place = (index, 0, cache.length, 0, 0)
            new_k = jax.lax.dynamic_update_slice(all_k, k[None], place)
            new_v = jax.lax.dynamic_update_slice(all_v, v[None], place)
            own = KeyValues(new_k[index], new_v[index], own_mask_1TU, bias_1HTU)
            return ((own,) if is_cross else (prompt, own)), (new_k, new_v)

        x, (all_k, all_v) = block(
            x,
            remember,
            cross=(lambda attention, key: prompt) if is_cross else None,
            angles_RTE=angles_RTE,
        )
        return (x, all_k, all_v), None

    xs = (jnp.arange(stack.num_layers), cache.prompt_k, cache.prompt_v)
    (x_RTD, k, v), _ = stack.run(body, (x_RTD, cache.k, cache.v), layer_params, xs)
    return x_RTD, cache._replace(k=k, v=v, length=cache.length + num_new)
