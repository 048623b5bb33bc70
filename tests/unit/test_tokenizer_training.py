"""A SentencePiece model of our own: what it learns from, and what it gives back."""

from __future__ import annotations

import pathlib

import pytest

from flanjax.data import sentencepiece_tokenizer
from flanjax.data.sentencepiece_tokenizer import SentencePieceTokenizer, train_sentencepiece

WORDS = ["the cat sat on the mat", "a dog ran to the cat", "on the mat sat a dog"] * 30


def trained(path: pathlib.Path, texts: list[str]) -> SentencePieceTokenizer:
    train_sentencepiece(texts, path, vocab_size=320)
    return SentencePieceTokenizer(path.read_bytes())


@pytest.mark.parametrize(
    "text", ["def f():\n    return 1\n\n  x", "a  b", " lead", "trail ", "\n", "Où est-il ?\t42"]
)
def test_a_text_comes_back_with_all_its_spaces(tmp_path, text):
    tokenizer = trained(tmp_path / "model", WORDS)
    assert tokenizer.decode(tokenizer.encode_batch([text])[0].tolist()) == text


def test_a_line_longer_than_sentencepiece_reads_is_learnt_from(tmp_path):
    long = " ".join(["zebra quokka"] * 1000)
    tokenizer = trained(tmp_path / "model", [*WORDS, long, long])
    sizes = [ids.size for ids in tokenizer.encode_batch(["zebra", "quokka"])]
    assert sizes == [1, 1]
    alone = trained(tmp_path / "alone", [long, "ab" * 9000])  # all lines are, one has no space
    assert alone.encode_batch(["zebra"])[0].size == 1


def test_long_lines_are_cut_at_spaces_and_whole():
    lines = ["short", " ".join(["zebra"] * 5000), "é" * 5000, "", "x " * 3000]
    parts = list(sentencepiece_tokenizer._sentences(["\n".join(lines)]))
    assert parts[0] == "short"
    assert "".join(parts) == "".join(lines)
    assert all(len(part.encode()) <= 4192 for part in parts)
    assert all(part.startswith((" zebra", "zebra")) for part in parts if "zebra" in part)
