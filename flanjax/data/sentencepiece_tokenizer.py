"""A SentencePiece model: text to ids and back, and how one is trained."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import sentencepiece

from flanjax.data.batch import PAD_ID
from flanjax.data.tokenizer_files import CONFIG_FILE, own_config, save_files

MODEL_FILE = "spiece.model"
_MAX_SENTENCE_BYTES = 4192
"""SentencePiece's own bound of what it learns from."""


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
        return sentinel_from_end(index, self.num_sentinels, self.vocab_size)

    def save(self, directory: str | os.PathLike[str]) -> None:
        has_bos = self.bos_id is not None
        about = own_config("sentencepiece", self.num_sentinels, has_bos=has_bos)
        save_files(directory, {CONFIG_FILE: about, MODEL_FILE: self._model})


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
        least = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
        if least is None:
            raise ValueError(
                f"vocab_size must fit the text, got {vocab_size} ({error}); choose another size."
            ) from None
        raise ValueError(
            f"vocab_size must be at least {least[1]} for these texts' characters, got "
            f"{vocab_size}; raise it."
        ) from None
    file = pathlib.Path(path)
    save_files(file.parent, {file.name: model.getvalue()})
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


def sentinel_from_end(index: int, extra_ids: int, vocab_size: int) -> int:
    """Returns the id of sentinel `index`; the first is the last id of all."""
    if not 0 <= index < extra_ids:
        raise ValueError(
            f"sentinel must be below the tokenizer's extra_ids {extra_ids}, got {index}; "
            "raise extra_ids or noise fewer spans."
        )
    return vocab_size - 1 - index
