"""Text to ids: bytes, a SentencePiece model, or a tokenizer.json."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, Protocol

import numpy as np
import sentencepiece

from flanjax.data.batch import PAD_ID
from flanjax.data.hf_tokenizer import TOKENIZER_FILE, HfTokenizer

CONFIG_FILE = "flanjax_tokenizer.json"
MODEL_FILE = "spiece.model"
_NUM_SPECIAL = 3  # pad, end of sequence, unknown: T5's first three ids
_NUM_BYTES = 256
_MAX_SENTENCE_BYTES = 4192
"""SentencePiece's own bound of what it learns from."""


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
        return _sentinel(index, self.num_sentinels, self.vocab_size)

    def save(self, directory: str | os.PathLike[str]) -> None:
        _write_config(directory, "bytes", self.num_sentinels)


class SentencePieceTokenizer:
    """A SentencePiece model with T5's sentinels after its own pieces.

    T5 numbers sentinels from the end: <extra_id_0> is the last id.
    """

    end_ids: tuple[int, ...] = ()

    def __init__(
        self, model: bytes, *, extra_ids: int = 100, has_bos: bool = False, name: str = "model"
    ):
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"tokenizer file must be a SentencePiece model, got {name} ({error}); "
                "check the path."
            ) from None
        self.num_sentinels = extra_ids
        self.num_pieces = int(self._processor.GetPieceSize())
        self.vocab_size = self.num_pieces + extra_ids
        self.eos_id = int(self._processor.eos_id())
        if self.eos_id < 0:
            raise ValueError(
                f"tokenizer {name} must have an end-of-sequence id, got none; "
                "train it with `flanjax tokenizer train`."
            )
        bos_id = int(self._processor.bos_id())
        if has_bos and bos_id < 0:
            raise ValueError(
                f"tokenizer {name} must have a beginning-of-sequence id for has_bos, got none; "
                "set TokenizerConfig.has_bos to False."
            )
        self.bos_id = bos_id if has_bos else None

    @property
    def fingerprint(self) -> str:
        return f"sentencepiece-{hashlib.sha256(self._model).hexdigest()[:16]}-{self.num_sentinels}"

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        return [np.asarray(ids, np.int32) for ids in self._encode(texts)]

    def encode_flat(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        encoded = self._encode(texts)
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        every = itertools.chain.from_iterable(encoded)
        return np.fromiter(every, np.int32, int(lengths.sum())), lengths

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        # One thread: making Python lists takes most of the time, so processes scale.
        return self._processor.Encode(list(texts), out_type=int, num_threads=1)

    def decode(self, ids: Sequence[int]) -> str:
        known = [int(i) for i in ids if self.eos_id != i != PAD_ID and 0 <= i < self.num_pieces]
        return str(self._processor.DecodeIds(known))

    def special_id(self, text: str) -> int | None:
        return None  # a text never becomes one: "</s>" is read as its letters

    def sentinel(self, index: int) -> int:
        return _sentinel(index, self.num_sentinels, self.vocab_size)

    def save(self, directory: str | os.PathLike[str]) -> None:
        has_bos = self.bos_id is not None
        _write_config(directory, "sentencepiece", self.num_sentinels, has_bos=has_bos)
        _write(pathlib.Path(directory) / MODEL_FILE, self._model)


def train_sentencepiece(
    texts: Iterable[str], path: str | os.PathLike[str], *, vocab_size: int, seed: int = 0
) -> int:
    """Trains a SentencePiece unigram model with T5's special ids.

    Bytes stand in for characters the model has not seen, and spaces stay as
    they are, so no text is lost.

    Args:
      texts: What to learn from; newlines are kept as text.
      path: The .model file to write.
      vocab_size: Pieces wanted; fewer come out where the text has fewer.
      seed: Draws the sentences where there are more than a million.

    Returns:
      The number of pieces.
    """
    sentencepiece.set_random_generator_seed(seed)
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_sentences(texts),
            model_writer=model,
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            pad_id=PAD_ID,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            byte_fallback=True,
            user_defined_symbols=["\n"],
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            input_sentence_size=1_000_000,
            shuffle_input_sentence=True,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ValueError(
            f"vocab_size must fit the text, got {vocab_size} ({error}); choose another size."
        ) from None
    _write(pathlib.Path(path), model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return int(processor.GetPieceSize())


def _sentences(texts: Iterable[str]) -> Iterator[str]:
    """Yields lines, long ones in parts: SentencePiece leaves out what is longer."""
    for text in texts:
        for line in text.split("\n"):
            yield from (part for part in _parts(line) if part.strip())


def _parts(line: str) -> Iterator[str]:
    """Yields a line, cut before spaces where there are any."""
    if len(line.encode("utf-8", "replace")) <= _MAX_SENTENCE_BYTES:
        yield line
        return
    start, most = 0, _MAX_SENTENCE_BYTES // 4  # no character has more bytes
    while start < len(line):
        end = len(line)
        if end - start > most:
            space = line.rfind(" ", start + 1, start + most)
            end = start + most if space < 0 else space
        yield line[start:end]
        start = end


def _sentinel(index: int, extra_ids: int, vocab_size: int) -> int:
    if not 0 <= index < extra_ids:
        raise ValueError(
            f"sentinel must be below the tokenizer's extra_ids {extra_ids}, got {index}; "
            "raise extra_ids or noise fewer spans."
        )
    return vocab_size - 1 - index


def _write_config(
    directory: str | os.PathLike[str], kind: str, extra_ids: int, *, has_bos: bool = False
) -> None:
    folder = pathlib.Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    about = {"kind": kind, "extra_ids": extra_ids} | ({"has_bos": True} if has_bos else {})
    text = json.dumps(about) + "\n"
    _write(folder / CONFIG_FILE, text.encode("utf-8"))


def _write(path: pathlib.Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".partial")
    aside.write_bytes(content)
    os.replace(aside, path)
