"""Draws of the next token: tempered, of the top k, of the top share p."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from flanjax.base import Key
from flanjax.models.decode import Choose


def keep_top_k(logits_RV: jax.Array, k: int) -> jax.Array:
    """Returns the logits with all but each row's k highest at minus infinity.

    Those equal to the k-th stay too. A k of V or more keeps all.

    Source: Fan et al. 2018, section 5.4.
    """
    k = min(k, logits_RV.shape[-1])
    least_R1 = jax.lax.top_k(logits_RV, k)[0][..., -1:]
    return jnp.where(logits_RV < least_R1, -jnp.inf, logits_RV)


def keep_top_p(logits_RV: jax.Array, p: float) -> jax.Array:
    """Returns the logits with all outside each row's nucleus at minus infinity.

    The nucleus is the fewest most likely tokens whose probabilities sum to p
    or more; those as likely as its last one stay too. It is never empty.

    Source: Holtzman et al. 2020, equation 2.

    Example: p = 0.7
      probabilities  0.1 0.5 0.3 0.1
      kept           0   1   1   0
    """
    sorted_RV = jnp.sort(logits_RV, axis=-1, descending=True)
    probs_RV = jax.nn.softmax(sorted_RV, axis=-1)
    before_RV = jnp.cumsum(probs_RV, axis=-1) - probs_RV
    is_kept_RV = (before_RV < p).at[..., 0].set(True)
    least_R1 = jnp.min(jnp.where(is_kept_RV, sorted_RV, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(logits_RV < least_R1, -jnp.inf, logits_RV)


def warp(logits_RV: jax.Array, *, temperature: float, top_k: int, top_p: float) -> jax.Array:
    """Returns the logits of what is drawn from.

    They are tempered first, then cut to the top k, and the nucleus is taken
    of what that leaves: the order of transformers.

    Args:
      logits_RV: float32.
      temperature: Divides the logits.
      top_k: Tokens that are left; 0 leaves all.
      top_p: The share of probability that is left; 1 leaves all.
    """
    logits_RV = logits_RV / temperature
    if top_k:
        logits_RV = keep_top_k(logits_RV, top_k)
    if top_p < 1:
        logits_RV = keep_top_p(logits_RV, top_p)
    return logits_RV


def row_keys(keys_B: Key, num_rows_per_prompt: int) -> Key:
    """Returns a key for each continuation, [R], of one for each prompt, [B]."""
    places_N = jnp.arange(num_rows_per_prompt)
    keys_BN = jax.vmap(lambda key: jax.vmap(lambda n: jax.random.fold_in(key, n))(places_N))(keys_B)
    return keys_BN.reshape(-1)


def drawer(keys_R: Key, *, temperature: float, top_k: int, top_p: float) -> Choose:
    """Returns what draws each row's next token by the row's own key.

    What a row draws depends on its key, its logits and the step: not on its
    neighbours, its place, or how many rows there are.
    """

    def choose(logits_RV: jax.Array, step: jax.Array) -> jax.Array:
        warped_RV = warp(logits_RV, temperature=temperature, top_k=top_k, top_p=top_p)
        step_keys_R = jax.vmap(jax.random.fold_in, (0, None))(keys_R, step)
        return jax.vmap(jax.random.categorical)(step_keys_R, warped_RV)

    return choose
