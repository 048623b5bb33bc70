"""What the rest of the house asks of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax

from flanjax.base import Key, Params
from flanjax.data.batch import EncoderInput, SeqBatch


class Cache(NamedTuple):
    """Keys and values of a prompt, and of what was written after it.

    One prompt row may serve several rows of continuations (options, samples):
    N = R // B of them each, in order.

    In the cache of an unrolled model (`models/unrolled.py`) keys and values
    are tuples of one array a layer, [B, K, S, C] and [R, K, T, C].

    Attributes:
      prompt_k: [L, B, S, K, C], the prompt's keys; for an encoder-decoder
        those of cross-attention.
      prompt_v: [L, B, S, K, C].
      prompt_mask: bool [B, S], True at real prompt tokens.
      k: [L, R, T, K, C], keys of the continuations; T = 0 after prefill.
      v: [L, R, T, K, C].
      start: int32 [B], position of the first continuation token.
      length: int32 [], continuation tokens written so far.
    """

    prompt_k: Any
    prompt_v: Any
    prompt_mask: Any
    k: Any
    v: Any
    start: Any
    length: Any

    @property
    def room(self) -> tuple[int, int]:
        """Rows of continuations, and the tokens that each may hold."""
        if isinstance(self.k, tuple):
            return self.k[0].shape[0], self.k[0].shape[2]
        return self.k.shape[1], self.k.shape[2]


class Model(NamedTuple):
    """A language model as pure functions over plain nested dicts.

    Attributes:
      config: The family's config.
      init: key -> params, float32.
      axes: A tree like params; each leaf is a tuple of logical axis names.
      hidden: (params, batch, *, key=None) -> hidden_BTD. With a key, dropout
        is on. The loss never needs all the logits at once.
      unembed: (params, hidden) -> float32 logits over the last axis.
      head: Name of the one parameter that `unembed` reads.
      prefill: (params, inputs: EncoderInput) -> Cache, one segment a row.
      extend: (params, cache, tokens_RT) -> (hidden_RTD, cache). The first
        token that is ever passed is the start token (`start_id`); T > 1
        scores options from a shared prompt.
      start_id: What the decoder reads before the first target: an
        encoder-decoder's start id, or the separator between prompt and
        target of a causal row. None: the tokenizer's end id.
    """

    config: Any
    init: Callable[[Key], Params]
    axes: Params
    hidden: "HiddenFn"
    unembed: Callable[[Params, Any], Any]
    head: str
    prefill: Callable[[Params, EncoderInput], Cache]
    extend: Callable[[Params, Cache, Any], tuple[Any, Cache]]
    start_id: int | None


class HiddenFn(Protocol):
    def __call__(self, params: Params, batch: SeqBatch, *, key: Key | None = None) -> jax.Array: ...


def is_axes(leaf: Any) -> bool:
    """True for a leaf of `Model.axes`: a tuple of names or None."""
    return isinstance(leaf, tuple) and all(name is None or isinstance(name, str) for name in leaf)
