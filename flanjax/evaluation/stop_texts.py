"""Texts that end an answer, as ids to stop at and as cuts of what came out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from flanjax.data.tokenize import Tokenizer

_BEFORE = ("", "a", "a ", ".", "\n")
"""What may come before a stop text: tokenizers cut it otherwise at a text's start, within a word,
after a space, after a sign and at the start of a line."""


def stop_ids(texts: Sequence[str], tokenizer: Tokenizer) -> tuple[tuple[int, ...], ...]:
    """Returns sequences of ids that write the texts, each of them surely.

    The ids of a text depend on what stands before and after it: " end" may be
    one id, "end" two, and a line break may be written together with the full
    stop before it. So no list of ids is all that may write a text, and an
    answer may run on past one; what these ids do is save that time where they
    can. `cut_at` decides what the answer is. A special token is one id, and
    an answer never runs past it.

    Raises:
      ValueError: A text is empty, or does not come back from the tokenizer.
    """
    found: dict[tuple[int, ...], None] = {}
    for text in texts:
        if not text:
            raise ValueError("a stop text must not be empty, got ''; leave it out.")
        special = tokenizer.special_id(text)
        cuts = _cuts(text, tokenizer) if special is None else [(special,)]
        if not cuts:
            back = tokenizer.decode(tokenizer.encode_batch([text])[0].tolist())
            raise ValueError(
                f"a stop text must be one that the tokenizer can write, got {text!r}, which comes "
                f"back as {back!r}; choose another."
            )
        found |= dict.fromkeys(cuts)
    return tuple(found)


def _cuts(text: str, tokenizer: Tokenizer) -> list[tuple[int, ...]]:
    """Returns the ids of a text after some others; all that give it back."""
    alone = tokenizer.encode_batch(_BEFORE)
    joined = tokenizer.encode_batch([before + text for before in _BEFORE])
    cuts = []
    for before, whole in zip(alone, joined, strict=True):
        is_apart = whole[: before.size].tolist() == before.tolist()
        ids = tuple(whole[before.size :].tolist())
        if is_apart and ids and text in tokenizer.decode(ids):
            cuts.append(ids)
    return cuts


def before_special(texts: Sequence[str], ids: Sequence[int], tokenizer: Tokenizer) -> Sequence[int]:
    """Returns the ids before the first that is one of the texts as a special token."""
    special = {tokenizer.special_id(text) for text in texts}
    return list(itertools.takewhile(lambda i: i not in special, ids)) if special else ids


def cut_at(texts: Sequence[str], answer: str) -> str:
    """Returns an answer up to the first place where one of the texts begins."""
    places = [place for text in texts if (place := answer.find(text)) >= 0]
    return answer[: min(places)] if places else answer
