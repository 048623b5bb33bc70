"""A tokenizer.json of the Hugging Face tokenizers library."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tokenizers

from flanjax.data.tokenizer_files import CONFIG_FILE, own_config, save_files

TOKENIZER_FILE = "tokenizer.json"
ABOUT_FILE = "tokenizer_config.json"
GENERATION_FILE = "generation_config.json"
_TEXT = "In the beginning"
"""What a template is tried on."""


class HfTokenizer:
    """A tokenizer.json, and what tokenizer_config.json says of its special ids.

    Text is encoded without the special tokens that a template would add, and
    whole, whatever cuts or padding the file asks for.

    Args:
      content: The bytes of tokenizer.json.
      about: Those of tokenizer_config.json, which names the end token.
      has_bos: Whether prompts begin with its bos_token.
      generation: Those of generation_config.json, which may name more ids that
        end an answer; b"" for none.
      name: What messages call it.
    """

    def __init__(
        self,
        content: bytes,
        about: bytes,
        *,
        has_bos: bool = False,
        generation: bytes = b"",
        name: str = TOKENIZER_FILE,
    ):
        # Its threads do not survive the fork that makes a cache's workers.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self._content, self._about = content, about
        self._generation, self._name = generation, name
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(content)
        except Exception as error:  # the library raises Exception itself
            raise ValueError(
                f"tokenizer file must be a tokenizer.json, got {name} ({error}); check the path."
            ) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        added = self._tokenizer.get_added_tokens_decoder()
        self._special_ids = {each.content: i for i, each in added.items() if each.special}
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        self.vocab_size = max(vocabulary.values()) + 1
        self.eos_id = _special_id("eos_token", vocabulary, about, name)
        ends = _end_ids(generation, name) if generation else ()
        self.end_ids = tuple(i for i in ends if i != self.eos_id and i < self.vocab_size)
        self.bos_id = _special_id("bos_token", vocabulary, about, name) if has_bos else None
        self._sentinels = _sentinels(vocabulary)

    @classmethod
    def from_file(cls, path: pathlib.Path, *, has_bos: bool = False) -> HfTokenizer:
        """Reads a tokenizer.json and what lies beside it.

        That is tokenizer_config.json, and generation_config.json if it is there.

        Args:
          path: The former.
          has_bos: Whether prompts begin with its bos_token.

        Raises:
          ValueError: The former is missing or lacks a token, or one is damaged.
        """
        about = path.with_name(ABOUT_FILE)
        if not about.is_file():
            raise ValueError(
                f"tokenizer {path} must have {ABOUT_FILE} beside it, which names its end token, "
                "got none; copy it from the model."
            )
        generation = path.with_name(GENERATION_FILE)
        return cls(
            path.read_bytes(),
            about.read_bytes(),
            has_bos=has_bos,
            generation=generation.read_bytes() if generation.is_file() else b"",
            name=str(path),
        )

    def within(self, num_ids: int) -> tuple[HfTokenizer, tuple[str, ...]]:
        """Returns a tokenizer without the special tokens that a model has no row for.

        Gemma 3's has one for images, of which the models of text alone know nothing. Such a token
        in a text is read as its letters.

        Args:
          num_ids: The model's rows.

        Returns:
          The tokenizer, and the tokens that were left out: none where words lie beyond the rows
          too, or what begins or ends a text, for it is another model's then.
        """
        needed = {self.eos_id, self.bos_id}
        beyond = {t for t, i in self._special_ids.items() if i >= num_ids and i not in needed}
        if not beyond or self._tokenizer.get_vocab_size(with_added_tokens=False) > num_ids:
            return self, ()
        plain = json.loads(self._content)
        plain["added_tokens"] = [t for t in plain["added_tokens"] if t["content"] not in beyond]
        content = json.dumps(plain, ensure_ascii=False).encode()
        has_bos = self.bos_id is not None
        within = HfTokenizer(
            content, self._about, has_bos=has_bos, generation=self._generation, name=self._name
        )
        return (within, tuple(sorted(beyond))) if within.vocab_size <= num_ids else (self, ())

    def special_id(self, text: str) -> int | None:
        return self._special_ids.get(text)

    @property
    def num_sentinels(self) -> int:
        return len(self._sentinels)

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self._content + str(self.eos_id).encode()).hexdigest()
        return f"huggingface-{digest[:16]}"

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [np.asarray(ids, np.int32) for ids in self._encode(texts)]

    def encode_flat(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        encoded = self._encode(texts)
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        values = np.empty(int(lengths.sum()), np.int32)
        ends = np.cumsum(lengths)
        for ids, end in zip(encoded, ends, strict=True):
            values[end - len(ids) : end] = ids
        return values, lengths

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def template_begin(self) -> int | None:
        """Returns the id that the file's template puts before a text, None for none."""
        whole, bare = (
            self._tokenizer.encode(_TEXT, add_special_tokens=is_whole).ids
            for is_whole in (True, False)
        )
        return whole[0] if len(whole) > len(bare) and whole[1 : 1 + len(bare)] == bare else None

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text before the first end id; id 0 may be a word of its own."""
        ends = {self.eos_id, *self.end_ids}
        known = [int(i) for i in itertools.takewhile(lambda i: int(i) not in ends, ids)]
        return str(self._tokenizer.decode(known, skip_special_tokens=True))

    def sentinel(self, index: int) -> int:
        if not 0 <= index < len(self._sentinels):
            raise ValueError(
                f"sentinel must be below the {len(self._sentinels)} of the tokenizer, got {index}; "
                "use a T5 tokenizer or another objective."
            )
        return self._sentinels[index]

    def save(self, directory: str | os.PathLike[str]) -> None:
        contents = {
            TOKENIZER_FILE: self._content,
            ABOUT_FILE: self._about,
            CONFIG_FILE: own_config("huggingface", 0, has_bos=self.bos_id is not None),
        }
        if self.end_ids:
            ends = {"eos_token_id": [self.eos_id, *self.end_ids]}
            contents[GENERATION_FILE] = json.dumps(ends).encode() + b"\n"
        save_files(directory, contents)


def begins_prompts(path: pathlib.Path) -> bool:
    """Returns whether a tokenizer.json begins texts with its bos_token.

    Its template decides, as in transformers 5, which does not heed "add_bos_token" beside one.

    Args:
      path: The tokenizer.json; tokenizer_config.json lies beside it.

    Raises:
      ValueError: As `HfTokenizer.from_file`.
    """
    begin = HfTokenizer.from_file(path).template_begin()
    if begin is None:
        return False
    with contextlib.suppress(ValueError):  # a bos_token that is none, or not in the vocabulary
        return HfTokenizer.from_file(path, has_bos=True).bos_id == begin
    return False


def _special_id(token_name: str, vocabulary: dict[str, int], about: bytes, name: str) -> int:
    try:
        config: Any = json.loads(about)
        token = config[token_name]
        token = token["content"] if isinstance(token, dict) else token
        return vocabulary[token]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{ABOUT_FILE} of {name} must give {token_name}, a token of the vocabulary, got "
            f"{error!r:.80}; add it."
        ) from None


def _end_ids(generation: bytes, name: str) -> tuple[int, ...]:
    """Returns what generation_config.json says ends an answer: an id, or several."""
    try:
        given: Any = json.loads(generation).get("eos_token_id")
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{GENERATION_FILE} of {name} must be a JSON object, got {error}; copy it again."
        ) from None
    ends = given if isinstance(given, list) else [] if given is None else [given]
    if any(type(i) is not int or i < 0 for i in ends):
        raise ValueError(
            f"{GENERATION_FILE} of {name}: eos_token_id must be ids, got {given!r:.60}; copy it "
            "again."
        )
    return tuple(ends)


def _sentinels(vocabulary: dict[str, int]) -> list[int]:
    """Returns the ids of <extra_id_0> and so on, as many as follow one another."""
    found: list[int] = []
    while (token := f"<extra_id_{len(found)}>") in vocabulary:
        found.append(vocabulary[token])
    return found
