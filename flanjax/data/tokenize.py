"""Text to ids: bytes, a SentencePiece model, or a tokenizer.json."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import json
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

import numpy as np
import sentencepiece

from flanjax.data.batch import PAD_ID
from flanjax.data.hf_tokenizer import TOKENIZER_FILE, HfTokenizer

CONFIG_FILE = "flanjax_tokenizer.json"
MODEL_FILE = "spiece.model"
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
    def num_sentinels(self) -> int:
        """The number of span-corruption sentinels."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash that differs whenever any text would be encoded otherwise."""
        ...

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Returns int32 ids of each text, without any end marker."""
        ...

    def encode_flat(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Returns the same ids end to end, int32, and the length of each text, int64."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of ids; special ids are left out."""
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
    """

    kind: Literal["bytes", "sentencepiece", "huggingface"] = "bytes"
    path: str | None = None
    extra_ids: int = 100

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


def make_tokenizer(config: TokenizerConfig) -> Tokenizer:
    """Returns the tokenizer of a config.

    Raises:
      ValueError: The model file is missing or not a SentencePiece model.
    """
    if config.kind == "bytes":
        return ByteTokenizer(extra_ids=config.extra_ids)
    path = pathlib.Path(config.path or "")
    if not path.is_file():
        raise ValueError(f"tokenizer path must be a file, got {path}; check the path.")
    if config.kind == "huggingface":
        return HfTokenizer.from_file(path)
    return SentencePieceTokenizer(path.read_bytes(), extra_ids=config.extra_ids, name=str(path))


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
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} must give kind and extra_ids as JSON, got {error!r}; restore the file."
        ) from None
    files = {"sentencepiece": MODEL_FILE, "huggingface": TOKENIZER_FILE}
    path = str(folder / files[kind]) if kind in files else None
    return TokenizerConfig(kind=kind, path=path, extra_ids=extra_ids)


class ByteTokenizer:
    """UTF-8 bytes; byte b has id b + 3 (ByT5, section 3.1)."""

    eos_id = 1

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

    def sentinel(self, index: int) -> int:
        return _sentinel(index, self.num_sentinels, self.vocab_size)

    def save(self, directory: str | os.PathLike[str]) -> None:
        _write_config(directory, "bytes", self.num_sentinels)


class SentencePieceTokenizer:
    """A SentencePiece model with T5's sentinels after its own pieces.

    T5 numbers sentinels from the end: <extra_id_0> is the last id.
    """

    def __init__(self, model: bytes, *, extra_ids: int = 100, name: str = "model"):
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

    def sentinel(self, index: int) -> int:
        return _sentinel(index, self.num_sentinels, self.vocab_size)

    def save(self, directory: str | os.PathLike[str]) -> None:
        _write_config(directory, "sentencepiece", self.num_sentinels)
        _write(pathlib.Path(directory) / MODEL_FILE, self._model)


def train_sentencepiece(
    texts: Iterable[str], path: str | os.PathLike[str], *, vocab_size: int, seed: int = 0
) -> int:
    """Trains a SentencePiece unigram model with T5's special ids.

    Bytes stand in for characters the model has not seen, so no text is lost.

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
            sentence_iterator=(line for text in texts for line in text.split("\n") if line.strip()),
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


def _sentinel(index: int, extra_ids: int, vocab_size: int) -> int:
    if not 0 <= index < extra_ids:
        raise ValueError(
            f"sentinel must be below the tokenizer's extra_ids {extra_ids}, got {index}; "
            "raise extra_ids or noise fewer spans."
        )
    return vocab_size - 1 - index


def _write_config(directory: str | os.PathLike[str], kind: str, extra_ids: int) -> None:
    folder = pathlib.Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"kind": kind, "extra_ids": extra_ids}) + "\n"
    _write(folder / CONFIG_FILE, text.encode("utf-8"))


def _write(path: pathlib.Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".partial")
    aside.write_bytes(content)
    os.replace(aside, path)
