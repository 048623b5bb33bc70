"""Beam search: the answers of the highest score that a bounded search finds."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from flanjax.models.api import Cache, Model
from flanjax.models.decode import Begun
from flanjax.models.stops import Ends


class Beams(NamedTuple):
    """The state of a search, with room for K beams a prompt.

    Attributes:
      step: int32 [], the column that is written next.
      token: int32 [R], what each alive beam reads next; R = B K.
      alive_tokens: int32 [B, K, T], beams that go on, the likeliest first.
      alive_logp: float32 [B, K]; minus infinity where there is none.
      ended_tokens: int32 [B, K, T], the best that have ended, 0 after it.
      ended_scores: float32 [B, K]; minus infinity where there is none.
      cache: What the alive beams have read.
    """

    step: jax.Array
    token: jax.Array
    alive_tokens: jax.Array
    alive_logp: jax.Array
    ended_tokens: jax.Array
    ended_scores: jax.Array
    cache: Cache


def length_penalty(length: jax.Array | int, alpha: float) -> jax.Array:
    """Returns ((5 + length) / 6) ** alpha, which log p is divided by.

    The length counts written tokens, the end included.

    Source: Wu et al. 2016, equation 14, without its coverage.
    """
    return ((5.0 + jnp.asarray(length, jnp.float32)) / 6.0) ** alpha


def search(
    model: Model,
    begun: Begun,
    *,
    num_beams: int,
    alpha: float,
    ends: Ends,
    max_length: int,
) -> tuple[jax.Array, jax.Array]:
    """Returns the best answers, tokens [B, K, T] and scores [B, K], best first.

    An answer's score is log p / length_penalty. At each step every alive beam
    is extended by every token; those that end compete with the K best that
    have ended, and the K likeliest of the others live on. A prompt is done
    when none of its alive beams could still beat the last of K that have
    ended; the search stops when all prompts are.

    Where fewer than K have ended by `max_length`, the likeliest that have not
    follow those that have, however low these score.

    Source: Wu et al. 2016, section 7, as Mesh TensorFlow and T5X search. They
    return the beams that have not ended only where none has, and their log p
    undivided.

    Args:
      model: The model.
      begun: What `begin` returned, with K rows for each prompt.
      num_beams: K.
      alpha: The exponent of the length penalty, not negative; 0 for none.
      ends: What ends an answer.
      max_length: T, tokens written at most.
    """
    num_prompts = begun.token.shape[0] // num_beams
    last_penalty = length_penalty(max_length, alpha)

    def is_unfinished(now: Beams) -> jax.Array:
        # log p only falls, so nothing alive can score more than this.
        best_B = jnp.max(now.alive_logp, axis=1) / last_penalty
        worst_B = jnp.min(now.ended_scores, axis=1)
        return (now.step < max_length) & jnp.any(worst_B < best_B)

    def advance(now: Beams) -> Beams:
        hidden_R1D, cache = model.extend(begun.params, now.cache, now.token[:, None])
        logits_RV = model.unembed(begun.params, hidden_R1D[:, 0])
        logp_BKV = jax.nn.log_softmax(logits_RV).reshape(num_prompts, num_beams, -1)
        return _next_beams(now, _candidates(now, logp_BKV, ends), cache, alpha)

    empty_BKT = jnp.zeros((num_prompts, num_beams, max_length), jnp.int32)
    none_BK = jnp.full((num_prompts, num_beams), -jnp.inf)
    start = Beams(
        step=jnp.zeros((), jnp.int32),
        token=begun.token,
        alive_tokens=empty_BKT,
        alive_logp=none_BK.at[:, 0].set(0.0),  # the others would only repeat the first
        ended_tokens=empty_BKT,
        ended_scores=none_BK,
        cache=begun.cache,
    )
    return _best(jax.lax.while_loop(is_unfinished, advance, start), last_penalty)


class _Candidates(NamedTuple):
    """Alive beams with one more token, the likeliest first, C a prompt.

    Attributes:
      tokens: int32 [B, C, T].
      logp: float32 [B, C].
      is_end: bool [B, C], whether the new token ends it.
      beam: int32 [B, C], the alive beam that it extends.
    """

    tokens: jax.Array
    logp: jax.Array
    is_end: jax.Array
    beam: jax.Array


def _candidates(now: Beams, logp_BKV: jax.Array, ends: Ends) -> _Candidates:
    """Returns so many candidates that K of them do not end, whatever the others do."""
    num_prompts, num_beams, num_tokens = logp_BKV.shape
    num_endings = len({ends.eos_id, *(ids[-1] for ids in ends.stops)})  # of each beam, at most
    num_kept = min(num_beams * (1 + num_endings), num_beams * num_tokens)
    total_BKV = now.alive_logp[..., None] + logp_BKV
    logp_BC, place_BC = jax.lax.top_k(total_BKV.reshape(num_prompts, -1), num_kept)
    beam_BC, token_BC = place_BC // num_tokens, place_BC % num_tokens
    tokens_BCT = _take(now.alive_tokens, beam_BC).at[:, :, now.step].set(token_BC)
    is_end_BC = ends.reached(tokens_BCT, now.step + 1)
    return _Candidates(tokens_BCT, logp_BC, is_end_BC, beam_BC)


def _next_beams(now: Beams, found: _Candidates, cache: Cache, alpha: float) -> Beams:
    num_beams = now.alive_logp.shape[1]
    alive_logp_BC = jnp.where(found.is_end, -jnp.inf, found.logp)
    alive_logp_BK, alive_BK = jax.lax.top_k(alive_logp_BC, num_beams)
    alive_tokens_BKT = _take(found.tokens, alive_BK)
    beam_BK = jnp.take_along_axis(found.beam, alive_BK, axis=1)

    # Of equals the earlier stays, so what can no longer be beaten does not change either.
    scores_BC = found.logp / length_penalty(now.step + 1, alpha)
    scores_BC = jnp.where(found.is_end, scores_BC, -jnp.inf)
    scores_BE = jnp.concatenate([now.ended_scores, scores_BC], axis=1)
    tokens_BET = jnp.concatenate([now.ended_tokens, found.tokens], axis=1)
    ended_scores_BK, ended_BK = jax.lax.top_k(scores_BE, num_beams)
    return Beams(
        step=now.step + 1,
        token=alive_tokens_BKT[:, :, now.step].reshape(-1),
        alive_tokens=alive_tokens_BKT,
        alive_logp=alive_logp_BK,
        ended_tokens=_take(tokens_BET, ended_BK),
        ended_scores=ended_scores_BK,
        cache=reorder(cache, beam_BK),
    )


def reorder(cache: Cache, beam_BK: jax.Array) -> Cache:
    """Returns the cache with each prompt's beams in another order, or repeated.

    What was read of the prompts is shared by all beams of a prompt and stays.
    """
    axis = 0 if isinstance(cache.k, tuple) else 1
    take_K = jax.vmap(functools.partial(jnp.take, axis=axis), (axis, 0), axis)

    def take(x: jax.Array) -> jax.Array:
        # Taken from within each prompt's rows, so that rows stay where they are on a mesh.
        apart = (*x.shape[:axis], *beam_BK.shape, *x.shape[axis + 1 :])
        return take_K(x.reshape(apart), beam_BK).reshape(x.shape)

    k, v = jax.tree.map(take, (cache.k, cache.v))
    return cache._replace(k=k, v=v)


def _take(array_BKT: jax.Array, places_BC: jax.Array) -> jax.Array:
    return jnp.take_along_axis(array_BKT, places_BC[..., None], axis=1)


def _best(last: Beams, last_penalty: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns what has ended, and after it what has not where there is room."""
    scores_BE = jnp.concatenate([last.ended_scores, last.alive_logp / last_penalty], axis=1)
    tokens_BET = jnp.concatenate([last.ended_tokens, last.alive_tokens], axis=1)
    is_alive_BE = jnp.arange(scores_BE.shape[1]) >= last.ended_scores.shape[1]
    is_last_BE = is_alive_BE | jnp.isneginf(scores_BE)
    order_BE = jnp.lexsort((-scores_BE, is_last_BE), axis=1)
    best_BK = order_BE[:, : last.ended_scores.shape[1]]
    return _take(tokens_BET, best_BK), jnp.take_along_axis(scores_BE, best_BK, axis=1)
