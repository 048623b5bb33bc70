"""Generation and option scores from a prompt that is read once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from flanjax.base import Key, Params
from flanjax.data.batch import EncoderInput
from flanjax.losses.tokens import target_logps
from flanjax.models.api import Cache, Model
from flanjax.models.layers import cast_weights


def reserve(cache: Cache, *, num_rows_per_prompt: int, length: int) -> Cache:
    """Makes room for continuations after `prefill`.

    Args:
      cache: What `prefill` returned.
      num_rows_per_prompt: N, the continuations of each prompt.
      length: Tokens that each may hold, the start token included. Writing
        more than that is the caller's error: `extend` cannot see it under jit.
    """
    num_layers, num_prompts, _, num_kv_heads, width = cache.k.shape
    num_rows = num_prompts * num_rows_per_prompt
    empty = jnp.zeros((num_layers, num_rows, length, num_kv_heads, width), cache.k.dtype)
    return cache._replace(k=empty, v=empty, length=jnp.zeros((), jnp.int32))


def greedy(
    model: Model,
    params: Params,
    inputs: EncoderInput,
    *,
    start_id: int | jax.Array,
    eos_id: int,
    max_length: int,
) -> jax.Array:
    """Returns the most likely token at each step, int32 [B, max_length].

    A row begins with `start_id`, its own where that is an array [B]. It ends
    with its `eos_id` and is 0 from there on; a row that does not end within
    `max_length` has none. Among equals the lowest id is taken.
    """

    def choose(logits_BV: jax.Array, step: jax.Array) -> jax.Array:
        return jnp.argmax(logits_BV, axis=-1)

    return _generate(
        model, params, inputs, choose, start_id=start_id, eos_id=eos_id, max_length=max_length
    )


def sample(
    model: Model,
    params: Params,
    inputs: EncoderInput,
    *,
    key: Key,
    temperature: float,
    start_id: int,
    eos_id: int,
    max_length: int,
) -> jax.Array:
    """Returns tokens drawn from softmax(logits / temperature), as `greedy` does.

    Raises:
      ValueError: The temperature is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}; use greedy instead.")

    def choose(logits_BV: jax.Array, step: jax.Array) -> jax.Array:
        return jax.random.categorical(jax.random.fold_in(key, step), logits_BV / temperature)

    return _generate(
        model, params, inputs, choose, start_id=start_id, eos_id=eos_id, max_length=max_length
    )


class _Progress(NamedTuple):
    """The state of generation.

    Attributes:
      step: int32 [], the column that is written next.
      token: int32 [B], what is read next.
      is_done: bool [B], rows that have ended.
      tokens: int32 [B, max_length], what has been written.
      cache: Everything that has been read.
    """

    step: jax.Array
    token: jax.Array
    is_done: jax.Array
    tokens: jax.Array
    cache: Cache


def _generate(
    model: Model,
    params: Params,
    inputs: EncoderInput,
    choose: Callable[[jax.Array, jax.Array], jax.Array],
    *,
    start_id: int | jax.Array,
    eos_id: int,
    max_length: int,
) -> jax.Array:
    num_rows = inputs.tokens.shape[0]
    params = cast_weights(params, model.config.dtype)
    cache = model.prefill(params, inputs)

    def is_unfinished(now: _Progress) -> jax.Array:
        return (now.step < max_length) & ~jnp.all(now.is_done)

    def advance(now: _Progress) -> _Progress:
        hidden_B1D, cache = model.extend(params, now.cache, now.token[:, None])
        chosen_B = choose(model.unembed(params, hidden_B1D[:, 0]), now.step)
        token_B = jnp.where(now.is_done, 0, chosen_B).astype(jnp.int32)
        return _Progress(
            step=now.step + 1,
            token=token_B,
            is_done=now.is_done | (token_B == eos_id),
            tokens=now.tokens.at[:, now.step].set(token_B),
            cache=cache,
        )

    start = _Progress(
        step=jnp.zeros((), jnp.int32),
        token=jnp.broadcast_to(jnp.asarray(start_id, jnp.int32), num_rows),
        is_done=jnp.zeros(num_rows, bool),
        tokens=jnp.zeros((num_rows, max_length), jnp.int32),
        cache=reserve(cache, num_rows_per_prompt=1, length=max_length),
    )
    return jax.lax.while_loop(is_unfinished, advance, start).tokens


def score_options(
    model: Model,
    params: Params,
    inputs: EncoderInput,
    options_BNT: Any,
    option_mask_BNT: Any,
    *,
    start_id: int,
) -> jax.Array:
    """Returns log p(option | prompt), float32 [B, N].

    Each prompt is read once and all options in one step after it. The score
    is the sum over the option's tokens; an option of no tokens scores 0.

    Args:
      model: The model.
      params: Its parameters.
      inputs: Prompts, one segment a row.
      options_BNT: int32 ids, right padded, with an end id where it counts.
      option_mask_BNT: True at the tokens of an option.
      start_id: What the decoder reads before an option.
    """
    num_prompts, num_options, length = options_BNT.shape
    cache = reserve(model.prefill(params, inputs), num_rows_per_prompt=num_options, length=length)
    targets_RT = jnp.reshape(options_BNT, (-1, length))
    read_RT = jnp.concatenate([jnp.full_like(targets_RT[:, :1], start_id), targets_RT[:, :-1]], 1)
    hidden_RTD, _ = model.extend(params, cache, read_RT)
    logp_RT = target_logps(model.unembed(params, hidden_RTD), targets_RT)
    logp_BNT = logp_RT.reshape(num_prompts, num_options, length)
    return jnp.sum(jnp.where(option_mask_BNT, logp_BNT, 0.0), axis=-1)
