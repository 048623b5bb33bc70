"""Text to ids: bytes, a SentencePiece model, or a tokenizer.json."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from flanjax.data.hf_tokenizer import TOKENIZER_FILE, HfTokenizer
from flanjax.data.sentencepiece_tokenizer import (
    MODEL_FILE,
    SentencePieceTokenizer,
    sentinel_from_end,
)
from flanjax.data.tokenizer_files import CONFIG_FILE, own_config, save_files

_NUM_SPECIAL = 3  # pad, end of sequence, unknown: T5's first three ids
_NUM_BYTES = 256


class Tokenizer(Protocol):
    """What the house asks of a tokenizer. Id 0 is padding everywhere."""

    @property
    def vocab_size(self) -> int:
        """The number of ids, sentinels included."""
        ...

    @property
    def eos_id(self) -> int:
        """Ends a sequence; separates prompt and target in causal rows."""
        ...

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Ids that end an answer besides, as the end of a turn does for a model of chats."""
        ...

    @property
    def bos_id(self) -> int | None:
        """Begins every prompt; None where nothing does."""
        ...

    @property
    def num_sentinels(self) -> int:
        """The number of span-corruption sentinels."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash that differs whenever any text would be encoded otherwise.

        What a prompt begins with is no part of it: ids mean the same.
        """
        ...

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Returns int32 ids of each text, without `bos_id` or any end marker."""
        ...

    def encode_flat(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the same ids end to end, int32, and the length of each text, int64."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of ids; special ids are left out."""
        ...

    def special_id(self, text: str) -> int | None:
        """Returns the id of a text that stands for a special token; None for any other."""
        ...

    def sentinel(self, index: int) -> int:
        """Returns the id of span-corruption sentinel `index`, from 0."""
        ...

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes the files that `load_tokenizer` reads."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """Which tokenizer a run uses.

    Attributes:
      kind: "bytes" needs no file; "sentencepiece" and "huggingface" read
        `path`.
      path: A SentencePiece .model file, or a tokenizer.json with its
        tokenizer_config.json beside it.
      extra_ids: Sentinels for span corruption, the last ids of the
        vocabulary; T5 has 100, ByT5 125. A tokenizer.json has its own.
      has_bos: Whether every prompt begins with the tokenizer's
        beginning-of-sequence id, as in the pretraining of Llama, Mistral and
        Gemma.
    """

    kind: Literal["bytes", "sentencepiece", "huggingface"] = "bytes"
    path: str | None = None
    extra_ids: int = 100
    has_bos: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("bytes", "sentencepiece", "huggingface"):
            raise ValueError(
                "tokenizer kind must be 'bytes', 'sentencepiece' or 'huggingface', got "
                f"{self.kind!r}; choose one."
            )
        if (self.kind != "bytes") != (self.path is not None):
            raise ValueError(
                f"tokenizer path must be given for all kinds but 'bytes', got kind {self.kind!r} "
                f"with path {self.path!r}; set both or neither."
            )
        if self.extra_ids < 0:
            raise ValueError(
                f"tokenizer extra_ids must not be negative, got {self.extra_ids}; T5 has 100."
            )
        if self.has_bos and self.kind == "bytes":
            raise ValueError(
                "tokenizer has_bos must be False for kind 'bytes', got True; bytes have no such id."
            )


def make_tokenizer(config: TokenizerConfig) -> Tokenizer:
    """Returns the tokenizer of a config.

    Raises:
      ValueError: The model file is missing, not a SentencePiece model, or has
        no id to begin a prompt with.
    """
    if config.kind == "bytes":
        return ByteTokenizer(extra_ids=config.extra_ids)
    path = pathlib.Path(config.path or "")
    if not path.is_file():
        raise ValueError(f"tokenizer path must be a file, got {path}; check the path.")
    if config.kind == "huggingface":
        return HfTokenizer.from_file(path, has_bos=config.has_bos)
    return SentencePieceTokenizer(
        path.read_bytes(), extra_ids=config.extra_ids, has_bos=config.has_bos, name=str(path)
    )


def encode_prompts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[np.ndarray]:
    """Returns int32 ids of each prompt, after `bos_id` where there is one."""
    encoded = tokenizer.encode_batch(texts)
    if tokenizer.bos_id is None:
        return encoded
    return [np.insert(ids, 0, tokenizer.bos_id) for ids in encoded]


def load_tokenizer(directory: str | os.PathLike[str]) -> Tokenizer:
    """Returns the tokenizer that `save` wrote into a directory.

    Raises:
      ValueError: The directory holds no tokenizer.
    """
    return make_tokenizer(saved_config(directory))


def saved_config(directory: str | os.PathLike[str]) -> TokenizerConfig:
    """Returns the config of the tokenizer that `save` wrote into a directory.

    Raises:
      ValueError: The directory holds no tokenizer.
    """
    folder = pathlib.Path(directory)
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise ValueError(
            f"tokenizer directory must hold {CONFIG_FILE}, got {folder}; check the path."
        )
    try:
        config = json.loads(file.read_text("utf-8"))
        kind, extra_ids = config["kind"], config["extra_ids"]
        has_bos = bool(config.get("has_bos", False))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{file} must give kind and extra_ids as JSON, got {error!r}; restore the file."
        ) from None
    files = {"sentencepiece": MODEL_FILE, "huggingface": TOKENIZER_FILE}
    path = str(folder / files[kind]) if kind in files else None
    return TokenizerConfig(kind=kind, path=path, extra_ids=extra_ids, has_bos=has_bos)


class ByteTokenizer:
    """UTF-8 bytes; byte b has id b + 3 (ByT5, section 3.1)."""

    eos_id = 1
    end_ids: tuple[int, ...] = ()
    bos_id: int | None = None

    def __init__(self, *, extra_ids: int = 125):
        self.num_sentinels = extra_ids
        self.vocab_size = _NUM_SPECIAL + _NUM_BYTES + extra_ids

    @property
    def fingerprint(self) -> str:
        return f"bytes-{self.num_sentinels}"

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [
            np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int32) + _NUM_SPECIAL
            for text in texts
        ]

    def encode_flat(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        encoded = [text.encode("utf-8") for text in texts]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        values = np.frombuffer(b"".join(encoded), np.uint8).astype(np.int32) + _NUM_SPECIAL
        return values, lengths

    def decode(self, ids: Sequence[int]) -> str:
        values = (int(i) - _NUM_SPECIAL for i in ids)
        return bytes(v for v in values if 0 <= v < _NUM_BYTES).decode("utf-8", "replace")

    def special_id(self, text: str) -> int | None:
        return None

    def sentinel(self, index: int) -> int:
        return sentinel_from_end(index, self.num_sentinels, self.vocab_size)

    def save(self, directory: str | os.PathLike[str]) -> None:
        save_files(directory, {CONFIG_FILE: own_config("bytes", self.num_sentinels)})
