"""Generation and option scores from a prompt that is read once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from flanjax.base import Params
from flanjax.data.batch import EncoderInput
from flanjax.losses.tokens import target_logps
from flanjax.models.api import Cache, Model
from flanjax.models.layers import cast_weights
from flanjax.models.stops import Ends
from flanjax.models.unrolled import unroll_cache, unroll_params

Lay: TypeAlias = Callable[[Cache], Cache]
"""Lays a cache over devices, as `unrolled.lay_cache` does on a mesh."""

Choose: TypeAlias = Callable[[jax.Array, jax.Array], jax.Array]
"""(logits_RV, step) -> the next token of each row, int32 [R]."""


def as_it_lies(cache: Cache) -> Cache:
    """Leaves a cache where the compiler puts it."""
    return cache


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


class Begun(NamedTuple):
    """A prompt that has been read, ready for the first step.

    Attributes:
      params: The model's parameters, in the compute type.
      cache: The prompt, with room for its continuations.
      token: int32 [R], what is read first.
    """

    params: Params
    cache: Cache
    token: jax.Array


def begin(
    model: Model,
    params: Params,
    inputs: EncoderInput,
    *,
    num_rows_per_prompt: int,
    start_id: int | jax.Array,
    max_length: int,
    lay_cache: Lay = as_it_lies,
    is_unrolled: bool = True,
) -> Begun:
    """Reads prompts once and makes room for what follows them.

    Args:
      model: The model.
      params: Its parameters.
      inputs: Prompts, one segment a row.
      num_rows_per_prompt: N, the continuations of each; R = B N rows.
      start_id: What is read before the first token that is written; its own
        for each prompt where that is an array [B].
      max_length: Tokens that a continuation may have.
      lay_cache: Lays the cache over devices.
      is_unrolled: Whether steps run through arrays of each layer's own, which
        takes a second copy of the layers and saves cutting each step's out of
        stacks; the tokens are the same.

    Raises:
      ValueError: The length is not positive.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be positive, got {max_length}; write a token or more.")
    num_prompts = inputs.tokens.shape[0]
    params = cast_weights(params, model.config.dtype)
    cache = model.prefill(params, inputs)
    cache = reserve(cache, num_rows_per_prompt=num_rows_per_prompt, length=max_length)
    if is_unrolled:
        params, cache = unroll_params(params), unroll_cache(cache)
    start_B = jnp.broadcast_to(jnp.asarray(start_id, jnp.int32), num_prompts)
    return Begun(params, lay_cache(cache), jnp.repeat(start_B, num_rows_per_prompt))


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
    begun = begin(
        model, params, inputs, num_rows_per_prompt=1, start_id=start_id, max_length=max_length
    )
    return write(model, begun, likeliest, ends=Ends(eos_id), max_length=max_length).tokens


def likeliest(logits_RV: jax.Array, step: jax.Array) -> jax.Array:
    """Returns the id of the highest logit, the lowest among equals."""
    return jnp.argmax(logits_RV, axis=-1)


class Progress(NamedTuple):
    """The state of generation.

    Attributes:
      step: int32 [], the column that is written next.
      token: int32 [R], what is read next.
      is_done: bool [R], rows that have ended.
      tokens: int32 [R, max_length], what has been written.
      scores: float32 [R], log p of it; None where nobody asked.
      cache: Everything that has been read.
    """

    step: jax.Array
    token: jax.Array
    is_done: jax.Array
    tokens: jax.Array
    scores: Any
    cache: Cache


def write(
    model: Model,
    begun: Begun,
    choose: Choose,
    *,
    ends: Ends,
    max_length: int,
    has_scores: bool = False,
) -> Progress:
    """Writes a token a row and step, until every row has ended.

    A row ends with the end id, or with the last id of a stop sequence, which
    both stay in its tokens, and is 0 from there on. No row's tokens depend on
    other rows, if `choose` does not make them.

    Args:
      model: The model.
      begun: What `begin` returned.
      choose: Which token comes next.
      ends: What ends a row.
      max_length: Tokens written at most.
      has_scores: Whether log p of what is written is summed, end included.
        It is the model's own: untempered, over the whole vocabulary.
    """
    num_rows = begun.token.shape[0]

    def is_unfinished(now: Progress) -> jax.Array:
        return (now.step < max_length) & ~jnp.all(now.is_done)

    def advance(now: Progress) -> Progress:
        hidden_R1D, cache = model.extend(begun.params, now.cache, now.token[:, None])
        logits_RV = model.unembed(begun.params, hidden_R1D[:, 0])
        chosen_R = choose(logits_RV, now.step).astype(jnp.int32)
        token_R = jnp.where(now.is_done, 0, chosen_R)
        tokens_RT = now.tokens.at[:, now.step].set(token_R)
        scores_R = now.scores
        if scores_R is not None:
            scores_R += jnp.where(now.is_done, 0.0, target_logps(logits_RV, chosen_R))
        return Progress(
            step=now.step + 1,
            token=token_R,
            is_done=now.is_done | ends.reached(tokens_RT, now.step + 1),
            tokens=tokens_RT,
            scores=scores_R,
            cache=cache,
        )

    start = Progress(
        step=jnp.zeros((), jnp.int32),
        token=begun.token,
        is_done=jnp.zeros(num_rows, bool),
        tokens=jnp.zeros((num_rows, max_length), jnp.int32),
        scores=jnp.zeros(num_rows, jnp.float32) if has_scores else None,
        cache=begun.cache,
    )
    return jax.lax.while_loop(is_unfinished, advance, start)


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
