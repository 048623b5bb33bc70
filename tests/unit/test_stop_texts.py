"""Stop texts: which ids write them, and where an answer is cut."""

from __future__ import annotations

import pytest

from flanjax.data import sentencepiece_tokenizer, tokenize
from flanjax.evaluation.stop_texts import before_special, cut_at, stop_ids

BYTES = tokenize.ByteTokenizer()
TEXTS = ["the end of the story.\n\n", "a bend in the end", "send the end.", "friend\n"] * 30


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    path = tmp_path_factory.mktemp("pieces") / "model"
    sentencepiece_tokenizer.train_sentencepiece(TEXTS, path, vocab_size=300)
    return sentencepiece_tokenizer.SentencePieceTokenizer(path.read_bytes())


def test_bytes_write_a_text_in_one_way():
    assert stop_ids(["\n\n", "é"], BYTES) == ((13, 13), (0xC3 + 3, 0xA9 + 3))
    assert stop_ids([], BYTES) == ()


def test_pieces_write_a_text_in_several_ways_that_all_give_it_back(pieces):
    found = stop_ids(["end"], pieces)
    at_start, in_word = (tuple(pieces.encode_batch([text])[0].tolist()) for text in ("end", "bend"))
    assert at_start in found
    assert len(found) > 1
    assert all("end" in pieces.decode(ids) for ids in found)
    # What begins a word is written by other ids within one.
    assert any(in_word[-len(ids) :] == ids for ids in found if ids != at_start)


def test_an_empty_stop_text_is_refused():
    with pytest.raises(ValueError, match="a stop text must not be empty, got ''"):
        stop_ids(["x", ""], BYTES)


def test_a_stop_text_that_the_tokenizer_cannot_write_is_refused():
    class NoLines(tokenize.ByteTokenizer):
        """Has no line break, as T5's vocabulary has none."""

        def encode_batch(self, texts):
            return super().encode_batch([text.replace("\n", "") for text in texts])

    with pytest.raises(ValueError, match=r"tokenizer can write, got '\\n', which comes back as ''"):
        stop_ids(["\n"], NoLines())


@pytest.mark.parametrize(
    ("texts", "answer", "cut"),
    [
        ((), "all of it", "all of it"),
        (("\n",), "one\ntwo\nthree", "one"),
        (("###", "Q:"), "yes Q: and ### no", "yes "),
        (("###", "Q:"), "yes ### and Q: no", "yes "),
        (("x",), "none", "none"),
        (("no",), "none", ""),
    ],
)
def test_an_answer_is_cut_where_the_first_stop_text_begins(texts, answer, cut):
    assert cut_at(texts, answer) == cut


def test_a_special_token_is_one_id_that_nothing_comes_after():
    class Chat(tokenize.ByteTokenizer):
        """Has an end of turn, as the tokenizer.json of a chat model."""

        def special_id(self, text):
            return 300 if text == "<turn>" else None

    assert stop_ids(["<turn>", "\n"], Chat()) == ((300,), (13,))
    assert before_special(["<turn>", "\n"], [13, 5, 300, 0, 7], Chat()) == [13, 5]
    assert before_special([], [13, 300], Chat()) == [13, 300]
